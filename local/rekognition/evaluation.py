"""How good a classifier is on its testing images, in the numbers and files of the service."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

import numpy as np

from local.rekognition.manifest import CLASSIFICATION, ManifestLine

_UNTESTED_THRESHOLD = 0.5
_TRUTH = "rekognition-custom-labels-training"
_PREDICTION = "rekognition-custom-labels-evaluation"


@dataclass(frozen=True)
class LabelMetrics:
    """One label on the testing images; `threshold` is its assumed threshold, 0 to 1."""

    label: str
    threshold: float
    precision: float
    recall: float
    f1: float
    testing_images: int


@dataclass(frozen=True)
class Evaluation:
    """A classifier on its testing images: `scores` is float32 (images, labels), `truth` bool of the same shape."""

    labels: tuple[str, ...]
    scores: np.ndarray
    truth: np.ndarray
    metrics: tuple[LabelMetrics, ...]

    @property
    def tested(self) -> list[LabelMetrics]:
        """Return the metrics of the labels that occur in the testing set, best first."""
        tested = [metrics for metrics in self.metrics if metrics.testing_images]
        return sorted(tested, key=lambda metrics: (-metrics.f1, metrics.label))

    @property
    def f1(self) -> float:
        """Return the mean of the labels' F1 scores."""
        return fmean(metrics.f1 for metrics in self.tested)

    @property
    def thresholds(self) -> dict[str, float]:
        """Return the assumed threshold of every label, 0 to 1."""
        return {metrics.label: metrics.threshold for metrics in self.metrics}


def evaluate(labels: Sequence[str], scores: np.ndarray, truths: Sequence[frozenset[str]]) -> Evaluation:
    """Measure float32 scores of shape (images, labels) against the true labels of each image."""
    truth = np.array([[label in true for label in labels] for true in truths], dtype=bool)
    columns = zip(labels, scores.T, truth.T, strict=True)
    return Evaluation(tuple(labels), scores, truth, tuple(_metrics(*column) for column in columns))


def best_threshold(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return a threshold t at which `scores >= t` has the best F1: midway between the scores it separates.

    Midway, because a threshold equal to a score would hang on the last bit of that one image.
    """
    if not truth.any():
        return _UNTESTED_THRESHOLD
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(float)
    below = np.append(ranked[1:], 0.0)
    f1 = 2 * np.cumsum(truth[order]) / (np.arange(1, len(ranked) + 1) + truth.sum())
    f1[:-1][ranked[:-1] == ranked[1:]] = -1.0
    best = int(np.argmax(f1))
    return float((ranked[best] + below[best]) / 2)


def _metrics(label: str, scores: np.ndarray, truth: np.ndarray) -> LabelMetrics:
    threshold = best_threshold(scores, truth)
    predicted = scores.astype(float) >= threshold
    hits = int((predicted & truth).sum())
    positives, support = int(predicted.sum()), int(truth.sum())
    precision = hits / positives if positives else 0.0
    recall = hits / support if support else 0.0
    f1 = 2 * hits / (positives + support) if positives + support else 0.0
    return LabelMetrics(label, threshold, precision, recall, f1, support)


def confusion_matrix(evaluation: Evaluation, *, normalize_rows: bool) -> list[dict[str, Any]]:
    """Count the most likely label of each image against its true ones.

    The documented sample divides each count by the number of testing images of the *predicted* label;
    `normalize_rows` divides by that of the true label instead.
    """
    truth, likeliest = evaluation.truth, np.argmax(evaluation.scores, axis=1)
    support = truth.sum(axis=0)
    entries = []
    for row, true_label in enumerate(evaluation.labels):
        for column, predicted_label in enumerate(evaluation.labels):
            count = int((truth[:, row] & (likeliest == column)).sum())
            images = int(support[row if normalize_rows else column])
            value = count / images if images else 0.0
            entries.append({"GroundTruthLabel": true_label, "PredictedLabel": predicted_label, "Value": value})
    return entries


@dataclass(frozen=True)
class EvaluationContext:
    """What the evaluation files say beside the numbers."""

    version_arn: str
    training_images: int
    ended: datetime
    normalize_rows: bool = False


def summary_document(evaluation: Evaluation, context: EvaluationContext) -> dict[str, Any]:
    """Write the EvaluationResultSummary."""
    tested = evaluation.tested
    return {
        "Version": 1,
        "AggregatedEvaluationResults": {
            "ConfusionMatrix": confusion_matrix(evaluation, normalize_rows=context.normalize_rows),
            "F1Score": evaluation.f1,
            "Precision": fmean(metrics.precision for metrics in tested),
            "Recall": fmean(metrics.recall for metrics in tested),
        },
        "EvaluationDetails": {
            "EvaluationEndTimestamp": _iso(context.ended, "microseconds"),
            "Labels": list(evaluation.labels),
            "NumberOfTestingImages": len(evaluation.scores),
            "NumberOfTrainingImages": context.training_images,
            "ProjectVersionArn": context.version_arn,
        },
        "LabelEvaluationResults": [_label_result(metrics) for metrics in tested],
    }


def _label_result(metrics: LabelMetrics) -> dict[str, Any]:
    return {
        "Label": metrics.label,
        "Metrics": {
            "F1Score": metrics.f1,
            "Precision": metrics.precision,
            "Recall": metrics.recall,
            "Threshold": metrics.threshold,
        },
        "NumberOfTestingImages": metrics.testing_images,
    }


def snapshot(evaluation: Evaluation, lines: Sequence[ManifestLine], ended: datetime) -> Iterator[str]:
    """Write the TestingGroundTruth lines: the truth of each image, and one prediction for every label."""
    for line, scores in zip(lines, evaluation.scores, strict=True):
        document = {"source-ref": (line.document or {})["source-ref"], **_truth_attributes(line)}
        for index, (metrics, score) in enumerate(zip(evaluation.metrics, scores, strict=True)):
            document |= _prediction(index, metrics, float(score), metrics.label in line.label_set, ended)
        yield json.dumps(document)


def _truth_attributes(line: ManifestLine) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    document = line.document or {}
    for index, key in enumerate(line.labels):
        attributes[f"{_TRUTH}-{index}"] = document[key]
        attributes[f"{_TRUTH}-{index}-metadata"] = {**document[f"{key}-metadata"], "job-name": f"{_TRUTH}-job"}
    return attributes


def _prediction(index: int, metrics: LabelMetrics, score: float, present: bool, ended: datetime) -> Mapping[str, Any]:
    predicted = score >= metrics.threshold
    metadata = {
        "class-name": metrics.label,
        "confidence": score,
        "type": CLASSIFICATION,
        "job-name": f"{_PREDICTION}-job",
        "human-annotated": "no",
        "creation-date": _iso(ended, "milliseconds"),
        f"{_PREDICTION}-details": {
            "version": 1,
            "ground-truth-labelling-jobs": [f"{_TRUTH}-job"],
            "is-true-positive": predicted and present,
            "is-true-negative": not predicted and not present,
            "is-false-positive": predicted and not present,
            "is-false-negative": not predicted and present,
            "is-present-in-ground-truth": present,
        },
    }
    return {f"{_PREDICTION}-{index}": int(predicted), f"{_PREDICTION}-{index}-metadata": metadata}


def _iso(time: datetime, precision: str) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision)
