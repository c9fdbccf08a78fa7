"""The family of MVTec AD: sides, below them folders of labels, and masks in `ground_truth`.

`plain` is what the stack itself understands. MVTec LOCO has several masks a picture, the one-class form of VisA and
BTAD name masks like their pictures, MVTec AD 2 has sides of its own and lightings of one part. Folders of labels below
train, val and test, without masks, are what most tools for classification take.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from cli.layouts.collecting import Collector
from cli.layouts.files import Files
from cli.layouts.masked import take
from cli.layouts.sides import Word
from mlops.dataset.keys import KeyRefused, parse_upload
from mlops.dataset.labels import likeness
from mlops.pictures.looking import MaskRules
from mlops.words import counted, some

_SIDES = {"train": Word.TRAIN, "test": Word.TEST, "holdout": Word.HOLDOUT}
_WITH_VALIDATION = {**_SIDES, **dict.fromkeys(("val", "valid", "validation"), Word.VALIDATION)}
# These have good parts only for validation, by which others set thresholds for what they learned from good parts.
_SIDES_OF_LOCO = {**_SIDES, "validation": Word.TRAIN}
_SIDES_OF_AD2 = {"train": Word.TRAIN, "validation": Word.TRAIN, "test_public": Word.TEST}
_SIDES_OF = {"mvtec_loco": _SIDES_OF_LOCO, "mvtec_ad_2": _SIDES_OF_AD2, "image_folders": _WITH_VALIDATION}
_LIGHTING = re.compile(r"(?P<part>\d+)_(?P<lighting>[a-z0-9_]+)", re.IGNORECASE)


@dataclass(frozen=True)
class _Place:
    """Where a picture stands: the folder of the product, the side's folder, the label's folder."""

    top: PurePosixPath
    side: str
    label: str


def kind(files: Files) -> str | None:
    """Which of the family this is; None when it is none."""
    places = {path: place for path in files.pictures if (place := _place(path, _WITH_VALIDATION))}
    if any(_place(path, _SIDES_OF_AD2) and "test_public" in path.parts for path in files.pictures):
        return "mvtec_ad_2"
    if not places:
        return None
    tops = {place.top for place in places.values()}
    masks = [path for path in files.pictures if _is_mask(path)]
    if any(_is_of_loco(mask) for mask in masks):
        return "mvtec_loco"
    if any(not mask.name.lower().endswith("_mask.png") for mask in masks):
        return "btad" if {likeness(place.label) for place in places.values()} & {"ok", "ko"} else "visa_one_class"
    if any(likeness(place.side) not in _SIDES for place in places.values()):
        return "image_folders"
    return "plain" if tops == {PurePosixPath()} and _is_plain(files) else "mvtec_ad"


def _is_plain(files: Files) -> bool:
    """Whether the stack takes at least something as it is."""
    return any(_is_taken(path) for path in files.pictures)


def _is_taken(path: PurePosixPath) -> bool:
    try:
        return parse_upload(f"datasets/x/{path}").kind == "image"
    except KeyRefused:
        return False


def _is_mask(path: PurePosixPath) -> bool:
    return "ground_truth" in path.parts


def _is_of_loco(mask: PurePosixPath) -> bool:
    place = mask.parts.index("ground_truth")
    return len(mask.parts) - place == 4 and likeness(mask.parts[place + 1]) not in _SIDES


def _place(path: PurePosixPath, sides: dict[str, Word]) -> _Place | None:
    """`<top>/<side>/<label>/<picture>`; None for anything else."""
    if len(path.parts) < 3 or _is_mask(path):
        return None
    side, label = path.parts[-3:-1]
    if likeness(side) not in sides:
        return None
    if _no_label(label):
        return None
    return _Place(PurePosixPath(*path.parts[:-3]), side, label)


@lru_cache(maxsize=1000)
def _no_label(folder: str) -> bool:
    """Whether the stack would refuse a folder as a label: `images`, `labels`, `masks`."""
    try:
        parse_upload(f"datasets/x/train/{folder}/x.png")
    except KeyRefused:
        return True
    return False


def read(files: Files, rules: MaskRules, name: str = "plain") -> Collector:
    """Every picture below a side, with the boxes of its masks."""
    collector = Collector(files)
    take_folders(collector, rules, name)
    return collector


def take_folders(collector: Collector, rules: MaskRules, name: str = "plain") -> None:
    """What folders and masks say of pictures of which nothing else said something."""
    files = collector.files
    sides = _SIDES_OF.get(name, _SIDES)
    masks = _masks(files)
    places = {path: place for path in files.pictures if (place := _place(path, sides))}
    places = {path: place for path, place in places.items() if not collector.is_known(path)}
    alike = Counter((place.top, place.label, path.stem) for path, place in places.items())
    tops = {place.top for place in places.values()}
    for path, place in places.items():
        own = _own_masks(masks, path, place, alike[place.top, place.label, path.stem] > 1)
        group = _group(path) if name == "mvtec_ad_2" else None
        take(collector, path, place.label, own, rules, side=sides[likeness(place.side)], group=group)
    _say_the_rest(collector, masks)
    if len(tops) > 1:
        tell = f"{counted(len(tops), 'product')} in one folder ({some(map(str, tops))}): better a dataset for each"
        collector.notes.append(tell)


def _masks(files: Files) -> dict[tuple[PurePosixPath, str], list[PurePosixPath]]:
    """Masks by the folder of their label below `ground_truth` and the name of their picture, without ending."""
    found: dict[tuple[PurePosixPath, str], list[PurePosixPath]] = defaultdict(list)
    for path in files.pictures:
        if _is_mask(path):
            for key in _keys(path):
                found[key].append(path)
    return found


def _keys(mask: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    yield mask.parent, mask.stem.removesuffix("_mask")
    # MVTec LOCO: a folder a picture.
    yield mask.parent.parent, mask.parent.name


def _own_masks(
    masks: dict[tuple[PurePosixPath, str], list[PurePosixPath]], path: PurePosixPath, place: _Place, has_twin: bool
) -> list[PurePosixPath]:
    """The masks of a picture: those that name its side come first."""
    truth = place.top / "ground_truth"
    for folder in (truth / place.side / place.label, place.top / place.side / "ground_truth" / place.label):
        if found := masks.get((folder, path.stem)):
            return found
    # Which side's 000 the mask 000 belongs to, nobody knows.
    return [] if has_twin else masks.get((truth / place.label, path.stem), [])


def _group(path: PurePosixPath) -> str | None:
    """The part whose lightings MVTec AD 2 shows one by one; parts are numbered anew in every folder."""
    match = _LIGHTING.fullmatch(path.stem)
    return f"{path.parent}/{match['part']}" if match else None


def _say_the_rest(collector: Collector, masks: dict[tuple[PurePosixPath, str], list[PurePosixPath]]) -> None:
    for path in sorted({path for own in masks.values() for path in own}):
        if not collector.is_known(path):
            collector.leave_out(
                path, "belongs to no picture, or to several, with this label and name: put it below its side"
            )
    for path in collector.files.pictures:
        is_private = any(part.startswith("test_private") for part in path.parts)
        if is_private and not collector.is_known(path):
            collector.leave_out(path, "is kept private by its makers, who publish no labels of it")
