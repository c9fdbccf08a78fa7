"""How an image differs from images that look alike.

A defect is small: averaged over the image it drowns. Subtracting the nearest thing that was seen on reference images
leaves the defect. "Nearest" is searched in two ways: about the same place, for parts that lie in a fixture, and
anywhere, for textures and parts that lie as they fall.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from local.rekognition.engine.features import CELLS, GRID

DIMENSIONS = 64
MAX_REFERENCES = 48
_BANK_SIZE = 10_000
_REACH = 1  # cells
_LEAST_VARIANCE, _LEAST_SPREAD = 1e-4, 1e-2  # where images hardly differ, small differences are not surprises
_STRONGEST = (8, 40)  # cells: a small and a larger defect
_PEAKS = (1, 4, 16, 64, 200)  # cells


@dataclass(frozen=True)
class Reference:
    """Cells of reference images in whitened principal components, and how far apart these images are.

    mean (CHANNELS,), components (CHANNELS, DIMENSIONS), vectors float16 (images, CELLS, DIMENSIONS).
    """

    mean: np.ndarray
    components: np.ndarray
    vectors: np.ndarray

    @classmethod
    def fit(cls, cells: Sequence[np.ndarray]) -> "Reference":
        """Learn from the cells (CELLS, CHANNELS) of images that look alike."""
        stacked = np.stack(cells).astype(np.float32)
        flat = stacked.reshape(-1, stacked.shape[2])
        mean = flat.mean(0)
        variances, directions = np.linalg.eigh(np.cov((flat - mean).T.astype(np.float64)))
        largest = slice(None, -DIMENSIONS - 1, -1)
        scale = np.sqrt(variances[largest].clip(_LEAST_VARIANCE))
        components = (directions[:, largest] / scale).astype(np.float32)
        return cls(mean, components, ((stacked - mean) @ components).astype(np.float16))

    def project(self, cells: np.ndarray) -> np.ndarray:
        """Turn cells (CELLS, CHANNELS) into float32 vectors (CELLS, DIMENSIONS)."""
        return (cells.astype(np.float32) - self.mean) @ self.components

    def residuals(self, vectors: np.ndarray, aligned: bool, exclude: int | None = None) -> np.ndarray:
        """Return vectors (CELLS, DIMENSIONS) minus what is nearest to each; `exclude` skips one reference image."""
        nearest = self._nearest_in_place if aligned else self._nearest_anywhere
        return vectors - nearest(vectors, exclude)

    def _nearest_in_place(self, vectors: np.ndarray, exclude: int | None) -> np.ndarray:
        best = np.full(CELLS, np.inf, np.float32)
        nearest = np.empty_like(vectors)
        for shifted, norms in self._shifted:
            distance = norms - 2 * np.matmul(shifted, vectors[:, :, None])[:, :, 0]  # less a constant per cell
            if exclude is not None:
                distance[:, exclude] = np.inf
            index = distance.argmin(1)
            smallest = distance[np.arange(CELLS), index]
            closer = smallest < best
            best[closer] = smallest[closer]
            nearest[closer] = shifted[closer, index[closer]]
        return nearest

    def _nearest_anywhere(self, vectors: np.ndarray, exclude: int | None) -> np.ndarray:
        bank, owner, norms = self._bank
        distance = norms - 2 * (vectors @ bank.T)
        if exclude is not None:
            distance[:, owner == exclude] = np.inf
        return bank[distance.argmin(1)]

    @cached_property
    def _shifted(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each shift the references' vectors (CELLS, images, DIMENSIONS) and their squared lengths."""
        grid = self.vectors.astype(np.float32).reshape(-1, GRID, GRID, DIMENSIONS).transpose(1, 2, 0, 3)
        padded = np.pad(grid, ((_REACH, _REACH), (_REACH, _REACH), (0, 0), (0, 0)), mode="edge")
        shifts = [(y, x) for y in range(2 * _REACH + 1) for x in range(2 * _REACH + 1)]
        moved = [padded[y : y + GRID, x : x + GRID].reshape(CELLS, -1, DIMENSIONS) for y, x in shifts]
        return [(vectors, np.square(vectors).sum(2)) for vectors in moved]

    @cached_property
    def _bank(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A sample of all vectors, the reference image that each is from, and their squared lengths."""
        flat = self.vectors.reshape(-1, DIMENSIONS)
        chosen = np.random.default_rng(0).permutation(len(flat))[:_BANK_SIZE]
        bank = flat[chosen].astype(np.float32)
        return bank, chosen // CELLS, np.square(bank).sum(1)


@dataclass(frozen=True)
class Deviation:
    """Describes an image by where and how it deviates from the reference images.

    center and spread, (CELLS,) or (), are the distances that are usual among the reference images themselves.
    """

    reference: Reference
    aligned: bool
    center: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(cls, reference: Reference, aligned: bool) -> "Deviation":
        """Measure what is usual: every reference image against the others."""
        vectors = reference.vectors.astype(np.float32)
        residuals = (reference.residuals(image, aligned, exclude=index) for index, image in enumerate(vectors))
        distances = np.stack([_lengths(residual) for residual in residuals])
        overall = distances.std()
        if aligned:
            return cls(reference, aligned, distances.mean(0), distances.std(0) + overall / 4 + _LEAST_SPREAD)
        return cls(reference, aligned, distances.mean(), overall + _LEAST_SPREAD)

    def describe(self, cells: np.ndarray, exclude: int | None = None) -> np.ndarray:
        """Return a float32 vector for the cells (CELLS, CHANNELS) of one image; `exclude` skips one reference."""
        vectors = self.reference.project(cells)
        residuals = self.reference.residuals(vectors, self.aligned, exclude)
        lengths = _lengths(residuals)
        surprise = (lengths - self.center) / self.spread
        order = np.argsort(-surprise, kind="stable")
        groups = [residuals, *(residuals[order[:count]] for count in _STRONGEST)]
        parts = [_summary(lengths), _summary(surprise), _peaks(surprise[order])]
        parts += [part for group in groups for part in (np.abs(group).mean(0), group.mean(0))]
        parts.append(vectors[order[: _STRONGEST[0]]].mean(0))
        return np.concatenate(parts).astype(np.float32)


def _lengths(residuals: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(residuals).sum(1))


def _summary(values: np.ndarray) -> np.ndarray:
    return np.array([values.mean(), values.std(), values.max()])


def _peaks(descending: np.ndarray) -> np.ndarray:
    return np.array([descending[:count].mean() for count in _PEAKS])
