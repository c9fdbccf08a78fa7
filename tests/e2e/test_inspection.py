"""New pictures, judged by both released models, which run only meanwhile; rights are enforced."""

import json
import time
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlops.records import arrivals, inspections, servings, spending
from tests.e2e.conftest import marked, spotted
from tests.e2e.system import System, eventually

pytestmark = pytest.mark.e2e

DATASET, TASKS = "gears", ("classification", "detection")
LABELS = ("good", "scratch", "stain")
PICTURES = 150


@pytest.fixture(scope="module")
def released(system: System) -> dict[str, str]:
    """The run of each task that is in production."""
    images, masks = marked(DATASET, per_label=10)
    system.upload(masks)
    system.drop(images, DATASET)
    runs = {task: system.to_production(DATASET, task=task).run_id for task in TASKS}
    for run_id in runs.values():
        system.mail(run_id, "Released to production")
    return runs


def result(system: System, key: str) -> dict[str, Any] | None:
    """The answer about a picture, None before it is there."""
    name = f"{key.replace('inspect/', 'results/', 1)}.json"
    try:
        found = system.cloud.client("s3").get_object(Bucket=system.outputs["ArtifactsBucketName"], Key=name)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchKey", error
        return None
    return dict(json.loads(found["Body"].read()))


def inspected(system: System) -> Counter[str]:
    """How often it was told of each picture that it was inspected."""
    system.observe()
    return Counter(event["detail"]["key"] for event in system.events if event["detail-type"] == "Part Inspected")


def is_at_rest(system: System) -> bool:
    """Whether nobody looks after the dataset any more."""
    return servings.of(DATASET, system.operated.table) is None


def test_every_picture_is_answered_once_and_each_model_was_started_once(
    system: System, released: dict[str, str]
) -> None:
    table, names = system.operated.table, [f"{LABELS[number % 3]}/{number:03}.png" for number in range(PICTURES)]
    keys = {f"inspect/{DATASET}/{name}": spotted(name.split("/")[0], 5000 + i)[0] for i, name in enumerate(names)}
    system.repeat.add(DATASET)
    system.upload(keys)
    eventually(lambda: len(inspected(system)) == PICTURES, "answers about all pictures", 600)
    eventually(lambda: is_at_rest(system), "end of the inspections")

    starts = [spent for spent in spending.of_month(_month(), table) if spent.dataset == DATASET]
    assert sorted(spent.task for spent in starts) == sorted(TASKS)
    assert set(inspected(system)) == set(keys)
    assert max(inspected(system).values()) == 1
    answers = {key: result(system, key) for key in keys}
    assert all(answer and answer["run_ids"] == released for answer in answers.values())
    right = sum(
        answer["verdict"] == ("ok" if "/good/" in key else "defect") for key, answer in answers.items() if answer
    )
    assert right > 0.8 * PICTURES, Counter((key.split("/")[2], a["verdict"]) for key, a in answers.items() if a)
    assert arrivals.waiting(DATASET, 1, table=table) == []
    assert system.running() == []
    days = {answer["inspected_at"][:10] for answer in answers.values() if answer}
    assert sum(len(list(inspections.of_day(DATASET, day, table=table))) for day in days) == PICTURES
    for queue in ("InspectionDeadLetters", "ServingDeadLetters", "UndeliveredEvents", "FailedInvocations"):
        assert system.dead_letters(queue) == 0


def _month() -> str:
    return spending.month_of(time.time())


def test_a_picture_that_comes_again_late_is_answered_from_the_record(system: System, released: dict[str, str]) -> None:
    key = f"inspect/{DATASET}/good/000.png"
    before, starts = result(system, key), len(spending.of_month(_month(), system.operated.table))
    assert before
    event = next(e for e in system.events if e["source"] == "aws.s3" and e["detail"]["object"]["key"] == key)
    system.deliver(event)
    copy = f"inspect/{DATASET}/copy of good/000.png"
    system.upload({copy: spotted("good", 5000)[0]})
    answer = eventually(lambda: result(system, copy), "answer about the copy")

    assert (answer["same_as"], answer["verdict"]) == (key, before["verdict"])
    assert result(system, key) == before
    assert len(spending.of_month(_month(), system.operated.table)) == starts


def test_what_cannot_be_judged_has_its_reason(system: System, released: dict[str, str]) -> None:
    broken, homeless = f"inspect/{DATASET}/broken.png", "inspect/nobody/1.png"
    system.upload({broken: b"no picture", homeless: spotted("good", 1)[0]})

    told = eventually(lambda: result(system, broken), "answer about a broken picture")
    assert (told["verdict"], told["refused"]) == ("unsure", True)
    told = eventually(lambda: result(system, homeless), "answer about a picture without a release")
    assert told["reasons"] == ["nothing of nobody is released in production: approve a run, then drop it again"]


def test_a_release_in_the_middle_takes_over_without_a_picture_lost(system: System, released: dict[str, str]) -> None:
    images, _ = marked(DATASET, per_label=12)
    first = {f"inspect/{DATASET}/before/{number}.png": spotted("stain", 7000 + number)[0] for number in range(20)}
    later = {f"inspect/{DATASET}/after/{number}.png": spotted("stain", 8000 + number)[0] for number in range(20)}
    system.drop(images, DATASET)
    run = system.run_until(DATASET, "inference_test", "development", "COMPLETED", "classification", 1)
    system.decide(run.run_id, "approve", "staging")
    system.run_until(DATASET, "inference_test", "staging", "COMPLETED", "classification", 1)
    system.upload(first)
    system.decide(run.run_id, "approve", "production")
    eventually(lambda: system.current(DATASET) == run.run_id, "release of the second run", 300)
    system.upload(later)
    wanted = {*first, *later}
    eventually(lambda: wanted <= set(inspected(system)), "answers about all pictures", 300)
    eventually(lambda: is_at_rest(system), "end of the inspections")

    releases = {released["classification"], run.run_id}
    assert {answer["run_ids"]["classification"] for key in first if (answer := result(system, key))} <= releases
    assert {answer["run_ids"]["classification"] for key in later if (answer := result(system, key))} == {run.run_id}
    assert all(inspected(system)[key] == 1 for key in wanted)
    assert system.running() == []
