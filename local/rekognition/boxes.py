"""Boxes, how much two of them overlap, and which found box is which true one."""

from collections.abc import Sequence
from dataclasses import dataclass

MATCHING_OVERLAP = 0.5


@dataclass(frozen=True, order=True)
class Box:
    """A rectangle from its top left corner, in pixels or in shares of the image."""

    left: float
    top: float
    width: float
    height: float


def overlap(one: Box, other: Box) -> float:
    """Return the area that two boxes share, divided by the area that they cover together."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one.width * one.height + other.width * other.height - shared)


def match(found: Sequence[tuple[float, Box]], truths: Sequence[Box]) -> list[int | None]:
    """Give each found box, best score first, the true box that it overlaps most among those still free.

    An overlap below MATCHING_OVERLAP is none. Returns the position of the true box for each found one. Boxes of lower
    scores never change what those of higher scores got, so one matching holds for every threshold.
    """
    free = set(range(len(truths)))
    matched: list[int | None] = [None] * len(found)
    for position in sorted(range(len(found)), key=lambda index: (-found[index][0], found[index][1])):
        box = found[position][1]
        nearest = max(free, key=lambda index: (overlap(box, truths[index]), truths[index]), default=None)
        if nearest is not None and overlap(box, truths[nearest]) >= MATCHING_OVERLAP:
            matched[position] = nearest
            free.remove(nearest)
    return matched
