"""A test and a release belong to one decision: no other decision about the same run changes them or signs them."""

from collections.abc import Callable
from typing import Any

import pytest

from mlops import codec
from mlops.aws import buckets
from mlops.events import PipelineStageRetry
from mlops.records import approvals, decisions, releases, runs
from mlops.records.approvals import Approval
from mlops.records.documents import InferenceTest
from mlops.records.table import OWN
from mlops.stages import promotion
from tests.unit.mlops.test_survival import (
    DATASET,
    HANDLERS,
    NEW,
    OLD,
    TASK,
    approve_for_production,
    at,
    current,
    prepare_run,
    ref,
    released_before,
    result_key,
    roll_back,
)
from tests.unit.mlops.world import World

THIRD = "parts-classification-000000000003"


@pytest.fixture
def both(world: World) -> World:
    """OLD was released, then NEW, which runs in production."""
    released_before(world)
    approve_for_production(world, NEW)
    world.run(HANDLERS)
    return world


def history() -> list[tuple[str, str, bool]]:
    """Run, approver and whether it was a rollback, of every release in production, in their order."""
    found = reversed(releases.history(DATASET, TASK, "production"))
    return [(release.run_id, release.approver, release.is_rollback) for release in found]


def result(run_id: str) -> dict[str, Any]:
    return dict(buckets.artifacts_bucket().read_json(result_key(run_id)))


def answers_wrongly(world: World, run_id: str) -> None:
    """Let the versions of a run call every image the same: worse than any other."""
    detect = world.models.detect_custom_labels

    def wrong(ProjectVersionArn: str, **request: Any) -> dict[str, Any]:  # noqa: N803
        answer = detect(ProjectVersionArn, **request)
        return {"CustomLabels": [{"Name": "bent", "Confidence": 99.0}]} if run_id in ProjectVersionArn else answer

    world.models.detect_custom_labels = wrong  # type: ignore[method-assign]


def delete_version(world: World, run_id: str) -> None:
    del world.models.status[at(run_id, "production")]


@pytest.mark.parametrize("is_deleted", [False, True])
def test_an_approval_after_a_rollback_and_another_release_is_its_own_decision(both: World, is_deleted: bool) -> None:
    roll_back(both, OLD, "Bob")
    both.run(HANDLERS)
    prepare_run(both, THIRD, "staging")
    approve_for_production(both, THIRD)
    both.run(HANDLERS)
    if is_deleted:
        delete_version(both, OLD)
    approve_for_production(both, OLD, "Cleo")
    both.run(HANDLERS)

    assert history()[-3:] == [(OLD, "Bob", True), (THIRD, "Ada", False), (OLD, "Cleo", False)]
    assert current().approver == "Cleo"
    assert both.models.running == {at(OLD, "production")}


