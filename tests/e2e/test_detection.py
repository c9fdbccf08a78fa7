"""The second task: masks become boxes, boxes a model; neither task holds up the other."""

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from mlops.records.runs import Run
from tests.e2e.browser import faults, look
from tests.e2e.conftest import FRAME, as_png, marked
from tests.e2e.system import System, eventually

pytestmark = pytest.mark.e2e

TASKS = ("classification", "detection")
MASKS = "datasets/plates/ground_truth"
WITHOUT_IMAGE, EMPTY, ANOTHER_SIZE = (f"{MASKS}/{name}_mask.png" for name in ("stain/999", "scratch/000", "stain/000"))
ODD_MASKS = {
    WITHOUT_IMAGE: as_png(np.ones((FRAME, FRAME), np.uint8)),
    EMPTY: as_png(np.zeros((FRAME, FRAME), np.uint8)),
    ANOTHER_SIZE: as_png(np.ones((FRAME, FRAME + 8), np.uint8)),
}
LACKS_MASK = "datasets/plates/test/stain/001.png"


@dataclass(frozen=True)
class Released:
    """The run of each task, and the page of the detection run before it was decided."""

    runs: Mapping[str, Run]
    page: httpx.Response
    seen: Mapping[str, Any]

    @property
    def detection(self) -> str:
        return self.runs["detection"].run_id


def answers(run: Run, decision: str, **changes: str) -> dict[str, str]:
    """What a person enters, in the order of the form."""
    return (
        {"approver": "Ada", "confirmation": run.run_id[-6:], "comment": "looks <b>right</b>"}
        | changes
        | {"decision": decision}
    )


@pytest.fixture(scope="module")
def released(system: System) -> Released:
    """Both runs of one drop, masks before images, every event twice, each approved through its own link."""
    images, masks = marked("plates", per_label=10)
    system.repeat.add("plates")
    system.upload({key: mask for key, mask in (masks | ODD_MASKS).items() if not key.endswith("stain/001_mask.png")})
    system.drop(images, "plates")
    runs = {t: system.run_until("plates", "inference_test", "development", "COMPLETED", t) for t in TASKS}
    page = httpx.get(system.link(runs["detection"].run_id))
    seen = look(system.link(runs["detection"].run_id), answers(runs["detection"], "approve"))
    system.decide(runs["classification"].run_id, "approve")
    for task in TASKS:
        system.run_until("plates", "inference_test", "staging", "COMPLETED", task)
        system.mail(runs[task].run_id, "Released")
    return Released(runs, page, seen)


def test_one_drop_brings_both_tasks_to_staging(system: System, released: Released) -> None:
    for task, run in released.runs.items():
        assert system.released("plates", task, "staging") == run.run_id
        assert system.is_stopped(run.run_id, "staging", task)


def test_both_tasks_use_the_same_sides(system: System, released: Released) -> None:
    inventories = [system.artifact(run.run_id, "images.jsonl").splitlines() for run in released.runs.values()]
    of_all, of_marked = ({row["key"]: row["side"] for row in map(json.loads, rows)} for rows in inventories)

    assert of_marked.items() < of_all.items()


def test_masks_and_images_without_counterpart_are_named_in_the_run_they_matter_to(
    system: System, released: Released
) -> None:
    refused = system.artifact(released.detection, "ground_truth.json")["refused"]

    assert "no usable image" in refused[WITHOUT_IMAGE]
    assert "is empty: it marks nothing" in refused[EMPTY]
    assert f"is {FRAME + 8} x {FRAME} px" in refused[ANOTHER_SIZE]
    assert "has no mask" in refused[LACKS_MASK]
    assert system.artifact(released.runs["classification"].run_id, "ground_truth.json")["refused"] == {}


def test_clean_images_are_left_out_of_training_and_testing_and_counted_for_false_alarms(
    system: System, released: Released
) -> None:
    run_id = released.detection
    sides = {side: system.artifact(run_id, f"manifests/{side}.manifest") for side in ("train", "test", "holdout")}

    assert "/good/" not in sides["train"] + sides["test"]
    assert "/good/" in sides["holdout"]
    assert system.artifact(run_id, "staging/inference_test.json")["clean_images"] > 0


def test_operating_points_are_chosen_confirmed_shown_and_published(system: System, released: Released) -> None:
    chosen = system.artifact(released.detection, "eval_metric.json")["operating_points"]
    tested = system.artifact(released.detection, "staging/inference_test.json")
    points = {label: facts["min_confidence"] for label, facts in chosen.items()}
    release = system.operated.current("plates", "detection", "staging")

    assert points.keys() == {"scratch", "stain"}
    assert {label: facts["point"] for label, facts in tested["operating_points"].items()} == points
    assert release is not None and release.min_confidence == points
    assert released.page.text.count("<svg") == len(points)
    assert "Escapes 0 of " in released.page.text and "By the service&#39;s own thresholds" in released.page.text
    assert len(system.answers(released.detection, "staging")) == tested["images"]


def test_detector_finds_what_it_was_shown(system: System, released: Released) -> None:
    result = system.artifact(released.detection, "staging/inference_test.json")

    assert result["images_from"] == "holdout"
    assert result["f1"] >= 0.8
    assert result["false_alarm_rate"] <= 0.2


