"""How sure a number is: intervals that hold the truth in 95 of 100 tests, and which of two versions is better."""

import math
import random
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from statistics import NormalDist, fmean

from mlops.codec import Json
from mlops.judging.metrics import Outcome

CONFIDENCE = 0.95
BETTER, WORSE, CANNOT_TELL = "better", "worse", "cannot tell"
_DRAWS, _SEED = 1000, 0
# Fewer draws do where there are many kinds of parts: the more there are, the less hangs on any.
_LEAST_DRAWS, _MOST_WEIGHTS = 80, 200_000
# Half of a part that is answered right and half of one that is answered wrong are added to every label: a few answers
# that are all right do not say that the next one is (Jeffreys).
_PRIOR = 0.5
# What is assumed beside what was seen: so many parts whose pictures are all alike, and so many pictures on which events
# come so many at once. `benchmarks/intervals.py` says how often the truth is held with them.
_ALIKE = 5
_TOGETHER, _AT_ONCE = 4, 1.5
# Hits, and misses and false alarms together, of one label: F1 depends on nothing else.
Tally = tuple[int, int]


@dataclass(frozen=True)
class Interval:
    """Where the true number lies; a list of both ends in documents."""

    low: float
    high: float

    def as_plain(self) -> list[float]:
        """As documents have it."""
        return [self.low, self.high]

    @classmethod
    def of_plain(cls, told: Sequence[float]) -> "Interval":
        """From a document."""
        return cls(float(told[0]), float(told[1]))


def wilson(count: float, total: float, confidence: float = CONFIDENCE) -> Interval:
    """Where the true share lies of which `count` of `total` were seen (Wilson's score interval); anywhere of none."""
    if not total:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = count / total, z * z / total
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return Interval(0.0 if count == 0 else max(centre - half, 0.0), 1.0 if count == total else min(centre + half, 1.0))


def share_of_parts(answers: Iterable[tuple[str, bool]], confidence: float = CONFIDENCE) -> Interval | None:
    """Where the true share of pictures lies of which something is so, from (part, whether it is so); None without any.

    Pictures of one part say the less together the more alike they are: as much as so many independent pictures, by how
    much parts differ beyond chance (Kish's design effect), which is at least one a part.
    """
    parts: dict[str, tuple[int, int]] = {}
    for part, is_so in answers:
        seen, of = parts.get(part, (0, 0))
        parts[part] = seen + is_so, of + 1
    if not parts:
        return None
    count, total = (sum(column) for column in zip(*parts.values(), strict=True))
    share = count / total
    # All that is said of a part is the same: then as much as this.
    most = sum(of * of for _, of in parts.values()) / total
    apart = share * (1 - share) * total
    squares = sum((seen - share * of) ** 2 for seen, of in parts.values())
    effect = squares * len(parts) / (len(parts) - 1) / apart if apart and len(parts) > 1 else most
    # A few parts do not say how alike their pictures are.
    effect = (len(parts) * min(max(effect, 1.0), most) + _ALIKE * most) / (len(parts) + _ALIKE)
    return wilson(count / effect, total / effect, confidence)


def mean_count(counts: Sequence[int], confidence: float = CONFIDENCE) -> Interval | None:
    """Where the true mean lies of numbers of events a picture, which may come several at once; None without pictures.

    An interval of Poisson's distribution by Jeffreys' prior (in the approximation of Wilson and Hilferty), wider where
    events come together.
    """
    if not counts:
        return None
    total, mean, free = sum(counts), fmean(counts), len(counts) - 1
    squares = sum((count - mean) ** 2 for count in counts)
    # A few pictures do not say how many come at once.
    together = max((squares / mean + _TOGETHER * _AT_ONCE) / (free + _TOGETHER) if mean else _AT_ONCE, 1.0)
    z, seen = NormalDist().inv_cdf((1 + confidence) / 2), total / together + _PRIOR
    low, high = (seen * (1 - 1 / (9 * seen) + side * z / (3 * math.sqrt(seen))) ** 3 for side in (-1, 1))
    return Interval(max(low, 0.0) * together / len(counts) if total else 0.0, high * together / len(counts))


def tallied(outcomes: Iterable[Outcome]) -> dict[str, Tally]:
    """The tallies of a part by label, from what became of its labels or boxes."""
    tallies: dict[str, Tally] = {}
    for label, is_true, is_said in outcomes:
        hits, faults = tallies.get(label, (0, 0))
        is_hit = is_true and is_said
        tallies[label] = hits + is_hit, faults + (is_true != is_said)
    return tallies


@dataclass(frozen=True)
class F1Intervals:
    """Of the mean over the labels that occur in the truth, and of every one of them."""

    macro: Interval
    by_label: Mapping[str, Interval]


