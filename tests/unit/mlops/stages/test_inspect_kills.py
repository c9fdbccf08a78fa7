"""A function that judges new pictures may end at any call to AWS: every picture is answered once all the same.

Both tasks, several pictures, every event twice; and nobody sweeps afterwards.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mlops.records import arrivals, inspections, leases, releases, servings
from mlops.records.releases import Release
from mlops.stages import inspect
from tests.unit.mlops.memory_s3 import MemoryS3
from tests.unit.mlops.stages.test_inspect import DAY, HANDLERS, drop, inspected, picture, result
from tests.unit.mlops.world import DATASET, PROJECTS, SETTINGS, TASK, World, install, version_arn

DETECTION = {environment: arn.replace(TASK, "detection") for environment, arn in PROJECTS[TASK].items()}
RUNS = {task: f"{DATASET}-{task}-000000000001" for task in (TASK, "detection")}
PLACES = {TASK: PROJECTS[TASK], "detection": DETECTION}
ARNS = {task: version_arn(PLACES[task]["production"], run) for task, run in RUNS.items()}
NAMES = [f"{number}.png" for number in range(3)]
POINTS = {"bent": 50.0, "normal": 50.0}


class Quick:
    """A world whose buckets are in memory, with a release of both tasks, that can be put back to how it began."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {**SETTINGS, "PROJECTS": json.dumps(PLACES)}.items():
            monkeypatch.setenv(name, value)
        self.world = World(s3=MemoryS3())
        install(self.world, monkeypatch)
        # Hundreds of histories write the same pictures: what is on them is shown elsewhere.
        monkeypatch.setattr(inspect, "draw", lambda image, *_: image)
        for task, arn in ARNS.items():
            self.world.models.status[arn] = "STOPPED"
            place = {"dataset": DATASET, "task": task, "environment": "production"}
            at = "2026-01-01T00:00:00Z"
            releases.record(Release(RUNS[task], arn, at, **place, tested_at=at, lease_id=task, min_confidence=POINTS))
        self._kept = self.world.table.snapshot(), dict(self.world.models.status)

    def begin_again(self) -> None:
        self.world.table.restore(self._kept[0])
        self.world.models.status = dict(self._kept[1])
        self.world.s3.restore({})
        self.world.once.items.clear()
        for happened in (self.world.models.started, self.world.models.asked, self.world.told, self.world.on_the_way):
            happened.clear()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[Quick]:
    yield Quick(monkeypatch)


def says(arn: str) -> list[dict[str, Any]]:
    box = {"Left": 0.25, "Top": 0.5, "Width": 0.25, "Height": 0.25}
    where = {"Geometry": {"BoundingBox": box}} if "detection" in arn else {}
    return [{"Name": "bent", "Confidence": 91.0, **where}]


def test_ending_at_any_call_changes_nothing(quick: Quick) -> None:
    world, call = quick.world, 0
    world.models.said = says
    pictures = {name: picture(number, 64) for number, name in enumerate(NAMES)}
    keys = sorted(f"inspect/{DATASET}/{name}" for name in NAMES)
    while True:
        call += 1
        quick.begin_again()
        for name, data in pictures.items():
            drop(world, name, data, times=2)
        world.kill_after(call)
        world.run(HANDLERS, deliveries=1000)
        reached, died_in = world.calls >= call, world.died_in
        world.kill_after(-1)

        told = Counter(inspected(world))
        assert sorted(told) == keys, f"after call {call}"
        # Once, but for who died after an event was put and before that was noted: events come at least once.
        assert told.total() <= len(NAMES) + (died_in in ("put_events", "update_item")), f"after call {call}"
        assert sorted(one.key for one in inspections.of_day(DATASET, DAY)) == keys
        for name in NAMES:
            answer = result(world, name)
            assert (answer["version_arns"], answer["verdict"]) == (ARNS, "defect"), f"after call {call}"
            assert answer["boxes"][0]["box"] == {"left": 16, "top": 32, "width": 16, "height": 16}
        assert Counter(world.models.started) == Counter(ARNS.values()), f"after call {call}"
        assert world.models.running == set(), f"after call {call}"
        assert arrivals.waiting(DATASET, 1) == [] and servings.of(DATASET) is None, f"after call {call}"
        assert not any(map(leases.is_held, ARNS.values())), f"after call {call}"
        if not reached:
            break
    assert call > 100
