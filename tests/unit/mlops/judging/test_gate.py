import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.judging.gate import Thresholds, parse_label_thresholds, reasons_against
from mlops.judging.metrics import Score


def f1(value: float, support: int = 10) -> Score:
    return Score(value, value, value, support)


def test_label_thresholds_are_read_with_spaces_and_equal_signs_in_labels() -> None:
    assert parse_label_thresholds(" cut lead = 0.9, normal=1 ,, a=b=0 ") == {"cut lead": 0.9, "normal": 1.0, "a=b": 0.0}
    assert parse_label_thresholds("") == {}


@pytest.mark.parametrize(
    "part",
    [
        "cut",
        "0.9",
        "=0.9",
        "cut=",
        "cut=high",
        "cut=1.01",
        "cut=-0.1",
        "cut=nan",
        "cut:0.9",
        "cut=90",
        "cut=0.9;bent=0.8",
        "9",
    ],
)
def test_the_part_that_cannot_be_read_is_named(part: str) -> None:
    with pytest.raises(ValueError, match="LabelThresholds") as raised:
        parse_label_thresholds(f"normal=0.5,{part}")

    assert repr(part) in str(raised.value)


@given(st.dictionaries(st.text("abc=_- ", min_size=1).filter(str.strip).map(str.strip), st.floats(0, 1)))
def test_what_is_written_is_read_back(thresholds: dict[str, float]) -> None:
    assert parse_label_thresholds(",".join(f"{k}={v!r}" for k, v in thresholds.items())) == thresholds


def test_numbers_at_their_thresholds_pass() -> None:
    limits = Thresholds(0.8, 0.7, {"cut": 0.9})

    assert reasons_against("service", 0.8, {"bent": f1(0.7), "cut": f1(0.9)}, limits) == []


def test_every_number_below_its_threshold_is_a_reason() -> None:
    limits = Thresholds(0.8, 0.7, {"cut": 0.9})

    reasons = reasons_against("service", 0.79, {"cut": f1(0.89), "bent": f1(0.69, 4)}, limits)

    assert reasons == [
        "service: F1 0.790 is below 0.800",
        "service: F1 of bent is 0.690 on 4 images, below 0.700",
        "service: F1 of cut is 0.890 on 10 images, below 0.900",
    ]


def test_a_label_without_images_is_judged_only_when_it_was_given_a_threshold() -> None:
    scores = {"bent": f1(0, 0), "cut": f1(0, 0)}

    assert reasons_against("service", 1, scores, Thresholds(0, 0.7, {"cut": 0.5})) == [
        "service: cut has a threshold but no image"
    ]


def test_thresholds_may_name_labels_of_other_datasets() -> None:
    assert reasons_against("service", 1, {"bent": f1(1)}, Thresholds(0, 0.7, {"cut": 0.5, "scratch": 1})) == []


@pytest.mark.parametrize(("written", "label"), [("good", "normal"), ("OK", "normal"), ("Cut Lead", "cut lead")])
def test_thresholds_name_labels_as_folders_are_called(written: str, label: str) -> None:
    folders = {"Cut lead": "cut lead", "OK": "normal"}

    assert parse_label_thresholds(f"{written}=0.5", folders) == {label: 0.5}


def test_two_thresholds_for_one_label_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="'normal' has two thresholds"):
        parse_label_thresholds("good=0.5,normal=0.9")


def test_not_a_number_does_not_pass() -> None:
    assert len(reasons_against("service", math.nan, {"bent": f1(math.nan)}, Thresholds(0, 0))) == 2
