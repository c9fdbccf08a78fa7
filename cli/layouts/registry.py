"""Which layout a folder is in.

A manifest says more than other annotation files, these say more than masks, and these more than folders alone. Layouts
that say equally much exclude each other, so that none of them has to come first.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from cli.layouts import (
    coco,
    deeppcb,
    kolektor,
    label_folders,
    magnetic_tile,
    manifest,
    mvtec,
    own,
    real_iad,
    severstal,
    visa,
    voc,
    yolo,
)
from cli.layouts.collecting import Collector
from cli.layouts.contents import Recognised
from cli.layouts.files import Files
from mlops.dataset.labels import NORMAL, likeness
from mlops.pictures.looking import MaskRules
from mlops.words import some

Recognises = Callable[[Files], bool]
Read = Callable[[Files, MaskRules], Collector]


@dataclass(frozen=True)
class Layout:
    """A layout by its name: whether a folder is in it, and what it says then; `rank` 0 says most."""

    name: str
    title: str
    recognises: Recognises
    read: Read
    rank: int


class NotRecognised(ValueError):  # noqa: N818  - a refusal is a result that is told, not a fault
    """A folder is in none of the layouts, or in several; the message says what to do."""


class LabelUnknown(ValueError):  # noqa: N818  - a refusal is a result that is told, not a fault
    """A label that does not exist is to be called otherwise; the message names those that exist."""


def _of_family(
    name: str, title: str, kind: Callable[[Files], str | None], read: Callable[..., Collector], rank: int
) -> Layout:
    return Layout(name, title, lambda files: kind(files) == name, partial(read, name=name), rank)


# Every layout of a family asks the same of the same files.
_voc_kind, _mvtec_kind = lru_cache(maxsize=1)(voc.kind), lru_cache(maxsize=1)(mvtec.kind)

LAYOUTS = (
    Layout("coco", "COCO", coco.recognises, coco.read, 1),
    Layout("yolo", "YOLO", yolo.recognises, yolo.read, 1),
    _of_family("voc", "Pascal VOC", _voc_kind, voc.read, 1),
    _of_family("neu_det", "NEU-DET", _voc_kind, voc.read, 1),
    _of_family("gc10_det", "GC10-DET", _voc_kind, voc.read, 1),
    _of_family("hripcb", "HRIPCB", _voc_kind, voc.read, 1),
    Layout("dataset", "a dataset of this system", own.recognises, own.read, 0),
    _of_family("plain", "folders of this system", _mvtec_kind, mvtec.read, 3),
    _of_family("image_folders", "folders of labels below train, val and test", _mvtec_kind, mvtec.read, 2),
    _of_family("mvtec_ad", "MVTec AD", _mvtec_kind, mvtec.read, 2),
    _of_family("mvtec_ad_2", "MVTec AD 2", _mvtec_kind, mvtec.read, 2),
    _of_family("mvtec_loco", "MVTec LOCO", _mvtec_kind, mvtec.read, 2),
    _of_family("visa_one_class", "VisA, one-class form", _mvtec_kind, mvtec.read, 2),
    _of_family("btad", "BTAD", _mvtec_kind, mvtec.read, 2),
    Layout("visa", "VisA", visa.recognises, visa.read, 2),
    Layout("kolektor_sdd", "KolektorSDD", kolektor.recognises_first, kolektor.read_first, 2),
    Layout("kolektor_sdd2", "KolektorSDD2", kolektor.recognises_second, kolektor.read_second, 2),
    Layout("dagm_2007", "DAGM 2007", kolektor.recognises_dagm, kolektor.read_dagm, 2),
    Layout("magnetic_tile", "Magnetic Tile", magnetic_tile.recognises, magnetic_tile.read, 2),
    Layout("severstal", "Severstal", severstal.recognises, severstal.read, 1),
    Layout("real_iad", "Real-IAD", real_iad.recognises, real_iad.read, 2),
    Layout("deeppcb", "DeepPCB", deeppcb.recognises, deeppcb.read, 1),
    Layout("label_folders", "folders of labels (ImageFolder)", label_folders.recognises, label_folders.read, 4),
    Layout("manifest", "Ground Truth, Custom Labels or Lookout for Vision", manifest.recognises, manifest.read, 0),
)
_BY_NAME = {layout.name: layout for layout in LAYOUTS}


def recognised_by(folder: Path | Files) -> list[str]:
    """The names of the layouts that a folder is in; of several those that say most."""
    files = folder if isinstance(folder, Files) else Files(folder)
    for rank in sorted({layout.rank for layout in LAYOUTS}):
        if found := [layout.name for layout in LAYOUTS if layout.rank == rank and layout.recognises(files)]:
            return found
    return []


def read(
    folder: Path,
    layout: str | None = None,
    rules: MaskRules | None = None,
    names: Mapping[str, str] | None = None,
    normal: Collection[str] = (),
) -> Recognised:
    """What a folder of labelled pictures says, in the layout that is given or recognised.

    `names` gives labels other names, by the old ones; `normal` has those that mean "no defect" where they exist.
    Raises NotRecognised and LabelUnknown.
    """
    if not folder.is_dir():
        raise NotRecognised(f"{folder} is no folder")
    files = Files(folder)
    found = [layout] if layout else recognised_by(files)
    if unknown := [name for name in found if name not in _BY_NAME]:
        raise NotRecognised(f"{unknown[0]!r} is no layout; known are {', '.join(_BY_NAME)}")
    if not found:
        raise NotRecognised(
            f"{folder} is in no known layout: put pictures under <label>/ or <train|test|holdout>/<label>/, or export "
            "the labels as COCO, Pascal VOC or YOLO"
        )
    if len(found) > 1:
        raise NotRecognised(f"{folder} can be read as {' and as '.join(found)}: say which, or move the others away")
    collector = _BY_NAME[found[0]].read(files, rules or MaskRules())
    known = set(map(likeness, collector.written))
    if missing := [name for name in names or {} if likeness(name) not in known]:
        raise LabelUnknown(f"no label is called {missing[0]!r}; the labels are: {some(collector.written)}")
    return collector.finished(found[0], {**dict.fromkeys(normal, NORMAL), **(names or {})})
