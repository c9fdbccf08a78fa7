"""The additions to ministack refuse a ministack they were not written for."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from local.cloud.local_cloud import LAUNCHER
from local.cloud.sam import VENVS
from local.launcher import contract, outbox, queues
from local.launcher.access import action_of_batch
from mlops import codec
from mlops.events import PipelineStageRetry
from mlops.models import watch
from mlops.stage import StageRef

NAME = "textwrap:dedent"


def test_ministack_installed_is_the_one_the_additions_were_written_for() -> None:
    command = [str(VENVS / "cloud/bin/python"), "-P", str(LAUNCHER), "--check"]

    checked = subprocess.run(command, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr


def test_changed_function_is_named_with_both_digests() -> None:
    found = contract.source_digest(NAME)

    assert contract.broken_contracts({NAME: found}) == []
    assert contract.broken_contracts({NAME: "0000"}) == [f"{NAME}: expected source 0000, found {found}"]


def test_function_that_went_away_is_reported_as_missing() -> None:
    assert contract.broken_contracts({"textwrap:gone": "0000"}) == [
        "textwrap:gone: expected source 0000, found missing"
    ]


def test_start_is_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "broken_contracts", lambda: ["a: changed"])

    with pytest.raises(SystemExit, match=r"(?s)requirements/cloud\.txt.*a: changed.*Install the pinned version"):
        contract.require_contract()


@pytest.mark.parametrize(
    ("sent", "local"),
    [
        ("https://ab12.execute-api.eu-central-1.amazonaws.com/x?t=1", "http://127.0.0.1:7/_aws/execute-api/ab12/x?t=1"),
        ("https://ab12.lambda-url.us-east-1.on.aws/", "http://127.0.0.1:7/_aws/lambda-url/ab12/"),
        ("see https://example.com/execute-api", "see https://example.com/execute-api"),
    ],
)
def test_links_of_this_cloud_lead_to_this_machine(sent: str, local: str) -> None:
    assert outbox.with_local_links(sent, 7) == local


REF = StageRef("parts-detection-000000000001", "parts", "detection", "inference_test", "staging")


def look(version_arn: str) -> str:
    """The message that makes somebody look at a model."""
    return json.dumps(codec.plain(watch.Look(REF, version_arn, "cause", ("RUNNING",), 9)))


def delayed(body: str, seconds: float) -> dict[str, Any]:
    return {"body": body, "visible_at": time.time() + seconds, "receive_count": 0}


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(queues, "_delayed", lambda now: [m for m in found if m["visible_at"] > now])
    return found


def test_queues_are_looked_at_when_the_next_delay_is_over(messages: list[dict[str, Any]]) -> None:
    promptly = queues.PromptQueues()
    assert promptly.seconds_until_next() == 60

    messages += [delayed("a", 9), delayed("b", 3)]

    assert 2 < promptly.seconds_until_next() <= 3


def test_delay_of_messages_about_a_model_that_changed_is_over_and_of_no_others(messages: list[dict[str, Any]]) -> None:
    messages += [delayed(look("arn:1"), 9), delayed(look("arn:2"), 9), delayed("no JSON of arn:1", 9)]
    promptly = queues.PromptQueues()

    promptly.note_change("arn:1")
    promptly.end_delays()

    assert [message["visible_at"] <= time.time() for message in messages] == [True, False, False]


def test_message_that_asks_for_a_stage_again_comes_when_its_delay_is_over(messages: list[dict[str, Any]]) -> None:
    asked = PipelineStageRetry(**REF.as_detail(), version_arn="arn:1")
    messages.append(delayed(json.dumps(codec.plain(asked) | {"kind": watch.RETRY}), 9))
    promptly = queues.PromptQueues()

    promptly.note_change("arn:1")
    promptly.end_delays()

    assert messages[0]["visible_at"] > time.time()


def test_change_that_is_known_before_anybody_asks_ends_the_first_delay_only(messages: list[dict[str, Any]]) -> None:
    promptly = queues.PromptQueues()
    promptly.note_change("arn:1")
    promptly.end_delays()

    for _ in range(2):
        messages.append(delayed(look("arn:1"), 9))
        promptly.end_delays()

    assert [message["visible_at"] <= time.time() for message in messages] == [True, False]


def test_mail_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    outbox._post(tmp_path, 7, "a@example.com", "arn:aws:sns:us-east-1:0:t", "", "text")

    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]


@pytest.mark.parametrize(
    ("taken_for", "right"),
    [
        ("sqs:SendMessageBatch", "sqs:SendMessage"),
        ("sqs:SendMessage", "sqs:SendMessage"),
        ("iot:DeleteThingBatch", "iot:DeleteThingBatch"),
        (None, None),
    ],
)
def test_a_batch_of_messages_needs_the_right_to_one(taken_for: str | None, right: str | None) -> None:
    assert action_of_batch(taken_for) == right