def test_truth_and_answers_are_drawn(system: System, released: Released) -> None:
    run_id = released.detection
    overlays = system.artifact(run_id, "ground_truth.json")["overlays"]
    gallery = system.artifact(run_id, "staging/inference_test.json")["gallery"]

    assert set(overlays) == {"scratch", "stain"}
    assert gallery
    for key in [*overlays.values(), *(picture["key"] for picture in gallery)]:
        assert system.artifact(run_id, key.removeprefix(f"runs/{run_id}/")).width >= 360


def test_mail_and_page_show_what_is_missed_and_what_is_a_false_alarm(system: System, released: Released) -> None:
    run_id = released.detection
    text = system.mail(run_id, "Approve plates detection").text

    assert "missed  false alarms  on clean images" in text
    assert "False alarms per clean image" in text
    assert f"/runs/{run_id}/overlays/" in text


def test_a_mask_that_comes_later_starts_detection_only_and_one_that_goes_is_missed(
    system: System, released: Released
) -> None:
    images, masks = marked("late", per_label=4)
    system.drop(images, "late")
    system.run_until("late", "ground_truth", "development", "COMPLETED")
    system.upload(masks)
    first = system.run_until("late", "data_prepare", "development", "COMPLETED", "detection")
    gone = f"{next(iter(masks))}"
    system.delete(gone)
    second = system.run_until("late", "ground_truth", "development", "COMPLETED", "detection", number=1)

    truths = [system.artifact(run.run_id, "ground_truth.json") for run in (first, second)]
    assert (truths[0]["boxes"], truths[1]["boxes"]) == (len(masks), len(masks) - 1)
    assert any(gone in reason for reason in truths[1]["refused"].values())
    assert len(system.runs("late")) == 1


def test_masks_that_mean_nothing_stop_detection_and_leave_classification_alone(system: System) -> None:
    images, masks = marked("misled", per_label=8)
    random = np.random.default_rng(0)
    system.upload({key: as_png(_anywhere(random)) for key in masks})
    system.drop(images, "misled")

    failed = system.run_until("misled", "eval_metric", "development", "FAILED", "detection")
    system.run_until("misled", "inference_test", "development", "COMPLETED")

    assert "is below" in system.mail(failed.run_id, "FAILED: eval_metric").text
    assert failed.run_id not in str(system.versions("staging", "detection"))


def _anywhere(random: np.random.Generator) -> np.ndarray:
    mask = np.zeros((FRAME, FRAME), np.uint8)
    left, top = random.integers(0, FRAME - 20, 2)
    mask[top : top + 10, left : left + random.integers(8, 20)] = 255
    return mask


def test_the_page_shows_the_pictures_through_links_to_the_bucket_alone(system: System, released: Released) -> None:
    policy = released.page.headers["content-security-policy"]
    sources = re.findall(r'<img src="([^"]+)"', released.page.text)

    assert "What it saw, the worst mistakes first" in released.page.text
    assert len(sources) > 2
    for source in map(html.unescape, sources):
        answer = httpx.get(source)
        assert answer.headers["content-type"] == "image/jpeg"
        assert source.startswith(f"{system.cloud.endpoint}/")
        assert "X-Amz-Expires=900" in source
    assert f"img-src {system.cloud.endpoint} data:;" in policy
    assert "script-src" not in policy
    assert "<script" not in released.page.text


def test_the_report_of_a_released_run_says_so_and_holds_its_pictures(system: System, released: Released) -> None:
    def text() -> str | None:
        found = system.artifact(released.detection, "report.html")
        return found if "<h1>Released to staging" in found or "<h1>approve2production waits" in found else None

    report = eventually(text, "report of the release")

    assert report.count("data:image/jpeg;base64,") > 2
    assert "approved by Ada" in report
    assert "looks &lt;b&gt;right&lt;/b&gt;" in report


def test_the_page_has_no_faults_at_any_width_in_either_theme_and_is_approved_with_the_keyboard(
    released: Released,
) -> None:
    assert faults(released.seen) == []
    assert released.seen["heading"] == "Approved by Ada"


def test_the_report_has_no_faults_either(system: System, released: Released, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(system.artifact(released.detection, "report.html"))

    assert faults(look((tmp_path / "report.html").as_uri())) == []


def test_scanners_of_mail_decide_nothing_and_a_person_rejects_with_the_keyboard(
    system: System, released: Released
) -> None:
    run = released.runs["classification"]
    link = system.link(run.run_id, "production")

    httpx.head(link)
    for _ in range(3):
        httpx.get(link, headers={"Purpose": "prefetch", "Sec-Purpose": "prefetch"})
    scanned = look(link, answers(run, "approve", approver="scanner", confirmation="aaaaaa"), widths=())
    assert scanned["heading"].startswith("It passed its tests in staging")
    assert "last six characters of the run do not match" in scanned["problem"]

    seen = look(link, answers(run, "reject"), widths=())
    assert seen["heading"] == "Rejected by Ada"
    failed = eventually(lambda: system.mails(run.run_id, "FAILED: approve2production"), "mail about the rejection")
    assert "rejected by Ada: looks <b>right</b>" in failed[0].text
