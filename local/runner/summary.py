"""The numbers of a finished run, as one JSON document."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops.records.runs import Run, Stage

Metrics = dict[str, Any]


def summarise(runs: Mapping[str, Run], artifacts: Path, wall_seconds: float) -> dict[str, Any]:
    """The summary of all tasks; `artifacts` holds what was downloaded, with the keys of the bucket."""
    return {
        "wall_seconds": round(wall_seconds, 1),
        "tasks": {task: _summarise_task(run, artifacts / "runs" / run.run_id) for task, run in runs.items()},
    }


def read_metrics(eval_metric: Mapping[str, Any], inference_test: Mapping[str, Any]) -> Metrics:
    """The one place that knows the keys of the two metric artifacts; what a run did not reach is None."""
    return {
        "service_f1": eval_metric.get("service", {}).get("f1"),
        "inference_f1": inference_test.get("f1"),
        "inference_accuracy": inference_test.get("accuracy"),
        "per_label": inference_test.get("per_label"),
        "false_alarm_rate": inference_test.get("false_alarm_rate"),
    }


def _summarise_task(run: Run, folder: Path) -> dict[str, Any]:
    reached = [
        environment
        for environment in ("production", "staging", "development")
        if _tested_in(folder, environment).exists()
    ]
    inference_test = _read(_tested_in(folder, reached[0])) if reached else {}
    return {
        "run_id": run.run_id,
        "environment": reached[0] if reached else None,
        "dataset": run.dataset,
        **read_metrics(_read(folder / "eval_metric.json"), inference_test),
        "stages": [_summarise_stage(stage) for stage in run.stages],
    }


def _summarise_stage(stage: Stage) -> dict[str, Any]:
    return {
        "stage": stage.stage,
        "environment": stage.environment,
        "seconds": round(stage.seconds(datetime.now(UTC)), 1),
        "outcome": stage.state,
    }


def _tested_in(folder: Path, environment: str) -> Path:
    return folder / environment / "inference_test.json"


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
