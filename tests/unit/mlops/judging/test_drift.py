"""Drift: nothing where nothing changed; a lamp, a lens, other verdicts where they did."""

import json
import random
from functools import cache

import pytest

from benchmarks import drift as measured
from mlops.codec import plain, read
from mlops.judging import drift
from mlops.judging.appearance import Statistics
from mlops.judging.drift import Reference


@cache
def pictures() -> list[Statistics]:
    return measured.pool(1, 1200)


def test_windows_without_change_raise_hardly_an_alarm() -> None:
    """`benchmarks/drift.py` tells of 1000."""
    assert measured.false_alarms(pictures(), 100) <= 1


@pytest.mark.parametrize("change", ["a lamp 15 % dimmer", "slightly out of focus"])
def test_a_change_is_found_within_100_pictures(change: str) -> None:
    changed = measured.pool(2, 300, measured.CHANGES[change])

    assert measured.found_in(pictures(), changed, 40) >= 38


def test_a_thousand_windows_of_any_numbers_raise_an_alarm_in_one_of_a_hundred_at_most() -> None:
    chance, alarms = random.Random(7), 0
    for _ in range(1000):
        reference = {name: Reference.of(chance.gauss(0, 1) for _ in range(60)) for name in drift.LOOKS}
        window = {name: [chance.gauss(0, 1) for _ in range(drift.LEAST)] for name in drift.LOOKS}
        alarms += any(one.has_drifted for one in drift.compared(reference, window))

    assert alarms <= 10


def test_words_and_few_values_have_bins_of_their_own_and_what_is_new_another() -> None:
    verdicts = Reference.of(["ok"] * 80 + ["defect"] * 20)
    sizes = Reference.of([640.0 * 480] * 100)

    assert verdicts.fill(["ok", "defect", "defect", "unsure"]) == [2, 1, 1]
    assert sizes.fill([640.0 * 480, 1.0]) == [1, 1]
    changed = drift.compare("verdicts", verdicts, ["ok"] * 40 + ["unsure"] * 60)
    same = drift.compare("size", sizes, [640.0 * 480] * 100)
    assert changed and changed.has_drifted
    assert same and not same.has_drifted


def test_too_few_pictures_say_nothing() -> None:
    reference = Reference.of(map(float, range(100)))

    assert drift.compare("brightness", reference, [1000.0] * (drift.LEAST - 1)) is None
    assert drift.compare("brightness", Reference.of([1.0] * 5), [1000.0] * 100) is None
    assert drift.compared({}, {"brightness": [1.0] * 100}) == ()


def test_the_limit_grows_as_pictures_get_fewer() -> None:
    assert drift.limit_of(1000, 1000, 10, 1e-4) < drift.limit_of(1000, 100, 10, 1e-4) < drift.limit_of(50, 50, 10, 1e-4)


@pytest.mark.parametrize(("degrees", "chance", "value"), [(9, 0.05, 16.919), (9, 0.001, 27.877), (1, 0.01, 6.635)])
def test_chi_squared_is_right_to_a_few_percent(degrees: int, chance: float, value: float) -> None:
    assert drift.chi_squared(degrees, chance) == pytest.approx(value, rel=0.03)


def test_a_reference_is_kept_as_json() -> None:
    for reference in (Reference.of(map(float, range(100))), Reference.of(["ok", "defect"])):
        assert read(Reference, json.loads(json.dumps(plain(reference)))) == reference


def test_a_picture_unlike_all_that_trained_is_named_by_what_is_unlike() -> None:
    references = measured.references_of(pictures()[:400])
    dark = measured.statistics_of(measured.part(measured.np.random.default_rng(3)).point(lambda shade: shade // 3))

    assert "brightness" in drift.unlike(references, dark)
    assert drift.distance(references, dark) > drift.distance(references, pictures()[500])
    assert sum(bool(drift.unlike(references, one)) for one in pictures()[400:]) <= 4
    assert drift.unlike(references, Statistics()) == []
