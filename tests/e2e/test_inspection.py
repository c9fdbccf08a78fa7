"""New pictures, judged by both released models, which run only meanwhile; rights are enforced."""

import io
import json
import os
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from PIL import Image

from local.rekognition.access.settings import Quotas
from mlops.dataset.boxes import Box, iou
from mlops.dataset.tiles import Tiling
from mlops.records import arrivals, inspections, releases, servings, spending
from tests.e2e.browser import faults, look
from tests.e2e.conftest import FRAME, as_png, marked, spotted
from tests.e2e.system import System, eventually

pytestmark = pytest.mark.e2e

DATASET, TASKS = "gears", ("classification", "detection")
LABELS = ("good", "scratch", "stain")
PICTURES = 300
# Where the screenshots go, for whoever wants to see them.
PICTURES_OF_PAGES = Path(os.environ["DAY_PICTURES"]) if "DAY_PICTURES" in os.environ else None


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


def sheets(label: str, seed: int) -> tuple[bytes, bytes]:
    """A plate that is larger than a tile, with its spot, and the mask."""
    halves = [[Image.open(io.BytesIO(data)) for data in spotted(kind, seed)] for kind in (label, "good")]
    joined = []
    for left, right in zip(*halves, strict=True):
        whole = Image.new(left.mode, (2 * FRAME, FRAME))
        whole.paste(left, (0, 0) if seed % 2 else (FRAME, 0))
        whole.paste(right, (FRAME, 0) if seed % 2 else (0, 0))
        joined.append(as_png(np.asarray(whole)))
    return joined[0], joined[1]


def test_a_dataset_in_tiles_is_trained_tested_released_and_asked_about_in_tiles(system: System) -> None:
    name, side = "sheets", 128
    drawn = {(label, n): sheets(label, 10 * place + n) for place, label in enumerate(LABELS) for n in range(8)}
    system.upload(
        {
            f"datasets/{name}/ground_truth/{label}/{n:03}_mask.png": mask
            for (label, n), (_, mask) in drawn.items()
            if label != "good"
        }
    )
    images = {f"datasets/{name}/test/{label}/{n:03}.png": image for (label, n), (image, _) in drawn.items()}
    settings = json.dumps({"tasks": ["detection"], "tiles": side}).encode()
    system.upload({**images, f"datasets/{name}/dataset.json": settings})
    run_id = system.to_production(name, task="detection").run_id
    system.mail(run_id, "Released to production")

    manifest = system.artifact(run_id, "manifests/train.manifest")
    assert manifest and all(f"/prepared/{name}/tiles/" in line for line in manifest.splitlines())
    tests = [system.artifact(run_id, f"{place}/inference_test.json") for place in ("development", "production")]
    assert all(test["tiles"] == {"side": side, "calls": 3} and test["f1"] > 0.9 for test in tests)
    release = system.operated.current(name, "detection", "production")
    assert release is not None and release.tiles == Tiling(side, 3)
    picture, mask = sheets("stain", 901)
    key = f"inspect/{name}/1.png"
    system.upload({key: picture})
    answer = eventually(lambda: result(system, key), "answer about a picture in tiles")
    assert answer and (answer["verdict"], _overlap(mask, answer) > 0.5) == ("defect", True)


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
    """How often the stack has put the event that a picture of the dataset was inspected, by its key."""
    system.observe()
    told = [event for event in system.events if event["detail-type"] == "Part Inspected"]
    told = [event for event in told if event["detail"]["dataset"] == DATASET]
    return sum((Counter({event["detail"]["key"]: system.times_put(event)}) for event in told), Counter())


def is_at_rest(system: System) -> bool:
    """Whether nobody looks after the dataset any more."""
    return servings.of(DATASET, system.operated.table) is None


