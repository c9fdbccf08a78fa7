"""Whether pictures of production still look like those that trained, and are answered as before.

Each measure is cut into bins that hold the same share of the reference. How a window fills them is told by the
population stability index, PSI = sum of (q - p) ln(q / p). Without any change it is about (1/n + 1/m) times a
chi-squared number of as many degrees of freedom as there are bins, less one, for a reference of n and a window of m
(Yurdakul, "Statistical Properties of Population Stability Index", 2018). So a limit follows from the sizes, and small
windows raise no alarm by chance.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Self

from mlops.judging.appearance import Statistics

# As many pictures a window has, and at least so many before anything is said.
WINDOW, LEAST = 100, 50
LEAST_REFERENCE = 20
BINS = 10
# Lore of scoring: below 0.1 nothing has changed that matters. It comes on top of what chance alone makes.
TOLERATED_PSI = 0.1
# A window is looked at every hour, 9000 times a year: of all measures of a window together, so often by chance.
FALSE_ALARMS = 1e-4
_SMOOTHING = 0.5
# As many decimals of a measure are told.
_PLACES = 6
# How far beyond what trained, in ranges of its middle 98 %, a picture is unlike all of it.
_BEYOND = 0.5
# What is measured of a picture, and how; colours beside each other, so that a lamp that dims changes none.
LOOKS = ("brightness", "contrast", "sharpness", "red", "blue", "size")
ANSWERS = ("verdicts", "confidence")


def looks_of(statistics: Statistics) -> dict[str, float]:
    """The measures of a picture that can drift, by name."""
    light = max(statistics.red + statistics.green + statistics.blue, 1.0)
    return {
        "brightness": statistics.brightness,
        "contrast": statistics.contrast,
        "sharpness": statistics.sharpness,
        "red": statistics.red / light,
        "blue": statistics.blue / light,
        "size": float(statistics.width * statistics.height),
    }


@dataclass(frozen=True)
class Reference:
    """How the values of a measure lie in what is compared with.

    `edges` divide numbers: a bin holds what is above the edge before it and at most its own. Where there are few
    different values, or words, each has a bin of its own, and whatever else comes another one: `values`.
    `counts` are those of the bins. `low` and `high` hold 98 % of the numbers.
    """

    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    values: tuple[float | str, ...] = ()
    low: float = 0.0
    high: float = 0.0

    @classmethod
    def of(cls, given: Iterable[float | str], bins: int = BINS) -> Self:
        every = list(given)
        different = Counter(every)
        numbers = sorted(float(one) for one in every if not isinstance(one, str))
        low, high = (_quantile(numbers, 0.01), _quantile(numbers, 0.99)) if numbers else (0.0, 0.0)
        if len(different) <= bins or len(numbers) < len(every):
            values = tuple(sorted(different, key=str))
            return cls((*(different[value] for value in values), 0), (), values, low, high)
        edges = tuple(dict.fromkeys(_quantile(numbers, step / bins) for step in range(1, bins)))
        filled = Counter(bisect_left(edges, number) for number in numbers)
        return cls(tuple(filled[place] for place in range(len(edges) + 1)), edges, (), low, high)

    @property
    def size(self) -> int:
        return sum(self.counts)

    def fill(self, given: Iterable[float | str]) -> list[int]:
        """How many of these values each bin holds."""
        filled = Counter(map(self._place, given))
        return [filled[place] for place in range(len(self.counts))]

    def is_beyond(self, number: float) -> bool:
        """Whether a number lies far from all that is compared with."""
        room = _BEYOND * (self.high - self.low)
        # Where nothing varies, a hundredth of the value is still the same.
        room = max(room, 0.01 * abs(self.high))
        return not self.low - room <= number <= self.high + room

    def _place(self, value: float | str) -> int:
        if not self.values:
            return bisect_left(self.edges, float(value))
        return self.values.index(value) if value in self.values else len(self.values)


@dataclass(frozen=True)
class Measured:
    """A measure of a window beside its reference. It has drifted when `psi` is above `limit`."""

    name: str
    psi: float
    limit: float
    before: float | None
    now: float | None
    reference_size: int
    window_size: int

    has_drifted: bool = False

    def rounded(self) -> "Measured":
        """As it is told: whether it has drifted was decided before."""
        return replace(
            self,
            psi=round(self.psi, _PLACES),
            limit=round(self.limit, _PLACES),
            before=_rounded(self.before),
            now=_rounded(self.now),
        )


def compare(name: str, reference: Reference, window: Sequence[float | str], measures: int = 8) -> Measured | None:
    """A measure of a window beside its reference; None while there are too few of either. `measures` are looked at
    together, so that each may raise an alarm by chance less often."""
    if reference.size < LEAST_REFERENCE or len(window) < LEAST:
        return None
    filled = reference.fill(window)
    numbers = sorted(float(one) for one in window if not isinstance(one, str))
    psi = psi_of(reference.counts, filled)
    # Shared among all measures: one window is one look, however many numbers are taken of it.
    limit = limit_of(reference.size, len(window), len(filled), FALSE_ALARMS / measures)
    now = _quantile(numbers, 0.5) if numbers else None
    return Measured(name, psi, limit, _middle(reference), now, reference.size, len(window), has_drifted=psi > limit)


def psi_of(reference: Sequence[int], window: Sequence[int]) -> float:
    """The population stability index of two counts of the same bins. Half a picture is added to each bin, so that an
    empty one does not make it infinite."""
    total = 0.0
    all_before, all_now = (sum(counts) + _SMOOTHING * len(counts) for counts in (reference, window))
    for before, now in zip(reference, window, strict=True):
        p, q = (before + _SMOOTHING) / all_before, (now + _SMOOTHING) / all_now
        total += (q - p) * math.log(q / p)
    return total


def limit_of(reference: int, window: int, bins: int, chance: float) -> float:
    """What the index is above by chance alone no more often than `chance`, and above what is tolerated."""
    return TOLERATED_PSI + (1 / reference + 1 / window) * chi_squared(max(bins - 1, 1), chance)


def chi_squared(degrees: int, chance: float) -> float:
    """What a chi-squared number is above with this probability (Wilson and Hilferty, 1931: right to a few percent)."""
    part, normal = 2 / (9 * degrees), -NormalDist().inv_cdf(chance)
    return float(degrees * (1 - part + normal * math.sqrt(part)) ** 3)


def compared(
    references: Mapping[str, Reference],
    window: Mapping[str, Sequence[float | str]],
    newest: Sequence[Mapping[str, Reference]] = (),
) -> tuple[Measured, ...]:
    """Every measure of a window that there is a reference for, those that drifted most first.

    `newest` are those of the pictures that came back from production last and trained, too. A window that is like any
    has not drifted: fifty pictures under a new lamp among four hundred under the old one teach a model the new one, but
    a window of nothing else is unlike the mixture for ever.
    """
    names = [name for name in references if name in window]
    found = []
    for name in names:
        beside = [each[name] for each in (references, *newest) if name in each]
        measured = [one for one in (compare(name, each, window[name], len(names)) for each in beside) if one]
        if measured:
            found.append(min(measured, key=lambda one: one.psi - one.limit))
    return tuple(sorted(found, key=lambda one: (one.limit - one.psi, one.name)))


def unlike(references: Mapping[str, Reference], statistics: Statistics) -> list[str]:
    """The measures in which a picture is far from all that is compared with."""
    if not statistics.is_known:
        return []
    measured = looks_of(statistics)
    known = {name: one for name, one in references.items() if name in measured and one.size >= LEAST_REFERENCE}
    return [name for name, reference in known.items() if reference.is_beyond(measured[name])]


def distance(references: Mapping[str, Reference], statistics: Statistics) -> float:
    """How far a picture is from the middle of what is compared with, in the measure where it is farthest."""
    measured = looks_of(statistics)
    far = [0.0]
    for name, reference in references.items():
        if name in measured and (middle := _middle(reference)) is not None:
            spread = max(reference.high - reference.low, 0.01 * abs(middle), 1e-9)
            far.append(abs(measured[name] - middle) / spread)
    return max(far)


def _middle(reference: Reference) -> float | None:
    """About the median of a reference."""
    if reference.edges:
        return reference.edges[len(reference.edges) // 2]
    numbers = [
        (float(v), n) for v, n in zip(reference.values, reference.counts, strict=False) if not isinstance(v, str)
    ]
    passed, half = 0, sum(n for _, n in numbers) / 2
    for value, count in sorted(numbers):
        passed += count
        if passed >= half:
            return value
    return None


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share lies, one of those that there are."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _PLACES)
