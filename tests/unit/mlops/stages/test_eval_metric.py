"""The gate's and the inference test's judgement, from files as the service writes them."""

import json
from typing import Any

import pytest

from mlops.dataset.images import Image
from mlops.judging.answers import Call
from mlops.judging.gate import Thresholds
from mlops.judging.operating_points import Cost, Costs
from mlops.judging.snapshots import label_outcomes
from mlops.stages import eval_metric, inference_test

TRUTH = "rekognition-custom-labels-training-0"
ANSWER = "rekognition-custom-labels-evaluation"


def summary(nested: bool = False, f1: float = 0.733333) -> dict[str, Any]:
    aggregates = {"F1Score": f1, "Precision": 0.75, "Recall": 0.75}
    return {
        "Version": 1,
        "AggregatedEvaluationResults": {"Metrics": aggregates} if nested else {**aggregates, "ConfusionMatrix": []},
        "LabelEvaluationResults": [
            result("ok", 1.0, 0.5, 2 / 3, 0.41),
            result("scratch", 0.5, 1.0, 0.8, 0.62),
        ],
    }


def result(label: str, precision: float, recall: float, f1: float, threshold: float) -> dict[str, Any]:
    metrics = {"Precision": precision, "Recall": recall, "F1Score": f1, "Threshold": threshold}
    return {"Label": label, "Metrics": metrics, "NumberOfTestingImages": 2}


def snapshot_line(truth: str, **confidences: float) -> str:
    line: dict[str, Any] = {"source-ref": "s3://b/a\u2028b.png", TRUTH: 0, f"{TRUTH}-metadata": labelled(truth, 1.0)}
    for index, (label, confidence) in enumerate(confidences.items()):
        line[f"{ANSWER}-{index}"] = index
        line[f"{ANSWER}-{index}-metadata"] = labelled(label, confidence) | {f"{ANSWER}-details": {"version": 1}}
    return json.dumps(line, ensure_ascii=False) + "\n"


def labelled(label: str, confidence: float) -> dict[str, Any]:
    return {"class-name": label, "confidence": confidence, "type": "groundtruth/image-classification"}


# By the assumed thresholds: ok is found once and missed once; scratch is found twice, once where it is not.
SNAPSHOT = (
    snapshot_line("ok", ok=0.9, scratch=0.1)
    + snapshot_line("ok", ok=0.3, scratch=0.7)
    + snapshot_line("scratch", ok=0.38, scratch=0.62)
    + snapshot_line("scratch", ok=0.2, scratch=0.8)
)
LENIENT = Thresholds(0.5, 0.5)


@pytest.mark.parametrize("nested", [False, True])
def test_aggregates_are_read_flat_and_nested(nested: bool) -> None:
    judged = eval_metric.judge("classification", summary(nested), SNAPSHOT, LENIENT)

    assert {name: judged["service"][name] for name in ("precision", "recall", "f1")} == {
        "precision": 0.75,
        "recall": 0.75,
        "f1": 0.733333,
    }
    assert judged["service"]["assumed_thresholds"] == {"ok": 0.41, "scratch": 0.62}
    assert judged["reasons"] == []


def test_snapshot_is_judged_by_the_assumed_threshold_of_each_label() -> None:
    judged = eval_metric.judge("classification", summary(), SNAPSHOT, LENIENT)

    assert judged["test_images"] == 4
    assert judged["recomputed"]["per_label"] == {
        "ok": {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2},
        "scratch": {"precision": pytest.approx(2 / 3), "recall": 1.0, "f1": pytest.approx(0.8), "support": 2},
    }
    assert judged["recomputed"]["f1"] == pytest.approx((2 / 3 + 0.8) / 2)


def test_a_classifier_s_snapshot_is_read_alike_with_all_that_aws_adds_and_without() -> None:
    entries = [json.loads(row) for row in SNAPSHOT.split("\n") if row]
    for place, entry in enumerate(entries, start=1):
        entry |= {"rekognition-custom-labels-object-id": place, "line-idx": place}
    full = "".join(f"{json.dumps(entry)}\n" for entry in entries)

    assert eval_metric.judge("classification", summary(), full, LENIENT) == eval_metric.judge(
        "classification", summary(), SNAPSHOT, LENIENT
    )


@pytest.mark.parametrize(("confidence", "is_found"), [(0.41238, True), (0.41237, False), (0.412377, True)])
def test_a_confidence_of_five_digits_is_compared_with_as_many_of_its_threshold(
    confidence: float, is_found: bool
) -> None:
    outcomes = label_outcomes(snapshot_line("ok", ok=confidence), {"ok": 0.412376})

    assert list(outcomes) == [("ok", True, is_found)]


def test_numbers_that_agree_are_said_to_agree() -> None:
    numbers = {"Precision": 5 / 6, "Recall": 0.75, "F1Score": 11 / 15}

    judged = eval_metric.judge(
        "classification", summary() | {"AggregatedEvaluationResults": numbers}, SNAPSHOT, LENIENT
    )

    assert judged["agrees"]
    assert judged["differences"] == {name: pytest.approx(0, abs=1e-9) for name in ("precision", "recall", "f1")}
    assert not eval_metric.judge("classification", summary(), SNAPSHOT, LENIENT)["agrees"]


