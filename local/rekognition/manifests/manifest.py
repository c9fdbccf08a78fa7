"""The lines of a training manifest: what each says, and what is wrong with it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import PurePosixPath
from typing import Any

from local.rekognition import limits
from local.rekognition.access.validation import is_text
from local.rekognition.manifests.attributes import (
    METADATA,
    Annotation,
    form_findings,
    frame_of,
    label_attributes,
    read_attribute,
)
from local.rekognition.manifests.failures import (
    FILE_EMPTY,
    FILE_INVALID,
    FILE_TOO_LARGE,
    Finding,
    ManifestFileError,
    finding,
)
from local.rekognition.use_case import UseCase

_SOURCE_REF = re.compile(r"s3://(?P<bucket>[0-9A-Za-z.\-_]{3,255})/(?P<key>.{1,1024})", re.DOTALL)


@dataclass(frozen=True)
class Source:
    """The image a line is about."""

    bucket: str
    key: str


@dataclass(frozen=True)
class ManifestLine:
    """One line; `annotations` are the labels and boxes of it that can be used.

    A line is valid with annotations, invalid with errors and no annotations, and ignored otherwise. What could be used
    but is `unwanted`, a second line about an image or one for another kind of model, is ignored in spite of errors.
    """

    document: Mapping[str, Any] | None
    source: Source | None = None
    annotations: tuple[Annotation, ...] = ()
    findings: tuple[Finding, ...] = ()
    unwanted: bool = False

    @property
    def key(self) -> str:
        """Return the key of the image, empty without one."""
        return self.source.key if self.source else ""

    @property
    def is_valid(self) -> bool:
        """Tell whether the line can be trained on or tested with."""
        return bool(self.annotations)

    @property
    def is_invalid(self) -> bool:
        """Tell whether the line counts against the share of invalid lines."""
        return not (self.annotations or self.unwanted) and any(found.is_error for found in self.findings)

    @property
    def label_set(self) -> frozenset[str]:
        """Return the labels of the image."""
        return frozenset(annotation.label for annotation in self.annotations)

    @property
    def frames(self) -> frozenset[tuple[int, int]]:
        """Return the widths and heights that the boxes of the line were drawn on."""
        boxed = {annotation.attribute for annotation in self.annotations if annotation.box}
        return frozenset(frame_of((self.document or {})[attribute]) for attribute in boxed)

    def rejected(self, *findings: Finding) -> "ManifestLine":
        """Return the line with more findings and without annotations."""
        return replace(self, annotations=(), findings=self.findings + findings)

    def of_use_case(self, use_case: UseCase) -> "ManifestLine":
        """Return the line with the annotations of one kind only; without any it is ignored."""
        kept = tuple(annotation for annotation in self.annotations if annotation.use_case is use_case)
        return self if kept == self.annotations else replace(self, annotations=kept, unwanted=not kept)

    def annotated(self, errors: str = "errors", warnings: str | None = "warnings") -> dict[str, Any]:
        """Return the line with findings listed in the object that they concern, as a validation manifest shows it.

        `errors` and `warnings` name the lists; None leaves such findings out.
        """
        document: dict[str, Any] = json.loads(json.dumps(self.document or {}))
        for found in self.findings:
            target = _object_at(document, found.where)
            kind = errors if found.is_error else warnings
            if kind is None:
                continue
            # The line's author may have used the name for something else, which has no room for findings.
            listed = target[kind] if isinstance(target.get(kind), list) else []
            target[kind] = [*listed, found.document()]
        return document


def _object_at(document: dict[str, Any], where: tuple[str | int, ...]) -> dict[str, Any]:
    """Find the object at a path; what is no object has no room for findings: then it is the line."""
    target: Any = document
    for step in where:
        target = target[step]
    return target if isinstance(target, dict) else document


def manifest_text(name: str, data: bytes) -> str:
    """Decode a manifest file. Raises ManifestFileError with the service's sentence."""
    if not PurePosixPath(name).suffix:
        raise ManifestFileError(FILE_INVALID)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestFileError(FILE_INVALID) from error
    if not text.strip():
        raise ManifestFileError(FILE_EMPTY)
    return text


