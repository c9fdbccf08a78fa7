"""A busy model is asked again for a while; one that does not run is told apart from a picture that is refused."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from mlops.models import asking
from mlops.models.asking import NotRunning, Reply
from tests.unit.mlops.world import refused, set_clock

LABELS = [{"Name": "bent", "Confidence": 91.0}]
SHOWN = {"Bytes": b"picture"}


class Service:
    """Answers so, one call after the other, the last outcome for ever; every call takes a tenth of a second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, outcomes: list[Any]) -> None:
        self.requests: list[Any] = []
        self.now = 0.0
        self._outcomes = outcomes
        set_clock(monkeypatch, monotonic=lambda: self.now, sleep=self._pass)

    def _pass(self, seconds: float) -> None:
        self.now += seconds

    def detect_custom_labels(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        self.now += 0.1
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return {"CustomLabels": outcome}

    def ask(self, deadline: float = 30.0, **options: Any) -> Reply:
        return asking.ask(self, "arn", SHOWN, options.pop("least", {}), deadline, **options)


@pytest.mark.parametrize("least", [{}, {"MinConfidence": 35.0}, {"MinConfidence": 0, "MaxResults": 100}])
def test_the_picture_is_shown_with_what_is_asked_for(monkeypatch: pytest.MonkeyPatch, least: dict[str, Any]) -> None:
    service = Service(monkeypatch, [LABELS])

    assert service.ask(least=least) == Reply((LABELS[0],), 100.0)
    assert service.requests == [{"ProjectVersionArn": "arn", "Image": SHOWN, **least}]


@pytest.mark.parametrize(
    "passing",
    [
        refused("ProvisionedThroughputExceededException"),
        refused("ThrottlingException"),
        refused("LimitExceededException"),
        refused("InternalServerError"),
        refused("ServiceUnavailableException"),
        EndpointConnectionError(endpoint_url="x"),
    ],
)
def test_what_passes_is_tried_again_and_the_time_is_that_of_the_call_that_was_answered(
    monkeypatch: pytest.MonkeyPatch, passing: Exception
) -> None:
    service = Service(monkeypatch, [passing, passing, LABELS])

    assert service.ask() == Reply((LABELS[0],), 100.0)
    assert len(service.requests) == 3


@pytest.mark.parametrize("deadline", [-1.0, 0.0, 7.0, 60.0])
def test_what_does_not_pass_is_raised_by_the_deadline_after_one_try_at_least(
    monkeypatch: pytest.MonkeyPatch, deadline: float
) -> None:
    service = Service(monkeypatch, [refused("ThrottlingException")])

    with pytest.raises(ClientError, match="ThrottlingException"):
        service.ask(deadline)
    assert service.requests
    assert service.now <= max(deadline, 0) + 0.1


@pytest.mark.parametrize("code", ["ResourceNotReadyException", "ResourceNotFoundException"])
def test_a_version_that_does_not_run_is_told_at_once_with_what_the_service_said(
    monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    service = Service(monkeypatch, [refused(code)])

    with pytest.raises(NotRunning) as told:
        service.ask()
    assert code in str(told.value.__cause__)
    assert len(service.requests) == 1


def test_one_that_was_just_started_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(monkeypatch, [refused("ResourceNotReadyException"), LABELS])

    assert service.ask(just_started=True).labels == (LABELS[0],)
    with pytest.raises(ClientError, match="ResourceNotReadyException"):
        Service(monkeypatch, [refused("ResourceNotReadyException")]).ask(just_started=True)


def test_a_picture_that_is_refused_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(monkeypatch, [refused("InvalidImageFormatException"), LABELS])

    with pytest.raises(ClientError, match="InvalidImageFormatException"):
        service.ask()
    assert len(service.requests) == 1
