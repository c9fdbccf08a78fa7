"""Where an object may be: windows of the shapes seen in training that differ from what is around them."""

import numpy as np

from local.rekognition.engine.boxes import suppress
from local.rekognition.engine.maps import window_means

_SHAPES, _ALIKE = 16, 0.6
_STEP = 1 / 6  # of a window's side
_LEAST_STEP = 0.75  # cells
_WINDOWS, _PROPOSALS = 300, 120
_OVERLAP = 0.7
_RING = 0.35


def cover_shapes(sizes: np.ndarray) -> np.ndarray:
    """Return a few shapes (n, 2) that resemble all widths and heights (m, 2), the most frequent first."""
    width, height = sizes.T
    shared = np.minimum(width[:, None], width) * np.minimum(height[:, None], height)
    areas = width * height
    alike = shared / (areas + areas[:, None] - shared) >= _ALIKE
    left = np.ones(len(sizes), bool)
    chosen: list[np.ndarray] = []
    while left.any() and len(chosen) < _SHAPES:
        members = alike[(alike & left).sum(1).argmax()] & left
        chosen.append(np.exp(np.log(sizes[members]).mean(0)))
        left &= ~members
    return np.array(chosen)


def propose(likelihoods: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Return boxes (n, 4), some of every shape, from the integral (h + 1, w + 1, labels) of what covers the cells."""
    share = -(-_PROPOSALS // len(shapes))
    found = [_best_windows(likelihoods, shape, share) for shape in shapes]
    boxes, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return boxes[suppress(boxes, scores, 0.9, _PROPOSALS)]


def _best_windows(likelihoods: np.ndarray, shape: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    size = np.array([likelihoods.shape[1], likelihoods.shape[0]]) - 1.0
    shape = np.minimum(shape, size)
    x, y = (_steps(room, side) for room, side in zip(size - shape, shape, strict=True))
    inside = window_means(likelihoods, x, y, shape)
    ring = np.maximum(shape * _RING, 1)
    around = window_means(likelihoods, x - ring[0], y - ring[1], shape + 2 * ring)
    scores = (2 * inside - around).max(2).ravel()
    corners = np.stack(np.meshgrid(x, y), 2).reshape(-1, 2)
    best = np.argsort(-scores, kind="stable")[:_WINDOWS]
    boxes = np.concatenate([corners, corners + shape], 1)[best]
    kept = suppress(boxes, scores[best], _OVERLAP, most)
    return boxes[kept], scores[best][kept]


def _steps(room: float, side: float) -> np.ndarray:
    return np.linspace(0, room, int(room / max(side * _STEP, _LEAST_STEP)) + 2)
