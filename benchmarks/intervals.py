"""Measure how often intervals hold the truth, and what operating points cost on new pictures. Seeded.

    python benchmarks/intervals.py [--draws 1000] [--points 200]

Intervals: of every kind so many tests of 5, 20 and 100 pictures of a label are drawn, each from a truth of its own;
93 to 97 of 100 are to hold it; where not, an exclamation mark says so. Operating points: confidences are drawn from
six kinds of models with 20 and 100 pictures of a label; the cost of a point on 20 000 new pictures beside the best
possible one that finds at least half, and beside the point with the best F1 on the same test, which is the service's
own. Marked is what costs more than 1.1 at 100 pictures, or more than the service's own at 20.
"""

import argparse
import random
import sys
from bisect import bisect_left
from collections.abc import Callable, Mapping
from math import exp, log
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "layers" / "mlops")]

from mlops.dataset.images import Content  # noqa: E402
from mlops.judging.classification import Classification, LabelAnswer  # noqa: E402
from mlops.judging.intervals import Interval, f1_intervals, mean_count, wilson  # noqa: E402
from mlops.judging.operating_points import Answered, Cost, choose, counts_at  # noqa: E402

SIZES = (5, 20, 100)
NEW = 20_000
COSTS = (Cost(1, 1), Cost(2, 1), Cost(3, 1), Cost(10, 1), Cost(1, 3))


def shares(chance: random.Random, size: int) -> bool:
    truth = chance.random()
    return _holds(wilson(sum(chance.random() < truth for _ in range(size)), size), truth)


def f1_of_one(chance: random.Random, size: int) -> bool:
    """One label: images of it, and as many others of which some are called so, too."""
    found, wrong = chance.uniform(0.3, 1), chance.uniform(0, 0.5)
    truth = 2 * found / (1 + found + wrong)
    groups = [_image(chance, found) for _ in range(size)]
    groups += [{"a": (0, 1)} for _ in range(size) if chance.random() < wrong]
    return _holds(f1_intervals(groups, ["a"], draws=400, seed=chance.randrange(2**30)).macro, truth)


def f1_of_four(chance: random.Random, size: int) -> bool:
    """The mean over four labels, each with so many images."""
    rates = {label: (chance.uniform(0.3, 1), chance.uniform(0, 0.5)) for label in "abcd"}
    truth = fmean(2 * found / (1 + found + wrong) for found, wrong in rates.values())
    groups: list[Mapping[str, tuple[int, int]]] = []
    for label, (found, wrong) in rates.items():
        groups += [{label: (1, 0)} if chance.random() < found else {label: (0, 1)} for _ in range(size)]
        groups += [{label: (0, 1)} for _ in range(size) if chance.random() < wrong]
    return _holds(f1_intervals(groups, list(rates), draws=400, seed=chance.randrange(2**30)).macro, truth)


def f1_of_parts(chance: random.Random, size: int) -> bool:
    """So many parts of three pictures each, which are found or not together more often than chance would have it."""
    found = chance.uniform(0.3, 1)
    truth = 2 * found / (1 + found)
    groups = []
    for _ in range(size):
        is_alike, first = chance.random() < 0.7, chance.random() < found
        hits = sum(first if is_alike else chance.random() < found for _ in range(3))
        groups.append({"a": (hits, 3 - hits)})
    return _holds(f1_intervals(groups, ["a"], draws=400, seed=chance.randrange(2**30)).macro, truth)


def false_alarms(chance: random.Random, size: int) -> bool:
    """False alarms per clean image, some of which come several at once."""
    rate, together = chance.uniform(0.02, 1), chance.random() < 0.5
    counts = [_alarms(chance, rate / 2) * 2 if together else _alarms(chance, rate) for _ in range(size)]
    interval = mean_count(counts)
    return interval is not None and _holds(interval, rate)


def _alarms(chance: random.Random, rate: float) -> int:
    """A number by Poisson's distribution."""
    count, left = 0, chance.expovariate(1)
    while left < rate:
        count, left = count + 1, left + chance.expovariate(1)
    return count


def accuracy_of_parts(chance: random.Random, size: int) -> bool:
    """So many parts of three pictures each, which are mostly right or wrong together."""
    truth, answers = chance.random(), []
    for part in range(size):
        is_alike, first = chance.random() < 0.7, chance.random() < truth
        for number in range(3):
            said = "cut" if (first if is_alike else chance.random() < truth) else "bent"
            content = Content(f"{part}-{number}", group=str(part))
            answers.append(LabelAnswer(content, ("cut",), (said,), 90.0))
    interval = Classification().intervals(answers)["accuracy"]
    return interval is not None and _holds(interval, truth)


