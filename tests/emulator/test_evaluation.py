import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.rekognition.learning.evaluation import Evaluation, EvaluationContext, summary_document, truth_manifest
from local.rekognition.learning.image_labels import best_threshold, confusion_matrix, evaluate
from local.rekognition.manifests.manifest import parse_line
from tests.emulator.datasets import line

ENDED = datetime(2026, 3, 4, 11, 20, 31, 123456, UTC)


def evaluated(rows: list[tuple[str, float, float]]) -> Evaluation:
    """Evaluate images given as (true label, score of ok, score of scratch)."""
    scores = np.array([row[1:] for row in rows], dtype=np.float32)
    return evaluate(("ok", "scratch"), scores, [frozenset({row[0]}) for row in rows])


ROWS = [("ok", 0.9, 0.2), ("ok", 0.8, 0.1), ("ok", 0.05, 0.6), ("scratch", 0.1, 0.9), ("scratch", 0.4, 0.5)]


def f1_at(threshold: float, scores: np.ndarray, truth: np.ndarray) -> float:
    predicted = scores.astype(float) >= threshold
    return 2 * (predicted & truth).sum() / (predicted.sum() + truth.sum())


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=1, max_size=30))
def test_no_threshold_beats_the_assumed_one(samples: list[tuple[float, bool]]) -> None:
    scores = np.array([score for score, _ in samples], dtype=np.float32)
    truth = np.array([true for _, true in samples])
    if not truth.any():
        return

    best = f1_at(best_threshold(scores, truth), scores, truth)

    assert best == max(f1_at(candidate, scores, truth) for candidate in [*scores.astype(float), 0.0])


def test_assumed_threshold_lies_between_separable_scores() -> None:
    scores, truth = np.array([0.9, 0.7, 0.2, 0.1], dtype=np.float32), np.array([True, True, False, False])

    assert best_threshold(scores, truth) == pytest.approx(0.45)


def test_label_metrics_count_at_the_assumed_threshold() -> None:
    ok, scratch = evaluated(ROWS).metrics

    assert (ok.precision, ok.recall, ok.testing_images) == (1.0, pytest.approx(2 / 3), 3)
    assert (scratch.precision, scratch.recall, scratch.f1) == (pytest.approx(2 / 3), 1.0, pytest.approx(0.8))


@pytest.mark.parametrize("nests", [True, False])
def test_aggregates_are_below_metrics_only_when_that_is_asked_for(nests: bool) -> None:
    document = summary_document(evaluated(ROWS), EvaluationContext("arn", 7, ENDED, nest_aggregates=nests))

    assert ("F1Score" in document["AggregatedEvaluationResults"]) is not nests
    assert ("F1Score" in document["AggregatedEvaluationResults"].get("Metrics", {})) is nests


def test_aggregates_are_macro_means_not_a_harmonic_mean() -> None:
    evaluation = evaluated(ROWS)
    document = summary_document(evaluation, EvaluationContext("arn", 7, ENDED))

    aggregate = document["AggregatedEvaluationResults"]
    labels = [result["Metrics"] for result in document["LabelEvaluationResults"]]
    for name in ("F1Score", "Precision", "Recall"):
        assert aggregate[name] == pytest.approx(sum(metrics[name] for metrics in labels) / 2)
    assert aggregate["F1Score"] == evaluation.f1


def test_summary_has_the_documented_shape() -> None:
    document = summary_document(evaluated(ROWS), EvaluationContext("arn:version", 7, ENDED))

    assert document["Version"] == 1
    assert document["EvaluationDetails"] == {
        "EvaluationEndTimestamp": "2026-03-04T11:20:31.123456",
        "Labels": ["ok", "scratch"],
        "NumberOfTestingImages": 5,
        "NumberOfTrainingImages": 7,
        "ProjectVersionArn": "arn:version",
    }
    f1 = [result["Metrics"]["F1Score"] for result in document["LabelEvaluationResults"]]
    assert f1 == sorted(f1, reverse=True)
    assert set(document["LabelEvaluationResults"][0]) == {"Label", "Metrics", "NumberOfTestingImages"}
    assert set(document["LabelEvaluationResults"][0]["Metrics"]) == {"F1Score", "Precision", "Recall", "Threshold"}


def documented_confusion(*, normalize_rows: bool) -> dict[tuple[str, str], float]:
    counts = {("ok", "ok"): 56, ("ok", "scratch"): 4, ("scratch", "ok"): 4, ("scratch", "scratch"): 36}
    score = {"ok": (0.6, 0.4), "scratch": (0.4, 0.6)}
    rows = [(true, *score[predicted]) for (true, predicted), count in counts.items() for _ in range(count)]
    matrix = confusion_matrix(evaluated(rows), normalize_rows=normalize_rows)
    return {(entry["GroundTruthLabel"], entry["PredictedLabel"]): entry["Value"] for entry in matrix}


