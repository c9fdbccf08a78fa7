"""Magnetic Tile: `MT_<kind>/Imgs/<n>.jpg` and the mask `<n>.png` beside it; `MT_Free` is good."""

from pathlib import PurePosixPath

from cli.layouts.collecting import Collector
from cli.layouts.files import Files
from cli.layouts.masked import take
from cli.layouts.sides import word_of
from mlops.dataset.labels import means_no_defect
from mlops.pictures.looking import MaskRules

_PREFIX = "MT_"


def recognises(files: Files) -> bool:
    return any(_label(path) for path in files.pictures)


def _label(path: PurePosixPath) -> str:
    """What the folder above `Imgs` is called; empty for anything else."""
    if len(path.parts) < 3 or path.parent.name.lower() not in ("imgs", "images"):
        return ""
    folder = path.parts[-3]
    return folder.removeprefix(_PREFIX) if folder.startswith(_PREFIX) else ""


def read(files: Files, rules: MaskRules) -> Collector:
    collector = Collector(files)
    for path in files.pictures:
        label = _label(path)
        if not label or path.suffix.lower() not in (".jpg", ".jpeg", ".bmp"):
            continue
        mask = path.with_suffix(".png")
        masks = (mask,) if mask in files else ()
        # The masks of good tiles are black.
        take(collector, path, label, masks, rules, side=word_of(path.parent))
        if not masks and not means_no_defect(label):
            collector.notes.append(f"{path} has no mask {mask.name}")
    return collector
