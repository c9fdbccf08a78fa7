"""Object detection: the trained model and its training."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter
from scipy.special import expit

from local.rekognition.engine.boxes import BoxedImage, FoundBox, overlaps, sizes, suppress
from local.rekognition.engine.files import write_atomically
from local.rekognition.engine.images import decode_image
from local.rekognition.engine.linear import Linear
from local.rekognition.engine.maps import CHANNELS, coverage, extract_map, integrate, pool
from local.rekognition.engine.threads import one_thread

_FORMAT = "rekognition-mlops detection 1"
_SIDES, _CELLS_PER_BOX = (448, 768), 4
_DIMENSIONS = 48
_SHAPES, _SHAPE_OVERLAP = 16, 0.7
_WINDOWS, _PROPOSALS, _PROPOSAL_OVERLAP = 2000, 150, 0.7
_LIKE, _UNLIKE = 0.5, 0.35
_MOST, _LEAST_SCORE, _SUPPRESSION = 50, 0.02, 0.3
_FOLDS = 4
_RIDGE = 0.05


@dataclass(frozen=True)
class _Sample:
    """A training image: its map, its boxes in cells, the index of each box's label."""

    cells: np.ndarray
    boxes: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class _Stage1:
    """Says of every cell how likely each label covers it, and proposes windows."""

    weights: np.ndarray
    shapes: np.ndarray

    def likelihoods(self, vectors: np.ndarray) -> np.ndarray:
        return in_context(vectors) @ self.weights


