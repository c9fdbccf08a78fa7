"""YOLO: one text file a picture, a line a box or polygon in shares of the picture's sides; names in data.yaml."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import yaml

from cli.layouts.collecting import Collector, Found
from cli.layouts.files import Files, Unreadable
from cli.layouts.sides import Word, word, word_of
from mlops.pictures.looking import MaskRules
from mlops.words import some

_MOST_BYTES = 1 << 26
_MOST_YAML_BYTES = 1 << 20
_LISTS = tuple((side, f"{name}.txt") for name in ("train", "val", "valid", "test") if (side := word(name)))
_NAMES = ("classes.txt", "obj.names", "_darknet.labels", "classes.names")
# Rounding to six decimals may put an edge this far beyond the picture.
_SLACK = 1e-5
_NUMBER = re.compile(r"[0-9]{1,9}")


class _Loader(yaml.SafeLoader):
    """YAML without aliases, by which a few lines can stand for more than fits into memory."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("it has aliases")
        return super().compose_node(parent, index)


@dataclass(frozen=True)
class _Names:
    """Names of classes by number, empty when no file has them; which file has them; and sides by folders and lists."""

    by_number: dict[int, str]
    source: PurePosixPath | None = None
    folders: tuple[tuple[str, Word], ...] = ()
    listed: Mapping[PurePosixPath, Word] = field(default_factory=dict)

    def of(self, number: int) -> str | None:
        return self.by_number.get(number) if self.source else f"class_{number}"

    def side(self, picture: PurePosixPath) -> Word | None:
        found = self.listed.get(picture) or word_of(picture.parent)
        return found or next((side for place, side in self.folders if place in f"/{picture}"), None)


def recognises(files: Files) -> bool:
    """Whether there are labels in a folder beside images, or names of classes and labels beside pictures."""
    if any(label in files for path in files.pictures if (label := _among_labels(path))):
        return True
    has_names = bool(_names_files(files))
    return has_names and any(path.with_suffix(".txt") in files for path in files.pictures)


def _names_files(files: Files) -> list[PurePosixPath]:
    listed = [path for path in files.paths if path.name in _NAMES]
    return [path for path in files.ending(".yaml", ".yml") if b"names" in files.beginning(path)] + listed


def _among_labels(picture: PurePosixPath) -> PurePosixPath | None:
    """Where Ultralytics looks for the labels of a picture: the last folder `images` becomes `labels`."""
    parts = list(picture.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place].lower() == "images":
            name = "labels" if parts[place] == "images" else "LABELS" if parts[place] == "IMAGES" else "Labels"
            return PurePosixPath(*parts[:place], name, *parts[place + 1 :]).with_suffix(".txt")
    return None


def read(files: Files, rules: MaskRules) -> Collector:
    """Every picture and the labels that belong to it."""
    collector = Collector(files)
    names = _names(collector)
    if not names.source:
        collector.notes.append("no data.yaml or classes.txt names the classes: they are called class_0, class_1, …")
    bare, taken = list[str](), dict[PurePosixPath, PurePosixPath]()
    for path in files.pictures:
        labels = next((at for at in (_among_labels(path), path.with_suffix(".txt")) if at and at in files), None)
        if labels and (other := taken.setdefault(labels, path)) != path:
            collector.leave_out(path, f"{labels} belongs to {other}, too: rename one of the two pictures")
        elif labels is None and not any(part.lower() == "images" for part in path.parts[:-1]):
            continue
        else:
            bare += [str(path)] if labels is None else []
            _picture(collector, path, labels, names)
    if bare:
        collector.notes.append(f"no label file, which in YOLO means no defect: {some(bare)}")
    for path in files.ending(".txt"):
        if "labels" in (part.lower() for part in path.parts[:-1]) and path not in taken and path.name not in _NAMES:
            collector.leave_out(path, "has no picture of the same name in the folder images: add it, or delete this")
    return collector


def _picture(collector: Collector, path: PurePosixPath, labels: PurePosixPath | None, names: _Names) -> None:
    try:
        size = collector.files.frame(path).upright
    except Unreadable as refusal:
        collector.leave_out(path, str(refusal))
        return
    try:
        text = collector.files.text(labels, _MOST_BYTES) if labels else ""
    except Unreadable as refusal:
        collector.leave_out(labels or path, str(refusal))
        collector.leave_out(path, f"its labels {labels} cannot be read: mend that file")
        return
    boxes = list(_boxes(collector, labels or path, text, size, names))
    if text.strip() and not boxes:
        # It would pass for a picture without a defect.
        collector.leave_out(path, f"no line of {labels} can be used: mend that file")
        return
    collector.picture(path, (), boxes, side=names.side(path), source=labels, shows_upright=True)


def _boxes(
    collector: Collector, source: PurePosixPath, text: str, size: tuple[int, int], names: _Names
) -> Iterator[Found]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield _box(line.split(), number, size, names)
            except Unreadable as refusal:
                collector.leave_out(source, str(refusal), number)


