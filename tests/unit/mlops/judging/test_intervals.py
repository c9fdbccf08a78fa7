"""How sure a number is: against scipy where it knows the same, and against what must hold of every interval."""

import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from mlops.judging import intervals
from mlops.judging.intervals import (
    BETTER,
    CANNOT_TELL,
    WORSE,
    Interval,
    f1_intervals,
    mean_count,
    paired,
    share_of_parts,
    wilson,
)

shares = st.integers(0, 400).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(shares.filter(lambda share: share[1] > 0), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_of_a_share_is_that_of_scipy(share: tuple[int, int], confidence: float) -> None:
    count, total = share
    ours = wilson(count, total, confidence)

    theirs = binomtest(count, total).proportion_ci(confidence, method="wilson")
    assert ours.as_plain() == pytest.approx([theirs.low, theirs.high], abs=1e-9)


@given(shares)
def test_the_interval_of_a_share_holds_it_and_stays_within_0_and_1(share: tuple[int, int]) -> None:
    count, total = share
    found = wilson(count, total)

    assert 0 <= found.low <= (count / total if total else 0.5) <= found.high <= 1


def test_of_nothing_anything_may_be_true() -> None:
    assert wilson(0, 0) == Interval(0, 1)


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_paired_test_is_that_of_scipy(better: int, worse: int) -> None:
    answers = [(f"b{n}", 0, 1) for n in range(better)] + [(f"w{n}", 1, 0) for n in range(worse)] + [("same", 1, 1)]
    found = paired(answers)

    expected = binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert (found.better, found.worse, found.same) == (better, worse, 1)
    assert found.chance == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("better", "worse", "verdict"),
    [(6, 0, BETTER), (0, 6, WORSE), (5, 0, CANNOT_TELL), (0, 0, CANNOT_TELL), (20, 20, CANNOT_TELL), (6000, 0, BETTER)],
)
def test_what_is_said_of_two_versions(better: int, worse: int, verdict: str) -> None:
    assert paired([(n, n >= better, n < better) for n in range(better + worse)]).verdict == verdict


def test_many_differing_answers_are_no_matter_of_minutes() -> None:
    assert paired([(n, n % 2, 1 - n % 2) for n in range(20_000)]).verdict == CANNOT_TELL


def test_the_pictures_of_one_part_count_once() -> None:
    assert paired([("one part", 0, 1)] * 50).verdict == CANNOT_TELL


tallies = st.dictionaries(st.sampled_from("abc"), st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=3)


@given(st.lists(tallies, max_size=12))
def test_the_interval_of_f1_holds_what_was_seen_and_stays_within_0_and_1(
    groups: list[dict[str, tuple[int, int]]],
) -> None:
    found = f1_intervals(groups, ["a", "b"], draws=50)

    seen = []
    for label in ("a", "b"):
        hits, faults = (sum(group.get(label, (0, 0))[place] for group in groups) for place in (0, 1))
        seen.append(2 * hits / (2 * hits + faults) if hits else 0.0)
        interval = found.by_label[label]
        assert 0 <= interval.low <= seen[-1] <= interval.high <= 1
    assert 0 <= found.macro.low <= fmean(seen) + 1e-12 and fmean(seen) <= found.macro.high + 1e-12 <= 1 + 1e-12


def test_the_same_seed_gives_the_same_interval() -> None:
    groups = [{"a": (1, 0)}, {"a": (0, 1)}, {"a": (1, 0)}]

    assert f1_intervals(groups, ["a"]) == f1_intervals(groups[::-1], ["a"])


def test_the_more_parts_the_narrower_and_pictures_of_one_part_add_little() -> None:
    def width(groups: list[dict[str, tuple[int, int]]]) -> float:
        interval = f1_intervals(groups, ["a"]).macro
        return interval.high - interval.low

    parts = [{"a": (1, 0)}, {"a": (0, 1)}] * 10
    merged = [{"a": (5, 0)}, {"a": (0, 5)}] * 2
    assert width(parts * 10) < width(parts) < width(merged)


def test_five_right_answers_do_not_say_that_all_are() -> None:
    found = f1_intervals([{"a": (1, 0)}] * 5, ["a"]).macro

    assert found.high == 1 and 0.6 < found.low < 0.85


def test_thousands_of_kinds_of_parts_are_weighed_fewer_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "_MOST_WEIGHTS", 10)
    groups = [{"a": (number, 1)} for number in range(20)]

    assert f1_intervals(groups, ["a"]) == f1_intervals(groups, ["a"], draws=80)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        # Poisson: 0 events 0 to 3.69 (exact), 10 events 5.14 to 17.74 (by Jeffreys' prior).
        ([0] * 10, 0.0, 0.369),
        ([1] * 10, 0.514, 1.774),
    ],
)
def test_the_mean_of_events_is_that_of_poisson(counts: list[int], low: float, high: float) -> None:
    found = mean_count(counts)

    assert found is not None and found.as_plain() == pytest.approx([low, high], abs=0.01)


def test_events_that_come_together_say_less() -> None:
    apart, together = mean_count([1] * 10 + [0] * 10), mean_count([10] + [0] * 19)

    assert apart and together and together.high > apart.high
    assert mean_count([]) is None


def test_pictures_of_one_part_say_the_less_the_more_alike_they_are() -> None:
    alike = [(str(part), part % 2 == 0) for part in range(40) for _ in range(3)]
    mixed = [(str(part), number % 2 == 0) for part in range(40) for number in range(part % 2, part % 2 + 3)]
    whole, most, least = share_of_parts(alike), share_of_parts(mixed), share_of_parts(alike[::3])

    assert whole and most and least and whole == least
    assert wilson(60, 120).low > most.low > whole.low
    assert share_of_parts([]) is None


def test_a_share_of_parts_is_in_its_interval_in_95_of_100_tests() -> None:
    chance = random.Random(1)
    inside = 0
    for _ in range(500):
        pictures = []
        for part in range(30):
            rate = 0.3 if chance.random() < 0.5 else 0.7
            pictures += [(str(part), chance.random() < rate) for _ in range(4)]
        interval = share_of_parts(pictures)
        assert interval
        inside += interval.low <= 0.5 <= interval.high
    assert 0.93 <= inside / 500 <= 0.97


def test_a_mean_is_in_its_interval_in_95_of_100_tests() -> None:
    chance = random.Random(1)
    inside = 0
    for _ in range(500):
        counts = [sum(chance.random() < 0.1 for _ in range(3)) for _ in range(50)]
        interval = mean_count(counts)
        assert interval
        inside += interval.low <= 0.3 <= interval.high
    assert 0.93 <= inside / 500 <= 1
