"""Folders of labels without sides, as ImageFolder of torchvision takes them and people sort pictures: `OK`, `NG`."""

from pathlib import PurePosixPath

from cli.layouts.collecting import Collector
from cli.layouts.files import Files
from cli.layouts.sides import word
from mlops.dataset.annotations import masks_among
from mlops.dataset.keys import KeyRefused, parse_upload
from mlops.pictures.looking import MaskRules

# Beside such files the folders do not say everything.
_ANNOTATIONS = (".xml", ".json", ".jsonl", ".csv", ".manifest", ".yaml", ".yml")
_LEAST_LABELS = 2


def recognises(files: Files) -> bool:
    """Whether all pictures lie in folders of labels, two at least, and nothing else says what they show."""
    tops = {path.parent.parent for path in files.pictures}
    labels = {path.parent.name for path in files.pictures}
    if len(tops) != 1 or len(labels) < _LEAST_LABELS or not all(map(_is_label, labels)):
        return False
    if PurePosixPath() in {path.parent for path in files.pictures}:
        return False
    said = [path for path in files.ending(*_ANNOTATIONS, ".txt") if path.parent != PurePosixPath() or _says(path)]
    return not said and not masks_among(map(str, files.pictures))


def _is_label(folder: str) -> bool:
    """Whether a folder is called neither after a side nor after a kind of files."""
    try:
        return word(folder) is None and bool(parse_upload(f"datasets/x/train/{folder}/x.png").label)
    except KeyRefused:
        return False


def _says(path: PurePosixPath) -> bool:
    return path.suffix.lower() in _ANNOTATIONS and path.name != "dataset.json"


def read(files: Files, rules: MaskRules) -> Collector:
    """Every picture with the name of its folder; the stack deals them into sides."""
    collector = Collector(files)
    for path in files.pictures:
        if path.parent != PurePosixPath() and _is_label(path.parent.name):
            collector.picture(path, (path.parent.name,))
    return collector
