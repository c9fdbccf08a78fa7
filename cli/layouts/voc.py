"""Pascal VOC: one XML file a picture. NEU-DET, GC10-DET and HRIPCB are this, in folders of their own.

Boxes run from (xmin, ymin) to the exclusive (xmax, ymax), as labelling tools write them today.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from cli.layouts.collecting import Collector, Found
from cli.layouts.files import Files, Unreadable, inside
from cli.layouts.sides import Word, word, word_of
from mlops.dataset.labels import NORMAL
from mlops.pictures.looking import MaskRules
from mlops.words import counted

_MOST_BYTES = 1 << 24
_SNIFFED = 20
_HRIPCB = frozenset({"missing_hole", "mouse_bite", "open_circuit", "short", "spur", "spurious_copper"})


def kind(files: Files) -> str | None:
    """Which of the layouts that have Pascal VOC's files this is; None when it is none of them."""
    found = files.ending(".xml")
    if not any(_begins_like_one(files, path) for path in found[:_SNIFFED]):
        return None
    parents = {path.parent.name.lower() for path in found}
    if "lable" in parents:
        return "gc10_det"
    if parents & _HRIPCB or any("PCB_USED" in path.parts for path in files.pictures):
        return "hripcb"
    return "neu_det" if _is_neu(files, found) else "voc"


def _is_neu(files: Files, found: list[PurePosixPath]) -> bool:
    if any(path.parent.name == "ANNOTATIONS" and path.parent.parent / "IMAGES" in files.folders for path in found):
        return True
    return any(
        path.parent.name == "annotations" and _has_class_folders(files, path.parent.parent / "images") for path in found
    )


def _has_class_folders(files: Files, folder: PurePosixPath) -> bool:
    return any(place.parent == folder for place in files.folders)


def _begins_like_one(files: Files, path: PurePosixPath) -> bool:
    return bool(re.search(rb"<annotation[\s>]", files.beginning(path)))


def read(files: Files, rules: MaskRules, name: str = "voc") -> Collector:
    """Every XML file and the picture that it is about."""
    collector = Collector(files)
    lists = _lists(collector)
    for path in files.ending(".xml"):
        try:
            _read_one(collector, path, lists)
        except Unreadable as refusal:
            collector.leave_out(path, str(refusal))
    if name == "hripcb":
        _take_templates(collector)
    return collector


def _take_templates(collector: Collector) -> None:
    """The boards that HRIPCB drew its defects on have none."""
    boards = [path for path in collector.files.pictures if path.parent.name == "PCB_USED"]
    for path in boards:
        collector.picture(path, (NORMAL,))
    if boards:
        collector.notes.append(f'{counted(len(boards), "board")} in PCB_USED taken as "{NORMAL}"')


def _lists(collector: Collector) -> dict[str, Word]:
    """Sides by the names of pictures, as ImageSets/Main/train.txt and its neighbours list them."""
    found: dict[str, Word] = {}
    for path in collector.files.ending(".txt"):
        side = word(path.stem) if path.parent.name == "Main" and path.stem in ("train", "val", "test") else None
        if side:
            try:
                lines = collector.files.text(path, _MOST_BYTES).splitlines()
            except Unreadable as refusal:
                collector.leave_out(path, str(refusal))
                continue
            found |= {line.split()[0]: side for line in lines if line.strip()}
    return found


def _read_one(collector: Collector, path: PurePosixPath, lists: dict[str, Word]) -> None:
    data = collector.files.data(path, _MOST_BYTES)
    root = _parsed(data)
    picture = _picture(collector, path, (root.findtext("filename") or "").strip())
    side = lists.get(path.stem) or word_of(picture.parent) or word_of(path.parent)
    boxes = list(_boxes(collector, path, root, _lines(data)))
    if not boxes and root.find("object") is not None:
        collector.leave_out(picture, f"{path} has no object that can be used: mend that file")
        return
    collector.picture(picture, (), boxes, side=side, source=path, declared=_declared(root), shows_upright=True)


def _parsed(data: bytes) -> Any:
    try:
        root = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise Unreadable("declares a document type or entities, which annotations do not need: remove them") from None
    except (ParseError, ValueError, LookupError) as error:
        raise Unreadable(f"is not valid XML ({error}): export it again") from None
    if root.tag != "annotation":
        raise Unreadable(f"is about <{root.tag[:50]}>, not an <annotation> of Pascal VOC: move it away")
    return root


def _declared(root: Any) -> tuple[int, int] | None:
    """The size that the file states; some tools write 0 for one that they do not know."""
    try:
        width, height = (int(float(root.findtext(f"size/{side}") or 0)) for side in ("width", "height"))
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def _lines(data: bytes) -> list[int]:
    """The lines on which objects begin."""
    lines, line, place = [], 1, 0
    for match in re.finditer(rb"<object[\s>]", data):
        line += data.count(b"\n", place, match.start())
        place = match.start()
        lines.append(line)
    return lines


def _boxes(collector: Collector, path: PurePosixPath, root: Any, lines: list[int]) -> Iterator[Found]:
    for number, entry in enumerate(root.iter("object"), 1):
        where, line = f"object {number}", lines[number - 1] if number <= len(lines) else None
        try:
            edges = [float(entry.findtext(f"bndbox/{edge}")) for edge in ("xmin", "ymin", "xmax", "ymax")]
        except (TypeError, ValueError):
            collector.leave_out(path, f"{where} has no bndbox of four numbers: draw it again", line)
            continue
        yield Found(entry.findtext("name") or "", *edges, line=line, where=where)


def _picture(collector: Collector, path: PurePosixPath, name: str) -> PurePosixPath:
    """The picture of the same name, or the one that the file names. Raises Unreadable when both are there."""
    files = collector.files
    by_stem = _nearest(collector, path, files.around(path, path.stem))
    wanted = inside(name) if name else None
    by_name = _nearest(collector, path, _called(files.around(path, wanted.stem), wanted)) if wanted else None
    if by_stem and by_name and by_stem.stem.lower() != by_name.stem.lower():
        raise Unreadable(f"is called like {by_stem}, but names {by_name}: rename it, or mend <filename>")
    found = by_name or by_stem
    if not found:
        raise Unreadable(f"is about the picture {name or path.stem!r}, which is not in the folder: add it")
    return found


def _called(found: list[PurePosixPath], wanted: PurePosixPath) -> list[PurePosixPath]:
    """Those of a name, whose ending some tools leave away."""
    return [path for path in found if not wanted.suffix or path.name.lower() == wanted.name.lower()]


def _nearest(collector: Collector, path: PurePosixPath, found: list[PurePosixPath]) -> PurePosixPath | None:
    """The one whose folders are most like those of the annotation. Raises Unreadable when there are several."""
    own = {part.lower() for part in path.parent.parts}
    scores = [len(own & {part.lower() for part in other.parent.parts}) for other in found]
    best = [other for other, score in zip(found, scores, strict=True) if score == max(scores)]
    if len(best) > 1 and all(collector.files.data(other) == collector.files.data(best[0]) for other in best[1:]):
        # GC10-DET puts a picture with several kinds of defects into the folder of each.
        for other in best[1:]:
            if not collector.is_known(other):
                collector.leave_out(other, f"is a copy of {best[0]}, which is taken")
        return best[0]
    if len(best) > 1:
        raise Unreadable(f"fits several pictures, {best[0]} and {best[1]} among them: keep one, or rename the others")
    return best[0] if best else None
