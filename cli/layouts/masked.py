"""What layouts with masks have in common: a picture, its label, and the masks that show where its defects are."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from cli.layouts.collecting import Collector, Found
from cli.layouts.files import Files, Unreadable
from cli.layouts.regions import boxes, shades
from cli.layouts.sides import Word
from mlops.dataset.labels import NORMAL, means_no_defect
from mlops.pictures.looking import MaskRules


def take(
    collector: Collector,
    path: PurePosixPath,
    label: str,
    masks: Sequence[PurePosixPath],
    rules: MaskRules,
    *,
    side: Word | None = None,
    group: str | None = None,
) -> None:
    """Take a picture with one label and the boxes of all its masks.

    One whose mask cannot be used keeps its label and has no boxes: it still shows what a defect looks like.
    """
    collector.ignore(masks)
    found: list[Found] = []
    used: list[PurePosixPath] = []
    try:
        frame = collector.files.frame(path)
    except Unreadable as refusal:
        collector.leave_out(path, str(refusal))
        return
    for mask in masks:
        try:
            own = boxes(label, shades(collector.files, mask, frame), rules)
            _check(label, own)
        except Unreadable as refusal:
            collector.leave_out(mask, str(refusal))
            # Boxes of some masks only would call the rest of the picture clean.
            found, used = [], []
            break
        found, used = [*found, *own], [*used, mask]
    collector.picture(path, (label,), found, side=side, group=group, masks=used, declared=frame.size)


def _check(label: str, found: Sequence[Found]) -> None:
    if means_no_defect(label) and found:
        raise Unreadable("marks a defect in a picture that has none: move the picture, or delete this")
    if not means_no_defect(label) and not found:
        raise Unreadable("marks nothing that is large enough: mark the defect, or call its picture good")


def by_mask(
    collector: Collector,
    path: PurePosixPath,
    mask: PurePosixPath,
    rules: MaskRules,
    *,
    side: Word | None = None,
    group: str | None = None,
    label: str = "defect",
) -> None:
    """Take a picture of which only the mask says whether it has a defect: an all-black one says that it has none."""
    collector.ignore((path, mask))
    try:
        frame = collector.files.frame(path)
        marked = shades(collector.files, mask, frame)
    except Unreadable as refusal:
        collector.leave_out(mask, str(refusal))
        collector.leave_out(path, f"its mask {mask} cannot be used, and only that says whether it has a defect")
        return
    if not marked.any():
        collector.picture(path, (NORMAL,), side=side, group=group, masks=(mask,))
        return
    found: list[Found] = []
    try:
        found = boxes(label, marked, rules)
        _check(label, found)
    except Unreadable as refusal:
        collector.leave_out(mask, str(refusal))
    used = (mask,) if found else ()
    collector.picture(path, (label,), found, side=side, group=group, masks=used, declared=frame.size)


def beside(files: Files, stem: PurePosixPath, *endings: str) -> PurePosixPath | None:
    """The first file of one name with one of these endings, in small or in capital letters."""
    wanted = (files.written(f"{stem}{ending}") for ending in endings)
    return next((path for path in wanted if path), None)
