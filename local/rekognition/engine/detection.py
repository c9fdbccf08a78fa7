"""Object detection: the trained model and its training."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy.special import expit

from local.rekognition.engine import cells as cell_model
from local.rekognition.engine.boxes import BoxedImage, FoundBox, mirror, sizes
from local.rekognition.engine.files import write_atomically
from local.rekognition.engine.images import decode_image
from local.rekognition.engine.linear import Linear
from local.rekognition.engine.maps import CHANNELS, STRIDE, extract_map, integrate
from local.rekognition.engine.proposals import PROPOSALS, cover_shapes, outstanding, propose
from local.rekognition.engine.regions import Head, Read, choose, fit_labels, fit_moves, move, rows_of
from local.rekognition.engine.surroundings import Surroundings
from local.rekognition.engine.threads import one_thread
from local.rekognition.engine.thresholds import Finds, fit_scores, hits

_FORMAT = "rekognition-mlops detection 3"
_SIDES, _CELLS_PER_BOX, _SMALL = (448, 768), 4, 0.2
_TRAINING_PIXELS = 3e7  # what the network may look at in training, where the smallest side allows it
_DIMENSIONS, _LEAST_VARIANCE = 48, 1e-4
_COMPONENT_IMAGES = 200
_FOLDS = 4
_ROWS = 30_000
_CACHED_LOOKS = 200  # 1 to 5 MB each
_CONTAINED = 0.7
_MIRRORED_IMAGES = 30  # of more, mirror images, which take as long again, add little
_MOST, _LEAST_SCORE = 50, 0.02

_Look = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class _Sample:
    """A training image: float16 cells (h, w, _DIMENSIONS), boxes in cells, the index of each box's label."""

    cells: np.ndarray
    boxes: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class _Eyes:
    """Turns an image into cells."""

    side: int
    mean: np.ndarray
    components: np.ndarray

    def see(self, image: Image.Image) -> np.ndarray:
        return self.project(extract_map(image, self.side))

    def project(self, cells: np.ndarray) -> np.ndarray:
        return (cells - self.mean) @ self.components


