"""Every hour, what was inspected beside what trained: told once, with the pictures that differ most."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from benchmarks import drift as measured
from mlops.dataset.keys import parse_upload
from mlops.events import DriftFound
from mlops.judging.appearance import Statistics
from mlops.judging.verdicts import Found
from mlops.records import images, inspections
from mlops.records.inspections import Inspection
from mlops.stages import drift, notification
from tests.unit.mlops.world import World, set_clock

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TRAINED, USUAL = measured.pool(1, 200), measured.pool(2, 130)
DIM = measured.pool(3, 130, measured.dimmed)


class Clock:
    """A clock that tests move on."""

    now = NOW


@pytest.fixture(autouse=True)
def _dataset(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    Clock.now = NOW

    def time() -> float:
        return Clock.now.timestamp()

    set_clock(monkeypatch, time=time)
    world.s3.put_object(Bucket="data", Key="datasets/parts/train/bent/0.png", Body=b"-")
    for number, statistics in enumerate(TRAINED):
        told = {name: Decimal(str(value)) for name, value in statistics.as_dict().items()}
        upload = parse_upload(f"datasets/parts/train/bent/{number}.png")
        images.write_record(upload, {"state": "ACCEPTED", "statistics": told}, "1")
    yield


def inspect(pictures: list[Statistics], name: str, minutes: int = 1, verdict: str = "ok", **facts: Any) -> None:
    for number, statistics in enumerate(pictures):
        at = Clock.now - timedelta(minutes=minutes, seconds=len(pictures) - number)
        inspection = Inspection(
            "parts",
            f"inspect/parts/{name}{number}.png",
            f"{name}{number}",
            verdict,
            (),
            at.isoformat(timespec="milliseconds"),
            labels=(Found("normal", 90 + number % 10),),
            version_arns={"classification": "a1"},
            statistics=statistics,
        )
        inspections.record(replace(inspection, **facts))


def told(world: World) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(
        world.s3.get_object(Bucket="artifacts", Key="datasets/parts/drift.json")["Body"].read()
    )
    return known


def events(world: World) -> list[dict[str, Any]]:
    return [event for event in world.told if event["detail-type"] == "Drift Found"]


def test_nothing_is_said_of_nothing(world: World) -> None:
    assert drift.hourly() == []
    assert json.loads(world.s3.get_object(Bucket="artifacts", Key="datasets/parts/looks.json")["Body"].read())["usual"]


def test_pictures_as_they_trained_raise_no_alarm(world: World) -> None:
    inspect(USUAL, "a")

    assert drift.hourly() == []
    assert {one["name"] for one in told(world)["measures"]} >= {"brightness", "sharpness", "verdicts", "confidence"}
    assert told(world)["window"]["pictures"] == 100


def test_a_dimmer_lamp_is_told_once_with_the_pictures_that_differ_most(world: World, monkeypatch: Any) -> None:
    put: list[Any] = []
    monkeypatch.setattr("mlops.aws.messages.put_event", put.append)
    inspect(USUAL, "a", minutes=30)
    inspect(DIM, "dim")

    assert drift.hourly() == ["parts"]
    assert drift.hourly() == ["parts"]
    (found,) = put
    assert isinstance(found, DriftFound) and "brightness" in found.measures
    assert all("/dim" in key for key in told(world)["farthest"])
    assert len(told(world)["usual"]) == 5

    mails: list[tuple[str, str]] = []
    monkeypatch.setattr("mlops.aws.messages.send_mail", lambda *mail: mails.append(mail))
    notification.notify({"detail-type": "Drift Found", "detail": found.as_detail()})
    ((subject, text),) = mails
    assert subject == "Drift: parts looks different"
    assert "brightness: index" in text and "s3://data/inspect/parts/dim" in text and "datasets/parts/train" in text

    Clock.now += timedelta(days=8)
    inspect(DIM, "later")
    drift.hourly()
    assert len(put) == 2


def test_other_verdicts_of_the_same_version_are_told_and_another_version_begins_anew(world: World) -> None:
    inspect(USUAL[:110], "a", minutes=30)
    drift.hourly()
    inspect(USUAL[:110], "b", minutes=10, verdict="unsure")
    assert "verdicts" in {one.name for one in drift.look("parts")}

    inspect(USUAL[:110], "c", minutes=1, verdict="unsure", version_arns={"classification": "a2"})
    assert "verdicts" not in {one.name for one in drift.look("parts")}


def test_what_was_refused_says_nothing(world: World) -> None:
    inspect(DIM, "a", refused=True)

    assert drift.recent("parts") == []


def test_the_reference_is_measured_anew_when_the_dataset_has_settled_anew(world: World) -> None:
    drift.hourly()
    before = world.s3.get_object(Bucket="artifacts", Key="datasets/parts/looks.json")["ETag"]
    drift.hourly()
    assert world.s3.get_object(Bucket="artifacts", Key="datasets/parts/looks.json")["ETag"] == before
    world.table.update_item(
        Key={"pk": "DATASET#parts", "sk": "ACTIVITY"},
        UpdateExpression="SET #a = :a",
        ExpressionAttributeNames={"#a": "settled"},
        ExpressionAttributeValues={":a": "anew"},
    )
    drift.hourly()
    assert world.s3.get_object(Bucket="artifacts", Key="datasets/parts/looks.json")["ETag"] != before
