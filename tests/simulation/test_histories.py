"""A sample of the histories that `python -m tests.simulation` plays, and proof that they go as they are told."""

import re
from collections.abc import Iterator

import pytest

from tests.simulation import histories, mutations, rules
from tests.simulation.plans import BOTH, HOUR, Account, Action, Answer, Fault, Plan, calm, first_upload, new_pictures
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
    # Two uploads, a picture more, one less, an earlier run that comes back, and what people answered.
    assert sum(subject.startswith("Released to production") for subject, _ in play.mails) == 6


def test_both_tasks_and_what_people_say_of_new_pictures_go_through() -> None:
    play, broken = outcome(calm(tasks=BOTH))

    assert not broken
    assert {task for _, task, _ in (name.removeprefix("/s/models/").split("/") for name in play.out.parameters)} == {
        *BOTH
    }
    assert len(play.inspected) == 7
    assert len(play.people.kept) == 4


def test_a_budget_that_is_used_up_reaches_people_once_in_words() -> None:
    """From the function that refuses to start, by the rule of the template, to the mail."""
    actions = first_upload("parts", 60), *(new_pictures("parts", at * HOUR, 1, contents=at) for at in (2, 4))
    play = Play(Plan("budget", actions, account=Account(production_stays=False, budget=0.01)))
    play.run()
    mails = [(subject, text) for subject, text in play.mails if subject.startswith("NOT STARTED")]

    ((subject, text),) = mails
    assert subject == "NOT STARTED: 1 picture of parts wait"
    assert re.search(r"the budget of 2027-01 is used up: \d+\.\d\d of 0\.01 US dollars were spent on models", text)
    assert "Raise MonthlyBudget, or wait for the next month: the pictures keep their place" in text
    # Somebody raised it in the end.
    assert len(play.inspected) == 2


def test_two_functions_in_turns_are_one_history() -> None:
    weave = Fault("weave", "promotion", "put_item RELEASE CURRENT", 1, 50.0)
    plays = [Play(Plan("x", (first_upload("parts", 10),), faults=(weave,))) for _ in range(2)]
    for play in plays:
        play.run()

    assert str(weave) in "".join(plays[0].story)
    assert plays[0].story == plays[1].story


def test_a_difference_between_two_ends_is_told() -> None:
    plays = [Play(Plan("x", (first_upload("parts", 10, contents=number),))) for number in range(2)]
    for play in plays:
        play.run()

    assert not [*rules.differing(plays[0], plays[0])]
    assert [*rules.differing(*plays)]


def test_a_rejection_counts_until_somebody_is_asked_again() -> None:
    """A rollback in staging is a new test, and so a new question about production."""
    back = Action(3 * HOUR, "roll back", "parts", number=1)
    other = Action(HOUR, "upload", "parts", ("train/good/7.png",), (30,))
    answers = (Answer(), Answer("reject"), Answer(), Answer(), Answer("ignore"))
    play, broken = outcome(Plan("x", (first_upload("parts", 10), other, back), answers))

    assert not broken
    assert len([subject for subject, _ in play.mails if subject.startswith("Approve")]) == 5


def test_a_training_that_somebody_asks_for_again_is_one_more_where_its_model_was_deleted() -> None:
    repeat = Action(3 * HOUR, "repeat", "parts")
    uploads = (first_upload("parts", 10), first_upload("caps", 900, contents=6))
    play, broken = outcome(Plan("x", (*uploads, repeat), account=Account(bad=1, keep_models=0)))

    assert not broken
    assert len(play.labels.trained) == 3


@pytest.fixture
def without_once() -> Iterator[None]:
    with mutations.guard_of("once").taken_out():
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


@pytest.mark.parametrize("name", ["runs.begin", "approvals.decide", "inspections.record"])
def test_a_guard_that_is_missing_is_noticed(name: str) -> None:
    """The others, and new histories that miss them: python -m tests.simulation.mutations."""
    assert mutations.first_that_misses(mutations.guard_of(name))


def test_a_guard_that_holds_nothing_up_makes_no_difference() -> None:
    plan = Plan("x", (first_upload("parts", 10),))
    guard = mutations.guard_of("approvals.decide")
    gate = mutations.Gate()
    with guard.put_under(gate):
        watched, _ = outcome(plan)
    with guard.taken_out():
        without, _ = outcome(plan)

    assert gate.held_up == 0
    assert watched.story == without.story
