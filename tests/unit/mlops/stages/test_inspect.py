"""New pictures are answered once, by versions that run only meanwhile, whatever happens at whatever call."""

import hashlib
import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from PIL import Image

from functions.inspect.app import handler as inspect_handler
from functions.serve.app import handler as serve_handler
from mlops.codec import plain
from mlops.dataset.tiles import WHOLE, Tiling
from mlops.events import PartInspected
from mlops.judging import drift
from mlops.records import arrivals, inspections, kept_models, leases, releases, runs, servings, spending, waiting_line
from mlops.records.arrivals import Arrival
from mlops.records.inspections import Inspection
from mlops.records.leases import Lease
from mlops.records.releases import Release
from mlops.records.servings import Serving, Wish
from mlops.stage import StageRef
from mlops.stages import model_sweeper, serve
from tests.unit.mlops.world import DATASET, PROJECTS, TASK, World, refused, set_clock, version_arn

RUN, NEXT = "parts-classification-000000000001", "parts-classification-000000000002"
ARN, NEXT_ARN = (version_arn(PROJECTS[TASK]["production"], run) for run in (RUN, NEXT))
_sequence = count(1)
DAY = datetime.now(UTC).strftime("%Y-%m-%d")


def inspect_all(event: dict[str, Any], context: Any) -> None:
    answer = inspect_handler(event, context)
    assert answer["batchItemFailures"] == []


HANDLERS: dict[str, Callable[..., Any]] = {"inspect": inspect_all, "serve": serve_handler}


