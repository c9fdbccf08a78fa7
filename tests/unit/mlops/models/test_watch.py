"""Asking for a stage again: one message for each poll interval, however often the stage is run."""

import pytest

from mlops.models import watch
from mlops.stage import StageRef
from tests.unit.mlops.world import World, set_clock

REF = StageRef("parts-detection-000000000001", "parts", "detection", "inference_test", "staging")
ARN = "arn:aws:rekognition:eu-west-1:111122223333:project/p/version/v/1"
POLL = 60


@pytest.fixture(autouse=True)
def _polls(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLL_SECONDS", str(POLL))


def ask_at(monkeypatch: pytest.MonkeyPatch, seconds: float, decision: str = "one") -> None:
    set_clock(monkeypatch, time=lambda: 1_767_225_600 + seconds)
    watch.retry_later(REF, version_arn=ARN, decision=decision)


def test_a_stage_that_runs_twice_is_asked_for_again_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_at(monkeypatch, 0.0)
    ask_at(monkeypatch, 0.4 * POLL)

    assert len(world.on_the_way) == 1


def test_a_stage_that_runs_once_more_later_is_asked_for_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_at(monkeypatch, 0.0)
    ask_at(monkeypatch, POLL)

    assert len(world.on_the_way) == 2


def test_another_decision_is_asked_for_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_at(monkeypatch, 0.0, "one")
    ask_at(monkeypatch, 0.0, "another")

    assert len(world.on_the_way) == 2


def test_a_message_that_comes_while_its_note_is_being_written_is_followed_by_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # To send took most of the interval, so that hardly any time is left from the note to the message.
    set_clock(monkeypatch, time=lambda: 1_767_225_600 + (0.9 * POLL if world.on_the_way else 0.0))
    watch.retry_later(REF, version_arn=ARN)
    ask_at(monkeypatch, POLL, decision="")

    assert len(world.on_the_way) == 2