def f1_intervals(
    groups: Iterable[Mapping[str, Tally]],
    labels: Sequence[str],
    confidence: float = CONFIDENCE,
    draws: int = _DRAWS,
    seed: int = _SEED,
) -> F1Intervals:
    """Where the true F1 lies, by a bootstrap over groups: the pictures of one part stand and fall together.

    `groups` has for every part the tallies of its labels. Every draw weighs the parts anew (Rubin's Bayesian
    bootstrap). Parts with the same tallies are weighed at once: the time depends on how many kinds of parts there are.
    """
    if not labels:
        return F1Intervals(Interval(0.0, 1.0), {})
    kinds = Counter(tuple(sorted((label, tally) for label, tally in group.items() if any(tally))) for group in groups)
    # Parts without hits and faults change no F1.
    kinds.pop((), None)
    ordered = sorted(kinds.items())
    # A seed of its own: the same answers have the same interval, whoever asks and how often.
    chance = random.Random(seed)
    draws = min(draws, max(_MOST_WEIGHTS // max(len(kinds), 1), _LEAST_DRAWS))
    found: dict[str, list[float]] = {label: [] for label in labels}
    sums = dict.fromkeys(labels, (0, 0, 0)) | _sums(ordered)
    sizes = {label: (sums[label][0] + sums[label][1]) / sums[label][2] if sums[label][2] else 1.0 for label in labels}
    for _ in range(draws):
        right = {label: size * chance.gammavariate(_PRIOR, 1.0) for label, size in sizes.items()}
        wrong = {label: size * chance.gammavariate(_PRIOR, 1.0) for label, size in sizes.items()}
        for kind, count in ordered:
            weight = chance.gammavariate(count, 1.0)
            for label, (hits, faults) in kind:
                if label in right:
                    right[label] += weight * hits
                    wrong[label] += weight * faults
        for label in labels:
            found[label].append(2 * right[label] / (2 * right[label] + wrong[label]))
    seen = {label: _f1(*sums[label][:2]) for label in labels}
    by_label = {label: _middle(found[label], seen[label], confidence) for label in labels}
    means = [fmean(values) for values in zip(*found.values(), strict=True)]
    return F1Intervals(_middle(means, fmean(seen.values()), confidence), by_label)


def _f1(hits: int, faults: int) -> float:
    return 2 * hits / (2 * hits + faults) if hits else 0.0


def _sums(kinds: Iterable[tuple[tuple[tuple[str, Tally], ...], int]]) -> dict[str, tuple[int, int, int]]:
    """By label: hits, faults, and how many parts have any of both."""
    sums: dict[str, tuple[int, int, int]] = {}
    for kind, count in kinds:
        for label, (hits, faults) in kind:
            known = sums.get(label, (0, 0, 0))
            sums[label] = known[0] + count * hits, known[1] + count * faults, known[2] + count
    return sums


def _middle(drawn: Sequence[float], seen: float, confidence: float) -> Interval:
    """The middle of what was drawn, and what was seen."""
    ordered, tail = sorted(drawn), (1 - confidence) / 2
    low, high = ordered[int(tail * len(ordered))], ordered[min(math.ceil((1 - tail) * len(ordered)), len(ordered)) - 1]
    return Interval(min(low, seen), max(high, seen))


@dataclass(frozen=True)
class Paired:
    """Of the parts that two versions were asked about: how many the first answers better, worse, and alike.

    `chance` is how often parts of which neither version knows more would differ as unevenly (0 to 1).
    """

    better: int
    worse: int
    same: int
    chance: float

    def as_plain(self) -> Json:
        """As documents have it, with the verdict."""
        return {**asdict(self), "verdict": self.verdict}

    @property
    def verdict(self) -> str:
        """Which one is better, as far as so few parts tell."""
        if self.chance > 1 - CONFIDENCE:
            return CANNOT_TELL
        return BETTER if self.better > self.worse else WORSE


def paired(mistakes: Iterable[tuple[Hashable, int, int]]) -> Paired:
    """Compare two versions by (part, mistakes of the first, mistakes of the second), one or more of each part.

    Parts on which both make as many mistakes say nothing; of the others each is as likely to go either way when
    neither version is better. With one answer a part this is McNemar's exact test.
    """
    ours: Counter[Hashable] = Counter()
    theirs: Counter[Hashable] = Counter()
    for part, own, other in mistakes:
        ours[part] += own
        theirs[part] += other
    better = sum(ours[part] < theirs[part] for part in ours)
    worse = sum(ours[part] > theirs[part] for part in ours)
    return Paired(better, worse, len(ours) - better - worse, _either_way(better, worse))


def _either_way(one: int, other: int) -> float:
    """How often a fair coin falls at least as unevenly, either way round."""
    tosses = one + other
    if not tosses:
        return 1.0
    # Whole numbers: no power of a half is too small.
    most = max(one, other)
    tail = ways = math.comb(tosses, most)
    for heads in range(most, tosses):
        ways = ways * (tosses - heads) // (heads + 1)
        tail += ways
    return min(float(Fraction(2 * tail, 2**tosses)), 1.0)