def _image(chance: random.Random, found: float) -> dict[str, tuple[int, int]]:
    return {"a": (1, 0)} if chance.random() < found else {"a": (0, 1)}


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


# Log-odds of right and of wrong answers.
Draw = Callable[[random.Random], float]
MODELS: dict[str, tuple[Draw, Draw]] = {
    "even": (lambda c: c.gauss(1, 1), lambda c: c.gauss(-1, 1)),
    "good": (lambda c: c.gauss(2, 1.5), lambda c: c.gauss(-2, 1)),
    "overlapping": (lambda c: c.gauss(0.8, 1), lambda c: c.gauss(-0.5, 1.3)),
    "two kinds": (lambda c: c.gauss(-2, 1) if c.random() < 0.15 else c.gauss(3, 1), lambda c: c.gauss(-3, 1.5)),
    "doubtful": (lambda c: _odds(c.betavariate(5, 2)), lambda c: _odds(c.betavariate(2, 5))),
    "certain": (lambda c: _odds(c.betavariate(8, 1)), lambda c: _odds(c.betavariate(0.6, 4))),
}


def _odds(share: float) -> float:
    share = min(max(share, 1e-4), 1 - 1e-4)
    return log(share / (1 - share))


def _confidences(chance: random.Random, draw: Draw, size: int) -> tuple[float, ...]:
    return tuple(sorted(100 / (1 + exp(-draw(chance))) for _ in range(size)))


def _service(answered: Answered) -> float:
    """The point of the best F1 on the test, in the middle between two answers."""
    said = sorted({*answered.right, *answered.wrong})
    places = [(lower + upper) / 2 for lower, upper in zip([0.0, *said], said, strict=False)]
    return max(places, key=lambda place: counts_at(answered, place).f1)


def costs(model: str, size: int, wrong_a_right: int, cost: Cost, draws: int) -> tuple[float, float]:
    """Mean cost on new pictures of our point and of the service's, the best possible one being 1."""
    chance = random.Random(f"{model} {size} {wrong_a_right} {cost}")
    right, wrong = MODELS[model]
    new = _confidences(chance, right, NEW), _confidences(chance, wrong, NEW)

    def paid(point: float) -> float:
        missed, false = (bisect_left(side, point) / NEW for side in new)
        return cost.escape * missed + cost.overkill * wrong_a_right * (1 - false)

    # A label that finds less than half is none: the best possible point finds that much.
    best = min(paid(place / 10) for place in range(1000) if place / 10 <= new[0][NEW // 2])
    ours, theirs = [], []
    for _ in range(draws):
        test = Answered(_confidences(chance, right, size), _confidences(chance, wrong, size * wrong_a_right), size)
        own = _service(test)
        ours.append(paid(choose(test, cost, own)))
        theirs.append(paid(own))
    return fmean(ours) / best, fmean(theirs) / best


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--draws", type=int, default=1000)
    arguments.add_argument("--points", type=int, default=200)
    given = arguments.parse_args()
    print(f"Of {given.draws} intervals so many in 100 hold the truth; pictures of a label: {SIZES}")
    for test in (shares, f1_of_one, f1_of_four, f1_of_parts, false_alarms, accuracy_of_parts):
        held = []
        for size in SIZES:
            chance = random.Random(f"{test.__name__} {size}")
            held.append(100 * fmean(test(chance, size) for _ in range(given.draws)))
        within = (f"{share:5.1f}{' ' if 93 <= share <= 97 else '!'}" for share in held)
        print(f"  {test.__name__:17}  {' '.join(within)}", flush=True)
    print("Cost on new pictures, the best possible point being 1: ours / the service's own")
    print(f"  {'model':12} {'wrong:right':>11} {'escape:overkill':>15}  {'20 pictures':>13}  {'100 pictures':>13}")
    for model in MODELS:
        for ratio in (1, 4):
            for cost in COSTS:
                told = [costs(model, size, ratio, cost, given.points) for size in (20, 100)]
                (ours, theirs), (later, _) = told
                bad = "!" if ours > max(theirs, 1.0) + 0.005 or later > 1.105 else ""
                pairs = "  ".join(f"{ours:5.2f} / {theirs:5.2f}" for ours, theirs in told) + bad
                print(f"  {model:12} {ratio:>9}:1 {f'{cost.escape:g}:{cost.overkill:g}':>15}  {pairs}", flush=True)


if __name__ == "__main__":
    main()
