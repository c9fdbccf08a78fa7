"""Which image trains, which tests, and which is held out."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from mlops.dataset.dataset_json import DatasetSettings
from mlops.dataset.images import Image
from mlops.dataset.keys import SPLITS, is_reviewed
from mlops.dataset.limits import MAX_TEST_IMAGES_PER_LABEL, MIN_OVERLAP


@dataclass(frozen=True)
class Split:
    """What decides about sides: `folders`, or `pool` for a draw, and why."""

    by: str
    why: str


def chosen_split(images: Iterable[Image], settings: DatasetSettings) -> Split:
    """What decides about the sides of these images: the settings, or else the folders where they can be trained on."""
    # What people answered about production says nothing of how a team sorts its pictures.
    images = [image for image in images if not is_reviewed(image.key)]
    if settings.split != "auto":
        return Split(settings.split, "dataset.json says so")
    fault = folder_fault(images)
    return Split("pool", fault) if fault else Split("folders", "every label is in train/, and test/ has enough of them")


def uses_folders(images: Iterable[Image], settings: DatasetSettings) -> bool:
    """Whether the images keep the sides that their folders name."""
    return chosen_split(images, settings).by == "folders"


def folder_fault(images: Iterable[Image]) -> str:
    """Why the sides that folders and lines name cannot be trained and tested on; empty when they can.

    The service wants half of the trained labels in the test, at least two of them, and at most so many images of one.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for image in images:
        counts[image.side].update(image.labels)
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

    Where folders decide, images keep the side that theirs names, and the others are dealt. Without, all are pooled and
    dealt out in the order of a hash of their key, so that even a label of five images has some on every side. What came
    from a review keeps the side that it was given then, either way.
    """
    listed = list(images)
    given = {i.key: i.side for i in listed if is_reviewed(i.key) and i.side} | dict(known or {})
    if uses_folders(listed, settings):
        sides = {i.key: i.side or given.get(i.key, "") for i in listed}
        sides = {key: side for key, side in sides.items() if side}
    else:
        sides = _without_surplus({i.key: given[i.key] for i in listed if i.key in given}, listed)
    return sides if len(sides) == len(listed) else _deal(listed, settings, sides)


def groups_apart(images: Iterable[Image], sides: Mapping[str, str]) -> list[str]:
    """The groups whose images stand on several sides, because folders or earlier runs put them there."""
    found: dict[str, set[str]] = defaultdict(set)
    for image in images:
        if image.group:
            found[image.group].add(sides[image.key])
    return sorted(group for group, its_sides in found.items() if len(its_sides) > 1)


def _without_surplus(sides: dict[str, str], images: Iterable[Image]) -> dict[str, str]:
    """Test images beyond what the service takes were dealt before there was a bound: they are held out.

    No model has learned from these, nor does one from what is held out.
    """
    tested: dict[str, list[str]] = defaultdict(list)
    for image in images:
        if sides.get(image.key) == "test":
            for label in image.labels:
                tested[label].append(image.key)
    surplus = [key for keys in tested.values() for key in sorted(keys, key=_hash)[MAX_TEST_IMAGES_PER_LABEL:]]
    return sides | dict.fromkeys(surplus, "holdout")


class _Dealer:
    """Sides that have been given, and what every label lacks on each side."""

    def __init__(self, images: Iterable[Image], settings: DatasetSettings) -> None:
        self.counts = Counter(label for image in images for label in image.labels)
        self.sides: dict[str, str] = {}
        self._quotas = {label: _quota(count, settings) for label, count in self.counts.items()}
        self._given = {label: Counter[str]() for label in self.counts}

    def give(self, image: Image, side: str) -> None:
        """Put an image on a side, which counts for all of its labels."""
        self.sides[image.key] = side
        for label in image.labels:
            self._given[label][side] += 1

    def best_for(self, label: str, others: Collection[str]) -> str:
        """The side that lacks some of a label, and most of it and the `others` that come along."""
        # Training comes first where little is left to deal: an image that no model sees helps nobody.
        # In one order, for a sum of floats depends on it.
        names = sorted({label, *others})
        return max(
            SPLITS, key=lambda side: (self._missing(label, side) > 0, sum(self._share(name, side) for name in names))
        )

    def _missing(self, label: str, side: str) -> int:
        return self._quotas[label][side] - self._given[label][side]

    def _share(self, label: str, side: str) -> float:
        return self._missing(label, side) / max(self._quotas[label][side], 1)


def _deal(images: list[Image], settings: DatasetSettings, given: Mapping[str, str]) -> dict[str, str]:
    """Give a side to every image that has none, groups as a whole, so that every label gets its share.

    Rare labels choose first: what has several labels would else be gone when they come (Sechidis et al., "On the
    Stratification of Multi-Label Data", 2011).
    """
    dealer, units = _Dealer(images, settings), _units(images)
    waiting: dict[str, set[str]] = defaultdict(set)
    for name, members in units.items():
        known = [given[image.key] for image in members if image.key in given]
        for image in members:
            if known:
                # Whoever joins a group goes where it stands.
                dealer.give(image, given.get(image.key, known[0]))
            for label in image.labels:
                waiting[label].add(name)
    for label in sorted(waiting, key=lambda label: (dealer.counts[label], label)):
        for name in sorted(waiting[label], key=_hash):
            # A unit with several labels was dealt with the rarest of them.
            if units[name][0].key not in dealer.sides:
                side = dealer.best_for(label, {other for image in units[name] for other in image.labels})
                for image in units[name]:
                    dealer.give(image, side)
    return dealer.sides


def _units(images: Iterable[Image]) -> dict[str, list[Image]]:
    """What is dealt as a whole: the images of a group, in the order of their keys, and each of the others alone."""
    units: dict[str, list[Image]] = defaultdict(list)
    for image in sorted(images, key=lambda image: image.key):
        units[f"group {image.group}" if image.group else image.key].append(image)
    return units


def _quota(count: int, settings: DatasetSettings) -> dict[str, int]:
    """How many of `count` images go where; small labels serve training, then test, then holdout.

    The test of the service takes so many images of a label, whatever the fraction.
    """
    # One at least, so that something is known of the label; and one less than all, so that it can be learned.
    test = min(max(round(count * settings.test_fraction), 1), count - 1, MAX_TEST_IMAGES_PER_LABEL)
    least = 1 if settings.holdout_fraction and count > 3 else 0
    holdout = min(max(round(count * settings.holdout_fraction), least), max(count - test - 1, 0))
    return {"train": count - test - holdout, "test": test, "holdout": holdout}


def _hash(key: str) -> str:
    # Neither chance nor Python's own hash: the same keys are dealt alike wherever and whenever.
    return hashlib.sha256(key.encode()).hexdigest()


def find_duplicates(images: Iterable[Image]) -> dict[str, str]:
    """Keys of images that must be left out because the service would get the same bytes, with the reason.

    One of several copies under one label stays; copies under different labels contradict each other and all go.
    Which copy stays: the one in the earlier of train, test, holdout, then the smaller key.
    """
    refused: dict[str, str] = {}
    by_digest: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        by_digest[image.shown_digest].append(image)
    for copies in by_digest.values():
        copies.sort(key=lambda image: (_order(image.side), image.key))
        if len({image.labels for image in copies}) > 1:
            for image in copies:
                other = next(copy for copy in copies if copy.labels != image.labels)
                said = " and ".join(map(repr, other.labels))
                refused[image.key] = f"the same bytes are labelled {said} as {other.key}: keep one of them"
        else:
            for image in copies[1:]:
                refused[image.key] = f"byte-identical to {copies[0].key}: an image may stand on one side only"
    return refused


def _order(side: str) -> int:
    return SPLITS.index(side) if side else len(SPLITS)
