"""The label attributes of a manifest line: what each says, and what is wrong with it.

An attribute is a pair of keys, X and X-metadata. Its form is checked first; what it says only when that is sound. One
that is wrong says nothing about the others of its line.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.rekognition import limits
from local.rekognition.boxes import Box
from local.rekognition.manifests import forms
from local.rekognition.manifests.failures import Finding, finding
from local.rekognition.use_case import UseCase

METADATA = "-metadata"
LABEL_TYPE = "groundtruth/image-classification"
BOX_TYPE = "groundtruth/object-detection"


@dataclass(frozen=True)
class Annotation:
    """One label of an image; with a box, in pixels, also where, and its position in the attribute's annotations."""

    attribute: str
    label: str
    box: Box | None = None
    position: int = 0

    @property
    def use_case(self) -> UseCase:
        """Return the kind of model that learns from it."""
        return UseCase.IMAGE_LEVEL_LABELS if self.box is None else UseCase.OBJECT_LOCALIZATION


Reading = tuple[Sequence[Annotation], Sequence[Finding]]


@dataclass(frozen=True)
class _Type:
    """How to check X, X-metadata and what must hold between them, and how to read a sound pair."""

    is_value: Callable[[Any], bool]
    is_metadata: Callable[[dict[str, Any]], bool]
    relation_codes: Callable[[Any, Mapping[str, Any]], Iterator[str]]
    read: Callable[[str, Any, Mapping[str, Any]], Reading]


def label_attributes(document: Mapping[str, Any]) -> list[str]:
    """Return every X of a line that has an X-metadata."""
    return [key for key in document if key != "source-ref" and key + METADATA in document]


def frame_of(value: Mapping[str, Any]) -> tuple[int, int]:
    """Return the width and height of the image that the boxes of an attribute were drawn on."""
    size = value["image_size"][0]
    return size["width"], size["height"]


def form_findings(key: str, value: Any, metadata: Any) -> Iterator[Finding]:
    """Say what is wrong with the form of an attribute; of an unsupported type nothing is known."""
    if not isinstance(metadata, dict) or not isinstance(metadata.get("type"), str):
        yield finding("ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", key + METADATA)
    elif metadata["type"] in _TYPES:
        form = _TYPES[metadata["type"]]
        sound = form.is_value(value), forms.is_common_metadata(metadata) and form.is_metadata(metadata)
        if not sound[0]:
            yield finding("ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", key)
        if not sound[1]:
            yield finding("ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", key + METADATA)
        if all(sound):
            yield from (finding(code, key + METADATA) for code in form.relation_codes(value, metadata))


def read_attribute(key: str, value: Any, metadata: Mapping[str, Any]) -> Reading:
    """Read an attribute of sound form: what of it can be used, and what is wrong with the rest."""
    if metadata["type"] not in _TYPES:
        return (), (finding("ERROR_UNSUPPORTED_USE_CASE_TYPE", key + METADATA),)
    return _TYPES[metadata["type"]].read(key, value, metadata)


def used_part(document: Mapping[str, Any], key: str, annotations: Sequence[Annotation]) -> tuple[Any, dict[str, Any]]:
    """Return X and X-metadata of a line with nothing but these annotations of it: without boxes that were dropped."""
    value, metadata = document[key], document[key + METADATA]
    positions = [annotation.position for annotation in annotations if annotation.box]
    if not positions:
        return value, metadata
    boxes = {**value, "annotations": [value["annotations"][position] for position in positions]}
    return boxes, {**metadata, "objects": [metadata["objects"][position] for position in positions]}


def _read_label(key: str, value: int, metadata: Mapping[str, Any]) -> Reading:
    label = metadata["class-name"]
    if not _is_label(label):
        return (), (finding("ERROR_INVALID_LABEL_NAME_LENGTH", key + METADATA),)
    return (Annotation(key, label),), ()


def _read_boxes(key: str, value: Mapping[str, Any], metadata: Mapping[str, Any]) -> Reading:
    entries = value["annotations"]
    labels = [metadata["class-map"][str(entry["class_id"])] for entry in entries]
    if not entries:
        return (), (finding("WARNING_NO_ATTRIBUTE_ANNOTATIONS", key),)
    if len(entries) > limits.BOXES_PER_ATTRIBUTE:
        return (), (finding("ERROR_TOO_MANY_BOUNDING_BOXES", key),)
    if not all(_is_label(label) for label in labels):
        return (), (finding("ERROR_INVALID_LABEL_NAME_LENGTH", key + METADATA),)
    codes = [_box_code(entry, *frame_of(value)) for entry in entries]
    findings = [finding(code, key, "annotations", position) for position, code in enumerate(codes) if code]
    kept = [
        Annotation(key, labels[position], Box(*(float(entry[side]) for side in forms.SIDES)), position)
        for position, entry in enumerate(entries)
        if codes[position] is None
    ]
    return kept, findings if kept else [*findings, finding("ERROR_NO_VALID_ANNOTATIONS", key)]


def _is_label(name: str) -> bool:
    return 1 <= len(name) <= limits.LABEL_CHARACTERS


def _box_code(entry: Mapping[str, Any], frame_width: int, frame_height: int) -> str | None:
    left, top, width, height = (entry[side] for side in forms.SIDES)
    if min(left, top, width, height) < 0 or width > frame_width - left or height > frame_height - top:
        return "ERROR_INVALID_BOUNDING_BOX"
    # A longest side beyond TRAINING_SIDE is shrunk to it; one pixel must be exceeded after that.
    if min(width, height) * limits.TRAINING_SIDE <= max(limits.TRAINING_SIDE, frame_width, frame_height):
        return "ERROR_BOUNDING_BOX_TOO_SMALL"
    return None


def _box_relation_codes(value: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[str]:
    entries, objects = value["annotations"], metadata["objects"]
    if len(objects) < len(entries) or any(entry.get("confidence") is None for entry in objects):
        yield "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE"
    elif len(objects) > len(entries):
        yield "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"
    if any(str(entry["class_id"]) not in metadata["class-map"] for entry in entries):
        yield "ERROR_MISSING_CLASS_MAP_ID"


_TYPES = {
    LABEL_TYPE: _Type(forms.is_integer, forms.is_label_metadata, lambda value, metadata: iter(()), _read_label),
    BOX_TYPE: _Type(forms.is_box_value, forms.is_box_metadata, _box_relation_codes, _read_boxes),
}
