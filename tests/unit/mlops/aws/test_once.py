"""A cause is worked off once: also when the process that began with it dies, and whoever else comes meanwhile."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from mlops.aws.once import once
from tests.unit.mlops.world import Killed, World


def attempt(request: str) -> Any:
    """What Lambda tells a function of an invocation; every attempt at it has the same request id."""
    return SimpleNamespace(aws_request_id=request, get_remaining_time_in_millis=lambda: 900_000, function_name="f")


def dying() -> None:
    raise Killed


def failing() -> None:
    raise ValueError


@pytest.fixture
def done() -> list[str]:
    return []


@pytest.fixture
def work(done: list[str]) -> Callable[[], None]:
    return lambda: done.append("done")


def test_a_second_delivery_is_dropped(world: World, done: list[str], work: Callable[[], None]) -> None:
    once(work, cause="c", context=attempt("first"))
    once(work, cause="c", context=attempt("second"))
    once(work, cause="c", context=attempt("first"))

    assert done == ["done"]


def test_the_next_attempt_of_a_delivery_whose_process_died_takes_over_at_once(
    world: World, done: list[str], work: Callable[[], None]
) -> None:
    """Lambda tries again after a minute; an inference test might have gone on for fifteen."""
    with pytest.raises(Killed):
        once(dying, cause="c", context=attempt("first"))
    once(work, cause="c", context=attempt("first"))
    once(work, cause="c", context=attempt("second"))

    assert done == ["done"]


def test_a_second_delivery_does_not_take_over(world: World, done: list[str], work: Callable[[], None]) -> None:
    with pytest.raises(Killed):
        once(dying, cause="c", context=attempt("first"))
    once(work, cause="c", context=attempt("second"))

    assert done == []


def test_after_an_exception_whoever_comes_next_does_the_work(
    world: World, done: list[str], work: Callable[[], None]
) -> None:
    with pytest.raises(ValueError):
        once(failing, cause="c", context=attempt("first"))
    once(work, cause="c", context=attempt("second"))

    assert done == ["done"]


def test_who_takes_over_leaves_the_work_to_a_second_delivery_that_was_faster(
    world: World, done: list[str], work: Callable[[], None]
) -> None:
    with pytest.raises(Killed):
        once(dying, cause="c", context=attempt("first"))
    delete = world.once.delete_item

    def delete_and_let_another_begin(**given: Any) -> Any:
        answer = delete(**given)
        world.once.delete_item = delete  # type: ignore[method-assign]
        once(work, cause="c", context=attempt("second"))
        return answer

    world.once.delete_item = delete_and_let_another_begin  # type: ignore[method-assign]
    once(failing, cause="c", context=attempt("first"))

    assert done == ["done"]
