import warnings
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from mlops.judging.metrics import Means, Score, confusion_matrix, macro, one_against_rest, percentile, score

LABELS = ["bent", "cut", "normal"]
pairs_of = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=60)


@given(pairs_of)
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    truth, answers = zip(*pairs, strict=True)
    labels = sorted({*truth, *answers})

    ours = one_against_rest([({truth}, {said}) for truth, said in pairs])

    theirs = precision_recall_fscore_support(truth, answers, labels=labels, zero_division=0)
    assert list(ours) == labels
    for label, *expected in zip(labels, *theirs, strict=True):
        got = ours[label]
        assert (got.precision, got.recall, got.f1, got.support) == pytest.approx(tuple(map(float, expected)))


@given(pairs_of)
def test_macro_is_the_mean_over_labels_of_the_truth(pairs: list[tuple[str, str]]) -> None:
    truth, answers = zip(*pairs, strict=True)
    occurring = sorted(set(truth))

    with warnings.catch_warnings(action="ignore"):
        expected = precision_recall_fscore_support(truth, answers, labels=occurring, average="macro", zero_division=0)

    ours = one_against_rest([({truth}, {said}) for truth, said in pairs])

    assert astuple(macro(ours)) == pytest.approx(tuple(map(float, expected[:3])))


@given(pairs_of)
def test_every_pair_is_in_the_confusion_matrix_once(pairs: list[tuple[str, str]]) -> None:
    matrix = confusion_matrix(pairs)

    assert sum(sum(row.values()) for row in matrix.values()) == len(pairs)
    assert all(matrix[truth][answer] == pairs.count((truth, answer)) for truth, answer in pairs)


def test_no_answer_is_a_miss_and_no_label() -> None:
    scores = one_against_rest([({"bent"}, {"bent"}), ({"bent"}, set())])

    assert scores == {"bent": score(1, 0, 1)}
    assert confusion_matrix([("bent", "")]) == {"bent": {"": 1}}


def test_undefined_ratios_are_zero() -> None:
    assert score(0, 0, 0) == Score(0.0, 0.0, 0.0, 0)
    assert macro({}) == Means(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("values", "fraction", "expected"),
    [([], 0.5, 0.0), ([7.0], 0.95, 7.0), ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0), ([*map(float, range(1, 101))], 0.95, 95.0)],
)
def test_percentile_is_the_nearest_rank(values: list[float], fraction: float, expected: float) -> None:
    assert percentile(values, fraction) == expected
