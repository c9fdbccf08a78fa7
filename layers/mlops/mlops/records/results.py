"""The result of an inference test, which alone says that a version passed: an event that says so is not believed."""

import json
from functools import lru_cache
from typing import Any

from mlops.aws import buckets
from mlops.dataset.keys import run_key
from mlops.judging.operating_points import points_in
from mlops.records import runs
from mlops.stage import StageRef


def key_of(ref: StageRef) -> str:
    """Where the result of a run's test in an environment is."""
    return run_key(ref.run_id, f"{ref.environment}/inference_test.json")


def operating_points(run_id: str) -> dict[str, float]:
    """From which confidence on (0 to 100) an answer of each label of a run's version counts; empty where unknown."""
    return dict(_points(run_id))


@lru_cache(maxsize=64)
def _points(run_id: str) -> tuple[tuple[str, float], ...]:
    text = buckets.artifacts_bucket().read_if_exists(run_key(run_id, "eval_metric.json"))
    return tuple(points_in(json.loads(text) if text else {}).items())


def passed(run_id: str, environment: str) -> tuple[StageRef, dict[str, Any]]:
    """The stage of a run's passed test in an environment, and its result, both as they are recorded.

    Only `inference_test` may write results. Raises PermissionError when no such test was passed.
    """
    try:
        ref = runs.load(run_id, "inference_test", environment)
    except LookupError as error:
        raise PermissionError(str(error)) from error
    result = json.loads(buckets.artifacts_bucket().read_if_exists(key_of(ref)) or "{}")
    is_its_own = all(result.get(name) == getattr(ref, name) for name in ("run_id", "environment", "task"))
    if not is_its_own or result.get("outcome") != runs.COMPLETED:
        raise PermissionError(f"{ref.run_id} has not passed a test in {environment}, whatever an event says")
    return ref, result
