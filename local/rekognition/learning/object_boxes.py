"""Models that find objects: what they learn from, how good they are, and what they answer."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any

import numpy as np

from local.rekognition.boxes import Box, match
from local.rekognition.learning.evaluation import (
    CONFIDENCE_DIGITS,
    PREDICTION,
    Evaluation,
    EvaluationContext,
    LabelMetrics,
    class_map,
    class_numbers,
    evaluation_details,
    label_metrics,
    prediction_metadata,
    truth_document,
)
from local.rekognition.learning.models import Detector, Engine, Found, own_cuts
from local.rekognition.learning.thresholds import assumed_threshold
from local.rekognition.manifests.attributes import BOX_TYPE, METADATA
from local.rekognition.manifests.dataset import Dataset
from local.rekognition.manifests.manifest import ManifestLine

_USUAL_CUT = 0.5


def train(dataset: Dataset, engine: Engine) -> Detector:
    """Train a detector."""
    lines = sorted(dataset.valid_lines, key=lambda line: line.key)
    return engine.train_detector([_boxed_image(line, dataset, engine) for line in lines])


def _boxed_image(line: ManifestLine, dataset: Dataset, engine: Engine) -> Any:
    boxes = tuple(engine.LabeledBox(found.label, *astuple(found.box)) for found in line.annotations if found.box)
    return engine.BoxedImage(name=line.key, data=dataset.images[line.source], boxes=boxes)


def load(engine: Engine, path: Path) -> Detector:
    """Load a detector that was saved."""
    model: Detector = engine.DetectionModel.load(path)
    return model


def find(model: Detector, image: bytes) -> list[Found]:
    """Return every box that was found, weak ones included."""
    return [
        Found(one.label, float(np.float32(one.score)), Box(*map(float, (one.left, one.top, one.width, one.height))))
        for one in model.predict([image])[0]
    ]


def test(model: Detector, testing: Dataset) -> "BoxEvaluation":
    """Measure a detector on a testing set."""
    lines = testing.valid_lines
    found = [_in_pixels(find(model, testing.images[line.source]), line) for line in lines]
    return evaluate(model.labels, found, lines, own_cuts(model))


def _in_pixels(found: Sequence[Found], line: ManifestLine) -> list[Found]:
    (width, height), *_ = line.frames
    return [replace(one, box=_scaled(one.box, width, height)) for one in found if one.box]


def _scaled(box: Box, width: int, height: int) -> Box:
    return Box(box.left * width, box.top * height, box.width * width, box.height * height)


@dataclass(frozen=True)
class Judged:
    """A box that was found on a testing image, and the position of the true box that it is, if it is one."""

    found: Found
    truth: int | None


@dataclass(frozen=True)
class LabelCurve:
    """All boxes of one label that were found, best first: their scores, and whether each is a true one."""

    scores: np.ndarray
    hits: np.ndarray
    truths: int

    @property
    def last_of_score(self) -> np.ndarray:
        """Tell the last box of each score: a threshold accepts boxes of equal scores together."""
        return np.append(self.scores[1:] != self.scores[:-1], True)

    @property
    def average_precision(self) -> float:
        """Return the area under the precision-recall curve, precision made monotonous, over all points."""
        if not self.hits.any():
            return 0.0
        hits, found = np.cumsum(self.hits), np.arange(1, len(self.hits) + 1)
        precision, recall = (hits / found)[self.last_of_score], (hits / self.truths)[self.last_of_score]
        best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
        return float(np.diff(recall, prepend=0.0) @ best_from_here)

    @property
    def recall(self) -> float:
        """Return the share of true boxes that were found at any score."""
        return float(self.hits.sum() / self.truths) if self.truths else 0.0

    def best_threshold(self, own_cut: float | None = None) -> float:
        """Return the assumed threshold; `own_cut` is where the engine would cut, None when it cannot tell."""
        return assumed_threshold(self.scores, self.hits, self.truths, own_cut, usual=_USUAL_CUT)


@dataclass(frozen=True)
class BoxEvaluation(Evaluation):
    """A detector on its testing images: what it found on each, in pixels, best first, and the curve of each label."""

    labels: tuple[str, ...]
    metrics: tuple[LabelMetrics, ...]
    judged: tuple[tuple[Judged, ...], ...]
    curves: Mapping[str, LabelCurve]

    @property
    def testing_images(self) -> int:
        return len(self.judged)

    def aggregates(self, context: EvaluationContext) -> Mapping[str, Any]:
        curves = [self.curves[metrics.label] for metrics in self.tested]
        return {
            "AveragePrecision": fmean(curve.average_precision for curve in curves),
            "AverageRecall": fmean(curve.recall for curve in curves),
        }

    def snapshot(self, lines: Sequence[ManifestLine], ended: datetime) -> Iterator[str]:
        """Write every box at or above its threshold, and below it those that lie on a true box which was missed."""
        numbers = class_numbers(self.labels, lines)
        for place, (line, judged) in enumerate(zip(lines, self.judged, strict=True), start=1):
            shown = [one for one in judged if self._is_shown(one)]
            document = truth_document(place, line, numbers)
            yield json.dumps(document | self._predictions(shown, line, numbers, ended))

    def _is_found(self, one: Judged) -> bool:
        return one.found.score >= self.thresholds[one.found.label]

    def _is_shown(self, one: Judged) -> bool:
        return self._is_found(one) or one.truth is not None

    def _predictions(
        self, shown: Sequence[Judged], line: ManifestLine, numbers: Mapping[str, int], ended: datetime
    ) -> dict[str, Any]:
        (width, height), *_ = line.frames
        value = {
            "annotations": [_annotation(one.found, numbers) for one in shown],
            "image_size": [{"width": width, "height": height, "depth": 3}],
        }
        details = [evaluation_details(predicted=self._is_found(one), present=one.truth is not None) for one in shown]
        metadata = {
            # In AWS's sample with its one box, that of the box: here that of the surest one.
            "confidence": max((one.found.score for one in shown), default=0.0),
            "objects": [
                {"confidence": one.found.score, f"{PREDICTION}-details": detail}
                for one, detail in zip(shown, details, strict=True)
            ],
            "class-map": class_map([one.found.label for one in shown], numbers),
            **prediction_metadata(ended, BOX_TYPE),
        }
        return {PREDICTION: value, PREDICTION + METADATA: metadata}


def _annotation(found: Found, numbers: Mapping[str, int]) -> dict[str, Any]:
    assert found.box is not None
    return {"class_id": numbers[found.label], **{side: int(pixels) for side, pixels in asdict(found.box).items()}}


def evaluate(
    labels: Sequence[str],
    found: Sequence[Sequence[Found]],
    lines: Sequence[ManifestLine],
    cuts: Mapping[str, float] = MappingProxyType({}),
) -> BoxEvaluation:
    """Measure what was found on each image, in pixels, as a snapshot shows it, against the boxes of its line.

    cuts: where the engine itself would cut, for the labels of which it knows.
    """
    shown = [[_as_shown(one) for one in boxes] for boxes in found]
    judged = tuple(_judged(boxes, line) for boxes, line in zip(shown, lines, strict=True))
    curves = {label: _curve(label, judged, lines) for label in labels}
    images = {label: sum(label in line.label_set for line in lines) for label in labels}
    metrics = tuple(_metrics(label, curves[label], images[label], cuts.get(label)) for label in labels)
    return BoxEvaluation(tuple(labels), metrics, judged, curves)


def _as_shown(found: Found) -> Found:
    """Round a box to whole pixels, edge by edge so that none leaves the frame, and its score."""
    assert found.box is not None
    left, top = round(found.box.left), round(found.box.top)
    right, bottom = round(found.box.left + found.box.width), round(found.box.top + found.box.height)
    box = Box(left, top, max(right - left, 1), max(bottom - top, 1))
    return replace(found, score=round(found.score, CONFIDENCE_DIGITS), box=box)


def _judged(found: Sequence[Found], line: ManifestLine) -> tuple[Judged, ...]:
    judged: list[Judged] = []
    for label in dict.fromkeys(one.label for one in found):
        own = [one for one in found if one.label == label]
        positions = [number for number, truth in enumerate(line.annotations) if truth.label == label and truth.box]
        truths = [box for number in positions if (box := line.annotations[number].box)]
        matched = match([(one.score, one.box) for one in own if one.box], truths)
        judged += [
            Judged(one, None if truth is None else positions[truth]) for one, truth in zip(own, matched, strict=True)
        ]
    return tuple(sorted(judged, key=lambda one: (-one.found.score, one.found.label, one.found.box)))


def _curve(label: str, judged: Sequence[Sequence[Judged]], lines: Sequence[ManifestLine]) -> LabelCurve:
    own = [one for image in judged for one in image if one.found.label == label]
    own.sort(key=lambda one: -one.found.score)
    truths = sum(truth.label == label for line in lines for truth in line.annotations)
    scores = np.array([one.found.score for one in own])
    return LabelCurve(scores, np.array([one.truth is not None for one in own], dtype=bool), truths)


def _metrics(label: str, curve: LabelCurve, testing_images: int, own_cut: float | None) -> LabelMetrics:
    threshold = curve.best_threshold(own_cut)
    found = curve.scores >= threshold
    return label_metrics(
        label,
        threshold,
        hits=int((found & curve.hits).sum()),
        positives=int(found.sum()),
        truths=curve.truths,
        testing_images=testing_images,
    )
