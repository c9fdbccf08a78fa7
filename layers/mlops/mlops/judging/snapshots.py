"""The evaluation snapshot of Custom Labels: what was true of every test image, and what the version said.

Source: "Evaluation manifest snapshot" of the developer guide.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mlops.codec import Json
from mlops.dataset.boxes import Box, LabeledBox, match
from mlops.dataset.manifests import parse_lines
from mlops.judging.metrics import Outcome

_TRUTH, _PREDICTION = "rekognition-custom-labels-training-", "rekognition-custom-labels-evaluation"
_UNKNOWN_THRESHOLD = 0.5
# Files have been seen with so many digits of a confidence, and with all of them.
_CONFIDENCE_DIGITS = 5


def label_outcomes(snapshot: str, thresholds: Mapping[str, float]) -> Iterator[Outcome]:
    """(label, in the truth, predicted) for every image of a classification snapshot, and every label that is true of it
    or has a confidence: hundreds of others times thousands of images would say nothing more."""
    for entry in parse_lines(snapshot):
        truth = {value["class-name"] for _, value in _metadata(entry, _TRUTH)}
        confidences = {value["class-name"]: float(value["confidence"]) for _, value in _metadata(entry, _PREDICTION)}
        for label in truth | set(confidences):
            least = thresholds.get(label, _UNKNOWN_THRESHOLD)
            yield label, label in truth, _reaches(confidences.get(label, -1.0), least)


def said_of_images(snapshot: str) -> Iterator[tuple[set[str], dict[str, float]]]:
    """(true labels, confidence of every label, 0 to 100) for every image of a classification snapshot."""
    for entry in parse_lines(snapshot):
        truth = {str(value["class-name"]) for _, value in _metadata(entry, _TRUTH)}
        said = {
            str(value["class-name"]): 100 * float(value["confidence"]) for _, value in _metadata(entry, _PREDICTION)
        }
        yield truth, said


def said_of_boxes(snapshot: str) -> Iterator[tuple[list[LabeledBox], list[LabeledBox]]]:
    """(true boxes, boxes found at any confidence) for every image of a detection snapshot."""
    for entry in parse_lines(snapshot):
        yield _boxes(entry, _TRUTH), _boxes(entry, _PREDICTION)


def box_outcomes(snapshot: str, thresholds: Mapping[str, float], least_iou: float) -> Iterator[Outcome]:
    """(label, is true, was found) for every box of a detection snapshot; predictions below their threshold are none."""
    for entry in parse_lines(snapshot):
        truth = _boxes(entry, _TRUTH)
        said = _boxes(entry, _PREDICTION)
        found = [box for box in said if _reaches(box.confidence, thresholds.get(box.label, _UNKNOWN_THRESHOLD))]
        yield from outcomes_of(truth, found, least_iou)


def outcomes_of(truth: list[LabeledBox], found: list[LabeledBox], least_iou: float) -> Iterator[Outcome]:
    """(label, is true, was found) for every true box and every false alarm of one image."""
    matched = match(truth, found, least_iou)
    for index, box in enumerate(truth):
        yield box.label, True, index in matched.values()
    for number, box in enumerate(found):
        if number not in matched:
            yield box.label, False, True


def _reaches(confidence: float, threshold: float) -> bool:
    """Whether a confidence is at least a threshold; one that was rounded is compared with as much of the threshold."""
    is_rounded = round(confidence, _CONFIDENCE_DIGITS) == confidence
    return confidence >= (round(threshold, _CONFIDENCE_DIGITS) if is_rounded else threshold)


def _boxes(entry: Json, prefix: str) -> list[LabeledBox]:
    found = []
    for name, metadata in _metadata(entry, prefix):
        annotations = entry[name.removesuffix("-metadata")]["annotations"]
        for drawn, extra in zip(annotations, metadata["objects"], strict=True):
            box = Box(*(float(drawn[side]) for side in ("left", "top", "width", "height")))
            label = str(metadata["class-map"][str(drawn["class_id"])])
            found.append(LabeledBox(label, box, float(extra["confidence"])))
    return found


def _metadata(entry: Json, prefix: str) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in entry.items() if name.startswith(prefix) and name.endswith("-metadata"))