def test_either_source_can_fail_the_gate() -> None:
    judged = eval_metric.judge("classification", summary(f1=0.95), SNAPSHOT, Thresholds(0.9, 0.5))

    assert judged["reasons"] == ["recomputed from the snapshot: F1 0.733 is below 0.900"]
    judged = eval_metric.judge("classification", summary(f1=0.6), SNAPSHOT, Thresholds(0.7, 0.5))
    assert judged["reasons"] == ["service: F1 0.600 is below 0.700"]


def test_a_label_below_its_own_threshold_is_named_for_both_sources() -> None:
    judged = eval_metric.judge("classification", summary(), SNAPSHOT, Thresholds(0.5, 0.5, {"ok": 0.7}))

    assert judged["reasons"] == [
        "service: F1 of ok is 0.667 on 2 images, below 0.700",
        "recomputed from the snapshot: F1 of ok is 0.667 on 2 images, below 0.700",
    ]


def test_an_empty_snapshot_does_not_pass() -> None:
    assert eval_metric.judge("classification", summary(), "", LENIENT)["reasons"] == [
        "recomputed from the snapshot: F1 0.000 is below 0.500"
    ]


def test_thresholds_come_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    gates = {
        "classification": {"f1": 0.8, "label_f1": 0.7, "labels": "cut=0.9"},
        "detection": {"f1": 0.5, "label_f1": 0, "labels": ""},
    }
    monkeypatch.setenv("GATES", json.dumps(gates))

    assert eval_metric.gate_of("classification") == Thresholds(0.8, 0.7, {"cut": 0.9})
    assert eval_metric.gate_of("detection") == Thresholds(0.5, 0, {})


@pytest.fixture
def inference_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {
        "classification": {"f1": 0.7, "accuracy": 0.75, "false_alarm_rate": 0.4},
        "detection": {"f1": 0.5, "false_alarm_rate": 0.5},
    }
    monkeypatch.setenv("INFERENCE_LIMITS", json.dumps(limits))
    monkeypatch.setenv("MATCH_IOU", "0.5")
    monkeypatch.setenv("GATE_ON", "value")


def call(number: int, truth: str, said: str = "", error: str = "") -> Call:
    labels = ({"Name": said, "Confidence": 90.0}, {"Name": "other", "Confidence": 5.0}) if said else ()
    return Call(Image(f"{number}.png", "", (truth,), "test", "", 100, 80), labels, 10.0 * number, error)


def answers(*pairs: tuple[str, str]) -> list[Call]:
    return [call(number, *pair) for number, pair in enumerate(pairs, 1)]


@pytest.mark.usefixtures("inference_limits")
class TestInferenceJudgement:
    def test_good_answers_pass_with_all_numbers(self) -> None:
        judged = inference_test.judge(
            "classification",
            answers(("bent", "bent"), ("bent", "bent"), ("normal", "normal"), ("normal", "bent"), ("normal", "normal")),
        )

        assert judged["reasons"] == []
        assert judged["accuracy"] == 0.8
        assert judged["f1"] == pytest.approx(0.8)
        assert judged["false_alarm_rate"] == pytest.approx(1 / 3)
        assert judged["confusion_matrix"] == {"bent": {"bent": 2}, "normal": {"bent": 1, "normal": 2}}
        assert judged["latency_ms"] == {"p50": 30.0, "p95": 50.0}
        assert judged["images"] == len(judged["answers"]) == 5

    def test_numbers_below_the_thresholds_fail(self) -> None:
        judged = inference_test.judge("classification", answers(("bent", "normal"), ("normal", "normal")))

        assert judged["reasons"] == [
            "inference test: f1 0.333 is below 0.700",
            "inference test: accuracy 0.500 is below 0.750",
        ]

    def test_one_failed_call_fails_and_is_named(self) -> None:
        judged = inference_test.judge(
            "classification", [*answers(("bent", "bent")), call(2, "bent", error="AccessDenied: no")]
        )

        assert judged["reasons"] == ["1 of 2 calls failed; first: 2.png: AccessDenied: no"]

    def test_no_answer_is_wrong_but_no_false_alarm(self) -> None:
        judged = inference_test.judge("classification", answers(("normal", ""), ("bent", "bent")))

        assert judged["accuracy"] == 0.5
        assert judged["false_alarm_rate"] == 0

    def test_without_normal_images_there_is_no_false_alarm_rate(self) -> None:
        assert inference_test.judge("classification", answers(("bent", "bent")))["false_alarm_rate"] is None

    def test_nothing_to_test_on_fails(self) -> None:
        reasons = inference_test.judge("classification", [])["reasons"]

        assert reasons[0] == "there is no image to test on: neither holdout nor test has any"

    def test_result_is_plain_json(self) -> None:
        judged = inference_test.judge("classification", answers(("bent", "bent")))

        assert json.loads(json.dumps(judged, allow_nan=False)) == judged


def test_every_label_gets_an_operating_point_by_what_mistakes_cost() -> None:
    chosen = {}
    for escape in (1, 50):
        costs = Costs(Cost(escape, 1))
        judged = eval_metric.judge("classification", summary(), SNAPSHOT, LENIENT, costs)
        chosen[escape] = {label: facts["min_confidence"] for label, facts in judged["operating_points"].items()}

    assert chosen[1].keys() == {"ok", "scratch"}
    assert chosen[50]["scratch"] < chosen[1]["scratch"]
    assert judged["operating_points"]["scratch"]["service"] == pytest.approx(62)
