"""Promotions and rollbacks while new pictures are judged: whoever is released at that moment is asked."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from mlops.records import servings
from mlops.stages import model_sweeper
from tests.unit.mlops.stages.test_inspect import HANDLERS as OF_PICTURES
from tests.unit.mlops.stages.test_inspect import drop, forget_results, picture, result
from tests.unit.mlops.test_survival import HANDLERS as OF_RUNS
from tests.unit.mlops.test_survival import (
    NEW,
    OLD,
    approve_for_production,
    at,
    current,
    prepare_run,
    roll_back,
    snapshot,
)
from tests.unit.mlops.test_survival import restore as restored
from tests.unit.mlops.world import TASK, World

HANDLERS: dict[str, Callable[..., Any]] = {**OF_PICTURES, **OF_RUNS}
BEFORE, AFTER = range(3), range(3, 6)


@pytest.fixture
def stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """OLD is in production, and nothing runs; NEW was tested in staging."""
    monkeypatch.setenv("ALWAYS_ON", json.dumps({"staging": "false", "production": "false"}))
    for run_id in (OLD, NEW):
        prepare_run(world, run_id, "staging")
        evaluation = json.dumps({"service": {"assumed_thresholds": {"bent": 0.5, "normal": 0.5}}})
        world.s3.put_object(Bucket="artifacts", Key=f"runs/{run_id}/eval_metric.json", Body=evaluation.encode())
    approve_for_production(world, OLD)
    world.run(HANDLERS, deliveries=4000)
    assert world.models.running == set()
    return world


def asked(world: World, numbers: range) -> set[str]:
    return {result(world, f"{number}.png")["version_arns"][TASK] for number in numbers}


@pytest.mark.parametrize("quota", [1, 2])
def test_a_promotion_takes_over_and_a_rollback_too(stopped: World, quota: int) -> None:
    world = stopped
    world.models.quota = quota
    for number in BEFORE:
        drop(world, f"{number}.png", picture(number))
    approve_for_production(world, NEW)
    world.run(HANDLERS, deliveries=4000)
    assert current().run_id == NEW
    assert asked(world, BEFORE) <= {at(OLD, "production"), at(NEW, "production")}

    for number in AFTER:
        drop(world, f"{number}.png", picture(number))
    world.run(HANDLERS, deliveries=4000)
    assert asked(world, AFTER) == {at(NEW, "production")}

    drop(world, "6.png", picture(6))
    roll_back(world, OLD)
    world.run(HANDLERS, deliveries=4000)
    drop(world, "7.png", picture(7))
    world.run(HANDLERS, deliveries=4000)
    assert current().run_id == OLD
    assert asked(world, range(7, 8)) == {at(OLD, "production")}
    assert world.models.running == set()


def test_ending_at_any_call_loses_neither_a_picture_nor_the_release(stopped: World) -> None:
    world, kept, call = stopped, snapshot(stopped), 0
    while True:
        # Every third call: the calls of either alone are tried one by one elsewhere.
        call += 3
        restored(world, kept)
        forget_results(world)
        approve_for_production(world, NEW)
        for number in BEFORE:
            drop(world, f"{number}.png", picture(number))
        world.kill_after(call)
        world.run(HANDLERS, deliveries=4000)
        reached = world.calls >= call
        world.kill_after(-1)
        model_sweeper.sweep()

        assert current().run_id == NEW, f"after call {call}"
        assert asked(world, BEFORE) <= {at(OLD, "production"), at(NEW, "production")}, f"after call {call}"
        assert world.models.running == set(), f"after call {call}"
        assert servings.of("parts") is None, f"after call {call}"
        if not reached:
            break
    assert call > 60
