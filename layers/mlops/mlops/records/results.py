"""The result of an inference test, which alone says that a version passed: an event that says so is not believed."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from mlops.aws import buckets
from mlops.dataset.dataset_json import TASKS
from mlops.dataset.keys import run_key
from mlops.judging.operating_points import points_in
from mlops.records import runs
from mlops.stage import StageRef


def key_of(ref: StageRef) -> str:
    """Where the result of a run's test in an environment is."""
    return run_key(ref.run_id, f"{ref.environment}/inference_test.json")


def answers_key(run_id: str, environment: str) -> str:
    """Where the judged answers of a run's test in an environment are, one line an image."""
    return run_key(run_id, f"{environment}/judged.jsonl")


def answers(run_id: str, environment: str) -> Iterator[dict[str, Any]]:
    """The lines of a test's answers; none where there was no test. Earlier releases have them in the result."""
    store = buckets.artifacts_bucket()
    result = json.loads(store.read_if_exists(run_key(run_id, f"{environment}/inference_test.json")) or "{}")
    yield from result.get("answers") or map(json.loads, store.lines(answers_key(run_id, environment)))


def pieces_prefix(ref: StageRef, lease_id: str) -> str:
    """Where everything is that a version said in the test of a lease, in pieces."""
    return run_key(ref.run_id, f"{ref.environment}/answers/{lease_id}/")


def piece_key(ref: StageRef, lease_id: str, number: int) -> str:
    """Where a piece of it is."""
    return f"{pieces_prefix(ref, lease_id)}{number:05}.jsonl"


def operating_points(run_id: str) -> dict[str, float]:
    """From which confidence on (0 to 100) an answer of each label of a run's version counts; empty where unknown."""
    return dict(_points(run_id))


@lru_cache(maxsize=64)
def _points(run_id: str) -> tuple[tuple[str, float], ...]:
    text = buckets.artifacts_bucket().read_if_exists(run_key(run_id, "eval_metric.json"))
    return tuple(points_in(json.loads(text) if text else {}).items())


def ground_truth(run_id: str) -> dict[str, Any]:
    """What a run was made from; empty where that is gone."""
    text = buckets.artifacts_bucket().read_if_exists(run_key(run_id, "ground_truth.json"))
    return dict(json.loads(text)) if text else {}


def window_of(run_ids: Mapping[str, str]) -> tuple[int, int] | None:
    """The window that brought what these runs trained on from more bits to eight; None where they had no such picture.

    `run_ids` are those of a dataset's released models by task. Both usually come from the same pictures; where they do
    not, the classifier's count.
    """
    for task in TASKS:
        known = ground_truth(run_ids[task]) if task in run_ids else {}
        # Earlier releases of this stack wrote only the window that dataset.json names.
        if window := known.get("window") or known.get("settings", {}).get("window"):
            return int(window[0]), int(window[1])
    return None


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
