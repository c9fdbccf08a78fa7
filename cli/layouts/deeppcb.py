"""DeepPCB: `<n>/<id>_test.jpg` with boxes in `<n>_not/<id>.txt`; `<id>_temp.jpg` is the same place without a defect."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from cli.layouts.collecting import Collector, Found
from cli.layouts.files import Files, Unreadable
from cli.layouts.sides import Word, word
from mlops.dataset.labels import NORMAL
from mlops.pictures.looking import MaskRules
from mlops.words import counted

_KINDS = {"1": "open", "2": "short", "3": "mousebite", "4": "spur", "5": "copper", "6": "pin-hole"}
_MOST_BYTES = 1 << 24


def recognises(files: Files) -> bool:
    return any(_boxes_of(path) in files for path in files.pictures if _is(path, "_test"))


def _is(path: PurePosixPath, ending: str) -> bool:
    return path.stem.endswith(ending) and len(path.parts) > 1


def _name(path: PurePosixPath) -> str:
    return path.stem.rpartition("_")[0]


def _boxes_of(path: PurePosixPath) -> PurePosixPath:
    return path.parent.with_name(f"{path.parent.name}_not") / f"{_name(path)}.txt"


def read(files: Files, rules: MaskRules) -> Collector:
    collector = Collector(files)
    sides = _sides(collector)
    templates = 0
    for path in files.pictures:
        group, side = f"{path.parent}/{_name(path)}", sides.get(_name(path))
        if _is(path, "_test"):
            _picture(collector, path, side, group)
        elif _is(path, "_temp"):
            templates += 1
            collector.picture(path, (NORMAL,), side=side, group=group)
    if templates:
        collector.notes.append(f'{counted(templates, "template")} ("_temp") taken as "{NORMAL}"')
    return collector


def _sides(collector: Collector) -> dict[str, Word]:
    """Sides by the names of pictures, as trainval.txt and test.txt list them."""
    found: dict[str, Word] = {}
    for path in collector.files.ending("trainval.txt", "test.txt"):
        side = word(path.stem)
        if side and not path.parent.name.endswith("_not"):
            try:
                text = collector.files.text(path, _MOST_BYTES)
                found |= {PurePosixPath(line.split()[0]).stem: side for line in text.splitlines() if line.strip()}
            except Unreadable as refusal:
                collector.leave_out(path, str(refusal))
    return found


def _picture(collector: Collector, path: PurePosixPath, side: Word | None, group: str) -> None:
    source = _boxes_of(path)
    if source not in collector.files:
        collector.leave_out(path, f"has no {source}, which would say what it shows: add it")
        return
    try:
        text = collector.files.text(source, _MOST_BYTES)
    except Unreadable as refusal:
        collector.leave_out(source, str(refusal))
        collector.leave_out(path, f"its boxes {source} cannot be read: mend that file")
        return
    boxes = list(_boxes(collector, source, text))
    if text.strip() and not boxes:
        collector.leave_out(path, f"no line of {source} can be used: mend that file")
        return
    collector.picture(path, (), boxes, side=side, group=group, source=source)


def _boxes(collector: Collector, source: PurePosixPath, text: str) -> Iterator[Found]:
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.replace(",", " ").split()
        if not fields:
            continue
        try:
            left, top, right, bottom = map(float, fields[:4])
            (kind,) = fields[4:]
            yield Found(_KINDS[kind], left, top, right, bottom, line=number)
        except ValueError:
            collector.leave_out(source, "must have four edges and the number of a kind: mend it", number)
        except KeyError:
            collector.leave_out(source, f"has the kind {fields[4]!r}; known are 1 to {len(_KINDS)}: mend it", number)
