"""Every hour, what was inspected beside what trained: told once, with the pictures that differ most."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image

from benchmarks import drift as measured
from mlops.dataset.keys import parse_upload
from mlops.dataset.object_record import ACCEPTED, record_for
from mlops.events import DriftFound
from mlops.judging.appearance import Statistics
from mlops.judging.verdicts import Found
from mlops.records import images, inspections, releases
from mlops.records.inspections import Inspection
from mlops.records.releases import Release
from mlops.stages import drift, notification, review_page
from tests.unit.mlops.settling import picture
from tests.unit.mlops.world import TASK, World, set_clock

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TRAINED, USUAL = measured.pool(1, 200), measured.pool(2, 130)
DIMMED = measured.dimmed
DIM = measured.pool(3, 130, DIMMED)


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
    usual = {f"train/bent/{number}.png": statistics for number, statistics in enumerate(TRAINED)}
    release(world, "r1", usual)
    yield


def release(world: World, run_id: str, pictures: Mapping[str, Statistics], side: str = "train") -> None:
    """A run that trained on these pictures is released to production."""
    rows = []
    for name, statistics in pictures.items():
        upload = parse_upload(f"datasets/parts/{name}")
        record = replace(record_for(upload), state=ACCEPTED, statistics=asdict(statistics), digest=name)
        images.write_record(record, "1")
        rows.append({"key": upload.key, "digest": name, "side": side})
    body = "".join(f"{json.dumps(row)}\n" for row in rows)
    world.s3.put_object(Bucket="artifacts", Key=f"runs/{run_id}/images.jsonl", Body=body)
    place = {"dataset": "parts", "task": TASK, "environment": "production"}
    releases.record(Release(run_id, f"arn-{run_id}", "2026-03-01", tested_at=run_id, **place))


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
    for number in range(len(DIM)):
        world.s3.put_object(Bucket="data", Key=f"inspect/parts/dim{number}.png", Body=picture(number))
    for number in range(len(TRAINED)):
        world.s3.put_object(Bucket="data", Key=f"datasets/parts/train/bent/{number}.png", Body=picture(number))

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
    assert "brightness of the last 100: index" in text
    assert "inspect/parts/dim" in text and "datasets/parts/train" in text
    token = text.partition("https://page.example/review?token=")[2].split()[0]
    page = review_page.respond(
        {"requestContext": {"http": {"method": "GET", "path": "/"}}, "queryStringParameters": {"token": token}}
    )["body"]
    assert "looks different" in page and "datasets/parts/drift.jpg" in page
    drawn = world.s3.get_object(Bucket="artifacts", Key="datasets/parts/drift.jpg")["Body"].read()
    assert Image.open(io.BytesIO(drawn)).height > 500

    Clock.now += timedelta(days=8)
    inspect(DIM, "later")
    drift.hourly()
    assert len(put) == 2


def test_other_verdicts_of_the_same_version_are_told_and_another_version_begins_anew(world: World) -> None:
    inspect(USUAL[:110], "a", minutes=30)
    drift.hourly()
    inspect(USUAL[:110], "b", minutes=10, verdict="unsure")
    assert "verdicts" in drift.look("parts")

    inspect(USUAL[:110], "c", minutes=1, verdict="unsure", version_arns={"classification": "a2"})
    assert "verdicts" not in drift.look("parts")


def test_what_was_refused_says_nothing(world: World) -> None:
    inspect(DIM, "a", refused=True)

    assert drift.recent("parts") == []


def test_the_reference_is_what_trained_the_released_models(world: World) -> None:
    inspect(DIM, "dim")
    assert "brightness" in drift.look("parts")

    # What is only tested, or came after the training, has taught nothing.
    new = {
        f"images/reviewed/{number}.png": statistics for number, statistics in enumerate(measured.pool(4, 60, DIMMED))
    }
    release(world, "r0", new, side="holdout")
    looks = world.s3.get_object(Bucket="artifacts", Key="datasets/parts/looks.json")["ETag"]
    assert "brightness" in drift.look("parts")
    assert world.s3.get_object(Bucket="artifacts", Key="datasets/parts/looks.json")["ETag"] == looks


def test_drift_ends_with_the_release_of_models_that_learned_the_new_look(world: World) -> None:
    usual = {f"train/bent/{number}.png": statistics for number, statistics in enumerate(TRAINED)}
    new = {
        f"images/reviewed/{number}.png": statistics for number, statistics in enumerate(measured.pool(4, 50, DIMMED))
    }
    inspect(DIM, "dim")
    assert "brightness" in drift.look("parts")

    release(world, "r2", {**usual, **new})
    assert drift.look("parts") == []
    inspect(measured.pool(5, 110, lambda image: DIMMED(DIMMED(image))), "dark", minutes=0)
    assert "brightness" in drift.look("parts")


def test_a_slow_change_is_found_over_a_whole_day(world: World) -> None:
    # A hundred pictures of this lamp are not unlike enough, nine hundred are.
    slightly = [replace(one, brightness=0.975 * one.brightness) for one in (USUAL * 8)[:960]]
    Clock.now = NOW - timedelta(hours=12, seconds=1)
    for hour in range(24):
        inspect(slightly[40 * hour : 40 * hour + 40], f"{hour}-", minutes=60 * hour)
    Clock.now = NOW

    assert drift.look("parts")
    day = told(world)["day"]
    assert (day["date"], day["pictures"]) == ("2026-03-01", 960)
    assert {one["window"] for one in told(world)["measures"] if one["has_drifted"]} == {"2026-03-01"}


def test_what_is_wrong_with_one_dataset_does_not_hold_up_the_others(world: World) -> None:
    world.s3.put_object(Bucket="data", Key="datasets/a/train/bent/0.png", Body=b"-")
    world.s3.put_object(Bucket="artifacts", Key="datasets/a/looks.json", Body=b"{")
    inspect(DIM, "dim")

    with pytest.raises(ExceptionGroup):
        drift.hourly()
    assert told(world)["told"]
