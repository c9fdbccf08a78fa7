"""A quota that passes is waited for; a project that is full is not."""

import json
from typing import Any

import pytest

from mlops.events import PipelineStageRetry
from mlops.models import lifecycle
from mlops.records import decisions, documents, leases, runs, waiting_line
from mlops.records.documents import TrainingInput
from mlops.records.runs import Stage
from mlops.stage import StageRef
from mlops.stages import eval_metric, promotion, training
from tests.unit.mlops.test_survival import NEW, at, prepare_run, ref
from tests.unit.mlops.world import PROJECTS, TASK, World, refused, version_arn


def fill(world: World, environment: str, count: int) -> None:
    project = PROJECTS[TASK][environment]
    world.models.status |= {version_arn(project, f"old-{number:03}"): "STOPPED" for number in range(count)}


def over_the_limit(**_: Any) -> None:
    raise refused("LimitExceededException")


def train(world: World, monkeypatch: pytest.MonkeyPatch, code: str) -> StageRef:
    """Train a run whose CreateProjectVersion is answered with an error."""

    def refuse(**_: Any) -> None:
        raise refused(code)

    runs.create(NEW, "parts", TASK)
    place = ref(NEW, "training", "development")
    manifests = {side: f"runs/{NEW}/manifests/{side}.manifest" for side in ("train", "test")}
    documents.write(TrainingInput(place, manifests=manifests, version_name=NEW, output_prefix="out"), NEW)
    monkeypatch.setattr(world.models, "create_project_version", refuse, raising=False)
    training.train(NEW, "c")
    return place


def stage(place: StageRef) -> Stage:
    found = runs.stage_of(place)
    assert found is not None
    return found


@pytest.mark.parametrize(("models", "state"), [(100, runs.FAILED), (99, runs.WAITING), (0, runs.WAITING)])
def test_a_training_fails_where_a_project_is_full_and_waits_for_a_slot_otherwise(
    world: World, monkeypatch: pytest.MonkeyPatch, models: int, state: str
) -> None:
    fill(world, "development", models)
    place = train(world, monkeypatch, "LimitExceededException")

    assert stage(place).state == state
    if state == runs.FAILED:
        assert "aws rekognition delete-project-version" in stage(place).reasons[0]
        assert waiting_line.is_next(waiting_line.TRAINING, ref("another", "training", "development"))


@pytest.mark.parametrize("code", ["ResourceInUseException", "LimitExceededException"])
def test_what_another_delivery_has_created_is_watched_and_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    world.models.status[at(NEW, "development")] = "TRAINING_IN_PROGRESS"
    place = train(world, monkeypatch, code)

    assert stage(place).waiting_for == "Rekognition: TRAINING_IN_PROGRESS"
    assert waiting_line.is_next(waiting_line.TRAINING, ref("another", "training", "development"))


