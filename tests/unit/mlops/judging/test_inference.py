"""The verdict on a version by what it said of images that it has not seen."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from mlops.codec import object_of, plain, read
from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.images import Image
from mlops.judging import inference
from mlops.judging.answers import Answer, Call, CallLine, Said
from mlops.judging.classification import Classification
from mlops.judging.detection import Detection
from mlops.judging.evaluation import Evaluation
from mlops.judging.inference import Limits, Points


def judge(*given: Any, **named: Any) -> tuple[dict[str, Any], Sequence[Answer]]:
    """The document that is written of a judgement, and the answers."""
    judged, answers = inference.judge(*given, **named)
    return object_of(judged), answers


def image(name: str, label: str, boxes: tuple[LabeledBox, ...] = (), group: str = "") -> Image:
    key = f"datasets/p/test/{label}/{name}.png"
    return Image(key, "", (label,), "test", "d", 100, 100, boxes=boxes, group=group)


def said(image: Image, **confidences: float) -> Call:
    return Call(image, tuple(Said(name, value) for name, value in confidences.items()))


CLASSIFICATION, DETECTION = Classification(), Detection(0.5)
LENIENT = Limits({"f1": 0, "accuracy": 0, "false_alarm_rate": 1})
POINTS = Points({"cut": 30.0, "normal": 60.0}, {"cut": 50.0, "normal": 50.0})


@pytest.mark.parametrize(("gone", "reasons"), [(1, 0), (2, 0), (3, 1), (20, 1)])
def test_images_that_are_gone_count_for_nothing_up_to_a_share(gone: int, reasons: int) -> None:
    limits = Limits({"f1": 0, "accuracy": 0, "false_alarm_rate": 1, "missing_images": 0.1})
    calls = [said(image(str(number), "normal"), normal=9.0) for number in range(20)]
    for number in range(gone):
        calls[number] = Call(calls[number].image, error="InvalidS3ObjectException: gone")
    judged, _ = judge(CLASSIFICATION, calls, limits)

    assert len(judged["reasons"]) == reasons
    assert judged["gone"] == [call.image.key for call in calls[:gone]]
    assert any("could not be read from the bucket any more" in remark for remark in judged["remarks"])


def test_without_clean_images_it_is_said_that_false_alarms_were_not_judged() -> None:
    limits = Limits({"f1": 0, "accuracy": 0, "false_alarm_rate": 0})
    judged, _ = judge(CLASSIFICATION, [said(image("0", "cut"), cut=9)], limits)

    assert (judged["false_alarm_rate"], judged["reasons"]) == (None, [])
    assert "false alarms were not judged" in judged["remarks"][0]


def test_a_classifier_is_judged_at_its_operating_points_and_beside_them_by_the_service() -> None:
    calls = [
        said(image("0", "cut"), cut=40, normal=70),
        said(image("1", "cut"), cut=90, normal=10),
        said(image("2", "normal"), cut=10, normal=90),
        said(image("3", "normal"), cut=25, normal=55),
    ]
    judged, answers = judge(CLASSIFICATION, calls, LENIENT, POINTS)

    # A defect that counts goes before what is surer to be normal; where nothing counts, the surest label stands.
    assert [answer.labels for answer in answers] == [("cut",), ("cut",), ("normal",), ("normal",)]
    assert (judged["f1"], judged["parts"]["escapes"]["count"]) == (1, 0)
    assert judged["by_service"]["parts"]["escapes"] | {"interval": []} == {"count": 1, "of": 2, "interval": []}
    cut = judged["operating_points"]["cut"]
    assert cut["at"] == {"from": 30, "found": 2, "missed": 0, "false": 0}
    assert cut["lower"]["false"] == 1 and cut["service"]["found"] == 1


def test_a_detector_is_judged_at_its_operating_points_and_a_step_counts_clean_images_too() -> None:
    box = Box(10, 10, 20, 20)
    marked, clean = image("0", "cut", (LabeledBox("cut", box),)), image("1", "normal")
    calls = [Call(marked, (Said("cut", 40.0, box),)), Call(clean, (Said("cut", 25.0, box),))]
    judged, answers = judge(DETECTION, calls, Limits({"f1": 0, "false_alarm_rate": 9}), POINTS)

    assert (judged["f1"], judged["false_alarm_rate"], judged["by_service"]["f1"]) == (1, 0, 0)
    assert [len(answer.drawn) for answer in answers] == [2, 0]
    assert judged["parts"]["overkill"]["count"] == 0
    cut = judged["operating_points"]["cut"]
    assert cut["at"] == {"from": 30, "found": 1, "missed": 0, "false": 0}
    assert cut["lower"] == {"from": 20, "found": 1, "missed": 0, "false": 0, "false_on_clean": 1}


def test_a_call_is_read_as_it_was_written() -> None:
    marked = image("0", "cut")
    calls = [
        Call(marked, (Said("cut", 40.0, Box(10, 10.25, 20, 20)),), 3.5),
        Call(marked, (Said("cut", 40.0), Said("normal", 0.1)), 1.0),
        Call(marked, error="InvalidS3ObjectException: gone"),
    ]

    assert [Call.of(read(CallLine, json.loads(json.dumps(plain(call.line)))), marked) for call in calls] == calls
    assert plain(calls[0].line) == {
        "key": marked.key,
        "digest": "d",
        "said": [["cut", 40, 10, 10.25, 20, 20]],
        "milliseconds": 3.5,
    }


def test_pictures_of_one_part_make_one_part() -> None:
    calls = [
        said(image("0", "cut", group="k1"), cut=90),
        said(image("1", "cut", group="k1"), normal=90),
        said(image("2", "normal", group="k2"), normal=90),
    ]
    judged, _ = judge(CLASSIFICATION, calls, LENIENT)

    assert [judged["parts"][name]["of"] for name in ("escapes", "overkill")] == [1, 1]
    assert judged["parts"]["escapes"]["count"] == 0


@pytest.mark.parametrize(("on_bound", "reasons"), [(False, 0), (True, 3)])
def test_of_few_pictures_it_is_told_that_a_number_may_miss_its_limit(on_bound: bool, reasons: int) -> None:
    limits = Limits({"f1": 0.9, "accuracy": 0.9, "false_alarm_rate": 0.2}, on_bound)
    calls = [said(image(str(n), label), **{label: 90.0}) for n, label in enumerate(["cut", "normal"] * 4)]
    judged, _ = judge(CLASSIFICATION, calls, limits)

    assert len(judged["reasons"]) == reasons
    assert sum("on so few images" in remark for remark in judged["remarks"]) == 3


def test_a_detector_s_false_alarms_are_judged_at_the_lower_bound_too() -> None:
    box = Box(10, 10, 20, 20)
    calls = [Call(image(str(n), "cut", (LabeledBox("cut", box),)), (Said("cut", 90.0, box),)) for n in range(9)]
    calls += [Call(image(f"clean{n}", "normal")) for n in range(4)]
    numbers = {"f1": 0.5, "false_alarm_rate": 0.5}

    reasons = {bound: judge(DETECTION, calls, Limits(numbers, bound))[0]["reasons"] for bound in (False, True)}
    assert reasons[False] == []
    assert ["may be as many as" in reason for reason in reasons[True]] == [True]


def test_alike_pictures_of_few_parts_are_as_unsure_as_their_parts() -> None:
    apart = [said(image(str(n), "normal"), **{"cut" if n % 5 == 0 else "normal": 90}) for n in range(50)]
    alike = [
        said(image(str(n), "normal", group=f"part{n // 5}"), **{"cut" if n // 5 % 5 == 0 else "normal": 90})
        for n in range(50)
    ]

    few, many, ten = (judge(CLASSIFICATION, calls, LENIENT)[0]["intervals"] for calls in (alike, apart, apart[:10]))
    for name in ("accuracy", "false_alarm_rate"):
        assert few[name] == pytest.approx(ten[name]) and many[name][1] - many[name][0] < few[name][1] - few[name][0]


@pytest.mark.parametrize(
    ("task", "has_points", "request_"),
    [
        (CLASSIFICATION, True, {"MinConfidence": 0}),
        (DETECTION, True, {"MinConfidence": 0, "MaxResults": 50}),
        (CLASSIFICATION, False, {"MinConfidence": 0}),
        (DETECTION, False, {}),
    ],
)
def test_everything_is_asked_for_once_points_are_known(
    task: Classification | Detection, has_points: bool, request_: dict[str, int]
) -> None:
    assert task.request([image("0", "cut")], has_points=has_points) == request_


@pytest.mark.parametrize(
    ("evaluation", "points"),
    [
        ({}, Points()),
        ({"service": {"assumed_thresholds": {"cut": 0.3}}}, Points()),
        (
            {
                "operating_points": {"cut": {"min_confidence": 41.5}},
                "service": {"assumed_thresholds": {"cut": 0.3}},
            },
            Points({"cut": 41.5}, {"cut": 30.0}),
        ),
    ],
)
def test_what_an_earlier_release_trained_is_tested_as_it_was_then(evaluation: dict[str, Any], points: Points) -> None:
    assert Points.of(read(Evaluation, evaluation)) == points


STRICT = Limits({"f1": 0.7, "accuracy": 0.75, "false_alarm_rate": 0.4})


def call(number: int, truth: str, said: str = "", error: str = "") -> Call:
    labels = (Said(said, 90.0), Said("other", 5.0)) if said else ()
    return Call(Image(f"{number}.png", "", (truth,), "test", "", 100, 80), labels, 10.0 * number, error)


def answers(*pairs: tuple[str, str]) -> list[Call]:
    return [call(number, *pair) for number, pair in enumerate(pairs, 1)]


def judged_of(calls: list[Call]) -> dict[str, Any]:
    return judge(CLASSIFICATION, calls, STRICT)[0]


def test_good_answers_pass_with_all_numbers() -> None:
    judged = judged_of(
        answers(("bent", "bent"), ("bent", "bent"), ("normal", "normal"), ("normal", "bent"), ("normal", "normal")),
    )

    assert judged["reasons"] == []
    assert judged["accuracy"] == 0.8
    assert judged["f1"] == pytest.approx(0.8)
    assert judged["false_alarm_rate"] == pytest.approx(1 / 3)
    assert judged["confusion_matrix"] == {"bent": {"bent": 2}, "normal": {"bent": 1, "normal": 2}}
    assert judged["latency_ms"] == {"p50": 30.0, "p95": 50.0}
    assert judged["images"] == 5 and judged["mistakes"] == 1


def test_numbers_below_the_thresholds_fail() -> None:
    judged = judged_of(answers(("bent", "normal"), ("normal", "normal")))

    assert judged["reasons"] == [
        "inference test: f1 0.333 is below 0.700",
        "inference test: accuracy 0.500 is below 0.750",
    ]


def test_one_failed_call_fails_and_is_named() -> None:
    judged = judged_of([*answers(("bent", "bent")), call(2, "bent", error="AccessDenied: no")])

    assert judged["reasons"] == ["1 of 2 calls failed; first: 2.png: AccessDenied: no"]


def test_no_answer_is_wrong_but_no_false_alarm() -> None:
    judged = judged_of(answers(("normal", ""), ("bent", "bent")))

    assert judged["accuracy"] == 0.5
    assert judged["false_alarm_rate"] == 0


def test_without_normal_images_there_is_no_false_alarm_rate() -> None:
    assert judged_of(answers(("bent", "bent")))["false_alarm_rate"] is None


def test_nothing_to_test_on_fails() -> None:
    reasons = judged_of([])["reasons"]

    assert reasons[0] == "there is no image to test on: neither holdout nor test has any"


def test_result_is_plain_json() -> None:
    judged = judged_of(answers(("bent", "bent")))

    assert json.loads(json.dumps(judged, allow_nan=False)) == judged
