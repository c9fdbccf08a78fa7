"""Boxes in pixels, how much two of them overlap, and which found box answers which true one."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from mlops.rounding import reaches


@dataclass(frozen=True, order=True, slots=True)
class Box:
    """A box from (left, top) to the exclusive (left + width, top + height), in pixels from the top left corner."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class LabeledBox:
    """A box with its label; `confidence`, 0 to 1, is that of a found box."""

    label: str
    box: Box
    confidence: float = 1.0


def iou(one: Box, other: Box) -> float:
    """Intersection over union, 0 to 1; 0 where both are empty."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    shared = max(width, 0) * max(height, 0)
    union = one.width * one.height + other.width * other.height - shared
    return shared / union if union > 0 else 0.0


def match(truth: Sequence[LabeledBox], found: Sequence[LabeledBox], least_iou: float) -> dict[int, int]:
    """Which found box answers which true one of the same label, as {index into `found`: index into `truth`}.

    Greedy, as COCO's and Pascal VOC's evaluations are: the surest found box first takes the true box that it overlaps
    most, by at least `least_iou`; each box is used once. Ties go by the boxes themselves, not by their order.
    """
    pairs = sorted(
        (-box.confidence, -overlap, box.box, true.box, number, index)
        for (number, box), (index, true) in product(enumerate(found), enumerate(truth))
        if box.label == true.label and reaches(overlap := iou(box.box, true.box), least_iou)
    )
    matched: dict[int, int] = {}
    for *_, number, index in pairs:
        if number not in matched and index not in matched.values():
            matched[number] = index
    return matched


def grown(box: Box, least: int, width: int, height: int) -> Box:
    """The box with sides of at least `least` pixels, inside a frame of `width` x `height`."""
    wide, tall = max(box.width, min(least, width)), max(box.height, min(least, height))
    return Box(min(box.left, width - wide), min(box.top, height - tall), wide, tall)
