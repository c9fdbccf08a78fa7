"""What the functions tell CloudWatch, in the lines they print."""

import json
from typing import Any

import pytest

from mlops import stack
from mlops.records import costs, kept_models, runs
from mlops.stage import StageRef
from mlops.stages import model_sweeper
from tests.unit.mlops.world import PROJECTS, TASK, World, version_arn

REF = StageRef("parts-classification-000000000001", "parts", TASK, "inference_test", "staging")


def told(capsys: pytest.CaptureFixture[str], name: str) -> list[dict[str, Any]]:
    """The lines about one metric."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    return [line for line in lines if [m["Name"] for m in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]] == [name]]


def dimensions_of(line: dict[str, Any]) -> dict[str, str]:
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "rekognition-mlops"
    return {dimension: line[dimension] for dimension in directive["Dimensions"][0]}


def test_a_stage_that_ended_tells_how_and_after_how_long_and_which_run_it_was(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "now", lambda: "2026-11-25T10:00:00.000+00:00")
    runs.begin(REF, "cause")
    monkeypatch.setattr(runs, "now", lambda: "2026-11-25T10:01:30.500+00:00")
    runs.fail(REF, ["accuracy 0.5 is below 0.7"])

    (line,) = told(capsys, "StageSeconds")
    expected = {"Stack": "s", "Environment": "staging", "Stage": "inference_test", "Outcome": "FAILED"}
    assert dimensions_of(line) == expected
    assert line["StageSeconds"] == [90.5]
    assert (line["run_id"], line["task"], line["reasons"]) == (REF.run_id, TASK, ["accuracy 0.5 is below 0.7"])


def test_a_stage_that_ends_again_is_counted_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    runs.begin(REF, "cause")
    runs.complete(REF)
    runs.complete(REF)

    assert len(told(capsys, "StageSeconds")) == 1


def test_what_a_training_cost_is_told_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        costs.note_training(REF, 5400)

    (line,) = told(capsys, "CostUSD")
    assert dimensions_of(line) == {"Stack": "s", "Kind": "training"}
    assert line["CostUSD"] == [1.5]


def test_the_sweeper_tells_what_it_stopped_and_what_runs_on(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    stray = version_arn(PROJECTS[TASK]["staging"], "stray")
    kept = version_arn(PROJECTS[TASK]["production"], "kept")
    world.models.status |= {stray: "RUNNING", kept: "RUNNING"}
    kept_models.keep(REF.at("inference_test", "production"), kept)

    model_sweeper.sweep()

    output = capsys.readouterr().out
    lines = [json.loads(line) for line in output.splitlines()]
    (stopped,) = [line for line in lines if "ModelsStopped" in line]
    assert (stopped["ModelsStopped"], stopped["version_arns"]) == ([1.0], [stray])
    running = {line["Environment"]: line["ModelsRunning"] for line in lines if "ModelsRunning" in line}
    assert running == {"development": [0.0], "staging": [0.0], "production": [1.0]}


def test_the_name_of_the_stack_is_read_from_its_arn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_ID", "arn:aws:cloudformation:eu-west-1:111122223333:stack/parts-eu/6d1f0c50")

    assert stack.here().name == "parts-eu"
