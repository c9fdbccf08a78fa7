"""Whoever may put events into the account has no right to copy, start or release: events only say where to look."""

import json
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.approval.app import handler as approval
from functions.eval_metric.app import handler as eval_metric
from mlops import stack
from mlops.aws import buckets
from mlops.records import decisions, leases, releases, runs
from mlops.records.leases import Lease
from tests.unit.mlops.test_survival import HANDLERS, NEW, OLD, at, current, ref, released_before, result_key
from tests.unit.mlops.world import DATASET, PROJECTS, TASK, World, version_arn

ALL = {**HANDLERS, "eval_metric": eval_metric, "approval": approval}
ENVIRONMENTS = ("development", "staging", "production")
NEVER = "parts-classification-999999999999"
EVENTS = {
    "promotion": [
        *("Model Approval Decided", "Model Status Change", "Pipeline Stage Completed", "Pipeline Stage Retry"),
        "Model Rollback Requested",
    ],
    "eval_metric": ["Model Status Change", "Pipeline Stage Retry"],
    "inference_test": ["Model Status Change"],
    "approval": ["Pipeline Stage Completed"],
}
TEXTS = {
    "run_id": [OLD, NEW, NEVER, "..", ""],
    "dataset": [DATASET, "other"],
    "task": [TASK, "detection"],
    "environment": ENVIRONMENTS,
    "target": ENVIRONMENTS,
    "stage": ["inference_test", "approve2staging", "approve2production", "training"],
    "status": ["COPYING_COMPLETED", "COPYING_FAILED", "RUNNING", "TRAINING_COMPLETED"],
    "decision": ["approved", "RUN", f"APPROVAL#Ada{OLD}", "STAGE#production#inference_test", "ROLLBACK#production", ""],
    "cause": ["copied", f"APPROVAL#Ada{OLD}", "rollback@x", "RUN", ""],
    "approval": [f"APPROVAL#Ada{OLD}", "APPROVAL#forged", "RUN"],
    "artifact": [result_key(OLD), result_key(NEW), "forged.json", f"runs/{NEW}/staging/inference_test.json"],
    "version_arn": [version_arn(PROJECTS[TASK][e], r) for e in ENVIRONMENTS for r in (OLD, NEW, NEVER)],
    "project_arn": list(PROJECTS[TASK].values()),
    "version_name": [OLD, NEW, NEVER],
    "approver": ["Eve"],
    "comment": ["mine"],
}
kinds = st.sampled_from([(handler, kind) for handler, kinds in EVENTS.items() for kind in kinds])
details = st.fixed_dictionaries({name: st.sampled_from(list(values)) for name, values in TEXTS.items()})


def forge(world: World, handler: str, kind: str, detail: dict[str, Any]) -> None:
    """Put an event of ours with these fields; a function that refuses it ends with an error, and so with an alarm."""
    event = {"id": uuid.uuid4().hex, "detail-type": kind, "source": stack.SOURCE, "detail": detail}
    world.on_the_way.append((handler, event))
    try:
        world.run(ALL)
    except (PermissionError, LookupError):
        world.on_the_way.clear()


@pytest.fixture
def released(world: World) -> World:
    """OLD is in production by a decision; NEW was trained and tested in staging, and nobody decided about it."""
    released_before(world)
    world.mails.clear()
    runs.create(NEW, DATASET, TASK)
    for environment in ("development", "staging"):
        world.models.status[at(NEW, environment)] = "STOPPED"
    failed = {**ref(NEW, "inference_test", "staging").as_detail(), "outcome": runs.FAILED, "reasons": ["bad"]}
    buckets.artifacts_bucket().write_json(f"runs/{NEW}/staging/inference_test.json", failed)
    buckets.artifacts_bucket().write_json("forged.json", {**failed, "outcome": runs.COMPLETED, "lease_id": "l"})
    return world


def state(world: World) -> dict[str, Any]:
    history = reversed(releases.history(DATASET, TASK))
    return {
        "versions": dict(world.models.status),
        "released": [(release.run_id, release.environment) for release in history],
        "current": current().run_id,
        "parameters": dict(world.parameters),
        "mails": list(world.mails),
    }


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds, details)
def test_no_forged_event_copies_starts_releases_or_asks(
    released: World, event: tuple[str, str], detail: dict[str, Any]
) -> None:
    before = state(released)
    forge(released, *event, detail)

    assert state(released) == before


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_retry_copies_nothing_without_a_decision(released: World, environment: str) -> None:
    detail = {**ref(NEW, f"approve2{environment}", environment).as_detail(), "artifact": NEW, "decision": ""}
    forge(released, "promotion", "Pipeline Stage Retry", detail)

    assert at(NEW, "production") not in released.models.status


def test_a_retry_without_a_decision_fails_no_stage(released: World) -> None:
    place = ref(NEW, "inference_test", "production")
    forge(released, "promotion", "Pipeline Stage Retry", {**place.as_detail(), "decision": ""})

    assert runs.stage_of(place) is None


def test_a_decision_about_one_environment_is_none_about_another(released: World) -> None:
    decisions.note(ref(NEW, "approve2staging", "staging"), "APPROVAL#real", "Ada", "")
    detail = {**ref(NEW, "approve2production", "production").as_detail(), "artifact": NEW, "decision": "APPROVAL#real"}
    forge(released, "promotion", "Pipeline Stage Retry", detail)

    assert at(NEW, "production") not in released.models.status


@pytest.mark.parametrize(("outcome", "decision"), [(runs.FAILED, "APPROVAL#x"), (runs.COMPLETED, "APPROVAL#none")])
def test_neither_a_failed_result_nor_one_without_a_decision_is_released(
    released: World, outcome: str, decision: str
) -> None:
    place = ref(NEW, "inference_test", "production")
    arn = at(NEW, "production")
    released.models.status[arn] = "STOPPED"
    facts = {"version_arn": arn, "lease_id": "l", "tested_at": "2999-01-01T00:00:00+00:00", "decision": decision}
    buckets.artifacts_bucket().write_json(
        result_key(NEW), {**place.as_detail(), **facts, "outcome": outcome, "reasons": []}
    )
    decisions.note(place, "APPROVAL#x", "Ada", "")
    forge(released, "promotion", "Pipeline Stage Completed", {**place.as_detail(), "artifact": result_key(NEW)})

    assert current().run_id == OLD


def test_an_approval_is_no_rollback(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops.records.releases.was_released", lambda _: current())
    place = ref(NEW, "rollback", "production")
    released.models.status[at(NEW, "production")] = "STOPPED"
    decisions.note(place, "APPROVAL#x", "Ada", "")
    forge(released, "promotion", "Model Rollback Requested", {**place.as_detail(), "decision": "APPROVAL#x"})

    assert current().run_id == OLD


def test_the_test_of_a_lease_is_that_of_its_run(released: World) -> None:
    """A forged RUNNING of a leased version names another run: the result goes to the run of the lease."""
    arn = at(NEW, "staging")
    place = ref(NEW, "inference_test", "staging")
    leases.write(Lease("l", arn, place, started_at=0, expires_at=4_000_000_000))
    released.models.status[arn] = "RUNNING"
    forged = {**ref(OLD, "inference_test", "production").as_detail(), "version_arn": arn, "status": "RUNNING"}
    forge(released, "inference_test", "Model Status Change", forged)

    result = json.loads(buckets.artifacts_bucket().read(f"runs/{NEW}/staging/inference_test.json"))
    assert (result["run_id"], result["environment"], result["lease_id"]) == (NEW, "staging", "l")