def test_a_training_waits_while_something_else_goes_on_in_its_project(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = train(world, monkeypatch, "ResourceInUseException")

    assert stage(place).state == runs.WAITING
    assert waiting_line.is_next(waiting_line.TRAINING, ref("another", "training", "development"))


def test_a_training_that_the_service_refuses_fails_and_keeps_nobody_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting_line.line_up(waiting_line.TRAINING, ref(NEW, "training", "development"))
    place = train(world, monkeypatch, "ServiceQuotaExceededException")

    assert stage(place).state == runs.FAILED
    assert waiting_line.is_next(waiting_line.TRAINING, ref("another", "training", "development"))


def test_a_training_that_waited_goes_on_for_what_it_was_asked_for_at_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one run has two watches, and whatever follows from its training follows twice."""
    place = train(world, monkeypatch, "ResourceInUseException")
    world.on_the_way.clear()
    world.models.status[at(NEW, "development")] = "TRAINING_IN_PROGRESS"
    training.train_again(NEW)

    assert (stage(place).waiting_for, stage(place).cause) == ("Rekognition: TRAINING_IN_PROGRESS", "c")
    (watched,) = (json.loads(event["Records"][0]["body"]) for _, event in world.on_the_way)
    assert (watched["kind"], watched["cause"]) == ("watch", "c")


def test_a_training_that_has_ended_while_its_message_was_on_the_way_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = train(world, monkeypatch, "ResourceInUseException")
    runs.complete(place)
    world.on_the_way.clear()
    training.train_again(NEW)

    assert stage(place).state == runs.COMPLETED
    assert not world.on_the_way


@pytest.mark.parametrize(("models", "state"), [(100, runs.FAILED), (3, runs.WAITING)])
def test_a_copy_fails_where_a_project_is_full_and_waits_for_a_slot_otherwise(
    world: World, monkeypatch: pytest.MonkeyPatch, models: int, state: str
) -> None:
    prepare_run(world, NEW, "staging")
    assert at(NEW, "staging") in world.models.status
    fill(world, "production", models)
    place = ref(NEW, "approve2production", "production")
    runs.begin(place, "c")
    decisions.note(place, "APPROVAL#x", "Ada", "")
    monkeypatch.setattr(world.models, "copy_project_version", over_the_limit)
    promotion.copy(place, "APPROVAL#x")

    assert stage(place).state == state


@pytest.mark.parametrize("code", ["ResourceInUseException", "LimitExceededException"])
def test_a_copy_that_another_delivery_has_begun_is_taken_whichever_error_tells_of_it(world: World, code: str) -> None:
    world.models.status[at(NEW, "production")] = "COPYING_IN_PROGRESS"
    place = ref(NEW, "approve2production", "production")

    found = promotion._bear(place, PROJECTS[TASK]["production"], refused(code), "APPROVAL#x")

    assert found == at(NEW, "production")


@pytest.mark.parametrize("code", ["ResourceInUseException", "LimitExceededException"])
def test_a_model_that_another_delivery_has_started_keeps_its_lease_and_its_place(
    world: World, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def refuse(**_: Any) -> None:
        raise refused(code)

    arn, place = at(NEW, "development"), ref(NEW, "inference_test", "development")
    runs.create(NEW, "parts", TASK)
    world.models.status[arn] = "RUNNING"
    monkeypatch.setattr(world.models, "start_project_version", refuse)
    lifecycle.start(place, arn)

    assert leases.of(arn) is not None
    assert waiting_line.is_next(waiting_line.running_in(arn), ref("another", "inference_test", "development"))
    assert lifecycle.start_at_once(arn, 1) == "RUNNING"


def test_whoever_gets_no_slot_gives_back_its_own_lease_and_not_that_of_another_delivery(world: World) -> None:
    arn, other = at(NEW, "development"), at(NEW, "staging")
    world.models.status |= {arn: "STOPPED", other: "STOPPED"}
    world.models.quota = 0
    runs.create(NEW, "parts", TASK)
    held = leases.take(ref(NEW, "inference_test", "staging"), other, is_rollback=False).lease
    lifecycle.start(ref(NEW, "inference_test", "development"), arn)
    lifecycle.start(ref(NEW, "inference_test", "staging"), other)

    assert leases.of(arn) is None
    assert leases.of(other) == held


def test_a_start_that_is_asked_for_again_after_the_test_is_left_alone(world: World) -> None:
    arn, place = at(NEW, "development"), ref(NEW, "inference_test", "development")
    world.models.status[arn] = "STOPPED"
    runs.create(NEW, "parts", TASK)
    runs.begin(place, "lease")
    runs.complete(place)
    eval_metric.start_again(PipelineStageRetry(**place.as_detail(), version_arn=arn))

    assert world.models.started == []


def test_a_model_that_was_deleted_before_its_test_is_asked_for_again_by_whoever_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(**_: Any) -> None:
        raise refused("ResourceNotFoundException")

    arn = at(NEW, "development")
    world.models.status.pop(arn, None)
    monkeypatch.setattr(world.models, "start_project_version", gone)

    with pytest.raises(LookupError, match="deleted before it could be tested"):
        lifecycle.start(ref(NEW, "inference_test", "development"), arn)
    assert lifecycle.start_at_once(arn, 1) == "DELETED"
