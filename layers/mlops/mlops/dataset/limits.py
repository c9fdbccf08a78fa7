"""The documented limits of Custom Labels for training data, checked before training is paid for.

Source: "Guidelines and quotas in Amazon Rekognition Custom Labels" and the training error reference.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mlops.dataset.dataset_json import MOST_TILE
from mlops.dataset.images import Image
from mlops.dataset.labels import NORMAL
from mlops.dataset.manifests import labels_of
from mlops.words import quoted, some

FORMATS = ("PNG", "JPEG")
MAX_BYTES = 15 * 1024 * 1024
MIN_SIDE, MAX_SIDE = 64, 4096
MAX_ASPECT = 20
MAX_LINE = 100_000
MAX_MANIFEST_BYTES = 1_000_000_000
MAX_IMAGES = 250_000
# Of each of a version's two datasets; no increase can be requested there.
_FEWER_IMAGES = {region: {"train": 28_000, "test": 7_000} for region in ("ap-south-1", "eu-west-2")}
MIN_LABELS, MAX_LABELS = {"classification": 2, "detection": 1}, 250
MAX_BOXES = 50
# Larger images are made smaller for training; a box must stay larger than one pixel then.
TRAINED_SIDE = 1280
# What is smaller, in pixels after that, is easily missed; it is told where it is a larger share of the boxes than this.
LEAST_SEEN, SMALL_SHARE = 8, 0.05
TILE_STEP = 64
MAX_LABEL_NAME = 255
RECOMMENDED_IMAGES = 10
MAX_TEST_IMAGES_PER_LABEL = 1000
# The share of the trained labels that must occur in the test.
MIN_OVERLAP = 0.5
_MORE_LABELS = {"classification": "add images of further labels", "detection": "add images with masks"}


def image_faults(width: int, height: int, size: int, format: str) -> list[str]:
    """What the service would not take about one image; empty when it would."""
    faults = []
    if format not in FORMATS:
        faults.append(f"is {format or 'of an unknown format'}; it must be PNG or JPEG")
    if size > MAX_BYTES:
        faults.append(f"has {size} bytes; at most {MAX_BYTES} are allowed")
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        faults.append(f"is {width} x {height} px; each side must have {MIN_SIDE} to {MAX_SIDE} px")
    if width and height and max(width, height) > MAX_ASPECT * min(width, height):
        faults.append(f"is {width} x {height} px; one side may be at most {MAX_ASPECT} times the other")
    return faults


def least_box_side(width: int, height: int) -> int:
    """The least side in pixels of a box that is still larger than one pixel once its image was made smaller."""
    # One more than the whole part: a box of exactly one pixel is not larger than one.
    return int(max(width, height, TRAINED_SIDE) / TRAINED_SIDE) + 1


def most_images(region: str) -> dict[str, int]:
    """How many images the service takes in a Region on each of the two sides that it is given."""
    return dict(_FEWER_IMAGES.get(region, {"train": MAX_IMAGES, "test": MAX_IMAGES}))


@dataclass
class BoxSizes:
    """How large the boxes of a run are, beside their images: counted, so that it takes no room by the box.

    `tiles` is the side of the tiles that are shown in place of whole images, 0 where they are not.
    """

    tiles: int = 0
    _counts: Counter[tuple[int, int]] = field(default_factory=Counter)
    _longest: int = 0

    def take(self, image: Image) -> None:
        """Count the boxes of an image, in whole pixels, as the service gets them."""
        longest = max(image.width, image.height, 1)
        longest = min(longest, self.tiles or longest)
        self._longest = max(self._longest, longest)
        self._counts.update((int(min(one.box.width, one.box.height)), longest) for one in image.boxes)

    def told(self) -> list[str]:
        """What is to be said of boxes that are hardly seen once the service has made their images smaller.

        A tile is the largest part of an image whose shrinking leaves nearly all boxes so large that they are seen; a
        tile of the size that is trained on is not made smaller at all.
        """
        total = self._counts.total()
        small = [(at, count) for at, count in self._counts.items() if at[0] * _scale(at[1]) < LEAST_SEEN]
        few = sum(count for _, count in small)
        if not few or few < SMALL_SHARE * total:
            return []
        told = (
            f"{few} of {total} boxes are less than {LEAST_SEEN} px wide or high once the service has made "
            f"their {'tiles' if self.tiles else 'images'} smaller, to {TRAINED_SIDE} px: such defects are easily missed"
        )
        if not any(side >= LEAST_SEEN for (side, _), _ in small):
            return [f"{told}. They are as small in the pictures themselves: take pictures from nearer"]
        tile = min(TRAINED_SIDE * self._least_helped() / LEAST_SEEN, self._longest - 1, MOST_TILE)
        size = int(max(tile // TILE_STEP * TILE_STEP, TRAINED_SIDE))
        shown = sum(count for (side, _), count in small if side * TRAINED_SIDE / size >= LEAST_SEEN)
        rest = f"; {few - shown} would stay too small" if few > shown else ""
        return [
            f'{told}. Write "tiles": {size} into dataset.json: in overlapping tiles of that side, in '
            f"pixels, {shown} of them would be large enough{rest}"
        ]

    def _least_helped(self) -> int:
        """The side that only a small share of the boxes falls short of, of those that a tile can show."""
        helped = sorted((side, count) for (side, _), count in self._counts.items() if side >= LEAST_SEEN)
        left = int(SMALL_SHARE * sum(count for _, count in helped))
        for side, count in helped:
            if left < count:
                return side
            left -= count
        raise ValueError("no box is large enough for any tile")


def _scale(longest: int) -> float:
    return min(TRAINED_SIDE / longest, 1.0)


@dataclass
class Verdict:
    """Why training must not start (`violations`), and what is allowed but unwise (`warnings`)."""

    violations: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_manifests(
    task: str, train: Iterable[str], test: Iterable[str], images: Mapping[str, Sequence[str]], region: str = ""
) -> Verdict:
    """Check the lines of both manifests of a task, one after the other.

    `images` has by key what `image_faults` says of every image of the run. `region` is where they are trained on.
    """
    verdict, labels = Verdict(), {}
    known: frozenset[bytes] = frozenset()
    for side, lines in (("train", train), ("test", test)):
        checked = _Side(side, images, verdict)
        for line in lines:
            checked.take(line, known)
        checked.end(most_images(region)[side])
        labels[side], known = checked.labels, frozenset(checked.seen)
    for side, counted in labels.items():
        _check_number_of_labels(task, side, counted, verdict)
    _check_labels(labels["train"], labels["test"], verdict)
    if task == "classification" and labels["train"] and NORMAL not in labels["train"]:
        verdict.warnings.append(f"no label {NORMAL!r}: every image will be called a defect")
    if checked.shared:
        verdict.violations.append(
            f"in both train and test: {some(checked.shared)}; an image may stand on one side only"
        )
    return verdict


class _Side:
    """The lines of one side, counted as they come: of each, a few bytes are kept."""

    def __init__(self, side: str, images: Mapping[str, Sequence[str]], verdict: Verdict) -> None:
        self.labels: Counter[str] = Counter()
        self.seen: set[bytes] = set()
        self.shared: dict[str, None] = {}
        self._side, self._images, self._verdict = side, images, verdict
        self._lines = self._bytes = 0
        self._repeated: dict[str, None] = {}
        self._buckets: set[str] = set()

    def take(self, line: str, others: Collection[bytes]) -> None:
        """Check a line; `others` are the references of the other side."""
        self._lines += 1
        self._bytes += len(line.encode()) + 1
        entry = json.loads(line)
        reference = str(entry["source-ref"])
        bucket, key = reference.removeprefix("s3://").split("/", 1)
        self._buckets.add(bucket)
        name = hashlib.blake2b(reference.encode(), digest_size=16).digest()
        if name in self.seen:
            self._repeated[reference] = None
        if name in others:
            self.shared[reference] = None
        self.seen.add(name)
        violations = self._verdict.violations
        if len(line) > MAX_LINE:
            violations.append(f"{key}: its manifest line has {len(line)} characters; at most {MAX_LINE}")
        violations += [f"{key} {fault}" for fault in self._images.get(key, ["is not in the inventory of the run"])]
        # The service counts images of a label, not boxes.
        self.labels.update(set(found := labels_of(entry)))
        if len(found) > MAX_BOXES:
            violations.append(f"{key} has {len(found)} boxes; at most {MAX_BOXES} are allowed")

    def end(self, most: int) -> None:
        """Check what only all lines together tell."""
        side, violations = self._side, self._verdict.violations
        if not self._lines:
            violations.append(f"{side} has no images; add pictures, or change the fractions in dataset.json")
        if self._lines > most:
            violations.append(f"{side} has {self._lines} images; at most {most} are allowed in this Region")
        if self._bytes > MAX_MANIFEST_BYTES:
            violations.append(f"the {side} manifest is larger than 1 GB")
        if self._repeated:
            violations.append(f"{side} names an image twice: {some(self._repeated)}")
        if len(self._buckets) > 1:
            violations.append(f"{side} has images from several buckets: {some(sorted(self._buckets))}")


def _check_labels(train: Counter[str], test: Counter[str], verdict: Verdict) -> None:
    long = [label for label in train | test if len(label) > MAX_LABEL_NAME]
    if long:
        verdict.violations.append(f"label name longer than {MAX_LABEL_NAME} characters: {some(long)}")
    if train and len(set(train) & set(test)) < MIN_OVERLAP * len(train):
        verdict.violations.append(
            f"only {len(set(train) & set(test))} of the {len(train)} labels in train occur in test; half must. "
            f"Missing in test: {some(set(train) - set(test))}"
        )
    for label, count in sorted(test.items()):
        name = quoted(label)
        if count > MAX_TEST_IMAGES_PER_LABEL:
            verdict.violations.append(f"test has {count} images of {name}; at most {MAX_TEST_IMAGES_PER_LABEL}")
        if label not in train:
            verdict.warnings.append(f"{name} occurs in test but not in train: it cannot be learned")
    _warn(train, test, verdict)


def _check_number_of_labels(task: str, side: str, labels: Counter[str], verdict: Verdict) -> None:
    if not MIN_LABELS[task] <= len(labels) <= MAX_LABELS:
        names = f" ({some(labels)})" if labels else ""
        hint = _MORE_LABELS[task] if len(labels) < MIN_LABELS[task] else "merge or drop labels"
        verdict.violations.append(
            f"{side} has {len(labels)} label{'s' * (len(labels) != 1)}{names}; "
            f"{task} needs {MIN_LABELS[task]} to {MAX_LABELS}: {hint}"
        )


def _warn(train: Counter[str], test: Counter[str], verdict: Verdict) -> None:
    for label, count in sorted(train.items()):
        name = quoted(label)
        if label not in test:
            verdict.warnings.append(f"{name} has no test image: nothing will be known of how well it is found")
        if count < RECOMMENDED_IMAGES:
            verdict.warnings.append(f"{name} has {count} training images; at least {RECOMMENDED_IMAGES} are advised")
