"""Production, the way back, and what stops what should not run. The last test deletes the stack."""

import pytest

from cli.stack import Stack
from local.runner.follow import Run
from tests.e2e.conftest import separable
from tests.e2e.system import STACK, System, eventually

pytestmark = pytest.mark.e2e

TASK = "classification"


@pytest.fixture(scope="module")
def releases(system: System) -> tuple[Run, Run]:
    """Two releases of one dataset: some pictures, then the same and more."""
    objects = separable("line", per_label=9)
    system.drop(objects, "line")
    first = system.to_production("line")
    system.drop(separable("line", per_label=11), "line")
    return first, system.to_production("line", 1)


def test_the_released_version_stays_running_and_the_one_before_is_stopped(
    system: System, releases: tuple[Run, Run]
) -> None:
    first, second = releases

    assert system.is_stopped(first.run_id, "production")
    assert system.statuses(second.run_id, "production") == ["RUNNING"]


def test_a_candidate_is_compared_with_production_on_the_same_images(system: System, releases: tuple[Run, Run]) -> None:
    first, second = (system.artifact(run.run_id, "development/inference_test.json")["comparison"] for run in releases)

    assert "first release" in first["note"]
    assert second["with"] == releases[0].run_id
    assert second["images"] > 0
    assert set(second["per_label"]) == {"normal", "scratch", "stain"}
    assert "Beside production" in system.approvals(releases[1].run_id)[0].text


def test_the_sweeper_stops_what_nobody_may_use_and_nothing_else(system: System, releases: tuple[Run, Run]) -> None:
    stray = next(v["ProjectVersionArn"] for v in system.versions("staging") if releases[0].run_id in str(v))
    rekognition = system.cloud.client("rekognition")
    rekognition.start_project_version(ProjectVersionArn=stray, MinInferenceUnits=1)
    eventually(lambda: system.statuses(releases[0].run_id, "staging") == ["RUNNING"], f"start of {stray}")
    system.sweep()

    assert system.is_stopped(releases[0].run_id, "staging")
    assert system.statuses(releases[1].run_id, "production") == ["RUNNING"]


def test_rollback_brings_the_version_before_back_and_is_itself_a_release(
    system: System, releases: tuple[Run, Run]
) -> None:
    first, second = releases
    stack = Stack(STACK, system.cloud.client)

    target = stack.roll_back("line", TASK, "production", None, "Ada", "worse than before")

    assert target == first.run_id
    assert eventually(lambda: system.current("line") == first.run_id, f"return of {first.run_id}")
    assert system.is_stopped(second.run_id, "production")
    history = stack.releases("line", TASK, "production")
    assert [(release.run_id, release.is_rollback) for release in history] == [
        (first.run_id, True),
        (second.run_id, False),
        (first.run_id, False),
    ]
    assert history[0].is_current and history[0].approver == "Ada" and history[0].comment == "worse than before"


def test_deleting_the_stack_stops_what_runs(system: System, releases: tuple[Run, Run]) -> None:
    assert system.running()
    system.delete_stack()

    assert not system.running()
