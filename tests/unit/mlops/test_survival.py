"""A process may end at any call to AWS: then nothing runs that should not, and one tested version is released."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.inference_test.app import handler as inference_test
from functions.model_status.app import handler as model_status
from functions.promotion.app import handler as promotion
from mlops.records import approvals, decisions, kept_models, leases, releases, runs
from mlops.records.approvals import APPROVED, Approval
from mlops.records.releases import Release
from mlops.records.table import OWN
from mlops.stage import StageRef
from mlops.stages import model_sweeper
from tests.unit.mlops.world import (
    DATASET,
    PROJECTS,
    TASK,
    Killed,
    World,
    set_clock,
    version_arn,
)

HANDLERS: dict[str, Callable[..., Any]] = {
    "inference_test": inference_test,
    "model_status": model_status,
    "promotion": promotion,
}
OLD, NEW = "parts-classification-000000000001", "parts-classification-000000000002"
LABELS = ("bent", "normal")


def at(run_id: str, environment: str) -> str:
    return version_arn(PROJECTS[TASK][environment], run_id)


def ref(run_id: str, stage: str, environment: str) -> StageRef:
    return StageRef(run_id, DATASET, TASK, stage, environment)


def prepare_run(world: World, run_id: str, environment: str) -> None:
    """A run whose version was trained, has come as far as an environment, and is to go on."""
    names = [(label, f"datasets/{DATASET}/holdout/{label}/0.png") for label in LABELS]
    size = {"width": 99, "height": 99, "boxes": []}
    rows = [{"key": key, "etag": key, "label": label, "side": "holdout", **size} for label, key in names]
    body = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    world.s3.put_object(Bucket="artifacts", Key=f"runs/{run_id}/images.jsonl", Body=body)
    runs.create(run_id, DATASET, TASK)
    world.models.status[at(run_id, environment)] = "STOPPED"


def approve_for_production(world: World, run_id: str, approver: str = "Ada") -> None:
    name = f"APPROVAL#{approver}{run_id}"
    approvals.write(Approval(name, run_id, target="production", state=APPROVED, approver=approver))
    detail = {**ref(run_id, "x", "staging").as_detail(), "target": "production", "approval": name}
    event = {"id": f"decision-{run_id}", "detail-type": "Model Approval Decided", "detail": detail}
    world.on_the_way.append(("promotion", event))


def roll_back(world: World, run_id: str, approver: str = "Ada") -> None:
    decision = f"ROLLBACK#production#{approver}"
    decisions.note(ref(run_id, "x", "production"), decision, approver, "worse", is_rollback=True)
    detail = {**ref(run_id, "x", "production").as_detail(), "decision": decision}
    event = {"id": f"rollback-{approver}{run_id}", "detail-type": "Model Rollback Requested", "detail": detail}
    world.on_the_way.append(("promotion", event))


def current() -> Release:
    release = releases.current(DATASET, TASK, "production")
    assert release is not None
    return release


def history() -> list[str]:
    """The runs that were released to production, in their order."""
    return [release.run_id for release in reversed(releases.history(DATASET, TASK, "production"))]


def released_before(world: World) -> None:
    """OLD is in production and stays running; NEW was tested in staging."""
    for run_id in (OLD, NEW):
        prepare_run(world, run_id, "staging")
    approve_for_production(world, OLD)
    world.run(HANDLERS)
    assert current().run_id == OLD


def check(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What holds once everything was delivered again and the sweeper passed, leases being over."""
    set_clock(monkeypatch, time=lambda: 4e9)
    for arn in world.models.running:
        world.models.status[arn] = "RUNNING"
    model_sweeper.sweep()

    release = current()
    result = json.loads(world.s3.get_object(Bucket="artifacts", Key=result_key(release.run_id))["Body"].read())
    assert result["reasons"] == []
    assert world.models.running == kept_models.kept()
    assert world.models.running <= {release.version_arn}
    parameter = world.parameters[f"/s/models/{DATASET}/{TASK}/production"]
    assert json.loads(parameter)["version_arn"] == release.version_arn


def result_key(run_id: str) -> str:
    return f"runs/{run_id}/production/inference_test.json"


def test_a_promotion_replaces_what_runs_in_production_without_a_gap(world: World) -> None:
    released_before(world)
    seen: list[set[str]] = []
    stop = world.models.stop_project_version

    def stop_and_see(ProjectVersionArn: str) -> None:  # noqa: N803
        seen.append(set(world.models.running))
        stop(ProjectVersionArn)

    world.models.stop_project_version = stop_and_see  # type: ignore[method-assign]
    approve_for_production(world, NEW)
    world.run(HANDLERS)

    assert current().run_id == NEW
    assert world.models.running == {at(NEW, "production")}
    assert seen == [{at(OLD, "production"), at(NEW, "production")}]


