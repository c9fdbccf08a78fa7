"""Maps of features over an image, and what they hold inside boxes.

Boxes on a map are measured in its cells, of which each is 8 x 8 pixels of the image as the network sees it.
"""

from typing import Any

import numpy as np
from PIL import Image

from local.rekognition.engine import network
from local.rekognition.engine.features import normalise_pixels

STRIDE = 8
CHANNELS = network.FINE_CHANNELS + network.COARSE_CHANNELS
BINS = 17
_BLOCK = 16
_RING = 0.35


def extract_map(image: Image.Image, side: int) -> np.ndarray:
    """Return float32 (h, w, CHANNELS), the network's view of an image scaled to about `side` ** 2 pixels."""
    scale = side / (image.width * image.height) ** 0.5
    width, height = (max(round(length * scale / _BLOCK), 2) * _BLOCK for length in image.size)
    pixels = normalise_pixels(image, (width, height))
    fine, coarse = (output[0] for output in network.session().run(["fine", "coarse"], {"image": pixels}))
    for axis in (1, 2):
        coarse = _double(coarse, axis)
    return np.concatenate([fine, coarse]).transpose(1, 2, 0)


def _double(values: np.ndarray, axis: int) -> np.ndarray:
    """Enlarge an axis to twice its length, linearly."""
    values = np.moveaxis(values, axis, 0)
    before = np.concatenate([values[:1], values[:-1]])
    after = np.concatenate([values[1:], values[-1:]])
    doubled = np.stack([before + 3 * values, after + 3 * values], 1) / 4
    return np.moveaxis(doubled.reshape(-1, *values.shape[1:]), 0, axis)


def coverage(box: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return how much of each cell (h, w) a box (4,) covers, 0 to 1."""
    left, top, right, bottom = box
    rows, columns = np.arange(shape[0]), np.arange(shape[1])
    vertical = (np.minimum(bottom, rows + 1) - np.maximum(top, rows)).clip(0)
    horizontal = (np.minimum(right, columns + 1) - np.maximum(left, columns)).clip(0)
    return vertical[:, None] * horizontal


def integrate(values: np.ndarray) -> np.ndarray:
    """Return float32 (h + 1, w + 1, c), the sums of a map (h, w, c) above and left of every corner."""
    padded = np.pad(values.astype(np.float64), ((1, 0), (1, 0), (0, 0)))
    return padded.cumsum(0).cumsum(1).astype(np.float32)


def _at(integral: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Interpolate an integral (h, w, c) at every combination of x (n, a) and y (n, b): (n, b, a, c)."""
    height, width = integral.shape[:2]
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    column, row = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    right = (x - column).astype(np.float32)[:, None, :, None]
    lower = (y - row).astype(np.float32)[:, :, None, None]
    column, row = column[:, None, :], row[:, :, None]
    above = integral[row, column] * (1 - right) + integral[row, column + 1] * right
    below = integral[row + 1, column] * (1 - right) + integral[row + 1, column + 1] * right
    return above * (1 - lower) + below * lower


def _edges(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the edges (n, 6) of five strips: outside, three thirds, outside."""
    size = high - low
    ring = np.maximum(size * _RING, 1)
    return np.stack([low - ring, low, low + size / 3, high - size / 3, high, high + ring], 1)


def pool(integral: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return float32 means (n, BINS, c) in 3 x 3 parts of each box, in four strips around it, and at its corners.

    What lies askew goes on at a corner: without these, a piece of a long scratch looks like a whole short one.
    """
    height, width = integral.shape[0] - 1, integral.shape[1] - 1
    x, y = _edges(boxes[:, 0], boxes[:, 2]), _edges(boxes[:, 1], boxes[:, 3])
    sums = np.diff(np.diff(_at(integral, x, y), axis=1), axis=2)
    sizes = np.diff(y.clip(0, height))[:, :, None] * np.diff(x.clip(0, width))[:, None, :]
    inside = sums[:, 1:4, 1:4].reshape(len(boxes), 9, -1), sizes[:, 1:4, 1:4].reshape(-1, 9)
    strips: list[tuple[Any, Any]] = [(0, slice(1, 4)), (4, slice(1, 4)), (slice(1, 4), 0), (slice(1, 4), 4)]
    around = (
        np.stack([sums[:, row, column].sum(1) for row, column in strips], 1),
        np.stack([sizes[:, row, column].sum(1) for row, column in strips], 1),
    )
    corners = sums[:, ::4, ::4].reshape(len(boxes), 4, -1), sizes[:, ::4, ::4].reshape(-1, 4)
    total, area = (np.concatenate(parts, 1) for parts in zip(inside, around, corners, strict=True))
    return (total / area.clip(1e-3)[:, :, None]).astype(np.float32)


def window_means(integral: np.ndarray, x: np.ndarray, y: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Return the means (b, a, c) in windows of one shape (width, height) at all left sides x (a,) and tops y (b,)."""
    height, width = integral.shape[0] - 1, integral.shape[1] - 1
    right, bottom = (x + shape[0]).clip(0, width), (y + shape[1]).clip(0, height)
    x, y = x.clip(0, width), y.clip(0, height)
    rows = _between(integral, y, bottom)
    sums = _between(rows.swapaxes(0, 1), x, right).swapaxes(0, 1)
    means: np.ndarray = sums / np.outer(bottom - y, right - x)[:, :, None]
    return means


def _between(integral: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return what the first axis of an integral gains from low (n,) to high (n,)."""

    def at(place: np.ndarray) -> np.ndarray:
        index = np.minimum(place.astype(int), len(integral) - 2)
        share = (place - index).astype(np.float32)[:, None, None]
        return integral[index] * (1 - share) + integral[index + 1] * share

    return at(high) - at(low)