@pytest.mark.parametrize("is_deleted", [False, True])
def test_an_approval_after_a_rollback_is_compared_with_production(
    both: World, is_deleted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    roll_back(both, OLD, "Bob")
    both.run(HANDLERS)
    prepare_run(both, THIRD, "staging")
    approve_for_production(both, THIRD)
    both.run(HANDLERS)
    monkeypatch.setenv("INFERENCE_LIMITS", '{"classification": {"f1": 0, "accuracy": 0, "false_alarm_rate": 1}}')
    answers_wrongly(both, OLD)
    if is_deleted:
        delete_version(both, OLD)
    approve_for_production(both, OLD, "Cleo")
    both.run(HANDLERS)

    assert "worse than production" in result(OLD)["reasons"][0]
    assert current().run_id == THIRD


def test_a_rollback_whose_version_was_deleted_is_signed_by_who_asked_for_it(both: World) -> None:
    delete_version(both, OLD)
    roll_back(both, OLD, "Bob")
    both.run(HANDLERS)

    assert history()[-1] == (OLD, "Bob", True)


def test_a_rollback_is_carried_out_although_the_version_is_worse(both: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_LIMITS", '{"classification": {"f1": 0, "accuracy": 0, "false_alarm_rate": 1}}')
    answers_wrongly(both, OLD)
    roll_back(both, OLD, "Bob")
    both.run(HANDLERS)

    assert history()[-1] == (OLD, "Bob", True)


def test_an_approval_after_a_rollback_that_failed_its_test_is_tested_anew(both: World) -> None:
    detect = both.models.detect_custom_labels
    answers_wrongly(both, OLD)
    roll_back(both, OLD, "Bob")
    both.run(HANDLERS)
    assert result(OLD)["reasons"]
    both.models.detect_custom_labels = detect  # type: ignore[method-assign]
    approve_for_production(both, OLD, "Cleo")
    both.run(HANDLERS)

    assert history()[-1] == (OLD, "Cleo", False)


@pytest.mark.parametrize("decided", [(approve_for_production, roll_back), (roll_back, approve_for_production)])
def test_two_decisions_at_once_make_one_release_signed_by_the_one_that_was_tested(
    both: World, decided: tuple[Callable[..., None], Callable[..., None]]
) -> None:
    for decide, who in zip(decided, ("Bob", "Cleo"), strict=True):
        decide(both, OLD, who)
    both.run(HANDLERS)

    releases_of_old = history()[2:]
    assert len(releases_of_old) == 1
    decision = result(OLD)["decision"]
    found = decisions.find(ref(OLD, "x", "production"), decision)
    assert found is not None
    assert releases_of_old == [(OLD, found.approver, found.is_rollback)]
    assert both.models.running == {at(OLD, "production")}


def test_two_rollbacks_by_two_people_make_one_release_of_the_first(both: World) -> None:
    roll_back(both, OLD, "Bob")
    roll_back(both, OLD, "Cleo")
    both.run(HANDLERS)

    assert history()[2:] == [(OLD, "Bob", True)]


def test_a_decision_that_waited_for_a_slot_is_still_that_decision(both: World) -> None:
    both.models.quota = 1
    roll_back(both, OLD, "Bob")
    with pytest.raises(AssertionError, match="still busy"):
        both.run(HANDLERS, deliveries=10)
    both.models.quota = 2
    both.run(HANDLERS)

    assert history()[-1] == (OLD, "Bob", True)


def test_what_comes_late_of_a_decision_that_is_over_starts_nothing(both: World) -> None:
    roll_back(both, OLD, "Bob")
    both.run(HANDLERS)
    prepare_run(both, THIRD, "staging")
    approve_for_production(both, THIRD)
    both.run(HANDLERS)
    place = ref(OLD, "inference_test", "production")
    late = {**place.as_detail(), "artifact": at(OLD, "production"), "decision": result(OLD)["decision"]}
    promotion.retry(PipelineStageRetry.of(late))
    both.run(HANDLERS)

    assert both.models.running == {at(THIRD, "production")}
    assert current().run_id == THIRD


def test_rows_and_messages_of_an_earlier_release_of_the_stack_are_read(both: World) -> None:
    place = ref(OLD, "inference_test", "production")
    old = {"approver": "Bob", "comment": "worse", "is_rollback": True}
    OWN.put({"pk": f"RUN#{OLD}", "sk": "ROLLBACK#production", **old})
    retry = {**place.as_detail(), "artifact": at(OLD, "production"), "is_rollback": True}
    promotion.retry(PipelineStageRetry.of(retry))
    both.run(HANDLERS)

    assert history()[-1] == (OLD, "Bob", True)


def test_a_result_of_an_earlier_release_of_the_stack_is_signed_by_what_was_recorded_then(world: World) -> None:
    place = ref(OLD, "x", "production")
    approval = Approval("APPROVAL#1", run_id=OLD, target="production", approver="Ada")
    approvals.write(approval)
    approvals.note_sent(approval)
    decision = promotion._decision_of(place, codec.read(InferenceTest, {**place.as_detail(), "lease_id": "l"}))

    assert decision is not None
    assert decision.approver == "Ada"
    assert runs.is_over(place, "anything") is False
