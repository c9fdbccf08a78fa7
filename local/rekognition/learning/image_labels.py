"""Models that label whole images: what they learn from, how good they are, and what they answer."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from local.rekognition.learning.evaluation import (
    CONFIDENCE_DIGITS,
    PREDICTION,
    Evaluation,
    EvaluationContext,
    LabelMetrics,
    class_numbers,
    evaluation_details,
    label_metrics,
    prediction_metadata,
    truth_document,
)
from local.rekognition.learning.models import Classifier, Engine, Found, own_cuts
from local.rekognition.learning.thresholds import assumed_threshold
from local.rekognition.manifests.attributes import LABEL_TYPE, METADATA
from local.rekognition.manifests.dataset import Dataset
from local.rekognition.manifests.manifest import ManifestLine

_PREDICTED_AT_ONCE = 32


def train(dataset: Dataset, engine: Engine) -> Classifier:
    """Train a classifier."""
    lines = sorted(dataset.valid_lines, key=lambda line: line.key)
    images = [
        engine.LabeledImage(name=line.key, data=dataset.images[line.source], labels=tuple(sorted(line.label_set)))
        for line in lines
    ]
    return engine.train_classifier(images)


def load(engine: Engine, path: Path) -> Classifier:
    """Load a classifier that was saved."""
    model: Classifier = engine.ClassificationModel.load(path)
    return model


def find(model: Classifier, image: bytes) -> list[Found]:
    """Return every label with its score."""
    scores = model.predict([image])[0].astype(np.float32)
    return [Found(label, float(score)) for label, score in zip(model.labels, scores, strict=True)]


def test(model: Classifier, testing: Dataset) -> "LabelEvaluation":
    """Measure a classifier on a testing set."""
    lines = testing.valid_lines
    images = [testing.images[line.source] for line in lines]
    batches = (images[start : start + _PREDICTED_AT_ONCE] for start in range(0, len(images), _PREDICTED_AT_ONCE))
    scores = np.concatenate([model.predict(batch) for batch in batches])
    return evaluate(model.labels, scores, [line.label_set for line in lines], own_cuts(model))


@dataclass(frozen=True)
class LabelEvaluation(Evaluation):
    """A classifier on its testing images: `scores` is float (images, labels), `truth` bool of the same shape."""

    labels: tuple[str, ...]
    scores: np.ndarray
    truth: np.ndarray
    metrics: tuple[LabelMetrics, ...]

    @property
    def testing_images(self) -> int:
        return len(self.scores)

    def aggregates(self, context: EvaluationContext) -> Mapping[str, Any]:
        return {"ConfusionMatrix": confusion_matrix(self, normalize_rows=context.normalize_rows)}

    def snapshot(self, lines: Sequence[ManifestLine], ended: datetime) -> Iterator[str]:
        """Write one prediction for every label of each image."""
        numbers = class_numbers(self.labels, lines)
        for place, (line, scores) in enumerate(zip(lines, self.scores, strict=True), start=1):
            document = truth_document(place, line, numbers)
            for metrics, score in zip(self.metrics, scores, strict=True):
                number = numbers[metrics.label]
                document |= _prediction(number, metrics, float(score), metrics.label in line.label_set, ended)
            yield json.dumps(document)


def evaluate(
    labels: Sequence[str],
    scores: np.ndarray,
    truths: Sequence[frozenset[str]],
    cuts: Mapping[str, float] = MappingProxyType({}),
) -> LabelEvaluation:
    """Measure scores of shape (images, labels), as a snapshot shows them, against the true labels of each image.

    cuts: where the engine itself would cut, for the labels of which it knows.
    """
    scores = np.round(scores.astype(float), CONFIDENCE_DIGITS)
    truth = np.array([[label in true for label in labels] for true in truths], dtype=bool)
    columns = zip(labels, scores.T, truth.T, map(cuts.get, labels), strict=True)
    return LabelEvaluation(tuple(labels), scores, truth, tuple(_metrics(*column) for column in columns))


def best_threshold(scores: np.ndarray, truth: np.ndarray, own_cut: float | None = None) -> float:
    """Return the assumed threshold; `own_cut` is where the engine would cut, None when it cannot tell."""
    return assumed_threshold(scores, truth, int(truth.sum()), own_cut, usual=None)


def _metrics(label: str, scores: np.ndarray, truth: np.ndarray, own_cut: float | None) -> LabelMetrics:
    threshold = best_threshold(scores, truth, own_cut)
    predicted = scores >= threshold
    hits, positives, support = int((predicted & truth).sum()), int(predicted.sum()), int(truth.sum())
    return label_metrics(label, threshold, hits=hits, positives=positives, truths=support, testing_images=support)


def confusion_matrix(evaluation: LabelEvaluation, *, normalize_rows: bool) -> list[dict[str, Any]]:
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


def _prediction(number: int, metrics: LabelMetrics, score: float, present: bool, ended: datetime) -> Mapping[str, Any]:
    predicted = score >= metrics.threshold
    metadata = {
        "class-name": metrics.label,
        "confidence": score,
        **prediction_metadata(ended, LABEL_TYPE),
        f"{PREDICTION}-details": evaluation_details(predicted=predicted, present=present),
    }
    return {f"{PREDICTION}-{number}": number, f"{PREDICTION}-{number}{METADATA}": metadata}
