"""The assumed threshold: what the testing images say, and what the engine knows of its own scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.rekognition.learning import image_labels, object_boxes
from local.rekognition.learning.models import own_cuts
from local.rekognition.learning.thresholds import assumed_threshold

Samples = Sequence[tuple[float, bool]]


def threshold(
    samples: Samples, own_cut: float | None, *, truths: int | None = None, usual: float | None = None
) -> float:
    scores, right = np.array([score for score, _ in samples]), np.array([true for _, true in samples], dtype=bool)
    return assumed_threshold(scores, right, int(right.sum()) if truths is None else truths, own_cut, usual=usual)


def f1_at(cut: float, samples: Samples, truths: int) -> float:
    found = [right for score, right in samples if score >= cut]
    return 2 * sum(found) / (len(found) + truths)


FAR_BELOW = [(0.9, False), (0.8, False), (0.03, True), (0.02, True)]
FAR_ABOVE = [(0.99, True), (0.98, False), (0.97, False), (0.96, False)]


@pytest.mark.parametrize(("samples", "says"), [(FAR_BELOW, 0.01), (FAR_ABOVE, 0.985)], ids=["below", "above"])
@pytest.mark.parametrize("own_cut", [0.35, 0.5])
def test_few_images_move_the_threshold_less_than_half_way_from_the_cut_of_the_engine(
    samples: Samples, says: float, own_cut: float
) -> None:
    assert threshold(samples, None) == pytest.approx(says)

    assert abs(threshold(samples, own_cut) - own_cut) < abs(says - own_cut)


def test_one_image_that_was_missed_by_far_does_not_let_everything_pass() -> None:
    samples = [(0.4, False), (0.3, False), (0.2, False), (0.02, True)]

    assert threshold(samples, None) == pytest.approx(0.01)
    assert threshold(samples, 0.5) > 0.4


@pytest.mark.parametrize("own_cut", [0.05, 0.5, 0.95])
@pytest.mark.parametrize(("high", "low"), [(0.3, 0.1), (0.95, 0.9), (0.7, 0.2)])
def test_many_images_say_between_which_scores_the_threshold_lies(own_cut: float, high: float, low: float) -> None:
    samples = [(high, True), (low, False)] * 100

    assert low < threshold(samples, own_cut) < high


few_scores = st.sampled_from([0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])


@settings(deadline=None)
@given(
    st.lists(st.tuples(few_scores, st.booleans()), min_size=1, max_size=12),
    st.floats(0.01, 0.99),
    st.integers(0, 3),
    st.integers(20, 60),
)
def test_among_many_images_the_engine_is_worth_less_than_one_of_them(
    samples: list[tuple[float, bool]], own_cut: float, missed: int, times: int
) -> None:
    many = samples * times
    truths = (sum(right for _, right in samples) + missed) * times
    if not truths:
        return
    best = max(f1_at(cut, many, truths) for cut in [0.0, *(score for score, _ in samples), 1.1])

    chosen = f1_at(threshold(many, own_cut, truths=truths), many, truths)

    assert chosen >= best - 4 * 25 / truths**2


@given(st.lists(st.tuples(few_scores, st.booleans()), min_size=1, max_size=12), st.floats(0.01, 0.99))
def test_what_the_threshold_accepts_does_not_hang_on_the_last_bit_of_a_score(
    samples: list[tuple[float, bool]], own_cut: float
) -> None:
    if not any(right for _, right in samples):
        return
    cut = threshold(samples, own_cut)
    high = min([score for score, _ in samples if score >= cut], default=1.0)
    low = max([score for score, _ in samples if score < cut], default=0.0)

    assert low + (high - low) / 4 <= cut + 1e-12
    assert cut <= high - (high - low) / 4 + 1e-12


@pytest.mark.parametrize("own_cut", [0.2, 0.6])
@pytest.mark.parametrize("samples", [[], [(0.9, False), (0.1, False)]], ids=["nothing found", "found on other images"])
def test_label_without_a_test_image_has_the_cut_of_the_engine(samples: Samples, own_cut: float) -> None:
    assert threshold(samples, own_cut, truths=0) == own_cut


@pytest.mark.parametrize("usual", [None, 0.5])
@pytest.mark.parametrize("samples", [[], [(0.9, False), (0.1, False)]], ids=["nothing found", "found on other images"])
def test_label_without_a_test_image_has_one_half_when_the_engine_knows_nothing(
    samples: Samples, usual: float | None
) -> None:
    assert threshold(samples, None, truths=0, usual=usual) == 0.5


def test_where_nothing_found_is_right_the_engine_is_believed() -> None:
    assert threshold([(0.3, False), (0.1, False)], 0.6, truths=2) == 0.6


def test_scores_that_no_cut_improves_leave_the_cut_of_the_engine() -> None:
    assert threshold([(0.9, True), (0.1, False)], 0.4) == 0.4


@pytest.mark.parametrize(("usual", "expected"), [(None, 0.65), (0.5, 0.575)])
def test_engine_that_knows_nothing_leaves_it_to_the_images(usual: float | None, expected: float) -> None:
    assert threshold([(0.8, True), (0.5, False)], None, usual=usual) == pytest.approx(expected)


def test_thresholds_of_a_classifier_follow_its_own_cuts_label_by_label() -> None:
    scores = np.array([[0.9, 0.1, 0.3], [0.2, 0.8, 0.3]], dtype=np.float32)
    truths = [frozenset({"a"}), frozenset({"b"})]

    evaluation = image_labels.evaluate(("a", "b", "unseen"), scores, truths, {"a": 0.3, "unseen": 0.7})

    assert evaluation.thresholds == {"a": pytest.approx(0.375), "b": pytest.approx(0.45), "unseen": 0.7}


def test_thresholds_of_a_detector_follow_its_own_cuts_label_by_label() -> None:
    evaluation = object_boxes.evaluate(("dent", "rust"), [], [], {"rust": 0.7})

    assert evaluation.thresholds == {"dent": 0.5, "rust": 0.7}


class Silent:
    labels = ("a",)

    def save(self, path: Any) -> None: ...


class Knowing(Silent):
    own_cuts: Mapping[str, float] = {"a": 0.4}


def test_engines_may_say_where_they_would_cut_or_not() -> None:
    assert (own_cuts(Silent()), own_cuts(Knowing())) == ({}, {"a": 0.4})
