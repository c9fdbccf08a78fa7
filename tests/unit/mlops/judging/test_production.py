"""What is true in production, from the random share, and how sure that is."""

import random
from dataclasses import dataclass

import pytest

from mlops.judging.choosing import Candidate, candidate, place_of, reasons_of
from mlops.judging.production import Judged, estimated
from mlops.judging.shares import Share
from mlops.judging.verdicts import DEFECT, OK, UNSURE, Verdict


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


PICTURES, SHARE, MOST = 240, 0.5, 80


@dataclass(frozen=True)
class Part:
    """One inspected part, and what it really is."""

    digest: str
    verdict: Verdict
    is_defective: bool


def day_of(chance: random.Random, defects: float, escapes: float, overkill: float) -> list[Part]:
    """A day of production that grows worse: what comes late has more defects, and models are often unsure of them."""
    parts = []
    for number in range(PICTURES):
        is_defective = chance.random() < defects * (0.5 + number / PICTURES)
        accused = chance.random() >= escapes if is_defective else chance.random() < overkill
        is_unsure = chance.random() < (0.3 if is_defective else 0.1)
        verdict = UNSURE if is_unsure else DEFECT if accused else OK
        parts.append(Part(f"{chance.random()}", Verdict(verdict, ()), is_defective))
    return parts


def reviewed(parts: list[Part], chance: random.Random) -> list[Judged]:
    """What a person says of those that chance drew, on a day on which others are asked about as well and somebody
    answers now and then."""
    day: list[Candidate] = []
    answered: set[str] = set()
    for part in parts:
        if reasons := reasons_of(part.digest, part.verdict, is_unlike=False, share=SHARE):
            new = candidate(part.digest, part.digest, reasons)
            place = place_of(new, day, MOST, answered)
            if place.is_taken:
                day = [one for one in day if one.name != place.gives_way] + [new]
        if chance.random() < 0.02:
            answered |= {one.name for one in day}
    drawn = {one.name for one in day if one.is_random}
    return [Judged(part.verdict.verdict, part.is_defective) for part in parts if part.digest in drawn]


def test_in_about_95_of_100_productions_the_interval_holds_the_truth() -> None:
    """A thousand productions, each with rates of its own. The truth is that of the process, not of the day: the parts
    of many days like this one."""
    chance = random.Random(19)
    held = {"precision": 0, "escapes": 0, "overkill": 0}
    for _ in range(1000):
        rates = chance.uniform(0.2, 0.5), chance.uniform(0.05, 0.4), chance.uniform(0.05, 0.3)
        found = estimated(reviewed(day_of(chance, *rates), chance))
        for name, true in true_rates(*rates).items():
            low, high = getattr(found, name).interval
            held[name] += low <= true <= high

    assert all(930 <= count <= 970 for count in held.values()), held


def true_rates(defects: float, escapes: float, overkill: float) -> dict[str, float]:
    accused = 0.7 * defects * (1 - escapes), 0.9 * (1 - defects) * overkill
    return {"precision": accused[0] / sum(accused), "escapes": 0.7 * escapes, "overkill": 0.9 * overkill}
