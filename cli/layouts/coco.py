"""COCO: one JSON file for many pictures, as Roboflow and CVAT export it."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from cli.layouts.collecting import Collector, Found
from cli.layouts.files import Files, Unreadable
from cli.layouts.sides import Word, word, word_of
from mlops.pictures.looking import MaskRules
from mlops.words import counted

_MOST_BYTES = 1 << 30
_KEYS = (b'"images"', b'"annotations"', b'"categories"')
_CHUNK = 1 << 20
_MOST_POINTS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Annotation:
    """What is needed of an annotation: a million of them must fit into memory."""

    number: Any
    image: Any
    category: Any
    edges: tuple[float, float, float, float] | None
    is_crowd: bool


def recognises(files: Files) -> bool:
    return any(_is_one(files, path) for path in files.ending(".json"))


def _is_one(files: Files, path: PurePosixPath) -> bool:
    """Whether a JSON file has the three keys of COCO, wherever in it; read piece by piece."""
    missing = set(_KEYS)
    tail = b""
    try:
        with (files.folder / path).open("rb") as file:
            while missing and (chunk := file.read(_CHUNK)):
                missing -= {key for key in missing if key in tail + chunk}
                tail = chunk[-32:]
    except OSError:
        return False
    return not missing


def read(files: Files, rules: MaskRules) -> Collector:
    """Every JSON file of COCO and the pictures that it lists."""
    collector = Collector(files)
    for path in files.ending(".json"):
        if _is_one(files, path):
            try:
                _read_one(collector, path)
            except Unreadable as refusal:
                collector.leave_out(path, str(refusal))
    return collector


def _read_one(collector: Collector, path: PurePosixPath) -> None:
    content = _parsed(collector.files.text(path, _MOST_BYTES))
    names = _categories(collector, path, content["categories"])
    images = _images(collector, path, content["images"])
    boxes, spoiled = _by_image(collector, path, content["annotations"], names, images.keys())
    side = word(path.stem) or word_of(path.parent)
    for number, image in images.items():
        try:
            _picture(collector, path, number, image, boxes.pop(number, []), number in spoiled, side)
        except Unreadable as refusal:
            collector.leave_out(path, f"image {_short(number)} {refusal}")


def _picture(
    collector: Collector,
    path: PurePosixPath,
    number: Any,
    image: dict[str, Any],
    boxes: list[Found],
    is_spoiled: bool,
    side: Word | None,
) -> None:
    picture = collector.files.named(str(image["file_name"]), path.parent, side)
    if is_spoiled and not boxes:
        # It would pass for a picture without a defect.
        collector.leave_out(picture, f"no annotation of it in {path} can be used: mend that file")
        return
    own = side or word_of(picture.parent)
    facts: dict[str, Any] = {"declared": _declared(image), "where": f"image {_short(number)}"}
    collector.picture(picture, (), boxes, side=own, source=path, shows_upright=True, **facts)


def _parsed(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text, object_hook=_shrunk)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is not valid JSON ({error}): export it again") from None
    if not isinstance(content, dict):
        raise Unreadable("is not one JSON object, as COCO has: export it again")
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise Unreadable(f"has no list called {key!r}, as COCO has: export it again")
    return content


def _shrunk(found: dict[str, Any]) -> Any:
    """An annotation as what is needed of it; polygons of a million annotations would not fit into memory."""
    if "image_id" not in found or "category_id" not in found:
        return found
    edges = _of_bbox(found.get("bbox")) or _of_segmentation(found.get("segmentation"))
    crowd = found.get("iscrowd")
    return _Annotation(found.get("id"), found["image_id"], found["category_id"], edges, crowd not in (None, 0, False))


def _of_bbox(bbox: Any) -> tuple[float, float, float, float] | None:
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)):
        return None
    left, top, width, height = map(_float, bbox)
    return left, top, left + width, top + height


def _of_segmentation(given: Any) -> tuple[float, float, float, float] | None:
    """The box around polygons or run lengths; None when they cannot be read."""
    try:
        if isinstance(given, dict):
            return _of_runs(given)
        points = [number for polygon in given for number in polygon]
        if len(points) < 6 or any(len(polygon) % 2 for polygon in given) or not all(map(_is_number, points)):
            return None
        across = [_float(number) for polygon in given for number in polygon[::2]]
        down = [_float(number) for polygon in given for number in polygon[1::2]]
    except (TypeError, ValueError, KeyError):
        return None
    if not all(map(math.isfinite, (*across, *down))):
        return None
    return min(across), min(down), max(across), max(down)


def _of_runs(given: dict[str, Any]) -> tuple[float, float, float, float] | None:
    """The box around a mask given as the lengths of its runs, column by column, the first of them clear."""
    height, width = given["size"]
    counts = given["counts"]
    lengths = _unpacked(counts) if isinstance(counts, str) else counts
    if not isinstance(height, int) or not isinstance(width, int) or height <= 0 or width <= 0:
        return None
    place, left, right, top, bottom = 0, width, 0, height, 0
    for number, length in enumerate(lengths):
        if not isinstance(length, int) or length < 0 or place + length > width * height:
            return None
        if number % 2 and length:
            first, last = place, place + length - 1
            left, right = min(left, first // height), max(right, last // height + 1)
            is_one_column = first // height == last // height
            top = min(top, first % height) if is_one_column else 0
            bottom = max(bottom, last % height + 1) if is_one_column else height
        place += length
    return (left, top, right, bottom) if right else None


def _unpacked(counts: str) -> Iterator[int]:
    """Run lengths as COCO packs them: five bits a character, and from the third on the change against the last but one.

    See `rleFrString` in pycocotools, which makes boxes beyond the picture of a text that is not what it should be.
    """
    lengths: list[int] = []
    value = shift = 0
    for sign in counts:
        bits = ord(sign) - 48
        if not 0 <= bits < 64 or shift > 60 or len(lengths) > _MOST_POINTS:
            raise ValueError("no run lengths of COCO")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        if len(lengths) > 2:
            value += lengths[-2]
        lengths.append(value)
        yield value
        value = shift = 0


def _categories(collector: Collector, path: PurePosixPath, given: list[Any]) -> dict[Any, str]:
    names: dict[Any, str] = {}
    for entry in given:
        number, name = _field(entry, "id"), _field(entry, "name")
        if not _is_key(number) or not isinstance(name, str):
            collector.leave_out(path, "has a category without id or name: mend it")
        elif names.setdefault(number, name) != name:
            collector.leave_out(path, f"calls category {_short(number)} both {names[number]!r} and {name!r}: keep one")
    return names


def _images(collector: Collector, path: PurePosixPath, given: list[Any]) -> dict[Any, dict[str, Any]]:
    images: dict[Any, dict[str, Any]] = {}
    for entry in given:
        number, name = _field(entry, "id"), _field(entry, "file_name")
        if not _is_key(number) or not isinstance(name, str):
            collector.leave_out(path, "has an image without id or file_name: mend it")
        elif number in images:
            collector.leave_out(path, f"has two images with the id {_short(number)}: only the first is taken")
        else:
            images[number] = entry
    return images


def _by_image(
    collector: Collector, path: PurePosixPath, given: list[Any], names: dict[Any, str], images: Iterable[Any]
) -> tuple[dict[Any, list[Found]], set[Any]]:
    """Boxes by image, and the images of which an annotation was left out."""
    known, crowds = set(images), 0
    boxes: dict[Any, list[Found]] = defaultdict(list)
    spoiled = set()
    for entry in given:
        if isinstance(entry, _Annotation) and entry.is_crowd:
            crowds += 1
        problem = _problem(entry, names, known)
        if problem:
            collector.leave_out(path, f"annotation {_short(_number(entry))} {problem}")
            if isinstance(entry, _Annotation) and _is_key(entry.image):
                spoiled.add(entry.image)
        elif entry.edges:
            where = f"annotation {_short(entry.number)}"
            boxes[entry.image].append(Found(names[entry.category], *entry.edges, where=where))
    if crowds:
        collector.notes.append(f"{path}: {counted(crowds, 'crowd annotation')} left out: they mark no single defect")
    return boxes, spoiled


def _problem(entry: Any, names: dict[Any, str], known: set[Any]) -> str:
    if not isinstance(entry, _Annotation):
        return "has no image_id and category_id: mend it"
    if not _is_key(entry.image) or entry.image not in known:
        return f"is of image {_short(entry.image)}, which the file does not list: add the image, or delete it"
    if not _is_key(entry.category) or entry.category not in names:
        return f"is of category {_short(entry.category)}, which the file does not list: add the category"
    if entry.is_crowd:
        return "is a crowd, which marks no single defect: mark each one"
    return "" if entry.edges else "has no bbox of four numbers, and no segmentation that can be read: draw it again"


def _declared(image: dict[str, Any]) -> tuple[int, int] | None:
    width, height = image.get("width"), image.get("height")
    if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
        return width, height
    return None


def _number(entry: Any) -> Any:
    return entry.number if isinstance(entry, _Annotation) else None


def _field(entry: Any, name: str) -> Any:
    return entry.get(name) if isinstance(entry, dict) else None


def _is_key(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _float(value: float) -> float:
    """Whole numbers stay whole; those too large for a float are infinite."""
    return value if isinstance(value, float) or abs(value) < 1 << 53 else math.inf


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
