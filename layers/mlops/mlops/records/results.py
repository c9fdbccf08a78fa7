"""The result of an inference test, which alone says that a version passed: an event that says so is not believed."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache

from mlops.aws import buckets
from mlops.codec import Json
from mlops.dataset.dataset_json import TASKS
from mlops.dataset.keys import run_key
from mlops.judging.evaluation import Evaluation
from mlops.records import documents, runs
from mlops.records.documents import GroundTruth, InferenceTest
from mlops.stage import StageRef


def key_of(ref: StageRef) -> str:
    """Where the result of a run's test in an environment is."""
    return documents.key_of_test(ref.run_id, ref.environment)


def answers_key(run_id: str, environment: str) -> str:
    """Where the judged answers of a run's test in an environment are, one line an image."""
    return run_key(run_id, f"{environment}/judged.jsonl")


def answers(run_id: str, environment: str) -> Iterator[Json]:
    """The lines of a test's answers; none where there was no test. Earlier releases have them in the result."""
    test = documents.find_test(run_id, environment)
    lines = buckets.artifacts_bucket().lines(answers_key(run_id, environment))
    yield from (test and test.answers) or map(json.loads, lines)


def pieces_prefix(ref: StageRef, lease_id: str) -> str:
    """Where everything is that a version said in the test of a lease, in pieces."""
    return run_key(ref.run_id, f"{ref.environment}/answers/{lease_id}/")


def piece_key(ref: StageRef, lease_id: str, number: int) -> str:
    """Where a piece of it is."""
    return f"{pieces_prefix(ref, lease_id)}{number:05}.jsonl"


def operating_points(run_id: str) -> dict[str, float]:
    """From which confidence on (0 to 100) an answer of each label of a run's version counts; empty where unknown."""
    return dict(_points(run_id))


# Asked for at every picture, where an earlier release of the stack has published no points.
@lru_cache(maxsize=64)
def _points(run_id: str) -> tuple[tuple[str, float], ...]:
    known = documents.find(Evaluation, run_id)
    return tuple(known.points.items()) if known else ()


def ground_truth(run_id: str) -> GroundTruth:
    """What a run was made from; nothing where that is gone."""
    return documents.find(GroundTruth, run_id) or GroundTruth()


def window_of(run_ids: Mapping[str, str]) -> tuple[int, int] | None:
    """The window that brought what these runs trained on from more bits to eight; None where they had no such picture.

    `run_ids` are those of a dataset's released models by task. Both usually come from the same pictures; where they do
    not, the classifier's count.
    """
    for task in TASKS:
        if task in run_ids and (window := ground_truth(run_ids[task]).brought_to_eight_bits_by):
            return window
    return None


def passed(run_id: str, environment: str) -> tuple[StageRef, InferenceTest]:
    """The stage of a run's passed test in an environment, and its result, both as they are recorded.

    Only `inference_test` may write results. Raises PermissionError when no such test was passed.
    """
    try:
        ref = runs.load(run_id, "inference_test", environment)
    except LookupError as error:
        raise PermissionError(str(error)) from error
    result = documents.find_test(run_id, environment)
    is_its_own = result is not None and (result.ref.run_id, result.ref.environment, result.ref.task) == (
        *(ref.run_id, ref.environment, ref.task),
    )
    if result is None or not is_its_own or result.outcome != runs.COMPLETED:
        raise PermissionError(f"{ref.run_id} has not passed a test in {environment}, whatever an event says")
    return ref, result
