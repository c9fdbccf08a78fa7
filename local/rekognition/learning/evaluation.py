"""How good a model is on its testing images, in the numbers and files of the service; of whatever kind it is."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from statistics import fmean
from typing import Any

from local.rekognition.manifests.attributes import METADATA, Annotation, used_part
from local.rekognition.manifests.manifest import ManifestLine

TRUTH = "rekognition-custom-labels-training"
PREDICTION = "rekognition-custom-labels-evaluation"
OBJECT_ID = "rekognition-custom-labels-object-id"
# As many decimals of a confidence are shown; what is judged is what is shown, so that it can be judged again.
CONFIDENCE_DIGITS = 5


@dataclass(frozen=True)
class LabelMetrics:
    """One label on the testing images; `threshold` is its assumed threshold, 0 to 1."""

    label: str
    threshold: float
    precision: float
    recall: float
    f1: float
    testing_images: int


def label_metrics(
    label: str, threshold: float, *, hits: int, positives: int, truths: int, testing_images: int
) -> LabelMetrics:
    """Compute the metrics of a label from how much was right, found and true; undefined ones are 0."""
    precision = hits / positives if positives else 0.0
    recall = hits / truths if truths else 0.0
    f1 = 2 * hits / (positives + truths) if positives + truths else 0.0
    return LabelMetrics(label, threshold, precision, recall, f1, testing_images)


@dataclass(frozen=True)
class EvaluationContext:
    """What the evaluation files say beside the numbers."""

    version_arn: str
    training_images: int
    ended: datetime
    normalize_rows: bool = False
    nest_aggregates: bool = False


class Evaluation(ABC):
    """A model on its testing images."""

    labels: tuple[str, ...]
    metrics: tuple[LabelMetrics, ...]

    @property
    @abstractmethod
    def testing_images(self) -> int:
        """Return how many images the model was tested on."""

    @abstractmethod
    def aggregates(self, context: EvaluationContext) -> Mapping[str, Any]:
        """Return what a summary of this kind of model has beside the means of precision, recall and F1."""

    @abstractmethod
    def snapshot(self, lines: Sequence[ManifestLine], ended: datetime) -> Iterator[str]:
        """Write the TestingGroundTruth lines: the truth of each image, and what the model says."""

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


def summary_document(evaluation: Evaluation, context: EvaluationContext) -> dict[str, Any]:
    """Write the EvaluationResultSummary."""
    tested = evaluation.tested
    aggregates = {
        **evaluation.aggregates(context),
        "F1Score": evaluation.f1,
        "Precision": fmean(metrics.precision for metrics in tested),
        "Recall": fmean(metrics.recall for metrics in tested),
    }
    return {
        "Version": 1,
        "AggregatedEvaluationResults": {"Metrics": aggregates} if context.nest_aggregates else aggregates,
        "EvaluationDetails": {
            "EvaluationEndTimestamp": iso_time(context.ended),
            "Labels": list(evaluation.labels),
            "NumberOfTestingImages": evaluation.testing_images,
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


def class_numbers(labels: Iterable[str], lines: Iterable[ManifestLine]) -> dict[str, int]:
    """Number the labels of a model, then those that only these lines have: in a file, a class has one number."""
    others = sorted({label for line in lines for label in line.label_set})
    return {label: number for number, label in enumerate(dict.fromkeys([*labels, *others]))}


def class_map(labels: Iterable[str], numbers: Mapping[str, int]) -> dict[str, str]:
    """Write the class-map of these labels."""
    return {str(number): label for number, label in sorted((numbers[label], label) for label in set(labels))}


def truth_manifest(labels: Sequence[str], lines: Sequence[ManifestLine]) -> Iterator[str]:
    """Write the TrainingGroundTruth lines: what a model with these labels was trained on."""
    numbers = class_numbers(labels, lines)
    return (json.dumps(truth_document(place, line, numbers)) for place, line in enumerate(lines, start=1))


def truth_document(place: int, line: ManifestLine, numbers: Mapping[str, int]) -> dict[str, Any]:
    """Write what of a line a model was trained on or tested with; `place` counts the lines of the file from 1."""
    document: dict[str, Any] = {"source-ref": (line.document or {})["source-ref"]}
    for index, (key, annotations) in enumerate(groupby(line.annotations, key=lambda found: found.attribute)):
        value, metadata = _numbered(line, key, tuple(annotations), numbers)
        document[f"{TRUTH}-{index}"] = value
        document[f"{TRUTH}-{index}{METADATA}"] = {**metadata, "job-name": f"{TRUTH}-job"}
    return document | {OBJECT_ID: place}


def _numbered(
    line: ManifestLine, key: str, annotations: tuple[Annotation, ...], numbers: Mapping[str, int]
) -> tuple[Any, dict[str, Any]]:
    value, metadata = used_part(line.document or {}, key, annotations)
    labels = [annotation.label for annotation in annotations]
    if annotations[0].box is None:
        return numbers[labels[0]], metadata
    pairs = zip(value["annotations"], labels, strict=True)
    boxes = [{**entry, "class_id": numbers[label]} for entry, label in pairs]
    return {**value, "annotations": boxes}, {**metadata, "class-map": class_map(labels, numbers)}


def evaluation_details(*, predicted: bool, present: bool) -> dict[str, Any]:
    """Write what a snapshot says of one prediction."""
    return {
        "version": 1,
        "ground-truth-labelling-jobs": [f"{TRUTH}-job"],
        "is-true-positive": predicted and present,
        "is-true-negative": not predicted and not present,
        "is-false-positive": predicted and not present,
        "is-false-negative": not predicted and present,
        "is-present-in-ground-truth": present,
    }


def prediction_metadata(ended: datetime, kind: str) -> dict[str, Any]:
    """Write what all predictions of a snapshot have in common."""
    return {
        "type": kind,
        "job-name": f"{PREDICTION}-job",
        "human-annotated": "no",
        "creation-date": iso_time(ended),
    }


def iso_time(time: datetime) -> str:
    """Write a time as the service's files do: in microseconds of UTC, and they do not say so."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
