"""Which image trains, which tests, and which is held out."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlops.dataset.dataset_json import DatasetSettings
from mlops.dataset.images import Image
from mlops.dataset.keys import SPLITS
from mlops.dataset.limits import MAX_TEST_IMAGES_PER_LABEL, MIN_OVERLAP


@dataclass(frozen=True)
class Split:
    """What decides about sides: `folders`, or `pool` for a draw, and why."""

    by: str
    why: str


def chosen_split(images: Iterable[Image], settings: DatasetSettings) -> Split:
    """What decides about the sides of these images: the settings, or else the folders where they can be trained on."""
    if settings.split != "auto":
        return Split(settings.split, "dataset.json says so")
    fault = folder_fault(images)
    return Split("pool", fault) if fault else Split("folders", "every label is in train/, and test/ has enough of them")


def uses_folders(images: Iterable[Image], settings: DatasetSettings) -> bool:
    """Whether the images keep the sides that their folders name."""
    return chosen_split(images, settings).by == "folders"


def folder_fault(images: Iterable[Image]) -> str:
    """Why the folders as they are cannot be trained and tested on; empty when they can.

    The service wants half of the trained labels in the test, at least two of them, and at most so many images of one.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for image in images:
        counts[image.folder][image.label] += 1
    train, test, held_out = (set(counts[side]) for side in SPLITS)
    largest = max(counts["test"].values(), default=0)
    if not test:
        return "nothing is in test/"
    if unknown := (test | held_out) - train:
        return f"train/ has nothing of {', '.join(sorted(unknown))}"
    if len(test) < min(2, len(train)):
        return f"test/ has nothing but {', '.join(test)}"
    if len(test) < MIN_OVERLAP * len(train):
        return f"test/ has only {len(test)} of the {len(train)} labels in train/"
    return f"test/ has {largest} images of one label" if largest > MAX_TEST_IMAGES_PER_LABEL else ""


def assign_sides(
    images: Iterable[Image], settings: DatasetSettings, known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Side of every image by key. `known` holds the sides given before: they never change.

    Without folders that decide, the images of each label are pooled and dealt out in the order of a hash of their key,
    so that even a label of five images has some on every side.
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


def _deal(keys: list[str], settings: DatasetSettings, known: Mapping[str, str]) -> dict[str, str]:
    sides = {key: known[key] for key in keys if key in known}
    # Dealt before there was a bound: no model has learned from these, nor does one from what is held out.
    surplus = sorted((key for key in sides if sides[key] == "test"), key=_hash)[MAX_TEST_IMAGES_PER_LABEL:]
    sides |= dict.fromkeys(surplus, "holdout")
    quota = _quota(len(keys), settings)
    given = Counter(sides.values())
    for key in sorted(set(keys) - set(sides), key=_hash):
        missing = {side: quota[side] - given[side] for side in SPLITS}
        # Training comes first where little is left to deal: an image that no model sees helps nobody.
        sides[key] = max(SPLITS, key=lambda side: (missing[side] > 0, missing[side] / max(quota[side], 1)))
        given[sides[key]] += 1
    return sides


def _quota(count: int, settings: DatasetSettings) -> dict[str, int]:
    """How many of `count` images go where; small labels serve training, then test, then holdout.

    The test of the service takes so many images of a label, whatever the fraction.
    """
    test = min(max(round(count * settings.test_fraction), 1), count - 1, MAX_TEST_IMAGES_PER_LABEL)
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