def _box(fields: list[str], line: int, size: tuple[int, int], names: _Names) -> Found:
    if len(fields) == 6:
        raise Unreadable("has six numbers, as a prediction with its confidence has: it is no label of a person")
    if len(fields) < 5 or len(fields) % 2 == 0:
        raise Unreadable(f"has {len(fields)} numbers; a box has 5, a polygon 7 or more: draw it again")
    try:
        # Some tools write the number of the class with a decimal point.
        number, shares = float(fields[0]), [float(field) for field in fields[1:]]
    except ValueError:
        raise Unreadable("has something that is no number: draw it again") from None
    if not all(map(math.isfinite, (number, *shares))) or number != int(number):
        raise Unreadable("has no whole class, or an edge that is no finite number: draw it again")
    label = names.of(int(number))
    if label is None:
        raise Unreadable(f"has class {int(number)}, which {names.source} does not name: add its name")
    return Found(label, *_in_pixels(shares, size), line=line)


def _in_pixels(shares: list[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    if len(shares) == 4:
        across, down, wide, tall = shares
        edges = [across - wide / 2, down - tall / 2, across + wide / 2, down + tall / 2]
        if wide <= 0 or tall <= 0:
            return 0, 0, 0, 0
    else:
        edges = [min(shares[::2]), min(shares[1::2]), max(shares[::2]), max(shares[1::2])]
    sides = (*size, *size)
    left, top, right, bottom = (round(_settled(edge) * side, 3) for edge, side in zip(edges, sides, strict=True))
    return left, top, right, bottom


def _settled(share: float) -> float:
    """An edge that rounding moved beyond the picture lies on its edge."""
    return min(max(share, 0.0), 1.0) if -_SLACK <= share <= 1 + _SLACK else share


def _names(collector: Collector) -> _Names:
    """The names of classes, from the first file that has them nearest to the top of the folder."""
    for path in sorted(_names_files(collector.files), key=lambda path: (len(path.parts), path)):
        try:
            if path.suffix in (".yaml", ".yml"):
                return _of_yaml(collector, path)
            lines = collector.files.text(path, _MOST_YAML_BYTES).splitlines()
            names = {number: line.strip() for number, line in enumerate(lines) if line.strip()}
            listed = {picture: side for side, at in _LISTS for picture in _listed_beside(collector, path, at)}
            return _Names(names, path, listed=listed)
        except Unreadable as refusal:
            collector.leave_out(path, str(refusal))
    return _Names({})


def _of_yaml(collector: Collector, path: PurePosixPath) -> _Names:
    text = collector.files.text(path, _MOST_YAML_BYTES)
    try:
        content = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = " ".join(str(error).split())[:200]
        raise Unreadable(f"is not YAML that can be read ({first}): export it again") from None
    names = content.get("names") if isinstance(content, dict) else None
    names = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(names, dict):
        raise Unreadable("has no list of names under `names`: export it again")
    found = {int(number): str(name) for number, name in names.items() if _NUMBER.fullmatch(str(number))}
    folders, listed = list[tuple[str, Word]](), dict[PurePosixPath, Word]()
    for side, place in _places(content):
        if place.suffix == ".txt":
            listed |= dict.fromkeys(_listed(collector, path, place), side)
        else:
            folders.append((f"/{place}/", side))
    return _Names(found, path, tuple(folders), listed)


def _places(content: dict[str, Any]) -> Iterator[tuple[Word, PurePosixPath]]:
    """Folders and lists that data.yaml gives to sides, to be looked for in paths: they may be relative to anything."""
    for key in ("train", "val", "test"):
        side = word(key)
        for place in content[key] if isinstance(content.get(key), list) else [content.get(key)]:
            parts = [part for part in str(place or "").split("/") if part not in ("", ".", "..")]
            if side and parts:
                yield side, PurePosixPath(*parts)


def _listed_beside(collector: Collector, path: PurePosixPath, name: str) -> Iterator[PurePosixPath]:
    """The pictures of a list beside the names, as Darknet and CVAT have it, unless it holds the labels of a picture."""
    source = path.with_name(name)
    if source in collector.files and not any(
        picture.with_suffix(".txt") == source for picture in collector.files.pictures
    ):
        yield from _listed(collector, path, PurePosixPath(name))


def _listed(collector: Collector, path: PurePosixPath, place: PurePosixPath) -> Iterator[PurePosixPath]:
    """The pictures that a list names, one a line."""
    files = collector.files
    source = next((at for at in (path.parent / place, place, path.parent / place.name) if at in files), None)
    if source is None:
        collector.leave_out(path, f"names the list {str(place)[:200]!r}, which is not in the folder: add it")
        return
    try:
        lines = files.text(source, _MOST_BYTES).split("\n")
    except Unreadable as refusal:
        collector.leave_out(source, str(refusal))
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield files.named(line, source.parent)
            except Unreadable as refusal:
                collector.leave_out(source, str(refusal), number)
