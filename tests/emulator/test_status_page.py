"""The page for people of the local service."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from local.looks import template
from local.rekognition.api.status_page import PAGE, duration, mood
from local.rekognition.state.records import VersionStatus
from tests.e2e.browser import faults, look
from tests.emulator.clients import new_project
from tests.emulator.processes import RunningService


def test_the_page_shows_projects_datasets_and_models_and_has_no_script(
    service: RunningService, rekognition: Any, copied: str
) -> None:
    project = new_project(rekognition)
    rekognition.create_dataset(ProjectArn=project, DatasetType="TRAIN")
    answer = httpx.get(service.url)

    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for shown in (project.split("/")[1], copied.split("/")[3], "COPYING_COMPLETED", "TRAIN"):
        assert shown in answer.text
    assert "<script" not in answer.text


def test_the_page_fits_every_width_in_either_theme(service: RunningService, rekognition: Any, copied: str) -> None:
    new_project(rekognition, f"long-{'n' * 80}")
    # It looks again by itself, without a script: that is meant.
    seen = look(service.url, widths=(390, 820, 1280))

    assert faults(seen, borne={"meta-refresh"}) == []


def test_the_longest_words_that_a_model_can_have_fit_too(tmp_path: Path) -> None:
    version = {
        "name": "v" * 100,
        "copied_from": f"{'n' * 100}/version/{'v' * 100}",
        "message": "m" * 300,
        "since": "23 h 59 min",
        "kind": "classification",
        "f1": "0.975",
        "trained_in": "59 min 59 s",
        "units": 10,
    }
    versions = [{**version, "status": status, "mood": mood(status)} for status in VersionStatus]
    project = {
        "name": "line",
        "account": "0" * 12,
        "region": "eu-west-1",
        "deleting": True,
        "datasets": [],
        "versions": versions,
    }
    page = tmp_path / "status.html"
    page.write_text(template(PAGE).render(projects=[project], training=1, running=1, now="2026-01-01 00:00:00"))
    # 60rem is where lists become tables.
    seen = look(page.as_uri(), widths=(320, 820, 960, 961, 1280))

    assert faults(seen, borne={"meta-refresh"}) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min 0 s"), (3600, "1 h 0 min"), (90061, "1 d 1 h"), (-5, "0 s"), (7, "7 s")],
)
def test_durations_are_told_in_their_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("TRAINING_IN_PROGRESS", "busy"),
        ("STARTING", "busy"),
        ("RUNNING", "good"),
        ("TRAINING_FAILED", "bad"),
        ("STOPPED", ""),
        ("UPDATE_COMPLETE", ""),
    ],
)
def test_a_status_is_coloured_by_what_it_means(status: str, shown: str) -> None:
    assert mood(status) == shown
