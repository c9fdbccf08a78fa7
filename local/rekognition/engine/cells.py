"""What covers each cell of a map: ridge regression in closed form, so that folds cost next to nothing."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import uniform_filter

from local.rekognition.engine.maps import coverage

_CONTEXTS = (3, 7)  # cells
_RIDGE = 0.05
_BACKGROUND = 2.0  # weight of all that no box covers in an image; each box weighs 1

Gram = tuple[np.ndarray, np.ndarray]


def in_context(cells: np.ndarray) -> np.ndarray:
    """Return each cell (h, w, c) beside the means of its surroundings and a constant: (h, w, 3 * c + 1)."""
    near = [uniform_filter(cells, (side, side, 0), mode="nearest") for side in _CONTEXTS]
    return np.concatenate([cells, *near, np.ones((*cells.shape[:2], 1), np.float32)], 2)


def covered_by(boxes: np.ndarray, targets: np.ndarray, shape: tuple[int, int], count: int) -> np.ndarray:
    """Return how much boxes (n, 4) of each of `count` labels cover each cell: (h, w, count)."""
    covered = np.zeros((*shape, count), np.float32)
    for box, target in zip(boxes, targets, strict=True):
        covered[:, :, target] = np.maximum(covered[:, :, target], coverage(box, shape))
    return covered


def gram(cells: np.ndarray, boxes: np.ndarray, covered: np.ndarray) -> Gram:
    """Return the weighted products of the features of one image with themselves and with what covers its cells."""
    features = in_context(cells).reshape(covered.shape[0] * covered.shape[1], -1)
    shares = [coverage(box, covered.shape[:2]) for box in boxes]
    weight = np.max([share / share.sum().clip(1e-6) for share in shares], axis=0)
    background = 1 - covered.max(2)
    weight = weight + _BACKGROUND * background / background.sum().clip(1)
    weighted = features * weight.reshape(-1, 1)
    return weighted.T @ features, weighted.T @ covered.reshape(len(features), -1)


def add(grams: Sequence[Gram]) -> Gram:
    """Return the mean of what several images say."""
    left, right = zip(*grams, strict=True)
    return sum(left) / len(grams), sum(right) / len(grams)


def solve(sums: Gram) -> np.ndarray:
    """Return the weights (features, labels) that say best what covers a cell."""
    left, right = sums
    penalty = np.full(len(left), _RIDGE)
    penalty[-1] = 1e-6
    solved: np.ndarray = np.linalg.solve(left + np.diag(penalty), right).astype(np.float32)
    return solved


def loss(weights: np.ndarray, sums: Gram) -> float:
    """Return the squared error of weights on other images, less a constant."""
    left, right = sums
    return float(((left @ weights) * weights).sum() - 2 * (right * weights).sum())


def part(sums: Gram, used: np.ndarray) -> Gram:
    """Return what is left when only some features (indices) are used."""
    return sums[0][np.ix_(used, used)], sums[1][used]
