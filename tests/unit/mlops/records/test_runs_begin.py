"""A stage begins once for a cause, also when two deliveries look at the same moment."""

import pytest

from mlops.records import runs
from mlops.stage import StageRef
from tests.unit.mlops.world import World

REF = StageRef("parts-classification-1", "parts", "classification", "ground_truth")


def test_a_stage_that_ended_between_the_look_and_the_beginning_does_not_begin_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both deliveries of a message find nothing; one of them has done everything when the other goes on."""
    with monkeypatch.context() as patch:
        patch.setattr(runs, "stage_of", lambda _: None)
        assert runs.begin(REF, "c")
        assert runs.begin(REF, "c"), "the first may have died"
    runs.complete(REF)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "stage_of", lambda _: None)
        assert not runs.begin(REF, "c")
        stage_again = runs.begin(REF, "another")
    assert stage_again


def test_what_was_worked_off_comes_late_and_changes_nothing(world: World) -> None:
    """A dead letter is delivered again long after somebody has repeated the stage."""
    for cause in ("first", "second"):
        assert runs.begin(REF, cause)
        runs.complete(REF)

    assert not runs.begin(REF, "first")
    assert [runs.is_over(REF, cause) for cause in ("first", "second", "third")] == [True, True, False]
    stage = runs.stage_of(REF)
    assert stage and (stage.state, stage.cause) == (runs.COMPLETED, "second")


def test_what_gave_way_before_it_was_worked_off_begins_again(world: World) -> None:
    runs.begin(REF, "first")
    runs.begin(REF, "second")
    runs.complete(REF)

    assert not runs.is_over(REF, "first")
    assert runs.begin(REF, "first")