@dataclass(frozen=True)
class DetectionModel:
    """Finds objects of `labels` (sorted) in images."""

    labels: tuple[str, ...]
    side: int
    mean: np.ndarray
    components: np.ndarray
    cell_weights: np.ndarray
    shapes: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    regression: np.ndarray
    slope: np.ndarray
    cut: np.ndarray

    def predict(self, images: Sequence[bytes]) -> list[list[FoundBox]]:
        """Return for every PNG or JPEG file what was found in it, best first, weak finds included.

        Raises ValueError, with the position of the image, when one cannot be decoded.
        """
        with one_thread():
            return [self._find(_decode(data, f"image {index}")) for index, data in enumerate(images)]

    def _find(self, image: Image.Image) -> list[FoundBox]:
        cells = (extract_map(image, self.side) - self.mean) @ self.components
        seen = see(cells, self.cell_weights)
        proposals = propose(seen, self.shapes)
        boxes, labels, scores = detect(seen, proposals, Linear(self.weights, self.bias), self.regression)
        scores = expit(self.slope[labels] * (scores - self.cut[labels]))
        height, width = cells.shape[:2]
        ratios = (boxes / (width, height, width, height)).clip(0, 1)
        found = [
            FoundBox(self.labels[label], float(score), *map(float, (*box[:2], *(box[2:] - box[:2]))))
            for box, label, score in zip(ratios, labels, scores, strict=True)
            if score >= _LEAST_SCORE
        ]
        return sorted(found, key=lambda box: -box.score)[:_MOST]

    def save(self, path: Path) -> None:
        """Write the model to one file, whole or not at all; the same model gives the same bytes."""
        buffer = io.BytesIO()
        arrays = {part.name: np.asarray(getattr(self, part.name)) for part in fields(self)}
        np.savez(buffer, format=_FORMAT, **arrays)
        write_atomically(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "DetectionModel":
        """Read a model that `save` wrote. Raises ValueError when the file holds something else."""
        with np.load(path, allow_pickle=False) as file:
            if "format" not in file or str(file["format"]) != _FORMAT:
                raise ValueError(f"{path} is not a detection model of this version; train it again")
            arrays = {part.name: file[part.name] for part in fields(cls)}
        return cls(**arrays | {"labels": tuple(arrays["labels"].tolist()), "side": int(arrays["side"])})


def _decode(data: bytes, name: str) -> Image.Image:
    try:
        return decode_image(data)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


@dataclass(frozen=True)
class Seen:
    likelihoods: np.ndarray  # integral
    features: np.ndarray  # integral


def in_context(cells: np.ndarray) -> np.ndarray:
    near = [uniform_filter(cells, (side, side, 0), mode="nearest") for side in (3, 7)]
    ones = np.ones((*cells.shape[:2], 1), np.float32)
    return np.concatenate([cells, *near, ones], 2)


def see(cells: np.ndarray, weights: np.ndarray) -> Seen:
    likelihoods = in_context(cells) @ weights
    return Seen(integrate(likelihoods), integrate(np.concatenate([cells, likelihoods], 2)))


def propose(seen: Seen, shapes: np.ndarray) -> np.ndarray:
    height, width = seen.likelihoods.shape[0] - 1, seen.likelihoods.shape[1] - 1
    boxes, scores = [], []
    for shape in shapes:
        windows = windows_of(shape, width, height)
        pooled = pool(seen.likelihoods, windows)
        contrast = (pooled[:, :9].mean(1) - pooled[:, 9:].mean(1)).max(1)
        best = np.argsort(-contrast, kind="stable")[: _WINDOWS // len(shapes) + 50]
        boxes.append(windows[best])
        scores.append(contrast[best])
    boxes, scores = np.concatenate(boxes), np.concatenate(scores)
    return boxes[suppress(boxes, scores, _PROPOSAL_OVERLAP, _PROPOSALS)]


def windows_of(shape: np.ndarray, width: int, height: int) -> np.ndarray:
    w, h = np.minimum(shape, (width, height))
    x = np.linspace(0, width - w, int((width - w) / max(w / 6, 0.75)) + 2)
    y = np.linspace(0, height - h, int((height - h) / max(h / 6, 0.75)) + 2)
    left, top = (grid.ravel() for grid in np.meshgrid(x, y))
    return np.stack([left, top, left + w, top + h], 1)


def describe(seen: Seen, boxes: np.ndarray) -> np.ndarray:
    pooled = pool(seen.features, boxes).reshape(len(boxes), -1)
    return np.concatenate([pooled, np.log(sizes(boxes))], 1).astype(np.float32)


def adjust(boxes: np.ndarray, deltas: np.ndarray, width: int, height: int) -> np.ndarray:
    deltas = deltas.clip(-0.5, 0.5)
    size = sizes(boxes)
    center = boxes[:, :2] + size / 2 + deltas[:, :2] * size
    size = size * np.exp(deltas[:, 2:])
    moved = np.concatenate([center - size / 2, center + size / 2], 1)
    low = moved[:, :2].clip(0, (width - 0.5, height - 0.5))
    return np.concatenate([low, np.maximum(moved[:, 2:].clip(0, (width, height)), low + 0.25)], 1)


def deltas_to(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    size, goal = sizes(boxes), sizes(truth)
    shift = (truth[:, :2] + goal / 2 - boxes[:, :2] - size / 2) / size
    return np.concatenate([shift, np.log(goal / size)], 1)


def regress(seen: Seen, boxes: np.ndarray, regression: np.ndarray) -> np.ndarray:
    height, width = seen.features.shape[0] - 1, seen.features.shape[1] - 1
    features = describe(seen, boxes)
    return adjust(boxes, features @ regression[:-1] + regression[-1], width, height)


def detect(
    seen: Seen, boxes: np.ndarray, head: Linear, regression: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    for _ in range(2):
        boxes = regress(seen, boxes, regression)
    scores = head.log_probabilities(describe(seen, boxes))
    scores = scores[:, 1:] - np.log1p(-np.exp(scores[:, 1:]).clip(0, 1 - 1e-6))
    found = []
    for label in range(scores.shape[1]):
        kept = suppress(boxes, scores[:, label], _SUPPRESSION, _MOST)
        found.append((boxes[kept], np.full(len(kept), label), scores[kept, label]))
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


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
        return _train(ordered, labels)


def _train(images, labels):
    pictures = [_decode(image.data, image.name) for image in images]
    side = _side(images, pictures)
    maps = [extract_map(picture, side).astype(np.float16) for picture in pictures]
    mean, components = principal_components(maps)
    samples = []
    for image, picture, cells in zip(images, pictures, maps, strict=True):
        cells = ((cells.astype(np.float32) - mean) @ components).astype(np.float32)
        scale = np.array([cells.shape[1] / picture.width, cells.shape[0] / picture.height] * 2)
        ordered = sorted(image.boxes, key=lambda box: (box.label, box.left, box.top, box.width, box.height))
        boxes = np.array([(b.left, b.top, b.left + b.width, b.top + b.height) for b in ordered]) * scale
        samples.append(_Sample(cells, boxes, np.array([labels.index(box.label) for box in ordered])))
    folds = np.random.default_rng(0).permutation(len(samples)) % _FOLDS
    shapes = cover_shapes(np.concatenate([sizes(sample.boxes) for sample in samples]))
    grams = [gram(sample, len(labels)) for sample in samples]
    everything = solve(grams)
    cell_weights = {
        fold: solve([g for g, f in zip(grams, folds, strict=True) if f != fold]) if len(samples) > 1 else everything
        for fold in range(_FOLDS)
    }
    seen = [see(sample.cells, cell_weights[fold]) for sample, fold in zip(samples, folds, strict=True)]
    proposals = [propose(one, shapes) for one in seen]
    rows = [rows_of(*one) for one in zip(seen, proposals, samples, strict=True)]
    heads = {}
    for fold in range(_FOLDS):
        chosen = [row for row, f in zip(rows, folds, strict=True) if f != fold] or rows
        heads[fold] = fit_head(chosen, len(labels))
    final = fit_head(rows, len(labels))
    scores = [[] for _ in labels]
    hits = [[] for _ in labels]
    for one, boxes, sample, fold in zip(seen, proposals, samples, folds, strict=True):
        found, kinds, values = detect(one, boxes, *heads[fold])
        for label in range(len(labels)):
            mine = kinds == label
            scores[label].append(values[mine])
            hits[label].append(matches(found[mine], values[mine], sample.boxes[sample.targets == label]))
    calibration = [
        calibrate(np.concatenate(s), np.concatenate(h), sum((x.targets == k).sum() for x in samples))
        for k, (s, h) in enumerate(zip(scores, hits, strict=True))
    ]
    slope, cut = (np.array(part, np.float32) for part in zip(*calibration, strict=True))
    head, regression = final
    return DetectionModel(
        labels, side, mean, components, everything, shapes, head.weights, head.bias, regression, slope, cut
    )


def matches(boxes, scores, truth):
    hit = np.zeros(len(boxes), bool)
    free = np.ones(len(truth), bool)
    common = overlaps(boxes, truth)
    for index in np.argsort(-scores, kind="stable"):
        candidates = np.where(free, common[index], 0)
        if len(truth) and candidates.max() >= 0.5:
            hit[index] = True
            free[candidates.argmax()] = False
    return hit


def calibrate(scores, hits, count):
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], hits[order]
    true = hits.cumsum()
    f1 = 2 * true / (np.arange(1, len(hits) + 1) + count)
    best = f1.argmax()
    cut = (scores[best] + scores[min(best + 1, len(scores) - 1)]) / 2
    return 1.0, cut


def _side(images, pictures):
    relative = [
        min(box.width, box.height) / (picture.width * picture.height) ** 0.5
        for image, picture in zip(images, pictures, strict=True)
        for box in image.boxes
    ]
    needed = 8 * _CELLS_PER_BOX / np.quantile(relative, 0.2)
    return int(np.clip(needed, *_SIDES))


def principal_components(maps):
    flat = np.concatenate([cells.reshape(-1, CHANNELS)[::7] for cells in maps]).astype(np.float32)
    mean = flat.mean(0)
    variances, directions = np.linalg.eigh(np.cov((flat - mean).T.astype(np.float64)))
    largest = slice(None, -_DIMENSIONS - 1, -1)
    return mean, (directions[:, largest] / np.sqrt(variances[largest] + 1e-4)).astype(np.float32)


def cover_shapes(all_sizes):
    logs = np.log(np.maximum(all_sizes, 1))
    width, height = np.exp(logs).T
    shared = np.minimum(width[:, None], width) * np.minimum(height[:, None], height)
    alike = shared / (width * height + (width * height)[:, None] - shared) >= _SHAPE_OVERLAP
    left = np.ones(len(logs), bool)
    chosen = []
    while left.any() and len(chosen) < _SHAPES:
        members = alike[(alike & left).sum(1).argmax()] & left
        chosen.append(np.exp(logs[members].mean(0)))
        left &= ~members
    return np.array(chosen)


def gram(sample, count):
    features = in_context(sample.cells)
    features = features.reshape(-1, features.shape[2])
    covered = np.zeros((*sample.cells.shape[:2], count))
    weight = np.zeros(sample.cells.shape[:2])
    for box, target in zip(sample.boxes, sample.targets, strict=True):
        share = coverage(box, weight.shape)
        covered[:, :, target] = np.maximum(covered[:, :, target], share)
        weight = np.maximum(weight, share / share.sum())
    background = 1 - covered.max(2)
    weight += 2 * background / background.sum().clip(1)
    weighted = features * weight.reshape(-1, 1)
    return weighted.T @ features, weighted.T @ covered.reshape(-1, count)


def solve(grams):
    left, right = (sum(part) for part in zip(*grams, strict=True))
    left = left / len(grams)
    right = right / len(grams)
    penalty = np.full(len(left), _RIDGE)
    penalty[-1] = 0
    return np.linalg.solve(left + np.diag(penalty), right).astype(np.float32)


def rows_of(seen, proposals, sample):
    height, width = sample.cells.shape[:2]
    random = np.random.default_rng(0)
    jitter = random.uniform(-1, 1, (8, len(sample.boxes), 4)) * (0.15, 0.15, 0.2, 0.2)
    near = [adjust(sample.boxes, deltas, width, height) for deltas in jitter]
    boxes = np.concatenate([proposals, sample.boxes, *near])
    common = overlaps(boxes, sample.boxes)
    best = common.argmax(1)
    overlap = common.max(1)
    target = np.where(overlap >= _LIKE, sample.targets[best] + 1, np.where(overlap < _UNLIKE, 0, -1))
    return describe(seen, boxes), target, deltas_to(boxes, sample.boxes[best]), overlap


def fit_head(rows, count):
    features, target, deltas, overlap = (np.concatenate(part) for part in zip(*rows, strict=True))
    used = target >= 0
    x, y = features[used], target[used]
    present = np.unique(y)
    head = Linear.fit(x, np.searchsorted(present, y))
    weights = np.zeros((x.shape[1], count + 1), np.float32)
    bias = np.full(count + 1, -20, np.float32)
    weights[:, present], bias[present] = head.weights, head.bias
    near = overlap >= 0.4
    x, y = features[near], deltas[near]
    mean, scale, goal = x.mean(0), x.std(0) + 0.3 * x.std(0).mean() + 1e-6, y.mean(0)
    z = (x - mean) / scale
    solved = np.linalg.solve(z.T @ z + 300 * np.eye(z.shape[1], dtype=np.float32), z.T @ (y - goal)) / scale[:, None]
    return Linear(weights, bias), np.concatenate([solved, (goal - mean @ solved)[None]]).astype(np.float32)
