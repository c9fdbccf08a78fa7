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
