"""One mail for one outcome."""

from typing import Any

import pytest

from mlops.events import ServingRefused
from mlops.stages.notification import cause_of

FIRST = ServingRefused("parts", ("the budget is used up",), "3 pictures", "2026-03-02T09:15:00.000+00:00", "09:00")


def cause(told: ServingRefused) -> str:
    return cause_of({"detail-type": told.detail_type, "detail": told.as_detail()})


def refused(**facts: Any) -> ServingRefused:
    return ServingRefused(**{**vars(FIRST), **facts})


def test_two_rounds_that_tell_of_the_same_pictures_at_the_same_moment_are_one_outcome() -> None:
    assert cause(refused(waiting="4 pictures", refused_at="2026-03-02T09:15:00.200+00:00")) == cause(FIRST)


@pytest.mark.parametrize("facts", [{"dataset": "caps"}, {"reasons": ("another",)}, {"since": "10:00"}])
def test_others_are_another(facts: dict[str, Any]) -> None:
    assert cause(refused(**facts)) != cause(FIRST)


def test_without_pictures_each_refusal_is_told() -> None:
    at_nine, at_ten = (refused(since="", refused_at=f"2026-03-02T{hour}:00:00.000+00:00") for hour in ("09", "10"))

    assert cause(at_nine) != cause(at_ten)
