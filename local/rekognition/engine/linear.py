"""Calibrated mixtures of linear models, and how they are chosen."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler

_INVERSE_REGULARISATION = 0.1
_FOLDS, _FOLDS_WHEN_MANY, _MANY = 5, 2, 1000
_TEMPERATURES = (0.05, 20.0)
_NEVER_HELD_OUT = -1


@dataclass(frozen=True)
class Linear:
    """From features to log-probabilities: weights (features, labels), bias (labels,)."""

    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray) -> "Linear":
        """Fit class-balanced logistic regression to float32 (n, features) and label indices (n,) without gaps."""
        scaler = StandardScaler().fit(features)
        model = LogisticRegression(C=_INVERSE_REGULARISATION, class_weight="balanced", max_iter=500)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # nearly converged is good enough: it is scored below
            model.fit(scaler.transform(features), targets)
        weights, bias = model.coef_.T, model.intercept_
        if weights.shape[1] == 1:  # scikit-learn gives two labels one score, of the second
            weights, bias = np.hstack([np.zeros_like(weights), weights]), np.hstack([0, bias])
        weights = weights / scaler.scale_[:, None]
        return cls(weights.astype(np.float32), (bias - scaler.mean_ @ weights).astype(np.float32))

    def log_probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return float32 (n, labels)."""
        return log_softmax(features @ self.weights + self.bias, axis=1)


@dataclass(frozen=True)
class Choice:
    """Which feature sets to use together, and the temperature that calibrates their mean log-probabilities."""

    names: tuple[str, ...]
    temperature: float

    def log_probabilities(self, by_name: Mapping[str, np.ndarray]) -> np.ndarray:
        """Mix the log-probabilities (n, labels) of the chosen feature sets."""
        mean = np.mean([by_name[name] for name in self.names], axis=0)
        return log_softmax(mean / np.float32(self.temperature), axis=1)


def choose(feature_sets: Mapping[str, np.ndarray], targets: np.ndarray) -> Choice:
    """Choose among all combinations of feature sets by cross-validation: macro F1, then log-loss.

    Labels with one image take part in training only. Where no label has two, all sets are used, uncalibrated.
    """
    folds = _folds(targets)
    held_out = folds != _NEVER_HELD_OUT
    if not held_out.any():
        return Choice(tuple(feature_sets), 1.0)
    scores = {name: _out_of_fold(features, targets, folds)[held_out] for name, features in feature_sets.items()}
    choices = [_calibrated(names, scores, targets[held_out]) for names in _combinations(tuple(scores))]
    return max(choices, key=lambda choice: _quality(choice.log_probabilities(scores), targets[held_out]))


def _combinations(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [chosen for count in range(1, len(names) + 1) for chosen in combinations(names, count)]


def _folds(targets: np.ndarray) -> np.ndarray:
    """Deal the images of every label to the folds in turn."""
    folds = np.full(len(targets), _NEVER_HELD_OUT)
    count = _FOLDS if len(targets) <= _MANY else _FOLDS_WHEN_MANY
    random = np.random.default_rng(0)
    dealt = 0
    for label in np.unique(targets):
        members = random.permutation(np.flatnonzero(targets == label))
        if len(members) > 1:
            folds[members] = (dealt + np.arange(len(members))) % count
            dealt += len(members)
    return folds


def _out_of_fold(features: np.ndarray, targets: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return log-probabilities (n, labels), those of each image from a model that has not seen it."""
    scores = np.zeros((len(targets), targets.max() + 1), np.float32)
    for fold in np.unique(folds[folds != _NEVER_HELD_OUT]):
        model = Linear.fit(features[folds != fold], targets[folds != fold])
        scores[folds == fold] = model.log_probabilities(features[folds == fold])
    return scores


def _calibrated(names: tuple[str, ...], scores: Mapping[str, np.ndarray], targets: np.ndarray) -> Choice:
    def loss(log_temperature: float) -> float:
        choice = Choice(names, float(np.exp(log_temperature)))
        return _log_loss(choice.log_probabilities(scores), targets)

    found = minimize_scalar(loss, bounds=np.log(_TEMPERATURES), method="bounded")
    return Choice(names, float(np.exp(found.x)))


def _log_loss(log_probabilities: np.ndarray, targets: np.ndarray) -> float:
    return float(-log_probabilities[np.arange(len(targets)), targets].mean())


def _quality(log_probabilities: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    predicted = log_probabilities.argmax(1)
    macro_f1 = f1_score(targets, predicted, labels=np.unique(targets), average="macro", zero_division=0)
    return float(macro_f1), -_log_loss(log_probabilities, targets)
