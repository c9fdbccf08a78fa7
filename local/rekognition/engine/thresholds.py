"""From log-odds to scores of which 0.5 is the best cut, label by label."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from local.rekognition.engine.boxes import overlaps

_OVERLAP = 0.5
_NEARLY_BEST = 0.02
_PRIOR_BOXES = 15  # a label's own cut counts half when it has so many
_SLOPES = (0.2, 2.0)


@dataclass(frozen=True)
class Finds:
    """What was found: log-odds (n,), whether it hit (n,), label indices (n,); and how many are there (labels,)."""

    odds: np.ndarray
    hit: np.ndarray
    labels: np.ndarray
    there: np.ndarray

    def f1(self) -> float:
        """Return the mean over labels of F1 at the best cut of each."""
        each = [_f1(self.odds[own], self.hit[own], count) for own, count in self.by_label()]
        return float(np.mean([f1.max(initial=0) for _, f1 in each]))

    def by_label(self) -> list[tuple[np.ndarray, int]]:
        """Return for every label which finds are of it, and how many true ones there are."""
        return [(self.labels == label, int(count)) for label, count in enumerate(self.there)]


def hits(boxes: np.ndarray, odds: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Say which boxes (n, 4) find a true box (m, 4), each at most once, the best first."""
    found = np.zeros(len(boxes), bool)
    free = overlaps(boxes, truth)
    for index in np.argsort(-odds, kind="stable"):
        if free.shape[1] and free[index].max() >= _OVERLAP:
            found[index] = True
            free[:, free[index].argmax()] = 0
    return found


def _f1(odds: np.ndarray, hit: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cuts, falling, and F1 over `count` true boxes at each of them."""
    order = np.argsort(-odds, kind="stable")
    return odds[order], 2 * hit[order].cumsum() / (np.arange(1, len(odds) + 1) + count)


def best_cut(odds: np.ndarray, hit: np.ndarray, count: int) -> float | None:
    """Return the middle one of the cuts that are nearly best for F1 over `count` true boxes; None without a hit."""
    if not hit.any():
        return None
    cuts, f1 = _f1(odds, hit, count)
    return float(np.median(cuts[f1 >= f1.max() - _NEARLY_BEST]))


def fit_scores(finds: Finds) -> tuple[float, np.ndarray]:
    """Return the slope and the cuts (labels,) from finds in unseen images."""
    odds, hit = finds.odds, finds.hit
    overall = best_cut(odds, hit, int(finds.there.sum())) or 0.0
    cuts = np.full(len(finds.there), overall)
    for label, (own, count) in enumerate(finds.by_label()):
        cut = best_cut(odds[own], hit[own], count)
        if cut is not None:
            cuts[label] = overall + (cut - overall) * count / (count + _PRIOR_BOXES)
    margin = (odds - cuts[finds.labels]) * np.where(hit, 1, -1)
    slope = minimize_scalar(lambda value: np.logaddexp(0, -value * margin).sum(), bounds=_SLOPES, method="bounded").x
    return float(slope), cuts.astype(np.float32)
