"""Real-IAD: `<OK|NG>/<type>/<S…>/`, five views of one part in a folder, masks beside the views that show a defect."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

from cli.layouts.collecting import Collector
from cli.layouts.files import Files, Unreadable
from cli.layouts.masked import beside, by_mask, take
from cli.layouts.regions import shades
from mlops.dataset.labels import NORMAL
from mlops.pictures.looking import MaskRules

_PART = re.compile(r"S\d+")


def recognises(files: Files) -> bool:
    return any(_label(path) for path in files.pictures)


def _label(path: PurePosixPath) -> str:
    """`NG/<type>/S0001/` has the type as its label, `OK/S0001/` and `OK/<type>/S0001/` none; empty for others."""
    folders = path.parts[:-1]
    if len(folders) < 2 or not _PART.fullmatch(folders[-1]):
        return ""
    above = folders[-3:-1]
    if "OK" in above:
        return NORMAL
    if above[-1] == "NG":
        return "NG"
    return above[-1] if above[0] == "NG" else ""


def read(files: Files, rules: MaskRules) -> Collector:
    collector = Collector(files)
    for part, views in _parts(files):
        _read_part(collector, part, views, rules)
    return collector


def _parts(files: Files) -> Iterator[tuple[PurePosixPath, list[PurePosixPath]]]:
    parts: dict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
    for path in files.pictures:
        if _label(path) and not _is_mask(files, path):
            parts[path.parent].append(path)
    yield from parts.items()


def _is_mask(files: Files, path: PurePosixPath) -> bool:
    if path.suffix.lower() != ".png":
        return False
    stem = path.with_name(path.stem.removesuffix("_mask"))
    return path.stem.endswith("_mask") or any(stem.with_suffix(ending) in files for ending in (".jpg", ".jpeg"))


def _mask(files: Files, path: PurePosixPath) -> PurePosixPath | None:
    found = beside(files, path.with_suffix(""), "_mask.png")
    return found or (beside(files, path.with_suffix(""), ".png") if path.suffix.lower() != ".png" else None)


def _read_part(collector: Collector, part: PurePosixPath, views: list[PurePosixPath], rules: MaskRules) -> None:
    masks = {path: _mask(collector.files, path) for path in views}
    # Only where a view has no mask it matters whether another one has.
    is_marked = None in masks.values() and any(mask and _marks(collector.files, mask) for mask in masks.values())
    for path, mask in masks.items():
        label, group = _label(path), str(part)
        if label == NORMAL:
            take(collector, path, NORMAL, [mask] if mask else [], rules, group=group)
        elif mask:
            by_mask(collector, path, mask, rules, group=group, label=label)
        elif is_marked:
            # The defect of a part shows in some of its views only; the others have no mask.
            collector.picture(path, (NORMAL,), group=group)
        else:
            collector.picture(path, (label,), group=group)


def _marks(files: Files, mask: PurePosixPath) -> bool:
    try:
        return bool(shades(files, mask, files.frame(mask)).any())
    except Unreadable:
        return False
