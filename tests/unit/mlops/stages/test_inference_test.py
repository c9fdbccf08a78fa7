"""One call of an inference test: which bytes it is about, and what is tried again."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.images import Image
from mlops.judging.answers import Call
from mlops.stage import StageRef
from mlops.stages import inference_test
from tests.unit.mlops.world import World, set_clock

KEY = "datasets/parts/test/cut/0.png"
RECORDED = Image(KEY, "", ("cut",), "test", "same", 99, 99, version_id="v1")


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    set_clock(monkeypatch, monotonic=clock.monotonic, sleep=clock.sleep)
    monkeypatch.setenv("DATA_BUCKET", "data")
    monkeypatch.setenv("GATE_ON", "value")
    monkeypatch.setattr("mlops.records.images.record_of", lambda key: None)
    return clock


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "DetectCustomLabels")


def ask(outcomes: list[Any], image: Image = RECORDED) -> tuple[Call, list[dict[str, Any]]]:
    """Ask a service that answers so, one call after the other, the last outcome for ever; also the requests."""
    requests: list[dict[str, Any]] = []

    def detect(**request: Any) -> dict[str, Any]:
        requests.append(request)
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return {"CustomLabels": outcome}

    return inference_test._ask(SimpleNamespace(detect_custom_labels=detect), "arn", image, {}), requests


LABEL = [{"Name": "cut", "Confidence": 99.0}]


@pytest.mark.parametrize("code", ["ResourceNotReadyException", "InternalServerError"])
def test_what_is_over_in_a_moment_is_tried_again(code: str) -> None:
    call, requests = ask([refused(code), refused(code), LABEL])

    assert (call.labels, len(requests)) == (tuple(LABEL), 3)


def test_a_connection_that_broke_is_made_again() -> None:
    call, _ = ask([EndpointConnectionError(endpoint_url="https://x"), LABEL])

    assert call.labels == tuple(LABEL)


@pytest.mark.parametrize(
    "error",
    [refused("InternalServerError"), EndpointConnectionError(endpoint_url="https://x")],
    ids=["code", "network"],
)
def test_what_is_not_over_in_a_minute_is_an_error(clock: Clock, error: Exception) -> None:
    call, _ = ask([error])

    assert 60 <= clock.now < 70
    assert call.error and not call.is_gone


@pytest.mark.parametrize("code", ["AccessDeniedException", "InvalidImageFormatException", "ResourceNotFoundException"])
def test_what_another_try_will_not_change_is_an_error_at_once(clock: Clock, code: str) -> None:
    call, requests = ask([refused(code)])

    assert (call.error, len(requests), clock.now) == (f"{code}: no", 1, 0)


def test_the_recorded_version_is_asked_about() -> None:
    _, (request,) = ask([LABEL])

    assert request["Image"]["S3Object"] == {"Bucket": "data", "Name": KEY, "Version": "v1"}


def test_the_same_bytes_in_another_version_do_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops.records.images.record_of", lambda key: {"digest": "same", "version_id": "v2"})
    call, requests = ask([refused("InvalidS3ObjectException"), LABEL])

    assert call.labels == tuple(LABEL)
    assert requests[1]["Image"]["S3Object"]["Version"] == "v2"


@pytest.mark.parametrize("now", [None, {"digest": "other", "version_id": "v2"}], ids=["deleted", "replaced"])
def test_bytes_that_are_gone_are_told_from_a_failed_call(
    monkeypatch: pytest.MonkeyPatch, now: dict[str, str] | None
) -> None:
    monkeypatch.setattr("mlops.records.images.record_of", lambda key: now)
    call, requests = ask([refused("InvalidS3ObjectException")])

    assert call.is_gone and len(requests) == 1


def test_a_run_from_before_versions_were_recorded_asks_by_name() -> None:
    _, (request,) = ask([LABEL], Image(KEY, "e", ("cut",), "test", "", 99, 99))

    assert "Version" not in request["Image"]["S3Object"]


@pytest.mark.parametrize(("gone", "reasons"), [(1, 0), (2, 0), (3, 1), (20, 1)])
def test_images_that_are_gone_count_for_nothing_up_to_a_share(
    monkeypatch: pytest.MonkeyPatch, gone: int, reasons: int
) -> None:
    limits = '{"classification": {"f1": 0, "accuracy": 0, "false_alarm_rate": 1, "missing_images": 0.1}}'
    monkeypatch.setenv("INFERENCE_LIMITS", limits)
    calls = [
        Call(
            Image(f"datasets/p/test/normal/{n}.png", "", ("normal",), "test", "", 9, 9),
            ({"Name": "normal", "Confidence": 9.0},),
        )
        for n in range(20)
    ]
    for number in range(gone):
        calls[number] = Call(calls[number].image, error="InvalidS3ObjectException: gone")
    judged = inference_test.judge("classification", calls)

    assert len(judged["reasons"]) == reasons
    assert judged["gone"] == [call.image.key for call in calls[:gone]]
    assert any("could not be read from the bucket any more" in remark for remark in judged["remarks"])


def test_without_clean_images_it_is_said_that_false_alarms_were_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_LIMITS", '{"classification": {"f1": 0, "accuracy": 0, "false_alarm_rate": 0}}')
    judged = inference_test.judge(
        "classification", [Call(Image(KEY, "", ("cut",), "test", "", 9, 9), ({"Name": "cut", "Confidence": 9.0},))]
    )

    assert (judged["false_alarm_rate"], judged["reasons"]) == (None, [])
    assert "false alarms were not judged" in judged["remarks"][0]


def image(name: str, label: str, boxes: tuple[LabeledBox, ...] = (), group: str = "") -> Image:
    key = f"datasets/p/test/{label}/{name}.png"
    return Image(key, "", (label,), "test", "d", 100, 100, boxes=boxes, group=group)


def said(image: Image, **confidences: float) -> Call:
    return Call(image, tuple({"Name": name, "Confidence": value} for name, value in confidences.items()))


LENIENT = (
    '{"classification": {"f1": 0, "accuracy": 0, "false_alarm_rate": 1}, "detection": {"f1": 0, "false_alarm_rate": 9}}'
)
POINTS = inference_test.Points({"cut": 30.0, "normal": 60.0}, {"cut": 50.0, "normal": 50.0})


def test_a_classifier_is_judged_at_its_operating_points_and_beside_them_by_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INFERENCE_LIMITS", LENIENT)
    calls = [
        said(image("0", "cut"), cut=40, normal=70),
        said(image("1", "cut"), cut=90, normal=10),
        said(image("2", "normal"), cut=10, normal=90),
        said(image("3", "normal"), cut=25, normal=55),
    ]
    judged = inference_test.judge("classification", calls, POINTS)

    # A defect that counts goes before what is surer to be normal; where nothing counts, the surest label stands.
    assert [answer["label"] for answer in judged["answers"]] == ["cut", "cut", "normal", "normal"]
    assert (judged["f1"], judged["parts"]["escapes"]["count"]) == (1, 0)
    assert judged["by_service"]["parts"]["escapes"] | {"interval": []} == {"count": 1, "of": 2, "interval": []}
    cut = judged["operating_points"]["cut"]
    assert cut["at"] == {"from": 30, "found": 2, "missed": 0, "false": 0}
    assert cut["lower"]["false"] == 1 and cut["service"]["found"] == 1


def test_a_detector_is_judged_at_its_operating_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_LIMITS", LENIENT)
    monkeypatch.setenv("MATCH_IOU", "0.5")
    place = {"BoundingBox": {"Left": 0.1, "Top": 0.1, "Width": 0.2, "Height": 0.2}}
    found = {"Name": "cut", "Confidence": 40.0, "Geometry": place}
    marked = image("0", "cut", (LabeledBox("cut", Box(10, 10, 20, 20)),))
    calls = [Call(marked, (found,)), Call(image("1", "normal"), ({**found, "Confidence": 20.0},))]
    judged = inference_test.judge("detection", calls, POINTS)

    assert (judged["f1"], judged["false_alarm_rate"], judged["by_service"]["f1"]) == (1, 0, 0)
    assert [len(answer["found"]) for answer in judged["answers"]] == [1, 0]
    assert judged["parts"]["overkill"]["count"] == 0
    assert inference_test.raw(calls[0]) == {"key": marked.key, "digest": "d", "said": [["cut", 40, 10, 10, 20, 20]]}


def test_pictures_of_one_part_make_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_LIMITS", LENIENT)
    calls = [
        said(image("0", "cut", group="k1"), cut=90),
        said(image("1", "cut", group="k1"), normal=90),
        said(image("2", "normal", group="k2"), normal=90),
    ]
    judged = inference_test.judge("classification", calls)

    assert [judged["parts"][name]["of"] for name in ("escapes", "overkill")] == [1, 1]
    assert judged["parts"]["escapes"]["count"] == 0


@pytest.mark.parametrize(("gate_on", "reasons"), [("value", 0), ("lower bound", 3)])
def test_of_few_pictures_it_is_told_that_a_number_may_miss_its_limit(
    monkeypatch: pytest.MonkeyPatch, gate_on: str, reasons: int
) -> None:
    monkeypatch.setenv("GATE_ON", gate_on)
    limits = '{"classification": {"f1": 0.9, "accuracy": 0.9, "false_alarm_rate": 0.2}}'
    monkeypatch.setenv("INFERENCE_LIMITS", limits)
    calls = [said(image(str(n), label), **{label: 90.0}) for n, label in enumerate(["cut", "normal"] * 4)]
    judged = inference_test.judge("classification", calls)

    assert len(judged["reasons"]) == reasons
    assert sum("on so few images" in remark for remark in judged["remarks"]) == 3


@pytest.mark.parametrize(
    ("task", "points", "least"),
    [
        ("classification", POINTS, {"MinConfidence": 0}),
        ("detection", POINTS, {"MinConfidence": 0, "MaxResults": 50}),
        ("classification", inference_test.Points(), {"MinConfidence": 0}),
        ("detection", inference_test.Points(), {}),
    ],
)
def test_everything_is_asked_for_once_points_are_known(
    task: str, points: inference_test.Points, least: dict[str, int]
) -> None:
    assert inference_test._least(task, [image("0", "cut")], points) == least


@pytest.mark.parametrize(
    ("evaluation", "points"),
    [
        ({}, inference_test.Points()),
        ({"service": {"assumed_thresholds": {"cut": 0.3}}}, inference_test.Points()),
        (
            {
                "operating_points": {"cut": {"min_confidence": 41.5}},
                "service": {"assumed_thresholds": {"cut": 0.3}},
            },
            inference_test.Points({"cut": 41.5}, {"cut": 30.0}),
        ),
    ],
)
def test_what_an_earlier_release_trained_is_tested_as_it_was_then(
    world: World, evaluation: dict[str, Any], points: inference_test.Points
) -> None:
    ref = StageRef("parts-classification-1", "parts", "classification", "inference_test", "production")
    if evaluation:
        body = json.dumps(evaluation).encode()
        world.s3.put_object(Bucket="artifacts", Key="runs/parts-classification-1/eval_metric.json", Body=body)

    assert inference_test._points(ref) == points
