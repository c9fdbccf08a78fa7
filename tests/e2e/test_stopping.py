"""A model that is to stop while it is starting: AWS may refuse that, or take it. Nothing runs in the end either way.

In a cloud of its own for each answer, where starts take long enough to be met.
"""

import json

import pytest

from tests.e2e.conftest import separable
from tests.e2e.system import QUICK, System, eventually, started_system

pytestmark = pytest.mark.e2e

SLOW = (*QUICK, "--transition-seconds", "4")
ANSWERS = {"refused": (), "taken": ("--stop-while-starting",)}
HELD, GONE = ("STARTING", "RUNNING"), ("STOPPING", "STOPPED")


def status_of(system: System, run_id: str) -> str:
    (status,) = system.statuses(run_id, "development")
    return status


def starting(system: System, run_id: str) -> None:
    eventually(lambda: status_of(system, run_id) == "STARTING", f"start of {run_id}")


def give_up_the_lease(system: System) -> None:
    """As if whoever started the model had died: nobody will test it, and nobody stop it."""
    table = system.cloud.client("dynamodb")
    name = system.outputs["ApplicationTableName"]
    rows = table.scan(TableName=name)["Items"]
    (lease,) = [row for row in rows if row["sk"]["S"] == "LEASE"]
    table.delete_item(TableName=name, Key={"pk": lease["pk"], "sk": lease["sk"]})


def start_again(system: System, run_id: str) -> None:
    """As the queue does for a start that met a quota."""
    stack = system.cloud.client("cloudformation").describe_stacks(StackName=system.stack)["Stacks"][0]["StackId"]
    run = {"run_id": run_id, "dataset": "bolts", "task": "classification", "environment": "development"}
    detail = {**run, "stage": "inference_test", "artifact": "", "decision": ""}
    entry = {"Source": "rekognition-mlops", "DetailType": "Pipeline Stage Retry", "Detail": json.dumps(detail)}
    system.cloud.client("events").put_events(Entries=[{**entry, "Resources": [stack]}])


@pytest.mark.parametrize("answer", ANSWERS)
def test_nothing_runs_in_the_end_although_models_are_stopped_while_they_start(
    tmp_path_factory: pytest.TempPathFactory, answer: str
) -> None:
    state = tmp_path_factory.mktemp(answer)
    with started_system(state, custom_labels=(*SLOW, *ANSWERS[answer])) as system:
        system.drop(separable("bolts", per_label=6), "bolts")
        run_id = system.run_until("bolts", "eval_metric", "development", "COMPLETED").run_id
        starting(system, run_id)
        give_up_the_lease(system)

        system.sweep()
        assert status_of(system, run_id) in (GONE if answer == "taken" else HELD)
        # What could not be stopped yet, the next sweep stops.
        eventually(lambda: status_of(system, run_id) != "STARTING", f"end of the start of {run_id}")
        system.sweep()
        assert not system.running()
        assert system.is_stopped(run_id, "development")

        # The model can be started again, and the end of the stack meets it while it is starting.
        start_again(system, run_id)
        starting(system, run_id)
        system.delete_stack()
        assert not system.running()
        assert system.is_stopped(run_id, "development")
