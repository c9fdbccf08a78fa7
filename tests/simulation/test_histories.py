"""A sample of the histories that `python -m tests.simulation` plays, and proof that they go as they are told."""

from collections.abc import Iterator

import pytest

from tests.simulation import histories, mutations
from tests.simulation.plans import Fault, Plan, calm, first_upload
from tests.simulation.play import Play
from tests.simulation.rules import outcome
from tests.simulation.shrinking import shrunk, story

HISTORIES, AT_ONCE = 150, 15


@pytest.mark.parametrize("first", range(0, HISTORIES, AT_ONCE))
def test_every_history_ends_as_it_must(first: int) -> None:
    broken = dict(histories.failures("test", AT_ONCE, processes=1, first=first))

    assert not broken, f"python -m tests.simulation --only {next(iter(broken))} tells the story of the first"


def test_where_nothing_goes_wrong_everything_is_released() -> None:
    play, broken = outcome(calm())

    assert not broken
    assert len(play.out.parameters) == 4
    assert sum(subject.startswith("Released to production") for subject, *_ in play.mails) == 5


def test_a_seed_is_one_history() -> None:
    plays = [Play(histories.plan_of("test:3")) for _ in range(2)]
    for play in plays:
        play.run()

    assert plays[0].story == plays[1].story


@pytest.fixture
def without_once() -> Iterator[None]:
    with mutations._without_once():
        yield


def test_a_failing_history_is_made_smaller_and_told(without_once: None) -> None:
    """Two mails about one release: the second delivery alone does it."""
    twin = Fault("twin", "notification", "publish", 1)
    harmless = (Fault("delay", "report", "", 2, 20.0), twin, Fault("pause", "training", "query", 1, 5.0))
    plan = Plan("x", (first_upload("parts", 10), first_upload("caps", 900, contents=6)), faults=harmless)
    rule = "no mail twice"
    assert rule in dict(outcome(plan)[1])

    smaller = shrunk(plan, rule)
    assert smaller.faults == (twin,)
    assert len(smaller.actions) == 1
    assert "is overtaken by a second delivery of the same event" in story(smaller)


def test_a_guard_that_is_missing_is_noticed() -> None:
    """The others: python -m tests.simulation.mutations."""
    (mutation,) = (m for m in mutations.MUTATIONS if m.name.startswith("runs.begin"))
    assert mutations.found_by(mutation, "1", most=20)[0]