def parse_manifest(text: str) -> tuple[ManifestLine, ...]:
    """Parse JSON Lines; the first of several lines about one image counts. Raises ManifestFileError on too many."""
    rows = text.removesuffix("\n").split("\n")
    if len(rows) > limits.MANIFEST_LINES:
        raise ManifestFileError(FILE_TOO_LARGE)
    seen: set[Source] = set()
    return tuple(_first_of_its_image(parse_line(row), seen) for row in rows)


def parse_line(row: str) -> ManifestLine:
    """Parse one line; what is wrong with the line itself loses it, a bad attribute is lost alone."""
    document = _json_object(row)
    if document is None:
        return ManifestLine(None, findings=(finding("ERROR_INVALID_JSON_LINE"),))
    line = ManifestLine(document, _source(document))
    structural = tuple(_structural_findings(document))
    if structural:
        forms = (found for key in label_attributes(document) for found in _form_findings(document, key))
        return line.rejected(*structural, *forms)
    if set(document) == {"source-ref"}:
        return line.rejected(finding("WARNING_UNANNOTATED_RECORD"))
    return _with_annotations(line, document)


def _first_of_its_image(line: ManifestLine, seen: set[Source]) -> ManifestLine:
    if line.source is None or not line.is_valid:
        return line
    if line.source in seen:
        return replace(line, annotations=(), unwanted=True)
    seen.add(line.source)
    return line


def _json_object(row: str) -> dict[str, Any] | None:
    if len(row) > limits.LINE_CHARACTERS:
        return None
    try:
        document = json.loads(row, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and _is_writable(document, row) else None


def _is_writable(document: dict[str, Any], row: str) -> bool:
    # JSON can name half a character, which no text can hold.
    return "\\u" not in row or is_text(json.dumps(document, ensure_ascii=False))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _source(document: Mapping[str, Any]) -> Source | None:
    reference = document.get("source-ref")
    match = _SOURCE_REF.fullmatch(reference) if isinstance(reference, str) else None
    return Source(match["bucket"], match["key"]) if match else None


def _structural_findings(document: Mapping[str, Any]) -> Iterator[Finding]:
    if "source-ref" not in document:
        yield finding("ERROR_MISSING_SOURCE_REF")
    elif _source(document) is None:
        yield finding("ERROR_INVALID_SOURCE_REF_FORMAT")
    if not label_attributes(document) and set(document) - {"source-ref"}:
        yield finding("ERROR_NO_LABEL_ATTRIBUTES")


def _form_findings(document: Mapping[str, Any], key: str) -> tuple[Finding, ...]:
    return tuple(form_findings(key, document[key], document[key + METADATA]))


def _with_annotations(line: ManifestLine, document: Mapping[str, Any]) -> ManifestLine:
    forms = {key: _form_findings(document, key) for key in label_attributes(document)}
    sound = [key for key, problems in forms.items() if not problems]
    readings = [read_attribute(key, document[key], document[key + METADATA]) for key in sound]
    annotations = tuple(annotation for found, _ in readings for annotation in found)
    findings = tuple(chain(*forms.values(), *(problems for _, problems in readings)))
    if not sound:
        return line.rejected(*findings)
    image_labels = {annotation.label for annotation in annotations if annotation.box is None}
    if len(image_labels) > limits.LABELS_PER_IMAGE:
        return line.rejected(*findings, finding("ERROR_NO_VALID_LABEL_ATTRIBUTES"))
    if annotations:
        return replace(line, annotations=annotations, findings=findings)
    return line.rejected(*findings, *_nothing_left(findings))


def _nothing_left(findings: tuple[Finding, ...]) -> Iterator[Finding]:
    """Say of a whole line why it cannot be used, when none of its attributes can."""
    codes = {found.code for found in findings}
    if codes == {"WARNING_NO_ATTRIBUTE_ANNOTATIONS"}:
        yield finding("WARNING_NO_ANNOTATIONS")
    elif "ERROR_NO_VALID_ANNOTATIONS" in codes or "ERROR_TOO_MANY_BOUNDING_BOXES" in codes:
        yield finding("ERROR_NO_VALID_ANNOTATIONS")
    else:
        yield finding("ERROR_NO_VALID_LABEL_ATTRIBUTES")
