"""What training images show outside their boxes, place by place: as much as a detector can know of what is normal."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

DIMENSIONS = 32
CHANNELS = DIMENSIONS + 1
_LEAST_IMAGES, _MOST_IMAGES = 6, 48
_REACH = 1  # blocks of 2 x 2 cells


@dataclass(frozen=True)
class Surroundings:
    """vectors: float16 (images, h/2, w/2, DIMENSIONS) of the first principal components; covered: bool, by boxes."""

    vectors: np.ndarray
    covered: np.ndarray

    @classmethod
    def fit(cls, maps: Sequence[np.ndarray], covered: Sequence[np.ndarray]) -> "Surroundings":
        """Remember maps (h, w, channels) and where boxes cover them (h, w); nothing when their shapes differ."""
        if len(maps) < _LEAST_IMAGES or len({cells.shape for cells in maps}) > 1:
            return cls.none()
        blocks = np.stack([_blocks(cells) for cells in maps[:_MOST_IMAGES]])
        shares = np.stack([_blocks(share[:, :, None])[:, :, 0] for share in covered[:_MOST_IMAGES]])
        return cls(blocks.astype(np.float16), shares > 0)

    @classmethod
    def none(cls) -> "Surroundings":
        return cls(np.zeros((0, 0, 0, DIMENSIONS), np.float16), np.zeros((0, 0, 0), bool))

    def fits(self, cells: np.ndarray) -> bool:
        """Say whether there is anything to compare a map (h, w, channels) with."""
        return self.vectors.shape[1:3] == (cells.shape[0] // 2, cells.shape[1] // 2)

    def residuals(self, cells: np.ndarray, exclude: int | None = None) -> np.ndarray:
        """Return float32 (h, w, CHANNELS): the difference from the nearest look-alike in place, and its length."""
        if not self.fits(cells):
            return np.zeros((*cells.shape[:2], CHANNELS), np.float32)
        blocks = _blocks(cells)
        best = np.full(blocks.shape[:2], np.inf, np.float32)
        difference = np.zeros_like(blocks)
        for vectors, norms in self._shifted:
            distance = norms - 2 * np.matmul(vectors, blocks[:, :, :, None])[:, :, :, 0]  # less a constant per block
            if exclude is not None and exclude < distance.shape[2]:
                distance[:, :, exclude] = np.inf
            nearest = distance.argmin(2)[:, :, None]
            smallest = np.take_along_axis(distance, nearest, 2)[:, :, 0]
            closer = smallest < best
            best[closer] = smallest[closer]
            found = np.take_along_axis(vectors, nearest[:, :, :, None], 2)[:, :, 0]
            difference[closer] = (blocks - found)[closer]
        length = np.sqrt(np.square(difference).sum(2, keepdims=True))
        return np.concatenate([difference, length], 2).repeat(2, 0).repeat(2, 1)

    @cached_property
    def _shifted(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each shift the vectors (h/2, w/2, images, DIMENSIONS) and their squared lengths, infinite in boxes."""
        height, width = self.vectors.shape[1:3]
        reach = ((_REACH, _REACH), (_REACH, _REACH), (0, 0))
        vectors = np.pad(self.vectors.astype(np.float32).transpose(1, 2, 0, 3), (*reach, (0, 0)), mode="edge")
        covered = np.pad(self.covered.transpose(1, 2, 0), reach, mode="edge")
        norms = np.where(covered, np.float32(np.inf), np.square(vectors).sum(3))
        shifts = [(y, x) for y in range(2 * _REACH + 1) for x in range(2 * _REACH + 1)]
        places = [(slice(y, y + height), slice(x, x + width)) for y, x in shifts]
        return [(vectors[place], norms[place]) for place in places]


def _blocks(cells: np.ndarray) -> np.ndarray:
    """Average blocks of 2 x 2 cells: float32 (h/2, w/2, at most DIMENSIONS)."""
    height, width = cells.shape[0] // 2, cells.shape[1] // 2
    used = cells[:, :, :DIMENSIONS].astype(np.float32)
    return used.reshape(height, 2, width, 2, -1).mean((1, 3))
