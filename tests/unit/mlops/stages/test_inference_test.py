"""One call of an inference test: which bytes it is about, and what is tried again."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from mlops.dataset.images import Image
from mlops.dataset.object_record import Record
from mlops.judging.answers import Call, Said
from mlops.stages import inference_test
from tests.unit.mlops.world import set_clock

KEY = "datasets/parts/test/cut/0.png"
RECORDED = Image(KEY, "", ("cut",), "test", "same", 99, 99, version_id="v1")


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    set_clock(monkeypatch, monotonic=clock.monotonic, sleep=clock.sleep)
    monkeypatch.setenv("DATA_BUCKET", "data")
    monkeypatch.setenv("GATE_ON", "value")
    monkeypatch.setattr("mlops.records.images.record_of", lambda key: None)
    return clock


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "DetectCustomLabels")


def ask(outcomes: list[Any], image: Image = RECORDED, side: int = 0) -> tuple[Call, list[dict[str, Any]]]:
    """Ask a service that answers so, one call after the other, the last outcome for ever; also the requests."""
    requests: list[dict[str, Any]] = []

    def detect(**request: Any) -> dict[str, Any]:
        requests.append(request)
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return {"CustomLabels": outcome}

    asked = inference_test._Asked(SimpleNamespace(detect_custom_labels=detect), "arn", {}, side, 3)
    return asked.about(image), requests


LABEL = [{"Name": "cut", "Confidence": 99.0}]
SAID = (Said("cut", 99.0),)


@pytest.mark.parametrize("code", ["ResourceNotReadyException", "InternalServerError"])
def test_what_is_over_in_a_moment_is_tried_again(code: str) -> None:
    call, requests = ask([refused(code), refused(code), LABEL])

    assert (call.said, len(requests)) == (SAID, 3)


def test_a_connection_that_broke_is_made_again() -> None:
    call, _ = ask([EndpointConnectionError(endpoint_url="https://x"), LABEL])

    assert call.said == SAID


@pytest.mark.parametrize(
    "error",
    [refused("InternalServerError"), EndpointConnectionError(endpoint_url="https://x")],
    ids=["code", "network"],
)
def test_what_is_not_over_in_a_minute_is_an_error(clock: Clock, error: Exception) -> None:
    call, _ = ask([error])

    # No try begins behind the deadline.
    assert 55 <= clock.now <= 60
    assert call.error and not call.is_gone


@pytest.mark.parametrize("code", ["AccessDeniedException", "InvalidImageFormatException", "ResourceNotFoundException"])
def test_what_another_try_will_not_change_is_an_error_at_once(clock: Clock, code: str) -> None:
    call, requests = ask([refused(code)])

    assert (call.error, len(requests), clock.now) == (f"{code}: no", 1, 0)


def test_the_recorded_version_is_asked_about() -> None:
    _, (request,) = ask([LABEL])

    assert request["Image"]["S3Object"] == {"Bucket": "data", "Name": KEY, "Version": "v1"}


def test_the_same_bytes_in_another_version_do_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops.records.images.record_of", lambda key: Record(key, digest="same", version_id="v2"))
    call, requests = ask([refused("InvalidS3ObjectException"), LABEL])

    assert call.said == SAID
    assert requests[1]["Image"]["S3Object"]["Version"] == "v2"


@pytest.mark.parametrize("now", [None, Record(KEY, digest="other", version_id="v2")], ids=["deleted", "replaced"])
def test_bytes_that_are_gone_are_told_from_a_failed_call(monkeypatch: pytest.MonkeyPatch, now: Record | None) -> None:
    monkeypatch.setattr("mlops.records.images.record_of", lambda key: now)
    call, requests = ask([refused("InvalidS3ObjectException")])

    assert call.is_gone and len(requests) == 1


def test_a_run_from_before_versions_were_recorded_asks_by_name() -> None:
    _, (request,) = ask([LABEL], Image(KEY, "e", ("cut",), "test", "", 99, 99))

    assert "Version" not in request["Image"]["S3Object"]
