"""The annotation manifest: JSON lines as SageMaker Ground Truth writes them, written and read.

What Custom Labels and Lookout for Vision export is the same form, with pictures in a bucket. `side` and `group` are
keys of our own beside those of the form.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from cli.layouts.collecting import Collector, Found
from cli.layouts.contents import Box, Labelled
from cli.layouts.files import Files, Unreadable
from cli.layouts.regions import boxes as boxes_of
from cli.layouts.regions import colours
from cli.layouts.sides import Word, word, word_of
from mlops.dataset.keys import parse_upload
from mlops.dataset.labels import NORMAL, means_no_defect
from mlops.pictures.looking import MaskRules

CREATED = "2000-01-01T00:00:00"
BOXES, LABEL = "bounding-box", "label"
_CLASSIFICATION, _DETECTION = "groundtruth/image-classification", "groundtruth/object-detection"
_METADATA = "-metadata"
_MOST_BYTES = 1 << 30
_MOST_LINE = 10_000_000
_MOST_BEGINNING = 1 << 16
OWN = PurePosixPath("annotations.manifest")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_SIDES = {"train": Word.TRAIN, "test": Word.TEST, "holdout": Word.HOLDOUT}
# Of the part as a whole Lookout for Vision knows no other word; the classes of its masks say more.
_ANYTHING = "anomaly"


def write(pictures: Iterable[Labelled], created: str = CREATED) -> str:
    """The manifest of pictures, sorted by path; ends with a newline unless empty."""
    listed = sorted(pictures, key=lambda picture: picture.path)
    # Where nobody marked anything, a picture without boxes says nothing of where a defect is.
    marks = any(picture.boxes for picture in listed)
    return "".join(f"{line(picture, created, marks=marks)}\n" for picture in listed)


def line(picture: Labelled, created: str = CREATED, *, marks: bool = True) -> str:
    """One picture: an attribute for every label, and its boxes in whole pixels.

    A picture with a defect that nobody marked has no attribute of boxes: an empty one would call it clean.
    """
    facts = {"human-annotated": "yes", "creation-date": created, "job-name": "labeling-job/layouts"}
    entry: dict[str, Any] = {"source-ref": str(picture.path)}
    for number, label in enumerate(picture.labels):
        metadata = {"class-name": label, "confidence": 1.0, "type": _CLASSIFICATION, **facts}
        entry |= {f"{LABEL}-{number}": number, f"{LABEL}-{number}{_METADATA}": metadata}
    if picture.boxes or (marks and picture.labels == (NORMAL,)):
        entry |= _detection(picture, facts)
    entry |= {"side": picture.side} if picture.side else {}
    entry |= {"group": picture.group} if picture.group else {}
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _detection(picture: Labelled, facts: dict[str, str]) -> dict[str, Any]:
    names = sorted({box.label for box in picture.boxes})
    whole = [rounded(box, picture.width, picture.height) for box in picture.boxes]
    annotations = [
        {"class_id": names.index(box.label), "left": box.left, "top": box.top, "width": box.width, "height": box.height}
        for box in whole
    ]
    metadata = {
        "class-map": {str(number): name for number, name in enumerate(names)},
        "objects": [{"confidence": 1}] * len(annotations),
        "type": _DETECTION,
        **facts,
    }
    size = {"width": picture.width, "height": picture.height, "depth": 3}
    return {BOXES: {"image_size": [size], "annotations": annotations}, f"{BOXES}{_METADATA}": metadata}


def rounded(box: Box, width: int, height: int) -> Box:
    """The box with each edge at the nearest whole pixel, and at least one pixel in size, inside its picture."""
    left, right = _edges(box.left, box.left + box.width, width)
    top, bottom = _edges(box.top, box.top + box.height, height)
    return Box(box.label, left, top, right - left, bottom - top)


def _edges(first: float, last: float, most: int) -> tuple[int, int]:
    low, high = (min(max(int(edge + 0.5), 0), most) for edge in (first, last))
    if low < high:
        return low, high
    return (low, low + 1) if low < most else (most - 1, most)


@dataclass
class _Said:
    """What the attributes of one line say; `is_about` is false when none of them labels anything."""

    labels: set[str] = field(default_factory=set)
    boxes: list[Found] = field(default_factory=list)
    masks: list[PurePosixPath] = field(default_factory=list)
    declared: tuple[int, int] | None = None
    is_about: bool = False
    is_spoiled: bool = False


def recognises(files: Files) -> bool:
    return bool(_manifests(files)) and not is_of_dataset(files)


def is_of_dataset(files: Files) -> bool:
    """Whether a folder has the manifest of a dataset of this system, which names pictures where the stack has them."""
    first = files.beginning(OWN, _MOST_BEGINNING).partition(b"\n")[0] if OWN in files else b""
    try:
        reference = _parsed(first.decode())["source-ref"]
        return PurePosixPath(reference) in files and parse_upload(f"datasets/x/{reference}").kind == "image"
    except (Unreadable, ValueError, KeyError, TypeError):
        return False


def _manifests(files: Files) -> list[PurePosixPath]:
    return [
        path
        for path in files.ending(".manifest", ".jsonl", ".json")
        if b'"source-ref"' in files.beginning(path, _MOST_BEGINNING)
    ]


def read(files: Files, rules: MaskRules) -> Collector:
    """Every line of every manifest and the picture that it is about."""
    collector = Collector(files)
    for path in _manifests(files):
        take(collector, path, rules)
    return collector


def take(collector: Collector, path: PurePosixPath, rules: MaskRules) -> None:
    """What the lines of one manifest say of pictures."""
    try:
        text = collector.files.text(path, _MOST_BYTES)
    except Unreadable as refusal:
        collector.leave_out(path, str(refusal))
        return
    for number, content in enumerate(text.split("\n"), 1):
        if content.strip():
            try:
                _read_line(collector, path, number, content, rules)
            except Unreadable as refusal:
                collector.leave_out(path, str(refusal), number)


def _read_line(collector: Collector, path: PurePosixPath, number: int, content: str, rules: MaskRules) -> None:
    entry = _parsed(content)
    picture = _local(collector.files, path, entry.get("source-ref"))
    said = _Said()
    for name, value in entry.items():
        metadata = entry.get(f"{name}{_METADATA}")
        if isinstance(metadata, dict) and not name.endswith(_METADATA):
            try:
                _hear(collector, path, number, said, (name, value, metadata), picture, rules)
            except Unreadable as refusal:
                said.is_spoiled = True
                collector.leave_out(path, str(refusal), number)
    if not said.is_about or (said.is_spoiled and not said.labels and not said.boxes):
        collector.leave_out(picture, f"line {number} of {path} has no label that can be used: label it")
        return
    given = entry.get("side")
    side = _SIDES.get(given) if isinstance(given, str) else None
    if given is not None and side is None:
        raise Unreadable(f"has the side {str(given)[:40]!r}; it must be train, test or holdout: mend it")
    group = entry.get("group")
    collector.picture(
        picture,
        _without_anything(said),
        said.boxes,
        side=side or word(path.stem) or word_of(path.parent) or word_of(picture.parent),
        group=group if isinstance(group, str) and group else None,
        masks=said.masks,
        source=path,
        declared=said.declared,
        line=number,
    )


def _without_anything(said: _Said) -> set[str]:
    return said.labels - {_ANYTHING} if said.masks else said.labels


def _parsed(content: str) -> dict[str, Any]:
    if len(content) > _MOST_LINE:
        raise Unreadable(f"has {len(content)} characters; at most {_MOST_LINE} are read: divide it")
    try:
        entry = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is not valid JSON ({error}): one JSON object a line") from None
    if not isinstance(entry, dict):
        raise Unreadable("is not a JSON object: one JSON object a line")
    return entry


def _local(files: Files, path: PurePosixPath, reference: Any) -> PurePosixPath:
    """The picture here that a reference into a bucket means, by the end of its path. Raises Unreadable."""
    if not isinstance(reference, str):
        raise Unreadable("has no source-ref: name the picture")
    key = reference.partition("://")[2].partition("/")[2] if "://" in reference else reference
    return files.named(key, path.parent)


def _hear(
    collector: Collector,
    path: PurePosixPath,
    number: int,
    said: _Said,
    attribute: tuple[str, Any, dict[str, Any]],
    picture: PurePosixPath,
    rules: MaskRules,
) -> None:
    """Take what one attribute says. Raises Unreadable."""
    name, value, metadata = attribute
    match metadata.get("type"):
        case "groundtruth/image-classification":
            said.is_about = True
            said.labels.add(_text(metadata.get("class-name"), name))
        case "groundtruth/image-classification-multilabel":
            said.is_about = True
            if not isinstance(value, list):
                raise Unreadable(f"has no list of class numbers in {name!r}: mend it")
            said.labels |= {_named(metadata, entry, name) for entry in value}
        case "groundtruth/object-detection":
            said.is_about = True
            _hear_boxes(collector, path, number, said, attribute)
        case "groundtruth/semantic-segmentation":
            _hear_mask(collector, path, said, attribute, picture, rules)
        case other:
            raise Unreadable(f"has {name!r} of the type {str(other)[:80]!r}, which says nothing of labels or boxes")


def _hear_boxes(
    collector: Collector,
    path: PurePosixPath,
    number: int,
    said: _Said,
    attribute: tuple[str, Any, dict[str, Any]],
) -> None:
    name, value, metadata = attribute
    entries = value.get("annotations") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        raise Unreadable(f"has no list of annotations in {name!r}: mend it")
    said.declared = _declared(value.get("image_size"))
    for place, entry in enumerate(entries, 1):
        try:
            said.boxes.append(_box(entry, metadata, name, number, f"box {place}"))
        except Unreadable as refusal:
            said.is_spoiled = True
            collector.leave_out(path, f"box {place} {refusal}", number)


def _box(entry: Any, metadata: dict[str, Any], name: str, number: int, where: str) -> Found:
    if not isinstance(entry, dict):
        raise Unreadable("is no JSON object: draw it again")
    values = [entry.get(side) for side in ("left", "top", "width", "height")]
    if any(isinstance(value, bool) or not isinstance(value, (int, float)) for value in values):
        raise Unreadable("has no left, top, width and height as numbers: draw it again")
    try:
        left, top, width, height = map(float, values)  # type: ignore[arg-type]
    except OverflowError:
        raise Unreadable("has an edge that is no finite number: draw it again") from None
    label = _named(metadata, entry.get("class_id"), name)
    return Found(label, left, top, left + width, top + height, line=number, where=where)


def _declared(given: Any) -> tuple[int, int] | None:
    size = given[0] if isinstance(given, list) and given else None
    if not isinstance(size, dict):
        return None
    width, height = size.get("width"), size.get("height")
    if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
        return width, height
    return None


def _hear_mask(
    collector: Collector,
    path: PurePosixPath,
    said: _Said,
    attribute: tuple[str, Any, dict[str, Any]],
    picture: PurePosixPath,
    rules: MaskRules,
) -> None:
    """A mask whose colours stand for classes, as Lookout for Vision has them."""
    _, value, metadata = attribute
    mask = _local(collector.files, path, value)
    collector.ignore((mask,))
    pixels = colours(collector.files, mask, collector.files.frame(picture))
    for name, colour in _colours(metadata.get("internal-color-map")):
        said.boxes += boxes_of(name, np.all(pixels == colour, axis=2), rules)
    said.masks.append(mask)
    said.is_about = True


def _colours(given: Any) -> Iterator[tuple[str, Sequence[int]]]:
    for entry in given.values() if isinstance(given, dict) else ():
        name = entry.get("class-name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise Unreadable("has a colour without class-name: mend it")
        if name.lower() == "background" or means_no_defect(name):
            continue
        colour = entry.get("hex-color")
        if not isinstance(colour, str) or not _COLOUR.fullmatch(colour):
            raise Unreadable(f"has no hex-color like #1f77b4 for {name[:80]!r}: mend it")
        yield name, tuple(bytes.fromhex(colour[1:]))


def _named(metadata: dict[str, Any], number: Any, name: str) -> str:
    names = metadata.get("class-map")
    found = names.get(str(number)) if isinstance(names, dict) else None
    if not isinstance(found, str):
        raise Unreadable(f"has class {str(number)[:40]}, which class-map of {name!r} does not name: add its name")
    return found


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Unreadable(f"has no class-name in {name!r}: mend it")
    return value
