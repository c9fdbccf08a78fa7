"""Where an object may be: windows of the shapes seen in training that differ from what is around them, and whatever
stands out from other images, as large as it is."""

import numpy as np
from scipy.ndimage import find_objects, gaussian_filter, label

from local.rekognition.engine.boxes import suppress
from local.rekognition.engine.maps import window_means

_SHAPES, _ALIKE = 16, 0.6
_STEP = 1 / 6  # of a window's side
_LEAST_STEP = 0.75  # cells
_WINDOWS = 300
PROPOSALS = 120
_OUTSTANDING, _ALMOST_SAME = 36, 0.8
_SMOOTH = 1.0  # cells
_QUANTILES = (0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995)
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


def propose(likelihoods: np.ndarray, shapes: np.ndarray, most: int = PROPOSALS) -> np.ndarray:
    """Return boxes (n, 4), some of every shape, from the integral (h + 1, w + 1, labels) of what covers the cells."""
    share = -(-most // len(shapes))
    found = [_best_windows(likelihoods, shape, share) for shape in shapes]
    boxes, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return boxes[suppress(boxes, scores, 0.9, most)]


def outstanding(strangeness: np.ndarray) -> np.ndarray:
    """Return boxes (n, 4) around what stands out of a map (h, w), at several heights, the strangest first.

    A defect is seldom as large as one that was seen in training: where it ends, this says better than a window.
    """
    smooth = gaussian_filter(strangeness, _SMOOTH)
    places = [place for height in np.quantile(smooth, _QUANTILES) for place in _islands(smooth > height)]
    if not places:
        return np.zeros((0, 4))
    boxes = np.array([(columns.start, rows.start, columns.stop, rows.stop) for rows, columns in places], float)
    means = np.array([smooth[place].mean() for place in places])
    return boxes[suppress(boxes, means, _ALMOST_SAME, _OUTSTANDING)]


def _islands(above: np.ndarray) -> list[tuple[slice, slice]]:
    parts, _ = label(above, np.ones((3, 3)))
    found: list[tuple[slice, slice]] = find_objects(parts)
    return found


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
