"""Promotions and rollbacks while new pictures are judged: whoever is released at that moment is asked."""

import json
from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest

from mlops.records import arrivals, inspections, releases, runs, servings
from mlops.records.table import Table
from mlops.stages import inspect, serve
from tests.unit.mlops.memory_s3 import MemoryS3
from tests.unit.mlops.stages.test_inspect import DAY, drop, picture, result
from tests.unit.mlops.stages.test_inspect import HANDLERS as OF_PICTURES
from tests.unit.mlops.test_survival import HANDLERS as OF_RUNS
from tests.unit.mlops.test_survival import NEW, OLD, approve_for_production, at, current, prepare_run, roll_back
from tests.unit.mlops.world import DATASET, SETTINGS, TASK, World, install

HANDLERS: dict[str, Callable[..., Any]] = {**OF_PICTURES, **OF_RUNS}
OLD_ARN, NEW_ARN = at(OLD, "production"), at(NEW, "production")


class Draining:
    """OLD is in production and NEW was tested in staging. Pictures are sent one by one: while they are judged, NEW is
    released, and then OLD brought back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in SETTINGS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("ALWAYS_ON", json.dumps({"staging": "false", "production": "false"}))
        monkeypatch.setattr(serve, "_SENT_AT_ONCE", 1)
        self.world = World(s3=MemoryS3())
        install(self.world, monkeypatch)
        # Hundreds of histories write the same pictures: what is on them is shown elsewhere.
        monkeypatch.setattr(inspect, "draw", lambda image, *_: image)
        for run_id in (OLD, NEW):
            prepare_run(self.world, run_id, "staging")
            evaluation = json.dumps({"service": {"assumed_thresholds": {"bent": 0.5, "normal": 0.5}}})
            self.world.s3.put_object(
                Bucket="artifacts", Key=f"runs/{run_id}/eval_metric.json", Body=evaluation.encode()
            )
        approve_for_production(self.world, OLD)
        self.run()
        assert self.world.models.running == set()
        facts = self.world.table.snapshot(), self.world.s3.snapshot(), dict(self.world.once.items)
        self._kept = (*facts, dict(self.world.models.status), dict(self.world.parameters))
        self.is_asked_back, self.asked_rightly = False, True
        self.world.models.said = self._answer

    def begin_again(self) -> None:
        world, (rows, objects, deliveries, status, parameters) = self.world, self._kept
        world.table.restore(rows)
        world.s3.restore(objects)
        world.once.items = dict(deliveries)
        world.models.status, world.parameters = dict(status), dict(parameters)
        for happened in (world.models.started, world.models.asked, world.told, world.on_the_way):
            happened.clear()
        self.is_asked_back, self.asked_rightly = False, True

    def begin(self, pictures: dict[str, bytes]) -> None:
        for name, data in pictures.items():
            drop(self.world, name, data)
        approve_for_production(self.world, NEW)

    def run(self) -> None:
        self.world.run(HANDLERS, deliveries=4000)

    def _answer(self, arn: str) -> list[dict[str, Any]]:
        """Whoever sees the second answer of NEW wants OLD back. Who is asked is who is in force."""
        if (release := releases.current(DATASET, TASK, "production", Table(self.world.table))) is not None:
            self.asked_rightly &= arn == release.version_arn
        if arn == NEW_ARN and self.world.models.asked.count(NEW_ARN) > 1 and not self.is_asked_back:
            roll_back(self.world, OLD)
            self.is_asked_back = True
        return [{"Name": "normal", "Confidence": 99.0}]


@pytest.fixture
def draining(monkeypatch: pytest.MonkeyPatch) -> Draining:
    return Draining(monkeypatch)


def released_at(moment: str) -> str:
    """The version that was in force at a moment."""
    history = releases.history(DATASET, TASK, "production")
    return next(release.version_arn for release in history if release.released_at <= moment)


def check(draining: Draining, names: list[str], when: str = "") -> None:
    """Every picture was judged by the version in force, the last decision holds, and nothing is left to do."""
    for name in names:
        answer = result(draining.world, name)
        assert not answer["refused"], f"{name} {when}"
    assert draining.asked_rightly, when
    assert len(list(inspections.of_day(DATASET, DAY))) == len(names), when
    assert current().run_id == (OLD if draining.is_asked_back else NEW), when
    assert draining.world.models.running == set(), when
    assert servings.of(DATASET) is None and arrivals.waiting(DATASET, 1) == [], when


def test_a_promotion_and_a_rollback_in_the_middle_of_a_drain_take_over(draining: Draining) -> None:
    pictures = {f"{number:02}.png": picture(number, 64) for number in range(40)}
    draining.begin(pictures)
    draining.run()

    check(draining, list(pictures))
    assert draining.is_asked_back
    for name in pictures:
        answer = result(draining.world, name)
        assert answer["version_arns"][TASK] == released_at(answer["inspected_at"])
    asked = [one.version_arns[TASK] for one in inspections.of_day(DATASET, DAY)]
    # In the middle: the drain began and ended with OLD, and NEW was asked in between.
    assert [arn for arn, _ in groupby(asked)] == [OLD_ARN, NEW_ARN, OLD_ARN]


def test_with_one_slot_a_promotion_and_a_drain_come_one_after_the_other(draining: Draining) -> None:
    draining.world.models.quota = 1
    pictures = {f"{number}.png": picture(number, 64) for number in range(4)}
    draining.begin(pictures)
    draining.run()

    assert current().run_id == NEW
    for name in pictures:
        answer = result(draining.world, name)
        assert answer["version_arns"][TASK] == released_at(answer["inspected_at"])
    assert draining.world.models.running == set()


def test_a_picture_in_flight_keeps_the_version_that_was_asked_about_it(draining: Draining) -> None:
    """The release comes between the question and the answer."""
    world = draining.world

    def release_meanwhile(arn: str) -> list[dict[str, Any]]:
        if current().run_id == OLD:
            place = {"dataset": DATASET, "task": TASK, "environment": "production"}
            at_once = runs.now()
            told = releases.Release(NEW, NEW_ARN, at_once, **place, tested_at=at_once, lease_id="next")
            world.models.status[NEW_ARN] = "STOPPED"
            releases.record(told)
        return [{"Name": "normal", "Confidence": 99.0}]

    world.models.said = release_meanwhile
    for number in range(2):
        drop(world, f"{number}.png", picture(number, 64))
    draining.run()

    assert [result(world, f"{number}.png")["version_arns"][TASK] for number in range(2)] == [OLD_ARN, NEW_ARN]
    assert world.models.running == set()


def test_ending_at_any_call_loses_neither_a_picture_nor_a_release_nor_a_rollback(draining: Draining) -> None:
    pictures, call = {f"{number}.png": picture(number, 64) for number in range(5)}, 0
    while True:
        call += 1
        draining.begin_again()
        draining.begin(pictures)
        draining.world.kill_after(call)
        draining.run()
        reached = draining.world.calls >= call
        draining.world.kill_after(-1)

        check(draining, list(pictures), f"after call {call}")
        if not reached:
            break
    assert draining.is_asked_back
    assert call > 400


def test_going_back_to_a_release_from_before_there_were_points_judges_by_the_thresholds_of_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {**SETTINGS, "ALWAYS_ON": json.dumps({"staging": "false", "production": "false"})}.items():
        monkeypatch.setenv(name, value)
    world = World(s3=MemoryS3())
    install(world, monkeypatch)
    service = {"assumed_thresholds": {"bent": 0.7, "normal": 0.5}}
    chosen = {"operating_points": {"bent": {"min_confidence": 30.0}, "normal": {"min_confidence": 80.0}}}
    for run_id, evaluation in ((OLD, {"service": service}), (NEW, {"service": service, **chosen})):
        prepare_run(world, run_id, "staging")
        prepare_run(world, run_id, "production")
        key = f"runs/{run_id}/eval_metric.json"
        world.s3.put_object(Bucket="artifacts", Key=key, Body=json.dumps(evaluation).encode())
    before = {"run_id": OLD, "version_arn": OLD_ARN, "dataset": DATASET, "task": TASK, "environment": "production"}
    before |= {"stage": "inference_test", "released_at": "2026-01-01T00:00:00.000+00:00", "approver": "Ada"}
    before |= {"tested_at": "2026-01-01T00:00:00.000+00:00", "lease_id": "l", "is_rollback": False, "comment": ""}
    for sort_key in ("CURRENT", f"HISTORY#{before['tested_at']}#l"):
        world.table.put_item({"pk": f"RELEASE#{DATASET}#{TASK}#production", "sk": sort_key, **before})
    world.models.said = lambda arn: [{"Name": "bent", "Confidence": 60.0}, {"Name": "normal", "Confidence": 65.0}]

    def judged(name: str, shade: int) -> dict[str, Any]:
        drop(world, name, picture(shade, 64))
        world.run(HANDLERS, deliveries=4000)
        return result(world, name)

    first = judged("1.png", 1)
    approve_for_production(world, NEW)
    world.run(HANDLERS, deliveries=4000)
    second = judged("2.png", 2)
    roll_back(world, OLD)
    world.run(HANDLERS, deliveries=4000)
    third = judged("3.png", 3)

    assert [one["run_ids"][TASK] for one in (first, second, third)] == [OLD, NEW, OLD]
    assert [one["verdict"] for one in (first, second, third)] == ["ok", "defect", "ok"]
    assert [one["min_confidence"][TASK]["bent"] for one in (first, second, third)] == [70.0, 30.0, 70.0]
    assert current().is_rollback and current().min_confidence == {}
    assert "min_confidence" not in json.loads(world.parameters[f"/s/models/{DATASET}/{TASK}/production"])
