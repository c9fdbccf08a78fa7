"""What a region shows, and where the object in it really lies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from local.rekognition.engine.boxes import overlaps, sizes, suppress
from local.rekognition.engine.linear import Linear
from local.rekognition.engine.maps import pool

_LIKE, _UNLIKE, _NEAR = 0.5, 0.35, 0.4  # overlap with a true box
_JITTERED, _JITTER = 8, (0.15, 0.15, 0.2, 0.2)
_LARGEST_MOVE, _LEAST_SIDE = 0.5, 0.25
_ROUNDS = 2
_RIDGE, _SCALE_FLOOR = 300.0, 0.3
_SUPPRESSION, _VOTERS, _MOST = 0.3, 0.6, 50
_NEVER_SEEN = -20.0

Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Read = tuple[np.ndarray, np.ndarray]
Found = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Head:
    """Labels regions (label 0: background) and moves them. moves: (features + 1, 4)."""

    labels: Linear
    moves: np.ndarray

    @classmethod
    def mean(cls, heads: Sequence["Head"]) -> "Head":
        """Return what heads of different folds say on average: surer than any of them, and as fast as one.

        A label that is in few images is unknown where these are held back: who does not know it, says nothing of it.
        """
        bias = np.stack([head.labels.bias for head in heads])
        knows = bias != _NEVER_SEEN
        share = np.where(knows.any(0), knows, 1) / np.maximum(knows.sum(0), 1)
        weights = np.sum([head.labels.weights * part for head, part in zip(heads, share, strict=True)], 0)
        biases = np.where(knows.any(0), (bias * share).sum(0), _NEVER_SEEN)
        labels = Linear(weights.astype(np.float32), biases.astype(np.float32))
        return cls(labels, np.mean([head.moves for head in heads], 0))

    def read(self, features: np.ndarray, proposals: np.ndarray) -> Read:
        """Return where the objects in proposals (m, 4) seem to lie (m, 4), and the log-odds (m, labels) of each."""
        boxes = move(features, proposals, self.moves)
        odds = self.labels.log_probabilities(describe(features, boxes))[:, 1:].astype(np.float64)
        return boxes, odds - np.log1p(-np.exp(odds).clip(0, 1 - 1e-6))


def choose(read: Read, contained: float) -> Found:
    """Return boxes (n, 4), label indices (n,) and log-odds (n,): of what overlaps, the surest, label by label."""
    boxes, odds = read
    found = []
    for label in range(odds.shape[1]):
        kept = suppress(boxes, odds[:, label], _SUPPRESSION, _MOST, contained)
        found.append((_vote(boxes, odds[:, label], kept), np.full(len(kept), label), odds[kept, label]))
    chosen, labels, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return chosen, labels, scores


def _vote(boxes: np.ndarray, odds: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return where those that were kept lie, going by all that lie almost there: the surer, the more they count."""
    near = overlaps(boxes[kept], boxes)
    weights = np.where(near >= _VOTERS, near * np.exp((odds - odds[kept][:, None]).clip(max=0)), 0)
    voted: np.ndarray = weights @ boxes / weights.sum(1, keepdims=True)
    return voted


def describe(features: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return float32 (n, ...), what the integral of a map holds in and around boxes, and their sizes."""
    pooled = pool(features, boxes).reshape(len(boxes), -1)
    return np.concatenate([pooled, np.log(sizes(boxes))], 1).astype(np.float32)


def move(features: np.ndarray, boxes: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Move boxes to where the objects in them seem to lie."""
    height, width = features.shape[0] - 1, features.shape[1] - 1
    for _ in range(_ROUNDS):
        boxes = moved(boxes, describe(features, boxes) @ moves[:-1] + moves[-1], width, height)
    return boxes


def moved(boxes: np.ndarray, moves: np.ndarray, width: float, height: float) -> np.ndarray:
    """Move the centers by parts of the sizes, and the sizes by factors of e; stay inside the map."""
    moves = moves.clip(-_LARGEST_MOVE, _LARGEST_MOVE)
    size = sizes(boxes)
    center = boxes[:, :2] + size / 2 + moves[:, :2] * size
    half = size * np.exp(moves[:, 2:]) / 2
    low = (center - half).clip(0, np.array([width, height]) - _LEAST_SIDE)
    return np.concatenate([low, np.maximum((center + half).clip(0, (width, height)), low + _LEAST_SIDE)], 1)


def _moves_to(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    size, goal = sizes(boxes), sizes(truth)
    shift = (truth[:, :2] + goal / 2 - boxes[:, :2] - size / 2) / size
    return np.concatenate([shift, np.log(goal / size)], 1)


def rows_of(features: np.ndarray, proposals: np.ndarray, truth: np.ndarray, targets: np.ndarray, most: int) -> Rows:
    """Return what one image teaches: features, label (-1: not sure), moves and overlap of each of its regions."""
    height, width = features.shape[0] - 1, features.shape[1] - 1
    random = np.random.default_rng(0)
    jitter = random.uniform(-1, 1, (_JITTERED, len(truth), 4)) * _JITTER
    near = [moved(truth, moves, width, height) for moves in jitter]
    boxes = np.concatenate([truth, *near, proposals])[: max(most, len(truth) * (_JITTERED + 1) + 10)]
    common = overlaps(boxes, truth)
    best, overlap = common.argmax(1), common.max(1)
    labels = np.where(overlap >= _LIKE, targets[best] + 1, np.where(overlap < _UNLIKE, 0, -1))
    return describe(features, boxes).astype(np.float16), labels, _moves_to(boxes, truth[best]), overlap


def fit_moves(rows: Sequence[Rows]) -> np.ndarray:
    """Return moves (features + 1, 4) from the regions of several images that are near an object."""
    features, _, moves, overlap = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    return _ridge(features[overlap >= _NEAR], moves[overlap >= _NEAR])


def fit_labels(rows: Sequence[Rows], count: int) -> Linear:
    """Return what tells `count` labels and the background apart, from the regions of several images."""
    features, labels = (np.concatenate([one[part] for one in rows]) for part in (0, 1))
    return _fit_labels(features[labels >= 0], labels[labels >= 0], count)


def _fit_labels(features: np.ndarray, labels: np.ndarray, count: int) -> Linear:
    features = features.astype(np.float32)
    present = np.unique(labels)
    weights = np.zeros((features.shape[1], count + 1), np.float32)
    bias = np.full(count + 1, _NEVER_SEEN, np.float32)
    if len(present) > 1:
        fitted = Linear.fit(features, np.searchsorted(present, labels))
        weights[:, present], bias[present] = fitted.weights, fitted.bias
    else:
        bias[present] = 0
    return Linear(weights, bias)


def _ridge(features: np.ndarray, moves: np.ndarray) -> np.ndarray:
    features = features.astype(np.float32)
    mean, spread, usual = features.mean(0), features.std(0), moves.mean(0)
    scale = spread + _SCALE_FLOOR * spread.mean() + np.float32(1e-6)
    scaled = (features - mean) / scale
    penalty = _RIDGE * np.eye(scaled.shape[1])
    solved = np.linalg.solve(scaled.T @ scaled + penalty, scaled.T @ (moves - usual)) / scale[:, None]
    return np.concatenate([solved, (usual - mean @ solved)[None]]).astype(np.float32)