def test_a_version_that_is_only_starting_holds_the_next_release_up_no_longer_than_the_sweeper(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It always runs, and was started once more a moment ago: it cannot be stopped before it runs."""
    released_before(world)
    described, old = world.models._described, at(OLD, "production")

    def still_starting(arn: str) -> dict[str, Any]:
        return {"ProjectVersionArn": arn, "Status": "STARTING"} if arn == old else described(arn)

    world.models.status[old] = "STARTING"
    world.models._described = still_starting  # type: ignore[method-assign]
    approve_for_production(world, NEW)
    world.run(HANDLERS)

    assert current().run_id == NEW
    assert json.loads(world.parameters[f"/s/models/{DATASET}/{TASK}/production"])["run_id"] == NEW
    world.models._described = described  # type: ignore[method-assign]
    check(world, monkeypatch)


def test_a_rollback_brings_the_version_before_back_through_the_same_test(world: World) -> None:
    released_before(world)
    approve_for_production(world, NEW)
    world.run(HANDLERS)
    roll_back(world, OLD)
    world.run(HANDLERS)

    assert current().run_id == OLD
    assert current().is_rollback
    assert world.models.running == {at(OLD, "production")}
    assert history() == [OLD, NEW, OLD]


# After a call is before the next one: nothing but calls to AWS has an effect in between.
@pytest.mark.parametrize("start", [approve_for_production, roll_back], ids=["promotion", "rollback"])
def test_ending_at_any_call_leaves_nothing_running_that_should_not_and_one_tested_release(
    world: World, monkeypatch: pytest.MonkeyPatch, start: Callable[[World, str], None]
) -> None:
    released_before(world)
    if start is roll_back:
        approve_for_production(world, NEW)
        world.run(HANDLERS)
    target, call = (OLD if start is roll_back else NEW), 0
    kept = snapshot(world)
    while True:
        call += 1
        restore(world, kept)
        start(world, target)
        world.kill_after(call)
        world.run(HANDLERS)
        reached = world.calls >= call
        world.kill_after(-1)
        with monkeypatch.context() as patch:
            check(world, patch)
        if not reached:
            break
        assert current().run_id == target, f"after call {call}"
    assert call > 30


def snapshot(world: World) -> dict[str, Any]:
    return {
        "table": world.table.snapshot(),
        "once": dict(world.once.items),
        "status": dict(world.models.status),
        "parameters": dict(world.parameters),
    }


def restore(world: World, kept: dict[str, Any]) -> None:
    world.once.items = dict(kept["once"])
    world.table.restore(kept["table"])
    world.models.status = dict(kept["status"])
    world.parameters = dict(kept["parameters"])
    world.on_the_way.clear()


def test_more_promotions_at_once_than_slots_all_finish_in_the_order_of_waiting(world: World) -> None:
    names = [f"parts-classification-{number:012}" for number in range(1, 7)]
    for run_id in names:
        prepare_run(world, run_id, "staging")
        approve_for_production(world, run_id)
    world.run(HANDLERS, deliveries=4000)

    assert set(history()) == set(names)
    assert world.models.running == kept_models.kept() == {current().version_arn}


def test_a_test_whose_lease_was_given_back_before_it_ended_ends_by_its_result(world: World) -> None:
    """It died after its event: promotion heard of that, released the version and ended the lease."""
    released_before(world)
    tested = ref(OLD, "inference_test", "production")
    result = json.loads(world.s3.get_object(Bucket="artifacts", Key=result_key(OLD))["Body"].read())
    runs.begin(tested, "another cause")
    for cause in (result["lease_id"], "another lease"):
        OWN.update(f"RUN#{OLD}", "STAGE#production#inference_test", {"state": runs.WAITING, "cause": cause})
        detail = {**tested.as_detail(), "version_arn": at(OLD, "production"), "status": "RUNNING"}
        world.on_the_way.append(
            ("inference_test", {"id": cause, "detail-type": "Model Status Change", "detail": detail})
        )
        world.run(HANDLERS)

        stage = runs.stage_of(tested)
        assert stage is not None
        assert stage.state == (runs.COMPLETED if cause == result["lease_id"] else runs.WAITING)
    assert history() == [OLD]


def test_a_version_that_was_stopped_before_its_release_came_is_not_said_to_run(world: World) -> None:
    """The event about its test was late, or came from the dead letters: the sweeper has stopped it meanwhile."""
    prepare_run(world, OLD, "staging")
    approve_for_production(world, OLD)
    handlers = {**HANDLERS, "promotion": lambda event, context: sweep_first(world, event, context)}
    world.run(handlers)

    assert current().run_id == OLD
    assert world.models.running == kept_models.kept() == set()
    assert json.loads(world.parameters[f"/s/models/{DATASET}/{TASK}/production"])["is_running"] is False


def sweep_first(world: World, event: dict[str, Any], context: Any) -> None:
    if event["detail-type"] == "Pipeline Stage Completed":
        leases.end(at(OLD, "production"))
        model_sweeper.sweep()
    promotion(event, context)


def test_a_release_that_comes_late_leaves_the_later_one_in_force(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promotion dies after it has recorded OLD, and is called again when NEW is in force."""
    for run_id in (OLD, NEW):
        prepare_run(world, run_id, "staging")
    died: list[tuple[dict[str, Any], Any]] = []

    def die_once(event: dict[str, Any], context: Any) -> None:
        if event["detail-type"] != "Pipeline Stage Completed" or died:
            promotion(event, context)
            return
        died.append((event, context))
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(kept_models, "keep", lambda *_: (_ for _ in ()).throw(Killed))
            promotion(event, context)

    approve_for_production(world, OLD)
    world.run({**HANDLERS, "promotion": die_once})
    approve_for_production(world, NEW)
    world.run(HANDLERS)
    promotion(*died[0])

    assert history() == [OLD, NEW]
    assert current().run_id == NEW
    assert world.models.running == kept_models.kept() == {at(NEW, "production")}
    parameter = json.loads(world.parameters[f"/s/models/{DATASET}/{TASK}/production"])
    assert (parameter["run_id"], parameter["is_running"]) == (NEW, True)
