"""What is true in production, from the random share, and how sure that is."""

import random

import pytest

from mlops.judging.production import Judged, estimated
from mlops.judging.shares import Share
from mlops.judging.verdicts import DEFECT, OK, UNSURE


def test_the_rates_are_those_of_whole_parts() -> None:
    judged = [
        *[Judged(DEFECT, is_defective=True)] * 8,
        *[Judged(OK, is_defective=True)] * 2,
        *[Judged(DEFECT, is_defective=False)] * 4,
        *[Judged(OK, is_defective=False)] * 80,
        *[Judged(UNSURE, is_defective=False)] * 6,
    ]
    found = estimated(judged)

    assert (found.precision, found.escapes) == (Share(8, 12), Share(2, 10))
    assert (found.overkill, found.unsure) == (Share(4, 90), Share(6, 100))


def test_too_few_to_say_is_said() -> None:
    assert Share(0, 0).told() == "none yet: too few to say"
    assert Share(1, 3).told() == "1 of 3: too few to say"
    assert Share(2, 100).told() == "2.0 % (2 of 100; 95 %: 0.6 to 7.0 %)"
    assert all("too few to say" in line for line in estimated([]).lines())


@pytest.mark.parametrize(
    ("count", "of", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634)]
)
def test_the_interval_is_wilsons(count: int, of: int, low: float, high: float) -> None:
    assert Share(count, of).interval == pytest.approx((low, high), abs=1e-4)


def test_in_about_95_of_100_productions_the_interval_holds_the_truth() -> None:
    """A thousand productions, each with rates of its own, of which chance takes 400 pictures."""
    chance = random.Random(19)
    held = {"precision": 0, "escapes": 0, "overkill": 0}
    for _ in range(1000):
        defects, escapes, overkill = chance.uniform(0.1, 0.5), chance.uniform(0.02, 0.4), chance.uniform(0.02, 0.3)
        judged = []
        for _ in range(400):
            is_defective = chance.random() < defects
            accused = chance.random() >= escapes if is_defective else chance.random() < overkill
            judged.append(Judged(DEFECT if accused else OK, is_defective))
        right, wrong = defects * (1 - escapes), (1 - defects) * overkill
        truth = {"precision": right / (right + wrong), "escapes": escapes, "overkill": overkill}
        found = estimated(judged)
        for name, true in truth.items():
            low, high = getattr(found, name).interval
            held[name] += low <= true <= high

    assert all(930 <= count <= 970 for count in held.values()), held