def test_confusion_matrix_divides_by_the_support_of_the_predicted_label_like_the_documented_sample() -> None:
    assert documented_confusion(normalize_rows=False) == {
        ("ok", "ok"): pytest.approx(0.933333, abs=1e-6),
        ("ok", "scratch"): 0.1,
        ("scratch", "ok"): pytest.approx(0.066667, abs=1e-6),
        ("scratch", "scratch"): 0.9,
    }


def test_confusion_matrix_can_be_normalized_by_rows() -> None:
    matrix = documented_confusion(normalize_rows=True)

    assert matrix[("ok", "ok")] + matrix[("ok", "scratch")] == pytest.approx(1.0)


def test_label_without_testing_images_is_left_out_of_the_means() -> None:
    scores = np.array([[0.9, 0.1, 0.3], [0.2, 0.8, 0.3]], dtype=np.float32)

    evaluation = evaluate(("a", "b", "unseen"), scores, [frozenset({"a"}), frozenset({"b"})])

    assert evaluation.f1 == 1.0
    assert evaluation.thresholds["unseen"] == 0.5
    document = summary_document(evaluation, EvaluationContext("arn", 3, ENDED))
    assert [result["Label"] for result in document["LabelEvaluationResults"]] == ["a", "b"]
    assert document["EvaluationDetails"]["Labels"] == ["a", "b", "unseen"]


def test_snapshot_holds_truth_and_one_prediction_per_label() -> None:
    evaluation = evaluated(ROWS)
    lines = [parse_line(json.dumps(line(f"{n}.png", row[0]) | {"tag0": 5})) for n, row in enumerate(ROWS)]

    third = json.loads(list(evaluation.snapshot(lines, ENDED))[2])

    assert third["source-ref"] == "s3://parts/2.png"
    truth = third["rekognition-custom-labels-training-0-metadata"]
    assert (truth["class-name"], truth["job-name"]) == ("ok", "rekognition-custom-labels-training-job")
    ok = third["rekognition-custom-labels-evaluation-0-metadata"]
    assert (ok["class-name"], ok["human-annotated"]) == ("ok", "no")
    assert ok["confidence"] == 0.05
    assert ok["creation-date"] == "2026-03-04T11:20:31.123456"
    assert third["rekognition-custom-labels-object-id"] == 3
    # A class has the same number in truth and prediction.
    assert third["rekognition-custom-labels-training-0"] == third["rekognition-custom-labels-evaluation-0"] == 0
    assert third["rekognition-custom-labels-evaluation-1"] == 1
    details = ok["rekognition-custom-labels-evaluation-details"]
    assert details["ground-truth-labelling-jobs"] == ["rekognition-custom-labels-training-job"]
    assert [name for name, value in details.items() if value is True] == [
        "is-false-negative",
        "is-present-in-ground-truth",
    ]
    scratch = third["rekognition-custom-labels-evaluation-1-metadata"]
    details = scratch["rekognition-custom-labels-evaluation-details"]
    assert [name for name, value in details.items() if value is True] == ["is-false-positive"]
    assert "tag0" not in third


def test_confidences_are_judged_with_the_five_digits_that_a_snapshot_shows() -> None:
    scores = np.array([[0.123456, 0.2], [0.123461, 0.8]], dtype=np.float32)
    lines = [parse_line(json.dumps(line(f"{n}.png", label))) for n, label in enumerate(("ok", "scratch"))]

    evaluation = evaluate(("ok", "scratch"), scores, [found.label_set for found in lines])
    rows = [json.loads(row) for row in evaluation.snapshot(lines, ENDED)]

    shown = [row["rekognition-custom-labels-evaluation-0-metadata"]["confidence"] for row in rows]
    assert shown == [0.12346, 0.12346]
    assert evaluation.metrics[0].precision == 0.5


def test_training_ground_truth_of_a_classifier_has_the_names_of_the_service() -> None:
    rows = truth_manifest(("ok", "scratch"), [parse_line(json.dumps(line("a.png", "scratch", "ok")))])

    (row,) = map(json.loads, rows)

    truth = "rekognition-custom-labels-training"
    assert {name: row[name] for name in (f"{truth}-0", f"{truth}-1")} == {f"{truth}-0": 1, f"{truth}-1": 0}
    assert row[f"{truth}-0-metadata"] == {
        **line("a.png", "scratch")["tag0-metadata"],
        "job-name": "rekognition-custom-labels-training-job",
    }
    assert row["rekognition-custom-labels-object-id"] == 1
