"""Labelled pictures as other tools take them: COCO, Pascal VOC, YOLO, or a manifest, with the pictures beside it.

Pictures are renamed where a format needs it: Pascal VOC and YOLO find labels by the name of a picture without ending.
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import yaml

from cli.layouts import manifest
from cli.layouts.contents import Box, Labelled, LeftOut, Side
from cli.layouts.files import Files
from mlops.dataset.labels import NORMAL

_MOST_NAME_BYTES = 200
# What the sides are called in a data.yaml: others choose a model on `val` and test the chosen one.
_KEYS: Mapping[Side, str] = {"train": "train", "test": "val", "holdout": "test"}


class ExportRefused(ValueError):  # noqa: N818  - a refusal is a result that is told, not a fault
    """Nothing was written; the message says why and what to do."""


@dataclass(frozen=True)
class _Placed:
    """A picture and the folder and name that it gets."""

    picture: Labelled
    folder: PurePosixPath
    name: str

    @property
    def path(self) -> PurePosixPath:
        return self.folder / self.name

    def beside(self, folder: str, ending: str) -> PurePosixPath:
        return self.folder.with_name(folder) / f"{self.name.rpartition('.')[0]}{ending}"


Texts = Iterator[tuple[PurePosixPath, str]]


def export(pictures: Iterable[Labelled], folder: Path, out: Path, form: str) -> list[LeftOut]:
    """Write pictures of a folder and their labels to another one; what the form cannot hold is returned.

    Raises ExportRefused when the form is unknown or the other folder has something.
    """
    if form not in FORMS:
        raise ExportRefused(f"{form!r} is no form; known are {', '.join(FORMS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportRefused(f"{out} has something already: name an empty folder, or one that is not there")
    files = Files(folder)
    listed, left_out = _fitting(sorted(pictures, key=lambda picture: picture.path), files, form)
    placed = _placed([_upright(picture, files) for picture in listed]) if form != "manifest" else _as_they_are(listed)
    for path, text in FORMS[form](placed):
        _at(out, path).write_text(text, encoding="utf-8")
    for entry in placed:
        shutil.copyfile(files.folder / entry.picture.path, _at(out, entry.path))
    return left_out


def _at(out: Path, path: PurePosixPath) -> Path:
    place = out / path
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _fitting(pictures: Iterable[Labelled], files: Files, form: str) -> tuple[list[Labelled], list[LeftOut]]:
    """What a form can hold, and why the rest is left out."""
    kept, left_out = [], []
    for picture in pictures:
        marked = {box.label for box in picture.boxes}
        bare = [label for label in picture.labels if label not in marked and label != NORMAL]
        if picture.path not in files:
            left_out.append(LeftOut(picture.path, None, "is not in the folder any more: nothing is written of it"))
            continue
        if bare and form != "manifest":
            names = ", ".join(bare)
            if not marked:
                why = f"shows {names}, but no box says where: without one it would pass for a good part"
                left_out.append(LeftOut(picture.path, None, f"{why}. Mark it, or export a manifest"))
                continue
            left_out.append(LeftOut(picture.path, None, f"its label {names} has no box and is not written: mark it"))
        kept.append(picture)
    return kept, left_out


def _upright(picture: Labelled, files: Files) -> Labelled:
    """A picture with its boxes as people see it: the tools that these forms are for turn a picture as EXIF says."""
    frame = files.frame(picture.path)
    width, height = frame.upright
    boxes = []
    for box in picture.boxes:
        left, top, right, bottom = frame.as_seen((box.left, box.top, box.left + box.width, box.top + box.height))
        boxes.append(Box(box.label, left, top, right - left, bottom - top))
    return replace(picture, width=width, height=height, boxes=tuple(boxes))


def _as_they_are(pictures: Iterable[Labelled]) -> list[_Placed]:
    """Every picture where it was: what names paths needs no names of its own."""
    return [_Placed(picture, PurePosixPath(), str(picture.path)) for picture in pictures]


def _placed(pictures: Sequence[Labelled]) -> list[_Placed]:
    """Every picture below its side, under a name that no other has on this side, whatever its ending."""
    taken: dict[str, set[str]] = defaultdict(set)
    placed = []
    for picture in pictures:
        side = picture.side or ""
        name = _free(_flat(picture.path), taken[side])
        taken[side].add(name.rpartition(".")[0].lower())
        placed.append(_Placed(picture, PurePosixPath(side, "images"), name))
    return placed


def _flat(path: PurePosixPath) -> str:
    """A path as one name: folders of the original must not be read as sides or labels."""
    name = "".join(sign if sign.isprintable() else "_" for sign in "_".join(path.parts))
    while len(name.encode()) > _MOST_NAME_BYTES:
        name = name[1:]
    return name if "." in name else f"{name}.png"


def _free(name: str, taken: set[str]) -> str:
    stem, _, ending = name.rpartition(".")
    number, free = 1, stem
    while free.lower() in taken:
        number += 1
        free = f"{stem}_{number}"
    return f"{free}.{ending}"


def _coco(placed: Sequence[_Placed]) -> Texts:
    numbers = {name: number for number, name in enumerate(_names(placed), 1)}
    by_folder: dict[PurePosixPath, list[_Placed]] = defaultdict(list)
    for entry in placed:
        by_folder[entry.folder.parent].append(entry)
    for folder, entries in by_folder.items():
        content = {
            "images": [_image(number, entry) for number, entry in enumerate(entries, 1)],
            "annotations": _annotations(entries, numbers),
            "categories": [{"id": number, "name": name} for name, number in numbers.items()],
        }
        yield folder / "_annotations.coco.json", json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _image(number: int, entry: _Placed) -> dict[str, Any]:
    picture = entry.picture
    return {"id": number, "file_name": f"images/{entry.name}", "width": picture.width, "height": picture.height}


def _annotations(entries: Sequence[_Placed], numbers: Mapping[str, int]) -> list[dict[str, Any]]:
    pairs = ((image, box) for image, entry in enumerate(entries, 1) for box in entry.picture.boxes)
    return [
        {
            **{"id": number, "image_id": image, "category_id": numbers[box.label], "iscrowd": 0},
            **{"bbox": [box.left, box.top, box.width, box.height], "area": box.width * box.height},
        }
        for number, (image, box) in enumerate(pairs, 1)
    ]


def _voc(placed: Sequence[_Placed]) -> Texts:
    for entry in placed:
        root = ElementTree.Element("annotation")
        _add(root, "filename", entry.name)
        size = ElementTree.SubElement(root, "size")
        for side, value in (("width", entry.picture.width), ("height", entry.picture.height), ("depth", 3)):
            _add(size, side, value)
        for box in entry.picture.boxes:
            _add_object(root, manifest.rounded(box, entry.picture.width, entry.picture.height))
        ElementTree.indent(root)
        yield entry.beside("annotations", ".xml"), ElementTree.tostring(root, encoding="unicode") + "\n"


def _add_object(root: ElementTree.Element, box: Box) -> None:
    entry = ElementTree.SubElement(root, "object")
    _add(entry, "name", box.label)
    edges = ElementTree.SubElement(entry, "bndbox")
    right, bottom = box.left + box.width, box.top + box.height
    for name, value in (("xmin", box.left), ("ymin", box.top), ("xmax", right), ("ymax", bottom)):
        _add(edges, name, value)


def _add(parent: ElementTree.Element, name: str, value: object) -> None:
    ElementTree.SubElement(parent, name).text = str(value)


def _yolo(placed: Sequence[_Placed]) -> Texts:
    names = _names(placed)
    for entry in placed:
        lines = [_line(names.index(box.label), box, entry.picture) for box in entry.picture.boxes]
        yield entry.beside("labels", ".txt"), "".join(f"{line}\n" for line in lines)
    sides = [side for side in _KEYS if any(entry.picture.side == side for entry in placed)]
    folders = {_KEYS[side]: f"{side}/images" for side in sides} or {"train": "images", "val": "images"}
    content = {"path": ".", **folders, "names": dict(enumerate(names))}
    yield PurePosixPath("data.yaml"), yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _line(number: int, box: Box, picture: Labelled) -> str:
    across, down = (box.left + box.width / 2) / picture.width, (box.top + box.height / 2) / picture.height
    return f"{number} {across:.9f} {down:.9f} {box.width / picture.width:.9f} {box.height / picture.height:.9f}"


def _manifest(placed: Sequence[_Placed]) -> Texts:
    yield PurePosixPath("annotations.manifest"), manifest.write(entry.picture for entry in placed)


def _names(placed: Iterable[_Placed]) -> list[str]:
    return sorted({box.label for entry in placed for box in entry.picture.boxes})


FORMS: Mapping[str, Callable[[Sequence[_Placed]], Texts]] = {
    "coco": _coco,
    "voc": _voc,
    "yolo": _yolo,
    "manifest": _manifest,
}
