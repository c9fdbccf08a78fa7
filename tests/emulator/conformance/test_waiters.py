"""Both waiters that botocore has for Custom Labels: they end well, and badly, as they should."""

from typing import Any

import pytest
from botocore.exceptions import WaiterError

from tests.emulator.clients import begin_training, project_of, status, stop
from tests.emulator.processes import lose_model
from tests.emulator.target import ON_AWS

PACE = {"Delay": 30, "MaxAttempts": 60} if ON_AWS else {"Delay": 0.05, "MaxAttempts": 1200}
TRAINED, RUNNING = "project_version_training_completed", "project_version_running"


def wait(client: Any, waiter: str, version_arn: str) -> None:
    only = {"ProjectArn": project_of(client, version_arn), "VersionNames": [version_arn.split("/")[3]]}
    client.get_waiter(waiter).wait(**only, WaiterConfig=PACE)


def test_a_training_that_completes_ends_the_wait(rekognition: Any, s3: Any, training_lines: list[Any]) -> None:
    arn = begin_training(rekognition, s3, training_lines)
    assert status(rekognition, arn) == "TRAINING_IN_PROGRESS"

    wait(rekognition, TRAINED, arn)

    assert status(rekognition, arn) == "TRAINING_COMPLETED"


def test_a_training_that_fails_fails_the_wait(rekognition: Any, s3: Any) -> None:
    arn = begin_training(rekognition, s3, ["{"])

    with pytest.raises(WaiterError, match=r"terminal failure state.*TRAINING_FAILED"):
        wait(rekognition, TRAINED, arn)


def test_a_model_that_runs_ends_the_wait(rekognition: Any, copied: str) -> None:
    rekognition.start_project_version(ProjectVersionArn=copied, MinInferenceUnits=1)

    wait(rekognition, RUNNING, copied)

    assert status(rekognition, copied) == "RUNNING"
    stop(rekognition, copied)


def test_a_model_that_cannot_start_fails_the_wait(
    launch: Any, s3: Any, training_lines: list[Any], tmp_path: Any
) -> None:
    client = launch("--state", tmp_path).client()
    arn = begin_training(client, s3, training_lines)
    wait(client, TRAINED, arn)
    lose_model(tmp_path, arn)
    client.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)

    with pytest.raises(WaiterError, match=r"terminal failure state.*FAILED"):
        wait(client, RUNNING, arn)