def test_every_picture_is_answered_once_and_each_model_was_started_once(
    system: System, released: dict[str, str]
) -> None:
    table, names = system.operated.table, [f"{LABELS[number % 3]}/{number:03}.png" for number in range(PICTURES)]
    drawn = {f"inspect/{DATASET}/{name}": spotted(name.split("/")[0], 5000 + i) for i, name in enumerate(names)}
    started = Counter(system.starts(DATASET))
    system.repeat.add(DATASET)
    system.upload({key: picture for key, (picture, _) in drawn.items()})
    eventually(lambda: len(inspected(system)) == PICTURES, "answers about all pictures", 600)
    eventually(lambda: is_at_rest(system), "end of the inspections")
    late = [event for event in system.events if event["source"] == "aws.s3" and _is_about(event, drawn)][::10]
    for event in late:
        system.deliver(event)
    eventually(lambda: system.is_empty("InspectionQueue") and is_at_rest(system), "end of the late events")
    eventually(lambda: set(inspected(system).values()) == {1}, "all that was repeated", 30)

    assert len(late) == PICTURES / 10
    assert set(inspected(system)) == set(drawn)
    versions = [release.version_arn for release in releases.in_production(DATASET, table).values()]
    assert Counter(system.starts(DATASET)) - started == Counter(versions)
    starts = [spent for spent in spending.of_month(_month(), table) if spent.dataset == DATASET]
    assert sorted(spent.task for spent in starts) == sorted(TASKS)
    answers = {key: result(system, key) for key in drawn}
    assert all(answer and answer["run_ids"] == released for answer in answers.values())
    said = {key: answer["verdict"] for key, answer in answers.items() if answer}
    right = sum(verdict == ("ok" if "/good/" in key else "defect") for key, verdict in said.items())
    assert right > 0.8 * PICTURES, Counter((key.split("/")[2], verdict) for key, verdict in said.items())
    assert arrivals.waiting(DATASET, 1, table=table) == []
    assert system.running() == []
    days = {answer["inspected_at"][:10] for answer in answers.values() if answer}
    assert sum(len(list(inspections.of_day(DATASET, day, table=table))) for day in days) == PICTURES
    for queue in ("InspectionDeadLetters", "ServingDeadLetters", "UndeliveredEvents", "FailedInvocations"):
        assert system.dead_letters(queue) == 0
    defective = [key for key in drawn if said[key] == "defect" and "/good/" not in key]
    overlaps = [_overlap(drawn[key][1], answers[key] or {}) for key in defective]
    assert sum(overlap > 0.5 for overlap in overlaps) > 0.9 * len(defective)


def _is_about(event: dict[str, Any], keys: Collection[str]) -> bool:
    return event["detail"]["object"]["key"] in keys


def _overlap(mask: bytes, answer: dict[str, Any]) -> float:
    """IoU of the surest box of an answer with what the mask marks, both in pixels of the picture."""
    left, top, right, bottom = Image.open(io.BytesIO(mask)).point(lambda value: 255 * (value > 0)).getbbox() or (0,) * 4
    truth = Box(left, top, right - left, bottom - top)
    return iou(truth, Box(**answer["boxes"][0]["box"])) if answer["boxes"] else 0.0


def test_the_account_runs_no_more_models_than_its_quota(system: System, released: dict[str, str]) -> None:
    """Both models had to be there at once, and the service refuses a third."""
    assert system.operated.parameters["RunningModels"] == "2"
    assert Quotas().running_models == 2


def test_the_report_of_the_day_has_no_faults_at_any_width_in_either_theme(
    system: System, released: dict[str, str], tmp_path: Path
) -> None:
    answer = result(system, f"inspect/{DATASET}/good/000.png")
    assert answer
    day = answer["inspected_at"][:10]
    event = {"Source": "rekognition-mlops", "DetailType": "Inspection Day Ended"}
    detail = {"Detail": json.dumps({"dataset": DATASET, "day": day}), "Resources": [system.operated.arn]}
    system.cloud.client("events").put_events(Entries=[{**event, **detail}])
    mails = eventually(lambda: [m for m in system.cloud.mails() if m.subject.startswith(f"{day}: ")], "mail of the day")

    assert DATASET in mails[0].subject and f"results/{DATASET}/{day}.html" in mails[0].text
    key = f"results/{DATASET}/{day}.html"
    found = system.cloud.client("s3").get_object(Bucket=system.outputs["ArtifactsBucketName"], Key=key)
    page = found["Body"].read().decode()
    assert page.count("data:image/jpeg;base64,") > 2
    (tmp_path / "day.html").write_text(page)
    assert faults(look((tmp_path / "day.html").as_uri(), pictures=PICTURES_OF_PAGES)) == []


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