@dataclass(frozen=True)
class DetectionModel:
    """Finds objects of `labels` (sorted) in images."""

    labels: tuple[str, ...]
    eyes: _Eyes
    surroundings: Surroundings
    cell_weights: np.ndarray
    shapes: np.ndarray
    head: Head
    contained: float
    slope: float
    cuts: np.ndarray

    @property
    def own_cuts(self) -> dict[str, float]:
        """Return the score of each label at which to cut, going by images of other folds; none without a hit there."""
        return dict.fromkeys(self.labels, 0.5) if self.cuts.any() else {}

    def predict(self, images: Sequence[bytes]) -> list[list[FoundBox]]:
        """Return for every PNG or JPEG file what was found in it, best first, weak finds included.

        Raises ValueError, with the position of the image, when one cannot be decoded.
        """
        with one_thread():
            return [self._find(_decode(data, f"image {index}")) for index, data in enumerate(images)]

    def _find(self, image: Image.Image) -> list[FoundBox]:
        cells = self.eyes.see(image)
        complete = _complete(cells, self.surroundings)
        read = self.head.read(*_look(complete, self.cell_weights, self.shapes))
        boxes, labels, odds = choose(read, self.contained)
        scores = expit(self.slope * (odds - self.cuts[labels]))
        ratios = (boxes / np.tile(cells.shape[1::-1], 2)).clip(0, 1)
        best = [index for index in np.argsort(-scores, kind="stable")[:_MOST] if scores[index] >= _LEAST_SCORE]
        return [_found(self.labels[labels[index]], scores[index], ratios[index]) for index in best]

    def save(self, path: Path) -> None:
        """Write the model to one file, whole or not at all; the same model gives the same bytes."""
        buffer = io.BytesIO()
        np.savez(
            buffer,
            format=_FORMAT,
            labels=self.labels,
            side=self.eyes.side,
            mean=self.eyes.mean,
            components=self.eyes.components,
            surroundings=self.surroundings.vectors,
            covered=self.surroundings.covered,
            cell_weights=self.cell_weights,
            shapes=self.shapes,
            weights=self.head.labels.weights,
            bias=self.head.labels.bias,
            moves=self.head.moves,
            scores=(self.contained, self.slope),
            cuts=self.cuts,
        )
        write_atomically(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "DetectionModel":
        """Read a model that `save` wrote. Raises ValueError when the file holds something else."""
        with np.load(path, allow_pickle=False) as file:
            if "format" not in file or str(file["format"]) != _FORMAT:
                raise ValueError(f"{path} is not a detection model of this version; train it again")
            stored = dict(file)
        contained, slope = stored["scores"].tolist()
        return cls(
            tuple(stored["labels"].tolist()),
            _Eyes(int(stored["side"]), stored["mean"], stored["components"]),
            Surroundings(stored["surroundings"], stored["covered"]),
            stored["cell_weights"],
            stored["shapes"],
            Head(Linear(stored["weights"], stored["bias"]), stored["moves"]),
            contained,
            slope,
            stored["cuts"],
        )


def _found(label: str, score: float, ratios: np.ndarray) -> FoundBox:
    left, top, right, bottom = ratios.tolist()
    return FoundBox(label, float(score), left, top, right - left, bottom - top)


def _decode(data: bytes, name: str) -> Image.Image:
    try:
        return decode_image(data)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _complete(cells: np.ndarray, surroundings: Surroundings, exclude: int | None = None) -> np.ndarray:
    """Return the cells (h, w, ...) beside what they differ in from other images, where there are any."""
    cells = cells.astype(np.float32)
    if not len(surroundings.vectors):
        return cells
    return np.concatenate([cells, surroundings.residuals(cells, exclude)], 2)


def _look(complete: np.ndarray, weights: np.ndarray, shapes: np.ndarray) -> _Look:
    """Return the integral of all that is known of the cells, and proposals (n, 4)."""
    features, likelihoods = _features(complete, weights)
    # How far each cell is from its look-alikes in other images comes last, where it is known.
    odd = outstanding(complete[:, :, -1]) if complete.shape[2] > _DIMENSIONS else np.zeros((0, 4))
    return features, np.concatenate([propose(integrate(likelihoods), shapes, PROPOSALS - len(odd)), odd])


def _features(complete: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the integral of all that is known of the cells, and what covers each of them (h, w, labels)."""
    likelihoods = cell_model.in_context(complete) @ weights
    strongest = np.sort(likelihoods, 2)[:, :, -1:]
    features = np.concatenate([complete, likelihoods if weights.shape[1] <= 8 else strongest], 2)
    return integrate(features), likelihoods


def train_detector(images: Sequence[BoxedImage]) -> DetectionModel:
    """Train on boxes in any order; the same images give the same model, bit for bit.

    Raises ValueError, naming the image, when one cannot be decoded or has no box, and when there are no images.
    """
    ordered = sorted(images, key=lambda image: (image.name, image.data))
    if not ordered:
        raise ValueError("training needs at least one image with a box")
    for image in ordered:
        if not image.boxes:
            raise ValueError(f"{image.name} has no box; detection learns from boxes only")
    labels = tuple(sorted({box.label for image in ordered for box in image.boxes}))
    with one_thread():
        eyes, maps = _open_eyes(ordered)
        samples = [_sample(image, eyes, labels, maps.pop(image.name, None)) for image in ordered]
        mirrored = ordered if len(ordered) <= _MIRRORED_IMAGES else []
        return _train(labels, eyes, samples, [_sample(image, eyes, labels, is_mirrored=True) for image in mirrored])


def _open_eyes(images: Sequence[BoxedImage]) -> tuple[_Eyes, dict[str, np.ndarray]]:
    """Choose the side, learn the components; return the maps that were needed for it too, by name."""
    relative: list[float] = []
    for image in images:
        picture = _decode(image.data, image.name)
        unit = (picture.width * picture.height) ** 0.5
        relative += [min(box.width, box.height) / unit for box in image.boxes]
    needed = STRIDE * _CELLS_PER_BOX / np.quantile(relative, _SMALL)
    affordable = (_TRAINING_PIXELS / len(images)) ** 0.5
    side = int(np.clip(min(needed, affordable), *_SIDES))
    step = -(-len(images) // _COMPONENT_IMAGES)
    maps = {image.name: extract_map(decode_image(image.data), side) for image in images[::step]}
    flat = np.concatenate([cells.reshape(-1, CHANNELS)[::7] for cells in maps.values()])
    mean = flat.mean(0)
    variances, directions = np.linalg.eigh(np.cov((flat - mean).T.astype(np.float64)))
    largest = slice(None, -_DIMENSIONS - 1, -1)
    scale = np.sqrt(variances[largest] + _LEAST_VARIANCE)
    return _Eyes(side, mean, (directions[:, largest] / scale).astype(np.float32)), maps


def _sample(
    image: BoxedImage,
    eyes: _Eyes,
    labels: tuple[str, ...],
    known: np.ndarray | None = None,
    *,
    is_mirrored: bool = False,
) -> _Sample:
    picture = decode_image(image.data)
    boxes = sorted(image.boxes, key=lambda box: (box.label, box.left, box.top, box.width, box.height))
    corners = np.array([(box.left, box.top, box.left + box.width, box.top + box.height) for box in boxes])
    if is_mirrored:
        picture = ImageOps.mirror(picture)
        corners = mirror(corners, picture.width)
    cells = eyes.see(picture) if known is None else eyes.project(known)
    in_cells = corners * np.tile(np.divide(cells.shape[1::-1], picture.size), 2)
    return _Sample(cells.astype(np.float16), in_cells, np.array([labels.index(box.label) for box in boxes]))


def _train(
    labels: tuple[str, ...], eyes: _Eyes, samples: Sequence[_Sample], mirrored: Sequence[_Sample]
) -> DetectionModel:
    count = len(labels)
    folds = np.random.default_rng(0).permutation(len(samples)) % _FOLDS
    covered = _covered(samples, count)
    surroundings = Surroundings.fit([one.cells for one in samples], [part.max(2) for part in covered])
    surroundings, grams = _if_they_help(surroundings, _grams(samples, covered, surroundings), folds)
    mirrored_grams = _grams(mirrored, _covered(mirrored, count), surroundings)
    if mirrored and _unseen_loss(grams, folds, mirrored_grams) < _unseen_loss(grams, folds):
        samples, grams = [*samples, *mirrored], [*grams, *mirrored_grams]
    shapes = cover_shapes(np.concatenate([sizes(one.boxes) for one in samples]))
    # A picture and its mirror image are in one fold.
    folds_of_all = np.resize(folds, len(samples))
    weights = [cell_model.solve(cell_model.add(_others(grams, folds_of_all, fold))) for fold in range(_FOLDS)]

    @lru_cache(_CACHED_LOOKS)
    def look(index: int) -> _Look:
        own = index % len(folds)
        complete, known = _complete(samples[index].cells, surroundings, own), weights[folds[own]]
        if index == own:
            return _look(complete, known, shapes)
        return _features(complete, known)[0], mirror(look(own)[1], complete.shape[1])

    heads = _fit_heads(look, samples, folds_of_all, count)
    read = [heads[fold].read(*look(index)) for index, fold in enumerate(folds)]
    unseen = samples[: len(folds)]
    # Whether an object may lie in another one of its label shows in what is found of them.
    apart, nested = (_judge(read, unseen, count, contained) for contained in (_CONTAINED, 1.0))
    finds, contained = (apart, _CONTAINED) if apart.f1() >= nested.f1() else (nested, 1.0)
    everything = cell_model.solve(cell_model.add(grams))
    slope, cuts = fit_scores(finds)
    return DetectionModel(labels, eyes, surroundings, everything, shapes, Head.mean(heads), contained, slope, cuts)


def _covered(samples: Sequence[_Sample], count: int) -> list[np.ndarray]:
    return [cell_model.covered_by(one.boxes, one.targets, one.cells.shape[:2], count) for one in samples]


def _grams(
    samples: Sequence[_Sample], covered: Sequence[np.ndarray], surroundings: Surroundings
) -> list[cell_model.Gram]:
    return [
        cell_model.gram(_complete(one.cells, surroundings, index), one.boxes, part)
        for index, (one, part) in enumerate(zip(samples, covered, strict=True))
    ]


def _fit_heads(look: Callable[[int], _Look], samples: Sequence[_Sample], folds: np.ndarray, count: int) -> list[Head]:
    """Return a head for every fold, which has not seen it.

    Labels are learned from boxes as they lie after they were moved: that is what is labelled later.
    """
    most = _ROWS // len(samples)
    raw = [rows_of(*look(index), one.boxes, one.targets, most) for index, one in enumerate(samples)]
    moves = [fit_moves(_others(raw, folds, fold)) for fold in range(_FOLDS)]
    rows = []
    for index, one in enumerate(samples):
        features, proposals = look(index)
        proposals = move(features, proposals, moves[folds[index]])
        rows.append(rows_of(features, proposals, one.boxes, one.targets, most))
    return [Head(fit_labels(_others(rows, folds, fold), count), moves[fold]) for fold in range(_FOLDS)]


def _others(parts: Sequence, folds: np.ndarray, fold: int) -> list:
    """Return what does not belong to a fold, or everything when there is nothing else."""
    return [part for part, own in zip(parts, folds, strict=True) if own != fold] or list(parts)


def _if_they_help(
    surroundings: Surroundings, grams: list[cell_model.Gram], folds: np.ndarray
) -> tuple[Surroundings, list[cell_model.Gram]]:
    """Keep the comparison with other images only where it says better what covers the cells of unseen images."""
    if not len(surroundings.vectors):
        return surroundings, grams
    third = (len(grams[0][0]) - 1) // 3
    used = np.concatenate([np.arange(_DIMENSIONS) + third * part for part in range(3)] + [[3 * third]])
    without = [cell_model.part(one, used) for one in grams]
    if _unseen_loss(grams, folds) < _unseen_loss(without, folds):
        return surroundings, grams
    return Surroundings.none(), without


def _unseen_loss(grams: list[cell_model.Gram], folds: np.ndarray, mirrored: Sequence[cell_model.Gram] = ()) -> float:
    """Return how badly cells of unseen images are explained, learning from mirror images, too, where there are any."""
    known = [*grams, *mirrored]
    where = np.resize(folds, len(known))
    weights = [cell_model.solve(cell_model.add(_others(known, where, fold))) for fold in range(_FOLDS)]
    return sum(cell_model.loss(weights[fold], one) for one, fold in zip(grams, folds, strict=True))


def _judge(read: Sequence[Read], samples: Sequence[_Sample], count: int, contained: float) -> Finds:
    """Return what is found in images that are unseen, and whether it is there."""
    found = [choose(one, contained) for one in read]
    hit = []
    for (boxes, labels, odds), one in zip(found, samples, strict=True):
        own = np.zeros(len(boxes), bool)
        for label in range(count):
            mine = labels == label
            own[mine] = hits(boxes[mine], odds[mine], one.boxes[one.targets == label])
        hit.append(own)
    labels, odds = (np.concatenate([one[part] for one in found]) for part in (1, 2))
    there = np.bincount(np.concatenate([one.targets for one in samples]), minlength=count)
    return Finds(odds, np.concatenate(hit), labels, there)
