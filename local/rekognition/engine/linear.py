"""Linear models on several feature sets, mixed and calibrated by cross-validation."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

_INVERSE_REGULARISATION = 0.5
_SCALE_FLOOR = 0.3
_FOLDS, _FOLDS_WHEN_MANY, _MANY = 5, 2, 1000
_NEVER_HELD_OUT = -1
_WEIGHT_RANGE, _WEIGHT_SPREAD = (0.0, 20.0), 0.5
_RARITY_RANGE, _RARITY_MEAN, _RARITY_SPREAD = (0.0, 1.5), 0.5, 0.25


@dataclass(frozen=True)
class Linear:
    """From features to log-probabilities: weights (features, labels), bias (labels,)."""

    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray) -> "Linear":
        """Fit class-balanced logistic regression to float32 (n, features) and label indices (n,) without gaps."""
        center, spread = features.mean(0), features.std(0)
        # A feature that a few training images happen to agree on must not decide everything on the next image.
        scale = spread + _SCALE_FLOOR * spread.mean() + np.float32(1e-6)
        weights, bias = _logistic_regression((features - center) / scale, targets)
        weights = weights / scale[:, None]
        return cls(weights.astype(np.float32), (bias - center @ weights).astype(np.float32))

    def log_probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return float32 (n, labels)."""
        scores: np.ndarray = log_softmax(features @ self.weights + self.bias, axis=1)
        return scores


def _logistic_regression(features: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    model = LogisticRegression(C=_INVERSE_REGULARISATION, class_weight="balanced", max_iter=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # nearly there is good enough: calibration measures it
        model.fit(features, targets)
    weights, bias = model.coef_.T, model.intercept_
    if weights.shape[1] == 1:  # scikit-learn gives two labels one score, that of the second
        return np.hstack([np.zeros_like(weights), weights]), np.hstack([np.zeros_like(bias), bias])
    return weights, bias


@dataclass(frozen=True)
class Mixture:
    """How much each feature set counts, a bias (labels,) in favour of rare labels, and the cuts (labels,) of the mix.

    A cut is the probability from which on unseen images are best said to have the label; nan where none was seen.

    Class weights alone do not help rare labels: they change nothing where the training images can be separated, as a
    few images in many dimensions always can.
    """

    weights: Mapping[str, float]
    bias: np.ndarray
    cuts: np.ndarray

    def log_probabilities(self, by_name: Mapping[str, np.ndarray]) -> np.ndarray:
        """Mix the log-probabilities (n, labels) of the feature sets."""
        scores = sum(np.float32(weight) * by_name[name] for name, weight in self.weights.items())
        # Where the labels mean nothing, no feature set has a weight: what is left is how frequent each label is.
        mixed: np.ndarray = log_softmax(np.atleast_2d(scores + self.bias), axis=1)
        return mixed


def fit_mixture(feature_sets: Mapping[str, np.ndarray], targets: np.ndarray) -> Mixture:
    """Fit a calibrated mixture to what the models of each feature set say of images they have not seen.

    feature_sets: float32 (n, features) each; targets: label indices (n,) without gaps. Labels with one image take
    part in training only; where no label has two, all feature sets count the same. Sets that do not help are left out.
    """
    rarity = -np.log(np.bincount(targets) / len(targets))
    folds = _folds(targets)
    held_out = folds != _NEVER_HELD_OUT
    scores = [_out_of_fold(features, targets, folds)[held_out] for features in feature_sets.values()]
    fitted = _most_probable(np.stack(scores).astype(np.float64), targets[held_out], rarity)
    by_name = dict(zip(feature_sets, scores, strict=True))
    weights = {name: float(weight) for name, weight in zip(feature_sets, fitted[:-1], strict=True) if weight > 0}
    mixture = Mixture(weights, (fitted[-1] * rarity).astype(np.float32), np.full(len(rarity), np.nan, np.float32))
    return replace(mixture, cuts=best_cuts(np.exp(mixture.log_probabilities(by_name)), targets[held_out]))


def best_cuts(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return for every label the cut of its probabilities (n, labels) that is best for F1, the highest of equals.

    It lies midway between the two that it separates. nan for a label that no target (n,) has.
    """
    cuts = np.full(probabilities.shape[1], np.nan, np.float32)
    for label in np.unique(targets):
        order = np.argsort(-probabilities[:, label], kind="stable")
        ranked = np.append(probabilities[order, label], 0)
        hits, found = np.cumsum(targets[order] == label), np.arange(1, len(targets) + 1)
        f1 = np.where(ranked[:-1] > ranked[1:], 2 * hits / (found + hits[-1]), -1)
        best = f1.argmax()
        cuts[label] = (ranked[best] + ranked[best + 1]) / 2
    return cuts


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


def _most_probable(scores: np.ndarray, targets: np.ndarray, rarity: np.ndarray) -> np.ndarray:
    """Return the weights of the scores (sets, n, labels) and of `rarity` that explain the targets best.

    Normal priors keep the few images of a small data set from being taken too literally: all sets alike, and half of
    what would make all labels equally likely.
    """
    count = len(scores)
    mean = np.array([1 / count] * count + [_RARITY_MEAN])
    spread = np.array([_WEIGHT_SPREAD] * count + [_RARITY_SPREAD])
    truth = np.eye(len(rarity))[targets]

    def surprise(point: np.ndarray) -> tuple[float, np.ndarray]:
        distance = (point - mean) / spread
        mixed = log_softmax(np.tensordot(point[:-1], scores, 1) + point[-1] * rarity, axis=1)
        error = np.exp(mixed) - truth
        slope = np.append(np.tensordot(scores, error, ((1, 2), (0, 1))), (error @ rarity).sum())
        return float(np.square(distance).sum() / 2 - (mixed * truth).sum()), slope + distance / spread

    bounds = [_WEIGHT_RANGE] * count + [_RARITY_RANGE]
    result: np.ndarray = minimize(surprise, mean, jac=True, method="L-BFGS-B", bounds=bounds).x
    return result
