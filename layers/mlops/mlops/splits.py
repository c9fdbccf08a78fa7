"""Which image trains, which tests, and which is held out."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlops.boxes import Box
from mlops.keys import NORMAL, SPLITS, stem_of
from mlops.settings import DatasetSettings


@dataclass(frozen=True)
class Image:
    """An accepted image: its key, label, the folder it lies in, its content's SHA-256, what the service limits, and,
    for detection, the boxes of what its label means."""

    key: str
    etag: str
    label: str
    folder: str
    digest: str
    width: int = 0
    height: int = 0
    size: int = 0
    format: str = ""
    uploaded_at: str = ""
    boxes: tuple[Box, ...] = ()

    @property
    def stem(self) -> str:
        return stem_of(self.key)


def assign_sides(
    images: Iterable[Image], settings: DatasetSettings, known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Side of every image by key. `known` holds the sides given before: they never change.

    Folders decide when every defect label occurs in `train`. Otherwise the images of each label are pooled and dealt
    out in the order of a hash of their key, so that even a label of five images has some on every side.
    """
    listed = list(images)
    if uses_folders(listed, settings):
        return {image.key: image.folder for image in listed}
    by_label: dict[str, list[str]] = defaultdict(list)
    for image in listed:
        by_label[image.label].append(image.key)
    sides: dict[str, str] = {}
    for keys in by_label.values():
        sides |= _deal(keys, settings, known or {})
    return sides


def uses_folders(images: Iterable[Image], settings: DatasetSettings) -> bool:
    """Whether the images keep the sides that their folders name."""
    return settings.split == "folders" or (settings.split == "auto" and folders_decide(images))


def folders_decide(images: Iterable[Image]) -> bool:
    """Whether the folders are a usable split: every defect label occurs in `train`, and something is in `test`."""
    labels: dict[str, set[str]] = defaultdict(set)
    for image in images:
        labels[image.folder].add(image.label)
    defects = set().union(*labels.values()) - {NORMAL}
    return bool(labels["test"]) and defects <= labels["train"]


def _deal(keys: list[str], settings: DatasetSettings, known: Mapping[str, str]) -> dict[str, str]:
    sides = {key: known[key] for key in keys if key in known}
    quota = _quota(len(keys), settings)
    given = Counter(sides.values())
    for key in sorted(set(keys) - set(sides), key=_hash):
        missing = {side: quota[side] - given[side] for side in SPLITS}
        # Training comes first where little is left to deal: an image that no model sees helps nobody.
        sides[key] = max(SPLITS, key=lambda side: (missing[side] > 0, missing[side] / max(quota[side], 1)))
        given[sides[key]] += 1
    return sides


def _quota(count: int, settings: DatasetSettings) -> dict[str, int]:
    """How many of `count` images go where; small labels serve training, then test, then holdout."""
    test = min(max(round(count * settings.test_fraction), 1), count - 1)
    least = 1 if settings.holdout_fraction and count > 3 else 0
    holdout = min(max(round(count * settings.holdout_fraction), least), max(count - test - 1, 0))
    return {"train": count - test - holdout, "test": test, "holdout": holdout}


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def find_duplicates(images: Iterable[Image]) -> dict[str, str]:
    """Keys of byte-identical images that must be left out, with the reason.

    One of several copies under one label stays; copies under different labels contradict each other and all go.
    Which copy stays: the one in the earlier of train, test, holdout, then the smaller key.
    """
    refused: dict[str, str] = {}
    by_digest: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        by_digest[image.digest].append(image)
    for copies in by_digest.values():
        copies.sort(key=lambda image: (SPLITS.index(image.folder), image.key))
        if len({image.label for image in copies}) > 1:
            for image in copies:
                other = next(copy for copy in copies if copy.label != image.label)
                refused[image.key] = f"the same bytes are labelled {other.label!r} as {other.key}: keep one of them"
        else:
            for image in copies[1:]:
                refused[image.key] = f"byte-identical to {copies[0].key}: an image may stand on one side only"
    return refused
