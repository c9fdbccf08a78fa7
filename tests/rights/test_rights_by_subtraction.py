"""What roles are granted is what stories use, no less and no more; `python -m tests.rights` prints which needs what."""

import pytest

from tests.rights import granted
from tests.rights.granted import Grant, Need, grants
from tests.rights.subtraction import turns_red, unexplained, used


def test_nothing_is_used_that_is_not_granted() -> None:
    assert used().missing == set()


def test_every_action_of_every_role_is_needed_by_a_story_or_has_a_reason() -> None:
    assert [f"{grant.role}: {grant.action} on {grant.pattern}" for grant in unexplained()] == []


def test_every_function_has_rights_of_which_it_uses_some() -> None:
    assert {grant.role for grant in used().used} == {grant.role for grant in grants()} == set(granted.NAMES)


@pytest.mark.parametrize(
    "pair", [("promotion", "ssm:PutParameter"), ("notification", "kms:Decrypt"), ("inspect", "s3:ListBucket")]
)
def test_without_an_action_its_story_goes_wrong(pair: tuple[str, str]) -> None:
    """The others: python -m tests.rights --subtract."""
    assert turns_red(pair)[1]


@pytest.mark.parametrize(
    ("need", "is_let"),
    [
        (Need("s3:GetObject", "arn:aws:s3:::DataBucket/datasets/parts/1.png"), True),
        (Need("s3:GetObject", "arn:aws:s3:::DataBucket/results/1.png"), False),
        (Need("s3:PutObject", "arn:aws:s3:::DataBucket/datasets/parts/1.png"), False),
        (Need("s3:GetObject", "arn:aws:s3:::DataBucket/datasets/1.png", {"events:source": "another"}), False),
    ],
)
def test_a_grant_lets_what_its_action_its_pattern_and_its_condition_meet(need: Need, is_let: bool) -> None:
    condition = (("events:source", "rekognition-mlops"),)
    grant = Grant("ingest", "s3:GetObject", "arn:aws:s3:::DataBucket/datasets/*", condition)

    assert grant.lets(need) == is_let
