"""A busy model is asked again for a while; one that does not run is told apart from a picture that is refused."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from mlops.models import asking, projects
from mlops.models.asking import NotRunning
from tests.unit.mlops.world import refused, set_clock

LABELS = [{"Name": "bent", "Confidence": 91.0}]


def ask(monkeypatch: pytest.MonkeyPatch, outcomes: list[Any], least: float | None = None) -> tuple[Any, list[Any]]:
    """Ask a service that answers so, one call after the other, the last outcome for ever; also the requests."""
    requests: list[Any] = []

    def detect(**request: Any) -> dict[str, Any]:
        requests.append(request)
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return {"CustomLabels": outcome}

    now = [0.0]
    set_clock(monkeypatch, monotonic=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + seconds))
    monkeypatch.setattr(projects, "rekognition", lambda _: SimpleNamespace(detect_custom_labels=detect))
    return asking.ask("arn", b"picture", least), requests


@pytest.mark.parametrize("least", [None, 35.0])
def test_the_bytes_are_sent_with_the_least_confidence_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, least: float | None
) -> None:
    found, requests = ask(monkeypatch, [LABELS], least)

    assert found == LABELS
    given = {} if least is None else {"MinConfidence": least}
    assert requests == [{"ProjectVersionArn": "arn", "Image": {"Bytes": b"picture"}, **given}]


@pytest.mark.parametrize(
    "passing",
    [
        refused("ProvisionedThroughputExceededException"),
        refused("ThrottlingException"),
        refused("InternalServerError"),
        EndpointConnectionError(endpoint_url="x"),
    ],
)
def test_what_passes_is_tried_again(monkeypatch: pytest.MonkeyPatch, passing: Exception) -> None:
    found, requests = ask(monkeypatch, [passing, passing, LABELS])

    assert found == LABELS
    assert len(requests) == 3


def test_what_does_not_pass_is_raised_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClientError, match="ThrottlingException"):
        ask(monkeypatch, [refused("ThrottlingException")])


@pytest.mark.parametrize("code", ["ResourceNotReadyException", "ResourceNotFoundException"])
def test_a_version_that_does_not_run_is_told_at_once(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    with pytest.raises(NotRunning):
        ask(monkeypatch, [refused(code)])


def test_a_picture_that_is_refused_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClientError, match="InvalidImageFormatException"):
        ask(monkeypatch, [refused("InvalidImageFormatException"), LABELS])
