"""The documented limits of Custom Labels for training data, checked before training is paid for.

Source: "Guidelines and quotas in Amazon Rekognition Custom Labels" and the training error reference.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops.dataset.labels import NORMAL
from mlops.dataset.manifests import labels_of, parse_lines
from mlops.words import quoted, some

FORMATS = ("PNG", "JPEG")
MAX_BYTES = 15 * 1024 * 1024
MIN_SIDE, MAX_SIDE = 64, 4096
MAX_ASPECT = 20
MAX_LINE = 100_000
MAX_MANIFEST_BYTES = 1_000_000_000
MAX_IMAGES = 250_000
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
    return int(max(width, height, TRAINED_SIDE) / TRAINED_SIDE) + 1


def small_boxes(inventory: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is to be said of boxes that are hardly seen once the service has made their images smaller.

    `inventory` has the rows of a run. A tile is the largest part of an image whose shrinking leaves nearly all boxes
    so large that they are seen; a tile of the size that is trained on is not made smaller at all.
    """
    sides = []
    for row in inventory:
        scale = min(TRAINED_SIDE / max(row["width"], row["height"], 1), 1.0)
        sides += [(min(box["width"], box["height"]), scale) for box in row["boxes"]]
    small = [side for side, scale in sides if side * scale < LEAST_SEEN]
    if not small or len(small) < SMALL_SHARE * len(sides):
        return []
    told = (
        f"{len(small)} of {len(sides)} boxes are less than {LEAST_SEEN} px wide or high once the service has made "
        f"their images smaller, to {TRAINED_SIDE} px: such defects are easily missed"
    )
    helped = sorted(side for side, _ in sides if side >= LEAST_SEEN)
    if not any(side >= LEAST_SEEN for side in small):
        return [f"{told}. They are as small in the pictures themselves: take pictures from nearer"]
    longest = max(max(row["width"], row["height"]) for row in inventory)
    tile = min(TRAINED_SIDE * helped[int(SMALL_SHARE * len(helped))] / LEAST_SEEN, longest - 1)
    size = int(max(tile // TILE_STEP * TILE_STEP, TRAINED_SIDE))
    shown = sum(side * TRAINED_SIDE / size >= LEAST_SEEN for side in small)
    rest = f"; {len(small) - shown} would stay too small" if len(small) > shown else ""
    return [
        f"{told}. In overlapping tiles of {size} x {size} px in place of whole pictures, {shown} of them would be "
        f"large enough{rest}"
    ]


@dataclass
class Verdict:
    """Why training must not start (`violations`), and what is allowed but unwise (`warnings`)."""

    violations: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_manifests(task: str, train: str, test: str, images: Mapping[str, Mapping[str, Any]]) -> Verdict:
    """Check both manifests of a task; `images` maps keys to width, height, size (bytes) and format."""
    verdict = Verdict()
    labels = {side: _check_side(side, text, images, verdict) for side, text in (("train", train), ("test", test))}
    for side, counted in labels.items():
        _check_number_of_labels(task, side, counted, verdict)
    _check_labels(labels["train"], labels["test"], verdict)
    if task == "classification" and labels["train"] and NORMAL not in labels["train"]:
        verdict.warnings.append(f"no label {NORMAL!r}: every image will be called a defect")
    both = Counter(_source_refs(train)) & Counter(_source_refs(test))
    if both:
        verdict.violations.append(f"in both train and test: {some(both)}; an image may stand on one side only")
    return verdict


def _check_side(side: str, text: str, images: Mapping[str, Mapping[str, Any]], verdict: Verdict) -> Counter[str]:
    lines = text.removesuffix("\n").split("\n") if text else []
    if not lines:
        verdict.violations.append(f"{side} has no images; add pictures, or change the fractions in dataset.json")
    if len(lines) > MAX_IMAGES:
        verdict.violations.append(f"{side} has {len(lines)} images; at most {MAX_IMAGES} are allowed")
    if len(text.encode()) > MAX_MANIFEST_BYTES:
        verdict.violations.append(f"the {side} manifest is larger than 1 GB")
    repeated = [ref for ref, count in Counter(_source_refs(text)).items() if count > 1]
    if repeated:
        verdict.violations.append(f"{side} names an image twice: {some(repeated)}")
    labels: Counter[str] = Counter()
    buckets = set()
    for line in lines:
        entry = json.loads(line)
        bucket, key = str(entry["source-ref"]).removeprefix("s3://").split("/", 1)
        buckets.add(bucket)
        if len(line) > MAX_LINE:
            verdict.violations.append(f"{key}: its manifest line has {len(line)} characters; at most {MAX_LINE}")
        image = images.get(key)
        faults = image_faults(**image) if image else ["is not in the inventory of the run"]
        verdict.violations += [f"{key} {fault}" for fault in faults]
        # The service counts images of a label, not boxes.
        labels.update(set(found := labels_of(entry)))
        if len(found) > MAX_BOXES:
            verdict.violations.append(f"{key} has {len(found)} boxes; at most {MAX_BOXES} are allowed")
    if len(buckets) > 1:
        verdict.violations.append(f"{side} has images from several buckets: {some(buckets)}")
    return labels


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


def _source_refs(text: str) -> list[str]:
    return [str(entry["source-ref"]) for entry in parse_lines(text)]
