"""The assumed threshold of a label: what the testing images say, and while they are few, what the engine knows."""

import numpy as np

UNTESTED_THRESHOLD = 0.5
_TRUSTED = 5  # as many true boxes or images outweigh half of what the engine knows
_SPREAD = 4.0  # how far from its own cut, in log-odds, what the engine knows still weighs
_LEAST = 1e-6


def assumed_threshold(
    scores: np.ndarray, right: np.ndarray, truths: int, own_cut: float | None, *, usual: float | None
) -> float:
    """Return a threshold t at which `score >= t` has the best F1, the highest of equals.

    scores: (n,), 0 to 1, of what was found, in any order; right: bool (n,), whether it is true; truths: how many true
    ones there are, found or not. own_cut: where the engine would cut, going by training images that it had not seen;
    None when it cannot tell. It counts as a few more true ones, all of which are found at this cut, and fewer the
    farther from it. The more are tested, the fewer these are: soon they are worth less than a single one.

    All values between the two scores that a threshold separates are as good. That nearest to own_cut, or else to
    `usual`, is taken, a quarter of the interval away from both ends, so that it does not hang on the last bit of a
    score; the middle, when there is neither.
    """
    if not truths:
        return UNTESTED_THRESHOLD if own_cut is None else own_cut
    if own_cut is None and not right.any():
        return UNTESTED_THRESHOLD
    cuts, hits, found = _choices(scores.astype(float), right, usual if own_cut is None else own_cut)
    known = 0.0 if own_cut is None else _TRUSTED**2 / (_TRUSTED + truths)
    hits_known = 0.0 if own_cut is None else known * _nearness(cuts, own_cut)
    f1 = 2 * (hits + hits_known) / (found + truths + 2 * known)
    return float(cuts[np.argmax(f1)])


def _choices(scores: np.ndarray, right: np.ndarray, wanted: float | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every threshold that makes a difference, highest first, and what it accepts: true ones, and all.

    The first accepts nothing, unless a score is 1: then none can.
    """
    order = np.argsort(-scores, kind="stable")
    edges = np.concatenate([[1.0], scores[order], [0.0]])
    found = np.arange(len(scores) + 1)
    hits = np.append(0, np.cumsum(right[order]))
    differ = edges[:-1] != edges[1:]  # equal scores are accepted together
    differ[-1] = True  # a score of 0 can be accepted
    high, low = edges[:-1][differ], edges[1:][differ]
    margin = (high - low) / 4
    cuts = (high + low) / 2 if wanted is None else np.clip(wanted, low + margin, high - margin)
    return cuts, hits[differ], found[differ]


def _nearness(cuts: np.ndarray, own_cut: float) -> np.ndarray:
    """Return 1 at the engine's own cut and less, down to 0, far from it."""
    inside = np.clip(np.append(cuts, own_cut), _LEAST, 1 - _LEAST)
    odds = np.log(inside / (1 - inside))
    return np.asarray(np.exp(-(((odds[:-1] - odds[-1]) / _SPREAD) ** 2) / 2))
