"""From log-odds to scores of which 0.5 is the best cut, label by label."""

import numpy as np
from scipy.optimize import minimize_scalar

from local.rekognition.engine.boxes import overlaps

_OVERLAP = 0.5
_NEARLY_BEST, _CAUTION = 0.02, 0.8  # of the cuts that are nearly best rather a high one: clean images are not seen
_PRIOR_BOXES = 15  # a label's own cut counts half when it has so many
_SLOPES = (0.2, 2.0)


def hits(boxes: np.ndarray, odds: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Say which boxes (n, 4) find a true box (m, 4), each at most once, the best first."""
    found = np.zeros(len(boxes), bool)
    free = overlaps(boxes, truth)
    for index in np.argsort(-odds, kind="stable"):
        if free.shape[1] and free[index].max() >= _OVERLAP:
            found[index] = True
            free[:, free[index].argmax()] = 0
    return found


def best_cut(odds: np.ndarray, hit: np.ndarray, count: int) -> float | None:
    """Return a cut that is nearly best for F1 over `count` true boxes; None without a hit."""
    if not hit.any():
        return None
    order = np.argsort(-odds, kind="stable")
    f1 = 2 * hit[order].cumsum() / (np.arange(1, len(odds) + 1) + count)
    return float(np.quantile(odds[order][f1 >= f1.max() - _NEARLY_BEST], _CAUTION))


def fit_scores(odds: np.ndarray, hit: np.ndarray, labels: np.ndarray, boxes: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the slope and the cuts (labels,) from finds in unseen images; boxes: how many true ones each label has."""
    overall = best_cut(odds, hit, int(boxes.sum())) or 0.0
    cuts = np.full(len(boxes), overall)
    for label, count in enumerate(boxes):
        own = best_cut(odds[labels == label], hit[labels == label], int(count))
        if own is not None:
            cuts[label] = overall + (own - overall) * count / (count + _PRIOR_BOXES)
    margin = (odds - cuts[labels]) * np.where(hit, 1, -1)
    slope = minimize_scalar(lambda value: np.logaddexp(0, -value * margin).sum(), bounds=_SLOPES, method="bounded").x
    return float(slope), cuts.astype(np.float32)
