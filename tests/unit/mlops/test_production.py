"""Capacity, models that stay, comparison with production, the sweeper, and the end of a stack."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mlops import stack, stage
from mlops.judging import comparison
from mlops.judging.classification import Classification
from mlops.judging.comparison import Comparison, Difference
from mlops.judging.detection import Detection
from mlops.models import lifecycle
from mlops.records import kept_models, leases, runs, waiting_line
from mlops.stage import StageRef
from mlops.stages import model_status, model_sweeper, stack_deletion
from tests.unit.mlops.world import (
    DATASET,
    PROJECTS,
    TASK,
    World,
    set_clock,
    version_arn,
)

RUNNING = waiting_line.running_in(PROJECTS[TASK]["staging"])


def stage_of(number: int, environment: str = "development") -> StageRef:
    return StageRef(f"parts-{TASK}-{number:012}", DATASET, TASK, "inference_test", environment)


def arn(name: str) -> str:
    return version_arn(PROJECTS[TASK]["production"], name)


def product_line(name: str) -> StageRef:
    return StageRef(f"{name}-{TASK}-0", name, TASK, "release", "production")


def model(world: World, number: int, environment: str, status: str) -> str:
    arn = version_arn(PROJECTS[TASK][environment], f"parts-{TASK}-{number:012}")
    world.models.status[arn] = status
    return arn


class TestEnvironments:
    def test_a_version_goes_from_development_over_staging_to_production(self) -> None:
        assert [stage.after(e) for e in stage.ENVIRONMENTS] == ["staging", "production", None]
        assert stage.before("production") == "staging"
        assert stage.approval_stage("production") == "approve2production"


@pytest.mark.usefixtures("world")
class TestCapacity:
    def test_anybody_may_ask_while_nobody_waits(self) -> None:
        assert waiting_line.is_next(RUNNING, stage_of(1))

    def test_whoever_has_waited_longest_is_next_and_nobody_else(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = time.time()
        for later, number in enumerate((2, 1)):
            set_clock(monkeypatch, time=lambda at=now + later: at)
            waiting_line.line_up(RUNNING, stage_of(number))

        assert [waiting_line.is_next(RUNNING, stage_of(n)) for n in (1, 2, 3)] == [False, True, False]

    def test_asking_again_keeps_the_place(self) -> None:
        for number in (1, 2, 1):
            waiting_line.line_up(RUNNING, stage_of(number))

        assert waiting_line.is_next(RUNNING, stage_of(1))

    def test_the_next_one_follows_when_the_first_leaves(self) -> None:
        for number in (1, 2):
            waiting_line.line_up(RUNNING, stage_of(number))
        waiting_line.leave(RUNNING, stage_of(1))

        assert waiting_line.is_next(RUNNING, stage_of(2))

    def test_whoever_does_not_ask_any_more_holds_nobody_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        waiting_line.line_up(RUNNING, stage_of(1))
        later = time.time() + 1000
        set_clock(monkeypatch, time=lambda: later)

        assert waiting_line.is_next(RUNNING, stage_of(2))

    def test_trainings_and_running_models_are_two_lines(self) -> None:
        waiting_line.line_up(waiting_line.TRAINING, stage_of(1))

        assert waiting_line.is_next(RUNNING, stage_of(2))


@pytest.mark.usefixtures("world")
class TestKeeping:
    def test_every_account_has_slots_of_its_own(self) -> None:
        assert kept_models.keep(product_line("a"), arn("a"))
        assert kept_models.keep(product_line("b"), arn("b").replace("111122223333", "222222222222"))

    def test_one_slot_is_left_for_tests(self) -> None:
        assert kept_models.keep(product_line("a"), arn("a"))
        assert not kept_models.keep(product_line("b"), arn("b"))
        assert kept_models.kept() == {arn("a")}

    def test_a_new_version_takes_the_place_of_the_one_before(self) -> None:
        kept_models.keep(product_line("a"), arn("1"))

        assert kept_models.keep(product_line("a"), arn("2"))
        assert kept_models.kept() == {arn("2")}

    def test_a_place_that_is_given_up_is_free(self) -> None:
        kept_models.keep(product_line("a"), arn("a"))
        kept_models.drop(product_line("a"))

        assert kept_models.keep(product_line("b"), arn("b"))

    def test_with_one_model_at_a_time_none_is_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RUNNING_MODELS", "1")

        assert not kept_models.keep(product_line("a"), arn("a"))

    def test_who_stays_is_decided_by_environment(self) -> None:
        assert [stack.here().is_wanted(e) for e in stage.ENVIRONMENTS] == [False, False, True]


class TestSweeper:
    def test_models_without_a_lease_are_stopped_the_others_are_left_alone(self, world: World) -> None:
        stray, leased, kept = (model(world, n, "production", "RUNNING") for n in (1, 2, 3))
        leases.take(stage_of(2, "production"), leased, is_rollback=False)
        kept_models.keep(product_line(DATASET), kept)

        assert model_sweeper.sweep() == [stray]
        assert world.models.running == {leased, kept}

    def test_a_model_that_is_only_starting_is_left_to_the_next_sweep(self, world: World) -> None:
        stray = model(world, 1, "staging", "STARTING")
        passing = world.models._described
        stuck = {"ProjectVersionArn": stray, "Status": "STARTING"}
        world.models._described = lambda _: stuck  # type: ignore[method-assign]
        assert model_sweeper.sweep() == []

        world.models._described = passing  # type: ignore[method-assign]
        assert model_sweeper.sweep() == [stray]

    def test_a_model_that_is_only_starting_is_stopped_at_once_where_the_service_takes_that(self, world: World) -> None:
        world.models.stops_while_starting = True
        stray = model(world, 1, "staging", "STARTING")
        stuck = {"ProjectVersionArn": stray, "Status": "STARTING"}
        world.models._described = lambda _: stuck  # type: ignore[method-assign]

        assert model_sweeper.sweep() == [stray]
        assert world.models.status[stray] == "STOPPED"

    @pytest.mark.parametrize("taken", [False, True])
    def test_a_start_that_outlasts_its_lease_fails_its_test_and_leaves_nothing_running(
        self, world: World, monkeypatch: pytest.MonkeyPatch, taken: bool
    ) -> None:
        world.models.stops_while_starting = taken
        arn = model(world, 1, "staging", "STOPPED")
        lifecycle.start(stage_of(1, "staging"), arn)
        set_clock(monkeypatch, time=lambda: 4e9)
        model_sweeper.sweep()
        model_sweeper.sweep()

        assert world.models.running == set()
        stage = runs.stage_of(stage_of(1, "staging"))
        assert stage is not None
        assert (stage.state, leases.of(arn)) == (runs.FAILED, None)

    def test_the_test_that_was_cut_off_fails_and_says_why(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        arn = model(world, 1, "staging", "STOPPED")
        lifecycle.start(stage_of(1, "staging"), arn)
        world.models.status[arn] = "RUNNING"
        set_clock(monkeypatch, time=lambda: 4e9)
        model_sweeper.sweep()

        stage = runs.stage_of(stage_of(1, "staging"))
        assert stage is not None
        assert stage.state == runs.FAILED
        assert stage.reasons == ("the model was stopped by the sweeper: its lease was over",)
        assert leases.of(arn) is None


class TestWatch:
    @pytest.fixture
    def look(self, world: World) -> Callable[[], None]:
        """Deliver the message about the watched version."""

        def look() -> None:
            _, event = world.on_the_way.pop()
            world.on_the_way.clear()
            model_status.handle(json.loads(event["Records"][0]["body"]))

        return look

    def test_a_model_that_somebody_stopped_while_it_was_starting_fails_its_test_when_the_lease_is_over(
        self, world: World, look: Callable[[], None]
    ) -> None:
        world.models.stops_while_starting = True
        arn, ref = model(world, 1, "staging", "STOPPED"), stage_of(1, "staging")
        lifecycle.start(ref, arn)
        world.models.stop_project_version(arn)
        look()
        stage = runs.stage_of(ref)
        assert stage is not None
        assert stage.state in (runs.IN_PROGRESS, runs.WAITING)

        lease = leases.of(arn)
        assert lease is not None
        leases.write(replace(lease, expires_at=1))
        look()

        stage = runs.stage_of(ref)
        assert stage is not None
        assert stage.state == runs.FAILED
        assert stage.reasons == (f"the model {ref.run_id} was stopped before its test",)
        assert world.models.running == set()


DELETION = {
    "RequestType": "Delete",
    "ResponseURL": "https://answers.example/1",
    "StackId": "s",
    "RequestId": "r",
    "LogicalResourceId": "l",
    "PhysicalResourceId": "p",
}


class TestEndOfStack:
    @pytest.fixture
    def answers(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        class Answer:
            def __init__(self, request: Any, timeout: float) -> None:
                sent.append(json.loads(request.data))

            def __enter__(self) -> None: ...

            def __exit__(self, *_: object) -> None: ...

        monkeypatch.setattr(stack_deletion, "urlopen", Answer)
        monkeypatch.setattr(stack_deletion, "_FIRST_POLL_SECONDS", 0)
        return sent

    @pytest.mark.parametrize("taken", [False, True])
    def test_all_models_are_stopped_kept_or_leased_or_only_starting(
        self, world: World, answers: list[dict[str, Any]], taken: bool
    ) -> None:
        world.models.stops_while_starting = taken
        kept, leased, starting = (
            model(world, number, "production", status)
            for number, status in ((1, "RUNNING"), (2, "RUNNING"), (3, "STARTING"))
        )
        kept_models.keep(product_line(DATASET), kept)
        leases.take(stage_of(2, "production"), leased, is_rollback=False)
        stack_deletion.answer(DELETION, SimpleNamespace(get_remaining_time_in_millis=lambda: 600_000))

        assert world.models.running == set()
        assert kept_models.kept() == set()
        assert leases.of(leased) is None
        assert starting in world.models.status
        assert [answer["Status"] for answer in answers] == ["SUCCESS"]

    def test_what_still_runs_when_the_time_is_over_is_named(self, world: World, answers: list[dict[str, Any]]) -> None:
        arn = model(world, 1, "staging", "RUNNING")
        world.models.stop_project_version = lambda **_: None  # type: ignore[method-assign]
        stack_deletion.answer(DELETION, SimpleNamespace(get_remaining_time_in_millis=lambda: 0))

        assert (answers[0]["Status"], answers[0]["Reason"]) == ("FAILED", f"still running: {arn}")

    def test_cloudformation_gets_an_answer_even_to_a_fault(
        self, world: World, answers: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model_sweeper, "stop_everything", lambda: 1 / 0)
        stack_deletion.answer(DELETION, SimpleNamespace(get_remaining_time_in_millis=lambda: 0))

        assert answers[0]["Reason"].startswith("ZeroDivisionError")

    def test_creation_and_update_stop_nothing(self, world: World, answers: list[dict[str, Any]]) -> None:
        arn = model(world, 1, "staging", "RUNNING")
        for kind in ("Create", "Update"):
            stack_deletion.answer({**DELETION, "RequestType": kind}, SimpleNamespace())

        assert world.models.running == {arn}
        assert [answer["Status"] for answer in answers] == ["SUCCESS", "SUCCESS"]


CLASSIFICATION, DETECTION = Classification(), Detection(0.5)


def answer(key: str, truth: str, said: str, etag: str = "e") -> dict[str, Any]:
    return {"key": key, "etag": etag, "truth": truth, "label": said, "confidence": 90.0}


class TestComparison:
    def test_only_images_that_both_were_asked_about_count(self) -> None:
        ours = [answer("a", "bent", "bent"), answer("b", "normal", "normal"), answer("c", "bent", "normal")]
        theirs = [answer("a", "bent", "normal"), answer("b", "normal", "normal"), answer("d", "bent", "bent")]

        compared = comparison.compare(CLASSIFICATION, list(map(CLASSIFICATION.read, ours)), theirs)

        assert compared.images == 2
        assert compared.per_label and compared.per_label["bent"] == Difference(1.0, 0.0, 1.0)

    def test_an_image_that_was_replaced_is_another_image(self) -> None:
        ours = CLASSIFICATION.read(answer("a", "bent", "bent"))
        compared = comparison.compare(CLASSIFICATION, [ours], [answer("a", "bent", "bent", "old")])

        assert compared.images == 0

    def test_boxes_are_judged_against_the_truth_of_the_candidate(self) -> None:
        def boxes(truth: float, found: float) -> dict[str, Any]:
            def box(left: float) -> dict[str, Any]:
                sides = {"left": left, "top": 0, "width": 10, "height": 10}
                return {"label": "bent", "confidence": 0.9, "box": sides, "outcome": "-"}

            return {"key": "a", "etag": "e", "truth": [box(truth)], "found": [box(found)]}

        compared = comparison.compare(DETECTION, [DETECTION.read(boxes(0, 0))], [boxes(50, 50)])

        assert compared.per_label and compared.per_label["bent"] == Difference(1.0, 0.0, 1.0)

    def test_a_loss_up_to_what_is_tolerated_passes_and_more_is_a_reason(self) -> None:
        compared = Comparison(images=8, f1=Difference(0.85, 0.9, -0.05))

        assert comparison.reasons_against(compared, 0.05) == []
        assert comparison.reasons_against(compared, 0.04) == [
            "worse than production: F1 0.850 beside 0.900 on the same 8 images; 0.040 less is tolerated"
        ]

    def test_nothing_in_common_is_no_reason(self) -> None:
        assert comparison.reasons_against(Comparison(), 0) == []
