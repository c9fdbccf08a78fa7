"""What real data sets and real people bring: names, folders and files of all kinds, and changed minds."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from mlops.records.runs import Run
from tests.e2e.conftest import COLOURS, as_png, picture
from tests.e2e.system import System, eventually

pytestmark = pytest.mark.e2e

NAME, TASK = "line", "classification"
FOLDERS = {"OK": "good", "NG": "scratch"}
DEEP = f"datasets/{NAME}/train/OK/deep.png"
STRAY = {
    f"datasets/{NAME}/train/images/0.png": picture(COLOURS["stain"], 1),
    f"datasets/{NAME}/train/labels/0.txt": b"0",
}
UNDELETED = f"datasets/{NAME}/train/NG/000.png"


def pictures(first: int, last: int) -> dict[str, bytes]:
    return {
        f"datasets/{NAME}/train/{folder}/{index:03}.png": picture(COLOURS[colour], 100 * position + index)
        for position, (folder, colour) in enumerate(FOLDERS.items())
        for index in range(first, last)
    }


def twelve_bits() -> bytes:
    """A PNG as industrial cameras write them: 12 of 16 bits are used, so that most programs show it as black."""
    gray = np.random.default_rng(1).integers(0, 4096, (96, 96)).astype(np.uint16)
    return as_png(gray)


@dataclass(frozen=True)
class History:
    """Two releases; between them a picture was deleted and brought back."""

    first: Run
    second: Run


@pytest.fixture(scope="module")
def history(system: System) -> Iterator[History]:
    system.drop({**pictures(0, 12), **STRAY, DEEP: twelve_bits()}, NAME)
    first = system.to_production(NAME)
    s3, bucket = system.cloud.client("s3"), system.outputs["DataBucketName"]
    marker = s3.delete_object(Bucket=bucket, Key=UNDELETED)["VersionId"]
    s3.delete_object(Bucket=bucket, Key=UNDELETED, VersionId=marker)
    system.drop(pictures(12, 14), NAME)
    second = system.to_production(NAME, len(system.runs(NAME)))
    yield History(first, second)


def test_folders_called_ok_and_ng_reach_production_with_false_alarms_judged(system: System, history: History) -> None:
    truth = system.artifact(history.first.run_id, "ground_truth.json")
    result = system.artifact(history.first.run_id, "production/inference_test.json")

    assert (truth["labels"], truth["label_names"]) == (["NG", "normal"], {"OK": "normal"})
    assert result["false_alarm_rate"] == 0 and result["clean_images"] > 0
    assert "Pictures in the folder OK count as normal" in system.approvals(history.first.run_id)[0].text


def test_folders_that_sort_files_by_kind_are_refused_by_name(system: System, history: History) -> None:
    refused = system.artifact(history.first.run_id, "ground_truth.json")["refused"]

    assert refused.keys() == {*STRAY, DEEP}
    assert all("names no label" in refused[key] for key in STRAY)


def test_a_picture_of_twelve_bits_is_refused_by_name_with_what_to_do(system: System, history: History) -> None:
    refused = system.artifact(history.first.run_id, "ground_truth.json")["refused"]

    assert refused[DEEP] == "has 16 bits a channel; save it with 8, over the range that it uses"


def test_a_picture_that_was_deleted_and_brought_back_is_trained_on(system: System, history: History) -> None:
    assert system.artifact(history.second.run_id, "ground_truth.json")["images"] == 28
    assert UNDELETED in str(system.artifact(history.second.run_id, "images.jsonl"))


def test_a_rollback_asks_about_the_pictures_of_its_run_although_one_was_deleted(
    system: System, history: History
) -> None:
    before = system.artifact(history.first.run_id, "production/inference_test.json")
    system.delete(before["answers"][0]["key"])
    system.operated.roll_back(NAME, TASK, "production", history.first.run_id, "Ada", "worse")

    assert eventually(lambda: system.current(NAME) == history.first.run_id, f"return of {history.first.run_id}")
    after = system.artifact(history.first.run_id, "production/inference_test.json")
    assert (after["images"], after["gone"]) == (before["images"], [])
