"""What real data sets and real people bring: names, folders and files of all kinds, and changed minds."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from mlops.dataset.manifests import parse_lines
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
    gray = np.random.default_rng(1).integers(2000, 4096, (96, 96)).astype(np.uint16)
    return as_png(gray)


def encoded(data: bytes, kind: str, **options: object) -> bytes:
    """A picture of `pictures` in another kind of file."""
    file = io.BytesIO()
    Image.open(io.BytesIO(data)).save(file, kind, **options)
    return file.getvalue()


def odd_files() -> dict[str, bytes]:
    """Files that the service takes none of: each is one of the part's pictures as another camera would write it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    good, bad = picture(COLOURS["good"], 900), picture(COLOURS["scratch"], 901)
    return {
        f"datasets/{NAME}/train/OK/a.bmp": encoded(good, "BMP"),
        f"datasets/{NAME}/train/NG/b.jpg": encoded(bad, "JPEG", exif=exif, quality=95),
        f"datasets/{NAME}/train/NG/c.tif": encoded(bad, "TIFF"),
        DEEP: twelve_bits(),
    }


@dataclass(frozen=True)
class History:
    """Two releases; between them a picture was deleted and brought back."""

    first: Run
    second: Run


@pytest.fixture(scope="module")
def history(system: System) -> Iterator[History]:
    system.drop({**pictures(0, 12), **STRAY, **odd_files()}, NAME)
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

    assert refused.keys() == set(STRAY)
    assert all("names no label" in refused[key] for key in STRAY)


def test_pictures_of_every_camera_are_trained_on_as_prepared_copies_and_asked_about_as_such(
    system: System, history: History
) -> None:
    truth = system.artifact(history.first.run_id, "ground_truth.json")
    rows = {row["key"]: row for row in parse_lines(system.artifact(history.first.run_id, "images.jsonl"))}
    answers = system.answers(history.first.run_id, "production")

    assert all(rows[key]["picture"].startswith(f"prepared/{NAME}/") for key in odd_files())
    assert any("12 bits" in done for done in truth["prepared"])
    assert any("turned upright" in done for done in truth["prepared"])
    asked = {answer["key"]: answer for answer in answers}
    held_out = [key for key in odd_files() if rows[key]["side"] == "holdout"]
    assert held_out and held_out == [key for key in odd_files() if key in asked]
    assert all(asked[key]["picture"] == rows[key]["picture"] for key in held_out)


def test_a_picture_that_was_deleted_and_brought_back_is_trained_on(system: System, history: History) -> None:
    assert system.artifact(history.second.run_id, "ground_truth.json")["images"] == 32
    assert UNDELETED in str(system.artifact(history.second.run_id, "images.jsonl"))


def test_a_rollback_asks_about_the_pictures_of_its_run_although_one_was_deleted(
    system: System, history: History
) -> None:
    before = system.artifact(history.first.run_id, "production/inference_test.json")
    system.delete(system.answers(history.first.run_id, "production")[0]["key"])
    system.operated.roll_back(NAME, TASK, "production", history.first.run_id, "Ada", "worse")

    assert eventually(lambda: system.current(NAME) == history.first.run_id, f"return of {history.first.run_id}")
    after = system.artifact(history.first.run_id, "production/inference_test.json")
    assert (after["images"], after["gone"]) == (before["images"], [])