def picture(shade: int, side: int = 256) -> bytes:
    file = io.BytesIO()
    drawn = Image.linear_gradient("L").point([min(255, value // 2 + shade) for value in range(256)])
    drawn.resize((side, side)).save(file, "PNG")
    return file.getvalue()


def release(run_id: str = RUN, arn: str = ARN, at: str = "2026-01-01T00:00:00Z") -> None:
    place = {"dataset": DATASET, "task": TASK, "environment": "production"}
    releases.record(Release(run_id, arn, at, **place, tested_at=at, lease_id=run_id))


def ready(world: World, run_id: str = RUN, arn: str = ARN) -> None:
    world.models.status[arn] = "STOPPED"
    evaluation = json.dumps({"service": {"assumed_thresholds": {"bent": 0.5, "normal": 0.5}}})
    world.s3.put_object(Bucket="artifacts", Key=f"runs/{run_id}/eval_metric.json", Body=evaluation.encode())


@pytest.fixture
def released(world: World) -> World:
    ready(world)
    release()
    return world


def put(world: World, name: str, data: bytes | None) -> dict[str, Any]:
    """Put a picture, and take it away for good where it has no bytes; the event about it."""
    key = f"inspect/{name}" if "/" in name else f"inspect/{DATASET}/{name}"
    version = world.s3.put_object(Bucket="data", Key=key, Body=data or b"")["VersionId"]
    if data is None:
        world.s3.delete_object(Bucket="data", Key=key, VersionId=version)
    # S3 counts on under a key; nothing else tells two events of one second apart.
    written = {"key": key, "version-id": version, "sequencer": f"{next(_sequence):018X}"}
    told = {"detail-type": "Object Created", "time": "2026-01-01T00:00:00Z", "detail": {"object": written}}
    return {"Records": [{"messageId": "1", "body": json.dumps(told)}]}


def drop(world: World, name: str, data: bytes | None, times: int = 1) -> str:
    event = put(world, name, data)
    world.on_the_way += [("inspect", event)] * times
    return str(json.loads(event["Records"][0]["body"])["detail"]["object"]["key"])


def version_of(event: dict[str, Any]) -> str:
    return str(json.loads(event["Records"][0]["body"])["detail"]["object"]["version-id"])


def remove(world: World, event: dict[str, Any]) -> None:
    """Delete the version that an event tells of."""
    written = json.loads(event["Records"][0]["body"])["detail"]["object"]
    world.s3.delete_object(Bucket="data", Key=written["key"], VersionId=written["version-id"])


def result(world: World, name: str) -> dict[str, Any]:
    found = world.s3.get_object(Bucket="artifacts", Key=f"results/{DATASET}/{name}.json")["Body"].read()
    return dict(json.loads(found))


def inspected(world: World) -> list[str]:
    return [detail["key"] for kind, detail in world.told if kind == "Part Inspected"]


def check(world: World, names: list[str]) -> None:
    """Every picture was answered once, and nothing is left to do."""
    keys = [f"inspect/{DATASET}/{name}" for name in names]
    assert sorted(one.key for one in inspections.of_day(DATASET, DAY)) == sorted(keys)
    assert {result(world, name)["version_arns"][TASK] for name in names} == {ARN}
    check_no_more(world)


def check_no_more(world: World) -> None:
    """Nothing runs, is leased, in line or looked after any more."""
    assert world.models.running == set()
    assert arrivals.waiting(DATASET, 1) == []
    assert servings.of(DATASET) is None
    assert not leases.is_held(ARN)


def test_a_picture_is_judged_by_a_version_that_runs_only_meanwhile(released: World) -> None:
    released.models.said = lambda arn: [{"Name": "bent", "Confidence": 91.0}, {"Name": "normal", "Confidence": 9.0}]
    drop(released, "a b.png", picture(0))
    released.run(HANDLERS)

    told = result(released, "a b.png")
    assert (told["verdict"], told["labels"]) == ("defect", [{"label": "bent", "confidence": 91.0}])
    assert told["reasons"] == ["the classifier says bent 91.0 (counts from 50.0)"]
    # The stack trains both tasks.
    assert told["not_asked"] == ["detection"]
    assert (told["run_ids"], told["version_arns"]) == ({TASK: RUN}, {TASK: ARN})
    assert told["statistics"]["width"] == 256 and told["looks"]
    assert released.s3.get_object(Bucket="artifacts", Key=told["picture"])["ContentType"] == "image/jpeg"
    points = {TASK: {"bent": 50.0, "normal": 50.0}}
    assert (told["min_confidence"], told["final"]) == (points, True)
    assert [detail for _, detail in released.told] == [
        {
            "dataset": DATASET,
            "key": told["key"],
            "verdict": "defect",
            "labels": ["bent"],
            "version_arns": [ARN],
            "result": f"results/{DATASET}/a b.png.json",
            "version_id": told["version_id"],
            "digest": told["digest"],
            "min_confidence": {TASK: {"bent": 50.0}},
            "to_review": False,
        }
    ]
    check(released, ["a b.png"])


@pytest.mark.parametrize(
    ("confidence", "share", "brightness", "asks"),
    [
        pytest.param(91.0, "0", "any", False, id="no reason"),
        pytest.param(51.0, "0", "any", True, id="unsure"),
        pytest.param(91.0, "100", "any", True, id="chance"),
        pytest.param(91.0, "0", "others", True, id="unlike what trained"),
    ],
)
def test_the_event_says_whether_there_is_a_reason_to_ask_a_person(
    released: World, monkeypatch: pytest.MonkeyPatch, confidence: float, share: str, brightness: str, asks: bool
) -> None:
    monkeypatch.setenv("REVIEW_SHARE", share)
    if brightness == "others":
        usual = {"looks": {"brightness": plain(drift.Reference.of(200.0 + number for number in range(40)))}}
        released.s3.put_object(Bucket="artifacts", Key=f"datasets/{DATASET}/looks.json", Body=json.dumps(usual))
    answer = [{"Name": "bent", "Confidence": confidence}, {"Name": "normal", "Confidence": 100 - confidence}]
    released.models.said = lambda arn: answer
    drop(released, "1.png", picture(0))
    released.run(HANDLERS)

    assert [detail["to_review"] for kind, detail in released.told if kind == "Part Inspected"] == [asks]


def test_nobody_is_asked_about_a_picture_that_was_refused(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEW_SHARE", "100")
    drop(released, "1.png", b"no picture")
    released.run(HANDLERS)

    assert [detail["to_review"] for kind, detail in released.told if kind == "Part Inspected"] == [False]


def deep(largest: int) -> bytes:
    """A picture of 16 bits a pixel that uses the numbers up to `largest`."""
    file = io.BytesIO()
    Image.fromarray(np.linspace(0, largest, 80 * 72).astype(np.uint16).reshape(72, 80)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("trained_on", "brightness"),
    [
        ({"window": [0, 4095]}, 1000 / 4095 * 255 / 2),
        ({"settings": {"window": [0, 2000]}}, 1000 / 2000 * 255 / 2),
        ({"window": None, "settings": {}}, 1000 / 1023 * 255 / 2),
    ],
    ids=["of the run", "of a run that noted only its settings", "none"],
)
def test_a_deep_picture_is_as_bright_as_those_that_the_released_model_learned_from(
    released: World, trained_on: dict[str, Any], brightness: float
) -> None:
    truth = json.dumps(trained_on).encode()
    released.s3.put_object(Bucket="artifacts", Key=f"runs/{RUN}/ground_truth.json", Body=truth)
    # Whatever the dataset says by now, the model was trained before.
    released.s3.put_object(Bucket="data", Key=f"datasets/{DATASET}/dataset.json", Body=b'{"window": [0, 65535]}')
    drop(released, "1.png", deep(1000))
    released.run(HANDLERS)

    assert result(released, "1.png")["statistics"]["brightness"] == pytest.approx(brightness, abs=1)


def test_answers_count_from_the_points_that_were_published_with_the_release(world: World) -> None:
    ready(world)
    place = {"dataset": DATASET, "task": TASK, "environment": "production", "tested_at": "t", "lease_id": "l"}
    releases.record(Release(RUN, ARN, "t", **place, min_confidence={"bent": 95.0, "normal": 5.0}))
    world.models.said = lambda arn: [{"Name": "bent", "Confidence": 80.0}, {"Name": "normal", "Confidence": 20.0}]
    drop(world, "1.png", picture(0))
    world.run(HANDLERS)

    told = result(world, "1.png")
    assert (told["verdict"], told["reasons"]) == ("ok", ["the classifier says normal 20.0 (counts from 5.0)"])


def released_in_tiles(world: World, side: int) -> str:
    """A detector that is in production; its ARN."""
    run, task = "parts-detection-000000000001", "detection"
    arn = version_arn(PROJECTS[TASK]["production"], run)
    world.models.status[arn] = "STOPPED"
    place = {"dataset": DATASET, "task": task, "environment": "production", "tested_at": "t", "lease_id": "l"}
    tiling = Tiling(side, 9) if side else WHOLE
    releases.record(Release(run, arn, "t", **place, min_confidence={"bent": 50.0}, tiles=tiling))
    return arn


def in_the_middle_of(confidence: float) -> dict[str, Any]:
    drawn = {"Left": 0.5, "Top": 0.5, "Width": 0.125, "Height": 0.125}
    return {"Name": "bent", "Confidence": confidence, "Geometry": {"BoundingBox": drawn}}


def test_a_detector_is_asked_about_new_pictures_in_the_tiles_that_it_was_released_with(world: World) -> None:
    arn = released_in_tiles(world, 128)
    # What dataset.json and the run say by now does not matter.
    world.s3.put_object(Bucket="data", Key=f"datasets/{DATASET}/dataset.json", Body=b'{"tiles": 64}')
    told = iter([[in_the_middle_of(90.0)], [in_the_middle_of(20.0)], *([[]] * 7)])
    world.models.said = lambda _: next(told)
    drop(world, "1.png", picture(0))
    world.run(HANDLERS)

    answer = result(world, "1.png")
    assert world.models.asked == [arn] * 9
    # Tiles of 128 px begin at 0, 64 and 128; which of them is asked about first is chance.
    (box,) = [one["box"] for one in answer["boxes"]]
    assert answer["verdict"] == "defect" and {box["width"], box["height"]} == {16}
    assert {(box["left"] - 64) % 64, (box["top"] - 64) % 64} == {0}


def test_a_picture_of_more_tiles_than_anybody_is_asked_about_is_unsure_and_says_why(world: World) -> None:
    released_in_tiles(world, 64)
    drop(world, "1.png", picture(0, 640))
    world.run(HANDLERS)

    answer = result(world, "1.png")
    assert (answer["verdict"], world.models.asked) == ("unsure", [])
    assert "640 x 640 px, which are 169 tiles of 64 px, and at most 64 are asked about" in answer["reasons"][0]


@pytest.mark.parametrize(("side", "units"), [(0, 1), (128, 5)])
def test_where_nothing_was_measured_every_tile_counts_as_a_call(
    world: World, monkeypatch: pytest.MonkeyPatch, side: int, units: int
) -> None:
    monkeypatch.setenv("MAX_INFERENCE_UNITS", "9")
    released_in_tiles(world, side)
    for number in range(900):
        arrivals.line_up(Arrival(DATASET, f"inspect/{DATASET}/{number}.png", "2026-01-01T00:00:00Z"))

    assert serve._units(DATASET) == units


def test_many_pictures_every_event_twice_are_answered_once_with_one_start(released: World) -> None:
    names = [f"{number}.png" for number in range(12)]
    for number, name in enumerate(names):
        drop(released, name, picture(number), times=2)
    released.run(HANDLERS)

    assert sorted(inspected(released)) == sorted(f"inspect/{DATASET}/{name}" for name in names)
    assert released.models.started == [ARN]
    assert len(released.models.asked) == len(names)
    lines = released.s3.get_object(Bucket="artifacts", Key=f"results/{DATASET}/{DAY}.jsonl")["Body"].read().splitlines()
    assert sorted(json.loads(line)["key"] for line in lines) == sorted(inspected(released))
    check(released, names)


def test_late_events_and_the_same_bytes_are_answered_from_the_record(released: World) -> None:
    drop(released, "1.png", picture(1))
    released.run(HANDLERS)
    drop(released, "1.png", picture(1))
    drop(released, "copy.png", picture(1))
    released.run(HANDLERS)

    assert len(released.models.asked) == 1
    assert released.models.started == [ARN]
    assert result(released, "copy.png")["same_as"] == f"inspect/{DATASET}/1.png"
    assert inspected(released) == [f"inspect/{DATASET}/{name}" for name in ("1.png", "copy.png")]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("broken.png", b"no picture", "it is not a PNG"),
        ("gone.png", None, "it was deleted before"),
        ("small.png", b"", "it"),
    ],
)
def test_what_cannot_be_judged_gets_its_reason_and_starts_nothing(
    released: World, name: str, data: bytes | None, reason: str
) -> None:
    drop(released, name, data, times=2)
    released.run(HANDLERS)

    told = result(released, name)
    assert (told["verdict"], told["refused"]) == ("unsure", True)
    assert told["reasons"][0].startswith(reason)
    assert released.models.started == []
    assert len(inspected(released)) == 1


def test_a_dataset_with_an_odd_name_or_without_release_gets_its_reason(world: World) -> None:
    drop(world, "odd name/1.png", picture(0))
    drop(world, "1.png", picture(0))
    world.run(HANDLERS)

    odd = json.loads(world.s3.get_object(Bucket="artifacts", Key="results/odd name/1.png.json")["Body"].read())
    assert "there is no dataset 'odd name'" in odd["reasons"][0]
    assert result(world, "1.png")["reasons"] == [
        "nothing of parts is released in production: approve a run, then drop it again"
    ]


def test_a_refusal_gives_way_when_something_is_released(world: World) -> None:
    drop(world, "1.png", picture(0))
    world.run(HANDLERS)
    ready(world)
    release()
    key = f"inspect/{DATASET}/1.png"
    told = {"detail-type": "Object Created", "time": "2026-01-02T00:00:00Z", "detail": {"object": {"key": key}}}
    world.on_the_way.append(("inspect", {"Records": [{"messageId": "1", "body": json.dumps(told)}]}))
    world.run(HANDLERS)

    assert result(world, "1.png")["verdict"] == "ok"


def test_a_refusal_whose_event_comes_late_once_more_stays_and_is_not_told_again(world: World) -> None:
    event = put(world, "1.png", picture(0))
    world.on_the_way.append(("inspect", event))
    world.run(HANDLERS)
    ready(world)
    release()
    world.on_the_way.append(("inspect", event))
    world.run(HANDLERS)

    assert result(world, "1.png")["refused"]
    assert len(inspected(world)) == 1 and world.models.started == []


class _Meanwhile:
    """At a call of the table, another delivery of the same event comes to its end first; it `has_to_come_again` where
    an answer is there that nobody was told of yet."""

    def __init__(self, world: World, event: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.event, self._patch, self.has_to_come_again = world, event, monkeypatch, False

    def at(self, name: str) -> None:
        original, inner = getattr(self.world.table, name), self

        def call(*args: Any, **request: Any) -> Any:
            with inner._patch.context() as patch:
                patch.setattr(inner.world.table, name, original)
                inner.has_to_come_again = inspect_handler(inner.event, busy(120_000))["batchItemFailures"] != []
            inner._patch.setattr(inner.world.table, name, original)
            return original(*args, **request)

        self._patch.setattr(self.world.table, name, call)


def busy(milliseconds: int) -> Any:
    """The context of a function that has so long to go."""
    return SimpleNamespace(
        function_name="f",
        memory_limit_in_mb=128,
        invoked_function_arn="arn",
        aws_request_id="r",
        get_remaining_time_in_millis=lambda: milliseconds,
    )


@pytest.mark.parametrize("call", ["query", "batch_get_item", "put_item", "update_item", "delete_item"])
def test_two_deliveries_at_once_give_one_answer_that_is_told_once(
    released: World, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    kept_models.keep(StageRef(RUN, DATASET, TASK, "x", "production"), ARN)
    released.models.status[ARN] = "RUNNING"
    event = put(released, "1.png", picture(1))
    other = _Meanwhile(released, event, monkeypatch)
    other.at(call)

    assert inspect_handler(event, busy(120_000))["batchItemFailures"] == []
    # It came between answer and telling.
    assert other.has_to_come_again == (call == "update_item")
    assert inspect_handler(event, busy(120_000))["batchItemFailures"] == []
    assert len(inspected(released)) == 1
    assert len(list(inspections.of_day(DATASET, DAY))) == 1
    assert result(released, "1.png")["verdict"] == "ok"


def test_what_nobody_tells_any_more_is_told_by_the_next_delivery_once_its_time_is_over(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [time.time()]
    set_clock(monkeypatch, time=lambda: now[0])
    kept_models.keep(StageRef(RUN, DATASET, TASK, "x", "production"), ARN)
    released.models.status[ARN] = "RUNNING"
    event = put(released, "1.png", picture(1))

    def fail(*_: object) -> None:
        raise RuntimeError("EventBridge is away")

    with monkeypatch.context() as patch:
        patch.setattr("mlops.aws.messages.put_event", fail)
        assert inspect_handler(event, busy(120_000))["batchItemFailures"] != []
    # Still under way, for all that anybody knows: a message that ended here would take the last one with it.
    assert inspect_handler(event, busy(120_000))["batchItemFailures"] != []
    assert inspected(released) == []
    now[0] += 120
    for _ in range(2):
        assert inspect_handler(event, busy(120_000))["batchItemFailures"] == []
    assert len(inspected(released)) == 1


def test_a_name_that_has_bytes_again_that_it_had_before_has_their_result_again(released: World) -> None:
    key = drop(released, "1.png", picture(1))
    released.run(HANDLERS)
    first = result(released, "1.png")
    drop(released, "1.png", picture(2))
    released.run(HANDLERS)
    event = put(released, "1.png", picture(1))
    released.on_the_way += 2 * [("inspect", event)]
    released.run(HANDLERS)

    assert len(released.models.asked) == 2
    assert result(released, "1.png") == {**first, "version_id": version_of(event)}
    assert inspected(released) == [key] * 3
    drawn = released.s3.get_object(Bucket="artifacts", Key=first["picture"])
    assert drawn["Metadata"]["order"].endswith(version_of(event))


def test_an_answer_is_noted_before_it_is_noted_as_told(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(released, "1.png", picture(1))
    seen = []
    monkeypatch.setattr(inspections, "note_announced", lambda _: seen.append(servings.unwritten()))
    released.run(HANDLERS)

    assert seen == [[DATASET]]


def test_the_file_of_a_day_is_written_again_while_the_index_may_lag(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(released, "1.png", picture(1))
    released.run(HANDLERS)

    assert servings.unwritten() == [DATASET]
    set_clock(monkeypatch, time=lambda: time.time() + 600)
    serve.tick()
    assert servings.unwritten() == []


def test_a_picture_that_was_answered_and_taken_away_keeps_its_answer(released: World) -> None:
    event = put(released, "1.png", picture(1))
    released.on_the_way.append(("inspect", event))
    released.run(HANDLERS)
    remove(released, event)
    # As when deliveries come after two days: nobody remembers that they were worked off.
    released.once.items.clear()
    released.on_the_way.append(("inspect", event))
    released.run(HANDLERS)

    assert result(released, "1.png")["verdict"] == "ok"
    assert len(inspected(released)) == 1


def refuse_reading(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let S3 hand out nothing of the data bucket."""
    get = world.s3.get_object

    def refuse(**request: Any) -> Any:
        if request["Bucket"] == "data":
            error = {"Error": {"Code": "AccessDenied", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(error, "GetObject")
        return get(**request)

    monkeypatch.setattr(world.s3, "get_object", refuse)


@pytest.mark.parametrize("how", ["denied", "deleted", "given up"])
def test_new_bytes_that_nobody_can_read_have_a_result_of_their_own_under_a_name_that_was_answered(
    released: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    drop(released, "1.png", picture(1))
    released.run(HANDLERS)
    event = put(released, "1.png", picture(2))
    with monkeypatch.context() as patch:
        if how == "denied":
            refuse_reading(released, patch)
        elif how == "deleted":
            remove(released, event)
        else:
            told = {**json.loads(event["Records"][0]["body"]), "given-up": "no answer came"}
            event = {"Records": [{"messageId": "1", "body": json.dumps(told)}]}
        released.on_the_way += 2 * [("inspect", event)]
        released.run(HANDLERS)

    told = result(released, "1.png")
    reason = {"denied": "S3 does not hand it out", "deleted": "it was deleted", "given up": "no answer came"}[how]
    assert (told["refused"], told["final"], told["version_id"]) == (True, False, version_of(event))
    assert told["reasons"][0].startswith(reason)
    assert [detail["verdict"] for _, detail in released.told] == ["ok", "unsure"]
    assert arrivals.waiting(DATASET, 1) == []


def test_every_version_that_came_is_judged_and_the_files_tell_of_the_newest(released: World) -> None:
    """A camera that writes over one name while no model runs."""
    events = [put(released, "now.png", picture(number)) for number in range(3)]
    released.models.said = lambda arn: [{"Name": "bent", "Confidence": 90.0 + len(released.models.asked)}]
    kept_models.keep(StageRef(RUN, DATASET, TASK, "x", "production"), ARN)
    released.models.status[ARN] = "RUNNING"
    # The newest is answered before one that came earlier.
    released.on_the_way += [("inspect", event) for event in (events[0], events[2], events[1])]
    released.run(HANDLERS)

    assert len(released.models.asked) == 3
    assert [detail["version_id"] for _, detail in released.told] == [version_of(events[i]) for i in (0, 2, 1)]
    newest = result(released, "now.png")
    assert newest["version_id"] == version_of(events[2])
    assert newest["digest"] == hashlib.sha256(picture(2)).hexdigest()
    assert [detail["digest"] for _, detail in released.told][1] == newest["digest"]
    assert {one.version_id for one in inspections.of_day(DATASET, DAY)} == set(map(version_of, events))


def test_versions_of_one_second_wait_in_the_order_in_which_they_came(released: World) -> None:
    events = [put(released, "now.png", picture(number)) for number in range(4)]
    released.on_the_way += [("inspect", event) for event in reversed(events)]
    released.run(HANDLERS)

    assert [detail["version_id"] for _, detail in released.told] == list(map(version_of, events))
    check_no_more(released)


def test_what_a_batch_cannot_answer_in_time_is_delivered_again_alone(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that only throttles would keep five pictures for longer than the function has."""
    kept_models.keep(StageRef(RUN, DATASET, TASK, "x", "production"), ARN)
    released.models.status[ARN] = "RUNNING"
    bodies = [put(released, f"{number}.png", picture(number))["Records"][0]["body"] for number in range(5)]
    batch = {"Records": [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]}
    now = [1000.0]
    set_clock(monkeypatch, monotonic=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + seconds))
    released.models.said = lambda arn: answer_once(released, arn)

    def answer_once(world: World, arn: str) -> list[dict[str, Any]]:
        if len(world.models.asked) > 1:
            raise refused("ThrottlingException")
        return [{"Name": "normal", "Confidence": 99.0}]

    context = SimpleNamespace(
        function_name="f",
        memory_limit_in_mb=128,
        invoked_function_arn="arn",
        aws_request_id="r",
        get_remaining_time_in_millis=lambda: int(120_000 - 1000 * (now[0] - 1000)),
    )
    answer = inspect_handler(batch, context)

    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == ["1", "2", "3", "4"]
    assert now[0] - 1000 <= 100
    assert len(inspected(released)) == 1


def test_the_event_names_the_surest_labels_of_many_and_their_points(world: World) -> None:
    ready(world)
    labels = [f"{number:03}-{'é' * 240}" for number in range(250)]
    place = {"dataset": DATASET, "task": TASK, "environment": "production", "tested_at": "t", "lease_id": "l"}
    releases.record(Release(RUN, ARN, "t", **place, min_confidence=dict.fromkeys(labels, 10.0)))
    world.models.said = lambda arn: [{"Name": name, "Confidence": 20.0 + i / 10} for i, name in enumerate(labels)]
    drop(world, "1.png", picture(0))
    world.run(HANDLERS)

    ((_, detail),) = world.told
    assert detail["labels"] == labels[-50:]
    assert detail["min_confidence"] == {TASK: dict.fromkeys(labels[-50:], 10.0)}
    assert len(PartInspected.of(detail).as_entry("arn")["Detail"]) < 256_000
    assert len(result(world, "1.png")["min_confidence"][TASK]) == 250


def test_a_new_release_takes_over_at_the_next_picture(released: World) -> None:
    drop(released, "1.png", picture(1))
    drop(released, "2.png", picture(2))
    said = released.models.said

    def release_meanwhile(arn: str) -> list[dict[str, Any]]:
        if arn == ARN:
            ready(released, NEXT, NEXT_ARN)
            release(NEXT, NEXT_ARN, "2026-01-02T00:00:00Z")
        return said(arn)

    released.models.said = release_meanwhile
    released.run(HANDLERS)

    assert [result(released, f"{number}.png")["version_arns"][TASK] for number in (1, 2)] == [ARN, NEXT_ARN]
    assert released.models.started == [ARN, NEXT_ARN]
    assert released.models.running == set()


def test_a_version_that_always_runs_is_asked_at_once_and_not_stopped(released: World) -> None:
    released.models.status[ARN] = "RUNNING"
    kept_models.keep(StageRef(RUN, DATASET, TASK, "x", "production"), ARN)
    drop(released, "1.png", picture(1))
    released.run(HANDLERS)

    assert result(released, "1.png")["verdict"] == "ok"
    assert released.models.running == {ARN}
    assert released.models.started == []


def test_few_pictures_wait_until_the_oldest_has_waited_long_enough(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENOUGH_PICTURES", "3")
    monkeypatch.setenv("MOST_WAIT_MINUTES", "10")
    for name in ("a", "b"):
        arrivals.line_up(arrivals.Arrival(DATASET, f"inspect/{DATASET}/{name}.png", runs.now(), "v"))
    serve.look({"dataset": DATASET, "hop": 0})
    assert released.models.started == []

    arrivals.line_up(arrivals.Arrival(DATASET, f"inspect/{DATASET}/c.png", runs.now(), "v"))
    serve.look({"dataset": DATASET, "hop": 1})
    assert released.models.started == [ARN]


def test_a_budget_that_is_used_up_refuses_the_next_start_and_says_so_once(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONTHLY_BUDGET", "5")
    now = int(datetime.now(UTC).timestamp())
    ref = StageRef(RUN, DATASET, TASK, leases.INSPECTION, "production")
    spending.note(Lease("before", ARN, ref, now - 4500, now), now, units=1)
    drop(released, "1.png", picture(1))
    with pytest.raises(AssertionError, match="still busy"):
        released.run(HANDLERS, deliveries=30)

    assert released.models.started == []
    ((kind, told),) = released.told
    assert kind == "Serving Refused"
    assert told["reasons"][0].startswith(f"the budget of {DAY[:7]} is used up: 5.00 of 5.00 US dollars")
    monkeypatch.setenv("MONTHLY_BUDGET", "6")
    released.run(HANDLERS)
    check(released, ["1.png"])
    assert spending.total(DAY[:7]) >= 5


def test_nothing_is_started_whose_turn_comes_after_the_budget_was_used_up_by_others(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONTHLY_BUDGET", "5")
    released.models.quota = 0
    drop(released, "1.png", picture(1))
    with pytest.raises(AssertionError, match="still busy"):
        released.run(HANDLERS, deliveries=30)
    now = int(datetime.now(UTC).timestamp())
    ref = StageRef(RUN, "other", TASK, leases.INSPECTION, "production")
    spending.note(Lease("before", ARN, ref, now - 4500, now), now, units=1)
    released.models.quota = 2
    with pytest.raises(AssertionError, match="still busy"):
        released.run(HANDLERS, deliveries=30)

    assert released.models.started == []
    assert [kind for kind, _ in released.told] == ["Serving Refused"]
    monkeypatch.setenv("MONTHLY_BUDGET", "6")
    released.run(HANDLERS)
    check(released, ["1.png"])


def test_a_test_of_a_version_comes_first_and_its_lease_is_not_taken(released: World) -> None:
    ref = StageRef(RUN, DATASET, TASK, "inference_test", "production")
    lease = leases.take(ref, ARN, False).lease
    drop(released, "1.png", picture(1))
    with pytest.raises(AssertionError, match="still busy"):
        released.run(HANDLERS, deliveries=30)
    assert released.models.started == []
    leases.give_back(ARN, lease.lease_id)
    released.run(HANDLERS)
    check(released, ["1.png"])


def test_without_a_slot_it_waits_in_line(released: World) -> None:
    released.models.quota = 0
    drop(released, "1.png", picture(1))
    with pytest.raises(AssertionError, match="still busy"):
        released.run(HANDLERS, deliveries=30)
    assert not leases.is_held(ARN)
    released.models.quota = 2
    released.run(HANDLERS)
    check(released, ["1.png"])


def test_what_people_ask_for_starts_without_pictures_or_keeps_it_stopped(released: World) -> None:
    servings.wish(DATASET, Wish(until=int(4e9)))
    serve.look({"dataset": DATASET, "hop": 0})
    assert released.models.started == [ARN]

    servings.wish(DATASET, Wish(paused=True))
    released.models.stops_while_starting = True
    for hop in range(1, 8):
        serve.look({"dataset": DATASET, "hop": hop})
    assert released.models.running == set()


MONDAY = datetime(2026, 3, 2, tzinfo=UTC).timestamp()


@pytest.fixture
def clock(released: World, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Hours past Monday's midnight, on a stack whose released models run from six to two."""
    now = [5.0]
    monkeypatch.setenv("SERVING_MODE", "hours")
    always(monkeypatch, "false")
    set_clock(monkeypatch, time=lambda: MONDAY + 3600 * now[0])
    released.s3.put_object(Bucket="data", Key=f"datasets/{DATASET}/dataset.json", Body=b"{}")
    released.s3.put_object(Bucket="data", Key="datasets/unreleased/dataset.json", Body=b"{}")
    return now


def look_at(clock: list[float], hour: float, world: World) -> None:
    """What is looked at every few minutes, and what comes of it while models run."""
    clock[0] = hour
    serve.tick()
    try:
        world.run(HANDLERS, deliveries=30)
    except AssertionError as busy:
        assert "still busy" in str(busy)


def test_models_run_in_their_hours_begun_a_little_earlier_and_stop_at_their_end(
    released: World, clock: list[float]
) -> None:
    for hour, running in ((5.7, set()), (5.8, {ARN}), (6.0, {ARN}), (13.95, {ARN}), (14.0, set()), (14.1, set())):
        look_at(clock, hour, released)
        assert released.models.running == running, hour

    assert servings.of(DATASET) is None
    assert released.models.started == [ARN]


def test_what_is_released_within_the_hours_runs_from_the_next_look_on(world: World, clock: list[float]) -> None:
    releases.OWN.delete(f"RELEASE#{DATASET}#{TASK}#production", "CURRENT")
    look_at(clock, 8, world)
    assert world.models.running == set()
    release(at="2026-03-02T08:01:00Z")
    look_at(clock, 8.1, world)
    assert world.models.running == {ARN}


def test_what_a_person_asked_for_goes_on_beyond_the_end_of_the_hours(released: World, clock: list[float]) -> None:
    servings.wish(DATASET, Wish(until=int(4e9)))
    for hour in (8, 15):
        look_at(clock, hour, released)

    assert released.models.running == {ARN}


def test_hours_of_serving_wake_nothing_that_somebody_stopped(released: World, clock: list[float]) -> None:
    servings.wish(DATASET, Wish(paused=True))
    look_at(clock, 8, released)

    assert servings.wish_for(DATASET).paused
    assert released.models.started == []


@pytest.mark.parametrize("changes", [{"SERVING_MODE": "on-demand"}, {"SERVING_HOURS": "tue 06:00-14:00"}])
def test_hours_that_began_end_when_the_stack_serves_otherwise(
    released: World, clock: list[float], monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    look_at(clock, 8, released)
    assert released.models.running == {ARN}
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    look_at(clock, 8.1, released)

    check_no_more(released)


def test_an_unknown_time_zone_is_named_after_everything_else_was_done(
    released: World, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVING_TIME_ZONE", "Europe/Nowhere")
    servings.note_answer(DATASET)
    clock[0] += 1
    with pytest.raises(ValueError, match="ServingTimeZone is 'Europe/Nowhere'"):
        serve.tick()

    assert servings.unwritten() == []


def always(monkeypatch: pytest.MonkeyPatch, production: str) -> None:
    monkeypatch.setenv("ALWAYS_ON", json.dumps({"staging": "false", "production": production}))


def told_running(world: World) -> bool:
    return bool(json.loads(world.parameters[f"/s/models/{DATASET}/{TASK}/production"])["is_running"])


def test_always_and_not_any_more_come_true_without_a_release(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    released.s3.put_object(Bucket="data", Key=f"datasets/{DATASET}/dataset.json", Body=b"{}")
    always(monkeypatch, "true")
    serve.tick()
    serve.tick()
    assert released.models.started == [ARN]
    assert kept_models.kept() == {ARN} and told_running(released)
    model_sweeper.sweep()

    always(monkeypatch, "false")
    serve.tick()
    assert released.models.running == set() == kept_models.kept()
    assert not told_running(released)


def test_staging_always_and_not_any_more_come_true_without_a_release(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    released.s3.put_object(Bucket="data", Key=f"datasets/{DATASET}/dataset.json", Body=b"{}")
    arn = version_arn(PROJECTS[TASK]["staging"], RUN)
    ready(released, RUN, arn)
    at = "2026-01-01T00:00:00Z"
    releases.record(Release(RUN, arn, at, dataset=DATASET, task=TASK, environment="staging", tested_at=at))
    for wanted in ("true", "false"):
        monkeypatch.setenv("ALWAYS_ON", json.dumps({"staging": wanted, "production": "false"}))
        serve.tick()
        # What is starting is stopped at a later look.
        serve.tick()
        told = json.loads(released.parameters[f"/s/models/{DATASET}/{TASK}/staging"])

        assert released.models.running == kept_models.kept() == ({arn} if wanted == "true" else set())
        assert told["is_running"] == (wanted == "true")


def test_what_always_runs_and_was_stopped_is_started_again(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    released.s3.put_object(Bucket="data", Key=f"datasets/{DATASET}/dataset.json", Body=b"{}")
    always(monkeypatch, "true")
    serve.tick()
    released.models.status[ARN] = "STOPPED"
    serve.tick()

    assert released.models.started == [ARN, ARN]


def test_a_model_that_starts_is_stopped_at_a_later_look(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    released.s3.put_object(Bucket="data", Key=f"datasets/{DATASET}/dataset.json", Body=b"{}")
    kept_models.keep(StageRef(RUN, DATASET, TASK, "x", "production"), ARN)
    always(monkeypatch, "false")
    released.models.status[ARN] = "STARTING"
    serve.tick()
    assert kept_models.kept() == {ARN}
    serve.tick()
    assert released.models.running == set() == kept_models.kept()


def test_a_model_that_judges_pictures_is_not_stopped_by_the_end_of_always(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_models.keep(StageRef(RUN, DATASET, TASK, "x", "production"), ARN)
    always(monkeypatch, "false")
    released.models.status[ARN] = "RUNNING"
    leases.take_for_inspection(StageRef(RUN, DATASET, TASK, "x", "production"), ARN, 30)
    serve.tick()

    assert released.models.running == {ARN}
    assert kept_models.kept() == set()


def test_one_slot_stays_free_for_tests_whatever_always_runs(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    released.s3.put_object(Bucket="data", Key=f"datasets/{DATASET}/dataset.json", Body=b"{}")
    always(monkeypatch, "true")
    monkeypatch.setenv("RUNNING_MODELS", "1")
    serve.tick()

    assert released.models.started == []
    assert kept_models.kept() == set()


@pytest.mark.parametrize(
    ("took", "ran", "waits_for", "yields"),
    [
        (900, 1000, leases.INSPECTION, False),
        (900, 3500, leases.INSPECTION, False),
        (900, 3700, leases.INSPECTION, True),
        (60, 800, leases.INSPECTION, False),
        (60, 1000, leases.INSPECTION, True),
        (900, 800, "inference_test", False),
        (900, 1000, "inference_test", True),
    ],
)
def test_models_make_way_for_another_dataset_only_when_their_start_has_paid(
    released: World, took: int, ran: int, waits_for: str, yields: bool
) -> None:
    released.models.status[ARN] = "RUNNING"
    place = StageRef(RUN, DATASET, TASK, "x", "production")
    leases.take_for_inspection(place, ARN, 30)
    since = int(datetime.now(UTC).timestamp()) - ran
    servings.write(Serving(DATASET, servings.READY, versions=(ARN,), ready=(ARN,), since=since, took=took))
    servings.wish(DATASET, Wish(until=int(4e9)))
    other = StageRef("other", "other", TASK, waits_for, "production")
    waiting_line.line_up(waiting_line.running_in(ARN), other)
    serve.look({"dataset": DATASET, "hop": 0})

    assert (released.models.running == set()) == yields


def test_how_long_a_start_took_is_known_from_its_lease(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [datetime.now(UTC).timestamp()]
    set_clock(monkeypatch, time=lambda: now[0])
    servings.wish(DATASET, Wish(until=int(4e9)))
    serve.look({"dataset": DATASET, "hop": 0})
    now[0] += 700
    # The first look makes the model of this world run, the second finds it running.
    for hop in (1, 2):
        serve.look({"dataset": DATASET, "hop": hop})

    serving = servings.of(DATASET)
    assert serving and (serving.state, serving.took) == (servings.READY, 700)


@pytest.mark.parametrize(("rate", "units"), [(0, 2), (1.0, 3), (3.0, 1), (0.1, 3)])
def test_units_follow_what_waits_and_how_fast_it_was_answered(
    released: World, monkeypatch: pytest.MonkeyPatch, rate: float, units: int
) -> None:
    monkeypatch.setenv("MAX_INFERENCE_UNITS", "3")
    if rate:
        servings.note_rate(DATASET, rate)
    for number in range(2600):
        arrivals.line_up(arrivals.Arrival(DATASET, f"inspect/{DATASET}/{number}.png", runs.now(), "v"))
    asked: list[int] = []
    start = released.models.start_project_version
    monkeypatch.setattr(
        released.models,
        "start_project_version",
        lambda ProjectVersionArn, MinInferenceUnits: (asked.append(MinInferenceUnits), start(ProjectVersionArn)),  # noqa: N803
    )
    serve.look({"dataset": DATASET, "hop": 0})

    assert asked == [units]
    lease = leases.of(ARN)
    assert lease and spending.note(lease, lease.started_at + 3600, units) == pytest.approx(4.0 * units)


def test_ten_thousand_at_once_are_sent_once_each_and_read_in_bounded_rounds(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work is counted, not done: every picture leaves the line as soon as it is sent."""
    for number in range(10_000):
        arrivals.line_up(arrivals.Arrival(DATASET, f"inspect/{DATASET}/{number:05}.png", "2026-01-01T00:00:00Z", "v"))
    sent: list[int] = []

    def answer_all(_: str, events: list[dict[str, Any]]) -> None:
        sent.append(len(events))
        for event in events:
            written = event["detail"]["object"]
            arrivals.leave(arrivals.Arrival(DATASET, written["key"], event["time"], written["version-id"]))

    monkeypatch.setattr("mlops.aws.messages.send_messages", answer_all)
    hop = 0
    while servings.of(DATASET) or not hop:
        serve.look({"dataset": DATASET, "hop": hop})
        hop += 1

    assert sum(sent) == 10_000 and max(sent) <= 1000
    assert hop < 20
    check_no_more(released)


def test_how_fast_pictures_are_answered_is_measured_while_there_are_some(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_800_000_000.0]
    set_clock(monkeypatch, time=lambda: now[0])
    released.models.status[ARN] = "RUNNING"
    leases.take_for_inspection(StageRef(RUN, DATASET, TASK, "x", "production"), ARN, 30)
    arrivals.line_up(arrivals.Arrival(DATASET, f"inspect/{DATASET}/1.png", runs.now(), "v"))
    servings.write(Serving(DATASET, servings.READY, versions=(ARN,), ready=(ARN,), units=2, since=int(now[0])))
    for hop in range(4):
        serve.look({"dataset": DATASET, "hop": hop})
        for _ in range(40):
            servings.note_answer(DATASET)
        now[0] += 10

    # 120 answers of two units in 30 seconds.
    assert servings.rate_of(DATASET) == pytest.approx(2.0)
    servings.note_rate(DATASET, 1.0)
    assert servings.rate_of(DATASET) == pytest.approx(1.7)


def test_a_start_that_fails_is_told_once_and_pictures_keep_their_place(released: World) -> None:
    released.models.status[ARN] = "FAILED"
    drop(released, "1.png", picture(1))
    with pytest.raises(AssertionError, match="still busy"):
        released.run(HANDLERS, deliveries=60)

    ((kind, told),) = released.told
    assert (kind, told["reasons"]) == ("Serving Refused", [f"{RUN} did not start: Rekognition says FAILED"])
    assert released.models.running == set()
    assert len(arrivals.waiting(DATASET, 2)) == 1
    released.models.status[ARN] = "STOPPED"
    released.run(HANDLERS)
    check(released, ["1.png"])


def test_a_drain_ends_properly_when_the_budget_is_used_up_meanwhile(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "_SENT_AT_ONCE", 1)
    names = [f"{number}.png" for number in range(6)]
    for number, name in enumerate(names):
        drop(released, name, picture(number))

    def spend(arn: str) -> list[dict[str, Any]]:
        monkeypatch.setenv("MONTHLY_BUDGET", "0.000001")
        now = int(datetime.now(UTC).timestamp())
        ref = StageRef(RUN, DATASET, TASK, leases.INSPECTION, "production")
        spending.note(Lease("other", ARN, ref, now - 4500, now), now, units=1)
        return [{"Name": "normal", "Confidence": 99.0}]

    released.models.said = spend
    released.run(HANDLERS)

    check(released, names)
    assert released.models.started == [ARN]
    assert "Serving Refused" not in [kind for kind, _ in released.told]


def test_the_sweeper_stops_a_model_whose_inspections_died(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    released.models.status[ARN] = "RUNNING"
    leases.take_for_inspection(StageRef(RUN, DATASET, TASK, "x", "production"), ARN, 30)
    assert model_sweeper.sweep() == []
    set_clock(monkeypatch, time=lambda: datetime.now(UTC).timestamp() + 31 * 60)

    assert model_sweeper.sweep() == [ARN]
    assert released.models.running == set()


def test_a_stack_that_is_deleted_while_models_judge_leaves_none_running(released: World) -> None:
    released.models.stops_while_starting = True
    servings.wish(DATASET, Wish(until=int(4e9)))
    for hop in range(3):
        serve.look({"dataset": DATASET, "hop": hop})
    assert released.models.running == {ARN}
    servings.close()
    assert model_sweeper.stop_everything() == []
    for hop in range(3, 8):
        serve.look({"dataset": DATASET, "hop": hop})

    assert released.models.running == set()
    assert released.models.started == [ARN]


def test_two_datasets_in_line_for_one_slot_take_turns(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    released.models.quota = 1
    other, other_run = "others", "others-classification-000000000001"
    other_arn = version_arn(PROJECTS[TASK]["production"], other_run)
    released.models.status[other_arn] = "STOPPED"
    place = {"dataset": other, "task": TASK, "environment": "production"}
    released_at = "2026-01-01T00:00:00Z"
    points = {"normal": 50.0}
    releases.record(
        Release(other_run, other_arn, released_at, **place, tested_at=released_at, lease_id="o", min_confidence=points)
    )
    for number in range(3):
        drop(released, f"{number}.png", picture(number))
        drop(released, f"{other}/{number}.png", picture(number + 10))
    released.run(HANDLERS, deliveries=2000)

    assert len(inspected(released)) == 6
    assert sorted(released.models.started) == sorted([ARN, other_arn])
    assert released.models.running == set()


def test_the_file_of_a_day_is_read_and_written_for_its_answers_not_for_every_time(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every five minutes of a day some pictures: each is read a few times, however long the day is by then."""
    begin, each, ticks = datetime(2026, 3, 2, tzinfo=UTC).timestamp(), 5, 60
    now, read = [begin], [0]
    set_clock(monkeypatch, time=lambda: now[0])
    query = released.table.query

    def counted_query(**request: Any) -> dict[str, Any]:
        page = query(**request)
        read[0] += len(page["Items"]) if request.get("IndexName") else 0
        return page

    monkeypatch.setattr(released.table, "query", counted_query)
    for tick in range(ticks):
        for number in range(each):
            now[0] = begin + 300 * tick + 60 * number
            inspections.record(Inspection(DATASET, f"k{number}", f"{tick}-{number}", "ok", ("fine",), runs.now()))
            servings.note_answer(DATASET)
        now[0] = begin + 300 * (tick + 1)
        serve.tick()

    found = released.s3.get_object(Bucket="artifacts", Key=f"results/{DATASET}/2026-03-02.jsonl")["Body"].read()
    assert [json.loads(line)["digest"] for line in found.splitlines()] == [
        f"{tick}-{number}" for tick in range(ticks) for number in range(each)
    ]
    assert read[0] <= 2 * ticks * each


def test_an_answer_that_is_noted_late_is_in_the_file_of_its_day_and_in_its_place(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [datetime(2026, 3, 2, 23, 58, tzinfo=UTC).timestamp()]
    set_clock(monkeypatch, time=lambda: now[0])
    late = Inspection(DATASET, "late", "0", "ok", ("fine",), runs.now())
    now[0] += 60
    inspections.record(replace(late, key="in time", digest="1", inspected_at=runs.now()))
    serve._write_days(DATASET)
    now[0] += 120
    inspections.record(late)
    serve._write_days(DATASET)

    found = released.s3.get_object(Bucket="artifacts", Key=f"results/{DATASET}/2026-03-02.jsonl")["Body"].read()
    assert [json.loads(line)["key"] for line in found.splitlines()] == ["late", "in time"]


def test_a_picture_that_is_never_answered_is_given_up(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arn: str) -> list[dict[str, Any]]:
        raise RuntimeError("out of order")

    released.models.said = fail
    drop(released, "1.png", picture(1))
    released.run({"inspect": inspect_handler, "serve": serve_handler})

    assert result(released, "1.png")["reasons"][0].startswith("it was sent 6 times and no answer came")
    assert released.models.running == set()
    assert servings.of(DATASET) is None


def test_nothing_is_started_once_the_stack_is_being_deleted(released: World) -> None:
    servings.close()
    drop(released, "1.png", picture(1))
    with pytest.raises(AssertionError, match="still busy"):
        released.run(HANDLERS, deliveries=30)

    assert released.models.started == []


def test_a_round_that_was_lost_is_gone_on_with(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    servings.write(Serving(DATASET, hop=3))
    assert serve.tick() == []

    arrivals.line_up(arrivals.Arrival(DATASET, f"inspect/{DATASET}/1.png", runs.now(), "v"))
    set_clock(monkeypatch, time=lambda: datetime.now(UTC).timestamp() + 1000)
    told: list[float] = []
    monkeypatch.setattr("mlops.aws.telemetry.oldest_picture", told.append)
    assert serve.tick() == [DATASET]
    assert told == [pytest.approx(1000, abs=5)]
    arrivals.leave(arrivals.waiting(DATASET, 1)[0])
    released.run(HANDLERS)
    assert servings.of(DATASET) is None


def test_a_day_that_is_over_is_told_of_once_and_only_where_there_were_answers(
    released: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()]
    set_clock(monkeypatch, time=lambda: now[0])
    inspections.record(Inspection(DATASET, "k", "d", "ok", ("fine",), runs.now()))
    for dataset in (DATASET, "earlier"):
        servings.note_answer(dataset)
    serve.tick()
    assert released.told == []

    for minutes in (12 * 60 + 1, 3, 5, 24 * 60):
        now[0] += 60 * minutes
        serve.tick()
    assert released.told == [("Inspection Day Ended", {"dataset": DATASET, "day": "2026-03-02"})]
