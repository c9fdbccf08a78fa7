"""The gate's judgement, from files as the service writes them."""

import json
from typing import Any

import pytest

from mlops.codec import object_of
from mlops.judging.classification import Classification
from mlops.judging.gate import Thresholds
from mlops.judging.operating_points import Cost, Costs
from mlops.stages import eval_metric


def judge(*given: Any, **named: Any) -> dict[str, Any]:
    """The document that is written of a judgement."""
    task, of_service, text, *more = given
    return object_of(eval_metric.judge(task, of_service, task.snapshot(text.split("\n")), *more, **named))


TASK = Classification()
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


@pytest.fixture(autouse=True)
def _gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_ON", "value")


@pytest.mark.parametrize("nested", [False, True])
def test_aggregates_are_read_flat_and_nested(nested: bool) -> None:
    judged = judge(TASK, summary(nested), SNAPSHOT, LENIENT)

    assert {name: judged["service"][name] for name in ("precision", "recall", "f1")} == {
        "precision": 0.75,
        "recall": 0.75,
        "f1": 0.733333,
    }
    assert judged["service"]["assumed_thresholds"] == {"ok": 0.41, "scratch": 0.62}
    assert judged["reasons"] == []


def test_snapshot_is_judged_by_the_assumed_threshold_of_each_label() -> None:
    judged = judge(TASK, summary(), SNAPSHOT, LENIENT)

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

    assert judge(TASK, summary(), full, LENIENT) == judge(TASK, summary(), SNAPSHOT, LENIENT)


@pytest.mark.parametrize(("confidence", "is_found"), [(0.41238, True), (0.41237, False), (0.412377, True)])
def test_a_confidence_of_five_digits_is_compared_with_as_many_of_its_threshold(
    confidence: float, is_found: bool
) -> None:
    ((_, outcomes),) = TASK.snapshot([snapshot_line("ok", ok=confidence)]).outcomes({"ok": 0.412376})

    assert outcomes == [("ok", True, is_found)]


def test_numbers_that_agree_are_said_to_agree() -> None:
    numbers = {"Precision": 5 / 6, "Recall": 0.75, "F1Score": 11 / 15}

    judged = judge(TASK, summary() | {"AggregatedEvaluationResults": numbers}, SNAPSHOT, LENIENT)

    assert judged["agrees"]
    assert judged["differences"] == {name: pytest.approx(0, abs=1e-9) for name in ("precision", "recall", "f1")}
    assert not judge(TASK, summary(), SNAPSHOT, LENIENT)["agrees"]


def test_a_version_is_judged_at_its_operating_points_whatever_the_service_s_thresholds_give() -> None:
    judged = judge(TASK, summary(f1=0.6), SNAPSHOT, Thresholds(0.7, 0.5))

    assert (judged["service"]["f1"], judged["recomputed"]["f1"]) == (0.6, pytest.approx(0.733, abs=0.001))
    assert judged["at_points"]["f1"] >= 0.7 and judged["reasons"] == []
    judged = judge(TASK, summary(f1=0.99), SNAPSHOT, Thresholds(0.95, 0.5))
    assert judged["reasons"] == [f"at its operating points: F1 {judged['at_points']['f1']:.3f} is below 0.950"]


def test_a_label_below_its_own_threshold_is_named() -> None:
    judged = judge(TASK, summary(), SNAPSHOT, Thresholds(0.5, 0.5, {"ok": 0.9}))

    f1 = judged["at_points"]["per_label"]["ok"]["f1"]
    assert judged["reasons"] == [f"at its operating points: F1 of ok is {f1:.3f} on 2 images, below 0.900"]


def test_by_its_lower_bound_a_number_on_few_images_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_ON", "lower bound")
    judged = judge(TASK, summary(), SNAPSHOT, Thresholds(0.7, 0.5))

    assert judged["at_points"]["f1"] >= 0.7 > judged["at_points"]["f1_interval"][0]
    assert [reason.split(" may")[0] for reason in judged["reasons"]] == ["at its operating points: F1"]


def test_alike_pictures_of_few_parts_say_less_than_those_of_many() -> None:
    said = [("ok", {"ok": 0.9 if n % 10 else 0.2}) if n % 2 else ("scratch", {"scratch": 0.8}) for n in range(80)]
    lines = [snapshot_line(truth, **confidences) for truth, confidences in said]
    rows = ({**json.loads(line), "source-ref": f"s3://b/{n}"} for n, line in enumerate(lines))
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    apart = judge(TASK, summary(), text, LENIENT)["at_points"]["f1_interval"]
    parts = {str(n): f"group {n // 16}" for n in range(80)}
    together = judge(TASK, summary(), text, LENIENT, parts=parts)["at_points"]["f1_interval"]

    assert together[1] - together[0] > apart[1] - apart[0]


def test_an_empty_snapshot_does_not_pass() -> None:
    assert judge(TASK, summary(), "", LENIENT)["reasons"] == ["at its operating points: F1 0.000 is below 0.500"]


def test_thresholds_come_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    gates = {
        "classification": {"f1": 0.8, "label_f1": 0.7, "labels": "cut=0.9"},
        "detection": {"f1": 0.5, "label_f1": 0, "labels": ""},
    }
    monkeypatch.setenv("GATES", json.dumps(gates))

    assert eval_metric.gate_of("classification") == Thresholds(0.8, 0.7, {"cut": 0.9})
    assert eval_metric.gate_of("detection") == Thresholds(0.5, 0, {})


def test_every_label_gets_an_operating_point_by_what_mistakes_cost() -> None:
    chosen = {}
    for escape in (1, 50):
        costs = Costs(Cost(escape, 1))
        judged = judge(TASK, summary(), SNAPSHOT, LENIENT, costs)
        chosen[escape] = {label: facts["min_confidence"] for label, facts in judged["operating_points"].items()}

    assert chosen[1].keys() == {"ok", "scratch"}
    assert chosen[50]["scratch"] < chosen[1]["scratch"]
    assert judged["operating_points"]["scratch"]["service"] == pytest.approx(62)
