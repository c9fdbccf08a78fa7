"""A test of more images than one function can ask about: it goes on under the same lease, and ends whatever happens."""

import json
from collections import Counter
from typing import Any

import pytest

from mlops.aws import buckets
from mlops.models import lifecycle
from mlops.records import leases, results, runs
from mlops.stages import inference_test
from tests.unit.mlops import test_survival
from tests.unit.mlops.memory_s3 import MemoryS3
from tests.unit.mlops.test_survival import at, ref
from tests.unit.mlops.world import DATASET, TASK, Killed, World, refused, set_clock

RUN, IMAGES, PIECE = "parts-classification-000000000003", 7, 3
ARN = at(RUN, "development")
REF = ref(RUN, "inference_test", "development")
# What passed in development asks a person; nobody is here.
HANDLERS = {**test_survival.HANDLERS, "promotion": lambda event, context: None}


@pytest.fixture(autouse=True)
def asked(world: World, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """A version that passed its gate; how often each image was asked about."""
    world.s3 = MemoryS3()
    monkeypatch.setattr(inference_test, "_PIECE", PIECE)
    rows = [
        {"key": f"datasets/{DATASET}/holdout/{label}/{n}.png", "etag": str(n), "label": label, "side": "holdout"}
        for n in range(IMAGES)
        for label in (["bent", "normal"][n % 2],)
    ]
    lines = (json.dumps({**row, "width": 99, "height": 99, "boxes": []}) for row in rows)
    body = "".join(f"{line}\n" for line in lines).encode()
    world.s3.put_object(Bucket="artifacts", Key=f"runs/{RUN}/images.jsonl", Body=body)
    runs.create(RUN, DATASET, TASK)
    world.models.status[ARN] = "STOPPED"
    counted: Counter[str] = Counter()
    answer = world.models.detect_custom_labels

    def detect(**request: Any) -> dict[str, Any]:
        counted[request["Image"]["S3Object"]["Name"]] += 1
        return answer(**request)

    world.models.detect_custom_labels = detect  # type: ignore[method-assign]
    return counted


def result() -> dict[str, Any]:
    return dict(buckets.artifacts_bucket().read_json(results.key_of(REF)))


def test_it_goes_on_until_every_image_was_asked_about_once(world: World, asked: Counter[str]) -> None:
    lifecycle.start(REF, ARN)
    seen = []
    complete = runs.wait

    def wait(stage: Any, what: str) -> None:
        seen.append(what)
        complete(stage, what)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "wait", wait)
        world.run(HANDLERS)

    assert len(asked) == IMAGES and set(asked.values()) == {1}
    assert (result()["images"], result()["reasons"], world.models.running) == (IMAGES, [], set())
    assert len(list(results.answers(RUN, "development"))) == IMAGES
    assert [what for what in seen if "images" in what] == [f"{n} of 7 images are answered" for n in (3, 6, 7)]
    assert leases.of(ARN) is None


def test_ending_at_any_call_asks_no_finished_piece_again_and_leaves_nothing_running(
    world: World, asked: Counter[str]
) -> None:
    table, call = world.table.snapshot(), 0
    while True:
        call += 1
        world.table.restore(table)
        world.once.items.clear()
        world.models.status[ARN] = "STOPPED"
        for entry in world.s3.list_objects_v2(Bucket="artifacts", Prefix=f"runs/{RUN}/development/").get(
            "Contents", ()
        ):
            world.s3.delete_object(Bucket="artifacts", Key=entry["Key"])
        asked.clear()
        lifecycle.start(REF, ARN)
        world.kill_after(call)
        world.run(HANDLERS)
        reached = world.calls >= call
        world.kill_after(-1)

        assert (result()["images"], result()["reasons"], world.models.running) == (IMAGES, [], set()), call
        assert max(asked.values()) <= 2 and sum(asked.values()) <= IMAGES + PIECE, call
        if not reached:
            break
    assert call > 40


def test_what_its_lease_left_no_time_for_fails_it(
    world: World, asked: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle.start(REF, ARN)
    over = leases.of(ARN).expires_at + 1  # type: ignore[union-attr]
    ask = inference_test._Test.ask

    def ask_slowly(test: Any, number: int) -> int:
        failed = ask(test, number)
        set_clock(monkeypatch, time=lambda: over)
        return failed

    monkeypatch.setattr(inference_test._Test, "ask", ask_slowly)
    world.run(HANDLERS)

    assert len(asked) == PIECE and world.models.running == set()
    assert result()["reasons"] == [
        "the 30 minutes of the test were over after 3 of 7 images: "
        "raise LeaseMinutes or MaxInferenceUnits, or lower TestImagesPerLabel"
    ]


def test_a_model_that_answers_nothing_is_not_asked_about_everything(world: World, asked: Counter[str]) -> None:
    def detect(**request: Any) -> dict[str, Any]:
        asked[request["Image"]["S3Object"]["Name"]] += 1
        raise refused("AccessDeniedException")

    world.models.detect_custom_labels = detect  # type: ignore[method-assign]
    lifecycle.start(REF, ARN)
    world.run(HANDLERS)

    assert len(asked) == PIECE and world.models.running == set()
    assert result()["reasons"][0].startswith("3 of 3 calls failed; first: ")


def test_an_event_that_comes_again_or_late_asks_nothing_again(world: World, asked: Counter[str]) -> None:
    lifecycle.start(REF, ARN)
    put = world._put_events

    def twice(Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        put(Entries)
        return put(Entries)

    world._put_events = twice  # type: ignore[method-assign]
    world.run(HANDLERS)

    assert set(asked.values()) == {1} and result()["images"] == IMAGES
    late = {
        "detail-type": "Model Status Change",
        "detail": {**REF.as_detail(), "version_arn": ARN, "status": "RUNNING"},
    }
    world.on_the_way.append(("inference_test", {"id": "late", **late}))
    world.run(HANDLERS)
    assert set(asked.values()) == {1} and world.models.running == set()


@pytest.mark.parametrize(
    ("images", "most", "units"), [(0, 5, 1), (1800, 5, 1), (1801, 5, 2), (9000, 5, 5), (90_000, 5, 5), (9000, 1, 1)]
)
def test_a_version_is_started_with_the_units_that_its_test_needs(
    world: World, monkeypatch: pytest.MonkeyPatch, images: int, most: int, units: int
) -> None:
    monkeypatch.setenv("MAX_INFERENCE_UNITS", str(most))
    runs.note_test_calls(RUN, images)
    started: list[int] = []
    start = world.models.start_project_version

    def noted(ProjectVersionArn: str, MinInferenceUnits: int) -> None:  # noqa: N803
        started.append(MinInferenceUnits)
        start(ProjectVersionArn)

    world.models.start_project_version = noted  # type: ignore[method-assign,assignment]
    lifecycle.start(REF, ARN)

    assert started == [units]
    assert leases.of(ARN).units == units  # type: ignore[union-attr]


def test_a_process_that_dies_while_it_asks_leaves_what_was_answered(world: World, asked: Counter[str]) -> None:
    lifecycle.start(REF, ARN)
    world.models.status[ARN] = "RUNNING"
    world.kill_after(14)
    with pytest.raises(Killed):
        inference_test.test(ARN, lambda: True)
    world.is_dead = False
    world.kill_after(-1)
    world.models.status[ARN] = "RUNNING"
    inference_test.test(ARN, lambda: True)

    assert max(asked.values()) <= 2 and result()["images"] == IMAGES
