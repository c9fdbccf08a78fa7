"""Boxes, as people write them and as arrays.

Arrays of boxes are float (n, 4): left, top, right, bottom, right and bottom exclusive.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabeledBox:
    """Where one object lies, in pixels of the upright image."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class BoxedImage:
    """A training image: its unique name, the PNG or JPEG file, and the objects in it (at least one)."""

    name: str
    data: bytes
    boxes: tuple[LabeledBox, ...]


@dataclass(frozen=True)
class FoundBox:
    """An object that was found, its calibrated score, and where it lies, as ratios of the image's width and height."""

    label: str
    score: float
    left: float
    top: float
    width: float
    height: float


def sizes(boxes: np.ndarray) -> np.ndarray:
    """Return widths and heights (n, 2)."""
    return boxes[:, 2:] - boxes[:, :2]


def areas(boxes: np.ndarray) -> np.ndarray:
    """Return areas (n,)."""
    return sizes(boxes).prod(1)


def intersections(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the areas (n, m) that boxes (n, 4) share with boxes (m, 4)."""
    upper = np.minimum(first[:, None, 2:], second[None, :, 2:])
    lower = np.maximum(first[:, None, :2], second[None, :, :2])
    return (upper - lower).clip(0).prod(2)


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersections over unions (n, m) of boxes (n, 4) and boxes (m, 4)."""
    shared = intersections(first, second)
    return shared / (areas(first)[:, None] + areas(second)[None] - shared).clip(1e-9)


def containments(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return how much (n, m) of the smaller of two boxes lies in the larger, 0 to 1."""
    return intersections(first, second) / np.minimum(areas(first)[:, None], areas(second)[None]).clip(1e-9)


def mirror(boxes: np.ndarray, width: float) -> np.ndarray:
    """Return where boxes (n, 4) lie in the mirror image of an image of this width."""
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)


def suppress(boxes: np.ndarray, scores: np.ndarray, limit: float, most: int, contained: float = 1.0) -> np.ndarray:
    """Return the indices of the best boxes, best first.

    None overlaps a better one by more than `limit`, nor holds, or lies in, more than `contained` of one.
    """
    left = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(left) and len(kept) < most:
        best, left = left[:1], left[1:]
        kept.append(int(best[0]))
        left = left[overlaps(boxes[best], boxes[left])[0] <= limit]
        if contained < 1:
            left = left[containments(boxes[best], boxes[left])[0] <= contained + 1e-6]
    return np.array(kept, int)
