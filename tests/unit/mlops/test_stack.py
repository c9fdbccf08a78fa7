"""What a function knows of its stack, from whatever has the variables."""

import pytest

from mlops import stack
from mlops.stack import Stack
from tests.unit.mlops.world import ACCOUNT, SETTINGS, set_clock

GIVEN = Stack(SETTINGS)


def test_values_have_their_types() -> None:
    assert GIVEN.name == "s"
    assert (GIVEN.poll_seconds, GIVEN.running_models, GIVEN.match_iou) == (0, 2, 0.5)
    assert GIVEN.price_of("running") == 4.0
    assert [GIVEN.is_wanted(environment) for environment in ("development", "staging", "production")] == [
        *(False, False, True)
    ]


def test_what_is_of_another_account_is_used_where_it_is_given() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/r"
    elsewhere = Stack({**SETTINGS, "BUCKETS": '{"staging": "theirs"}', "ROLES": f'{{"staging": "{role}"}}'})

    assert [elsewhere.results_bucket(environment) for environment in ("staging", "production")] == [
        "theirs",
        "artifacts",
    ]
    assert [elsewhere.role_of(environment) for environment in ("staging", "production")] == [role, ""]


def test_a_variable_that_the_template_does_not_set_is_named() -> None:
    with pytest.raises(KeyError, match="LEASE_MINUTES"):
        _ = Stack({}).lease_minutes


def test_a_function_has_its_environment_and_the_clock_of_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABLE", "mine")
    assert stack.here().table == "mine"

    set_clock(monkeypatch, time=lambda: 7.0)
    assert (stack.here().table, stack.here().clock.time()) == ("mine", 7.0)


def test_names_and_tokens_are_not_given_twice() -> None:
    assert len({GIVEN.new_id() for _ in range(100)}) == 100
    assert len({GIVEN.new_token() for _ in range(100)}) == 100
    assert all(len(token) >= 43 for token in (GIVEN.new_token(), GIVEN.new_token()))
