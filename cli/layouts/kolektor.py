"""Masks beside their pictures that alone say whether there is a defect: KolektorSDD, KolektorSDD2 and DAGM 2007."""

import re
from pathlib import PurePosixPath

from cli.layouts.collecting import Collector
from cli.layouts.files import Files
from cli.layouts.masked import beside, by_mask, take
from cli.layouts.sides import word_of
from mlops.dataset.labels import NORMAL
from mlops.pictures.looking import MaskRules

_ITEM = re.compile(r"kos\d+", re.IGNORECASE)
_CLASS = re.compile(r"class\d+", re.IGNORECASE)
_NO_MASK = "has no mask {}, and only that says whether it has a defect: add it, all black for a good part"


def recognises_first(files: Files) -> bool:
    return any(_ITEM.fullmatch(path.parent.name) and _label_of_item(files, path) for path in files.pictures)


def _label_of_item(files: Files, path: PurePosixPath) -> PurePosixPath | None:
    return beside(files, path.with_suffix(""), "_label.bmp", "_label.png")


def read_first(files: Files, rules: MaskRules) -> Collector:
    """KolektorSDD: `kosNN/PartN.jpg`; all parts of one item stand on one side."""
    collector = Collector(files)
    for path in files.pictures:
        if _ITEM.fullmatch(path.parent.name) and not path.stem.lower().endswith("_label"):
            side, group = word_of(path.parent.parent), str(path.parent)
            if mask := _label_of_item(files, path):
                by_mask(collector, path, mask, rules, side=side, group=group)
            else:
                collector.leave_out(path, _NO_MASK.format(f"{path.stem}_label.bmp"))
    return collector


def recognises_second(files: Files) -> bool:
    return any(beside(files, path.with_suffix(""), "_gt.png") for path in files.pictures)


def read_second(files: Files, rules: MaskRules) -> Collector:
    """KolektorSDD2: `<train|test>/<n>.png` and `<n>_GT.png`."""
    collector = Collector(files)
    for path in files.pictures:
        if not path.stem.lower().endswith("_gt"):
            if mask := beside(files, path.with_suffix(""), "_gt.png"):
                by_mask(collector, path, mask, rules, side=word_of(path.parent))
            else:
                collector.leave_out(path, _NO_MASK.format(f"{path.stem}_GT.png"))
    return collector


def recognises_dagm(files: Files) -> bool:
    return any(_is_label_of_dagm(path) for path in files.pictures)


def _is_label_of_dagm(path: PurePosixPath) -> bool:
    return path.parent.name.lower() == "label" and path.stem.lower().endswith("_label")


def read_dagm(files: Files, rules: MaskRules) -> Collector:
    """DAGM 2007: `<Train|Test>/<n>.PNG`, and `Label/<n>_label.PNG` with an ellipse for those that have a defect.

    Each of its classes is another texture with one kind of defect: below `ClassN` the label is that name.
    """
    collector = Collector(files)
    for path in files.pictures:
        if path.parent.name.lower() != "label":
            side = word_of(path.parent)
            folders = [part for part in path.parts[:-1] if _CLASS.fullmatch(part)]
            mask = beside(files, path.parent / "Label" / path.stem, "_label.png")
            if side is None:
                continue
            if mask:
                take(collector, path, folders[-1] if folders else "defect", (mask,), rules, side=side)
            else:
                collector.picture(path, (NORMAL,), side=side)
    return collector
