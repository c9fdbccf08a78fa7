"""The evaluation snapshot of Custom Labels: what was true of every test image, and what the version said.

Source: "Evaluation manifest snapshot" of the developer guide.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from mlops.codec import Json
from mlops.dataset.boxes import Box, LabeledBox, match
from mlops.dataset.images import Image
from mlops.dataset.manifests import parse_lines
from mlops.dataset.tiles import Tile, key_of, merged, tiles_of
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


def of_pictures(snapshot: str, images: Iterable[Image], side: int) -> str:
    """The snapshot of a version that was tested on tiles of `side` pixels, put together to one of whole pictures.

    `images` are those that it was tested on: what is true of a picture is known, and of a tile only a part of it.
    """
    said = {str(entry["source-ref"]).split("/", 3)[-1]: _boxes(entry, _PREDICTION) for entry in parse_lines(snapshot)}
    return "".join(f"{json.dumps(entry)}\n" for image in images if (entry := _of_picture(image, said, side)))


def _of_picture(image: Image, said: Mapping[str, list[LabeledBox]], side: int) -> dict[str, Any]:
    """The line of one picture; empty where no tile of it was tested."""
    tiles = tiles_of(image.width, image.height, side)
    keys = {tile: key_of(image, tile) if len(tiles) > 1 else image.shown[0] for tile in tiles}
    tested: list[tuple[Tile, list[LabeledBox]]] = [(tile, said[key]) for tile, key in keys.items() if key in said]
    if not tested:
        return {}
    boxes = {f"{_TRUTH}0": image.boxes, f"{_PREDICTION}-0": merged(tested)}
    # Whoever reads it wants the key; of the bucket nothing is known here.
    line: dict[str, Any] = {"source-ref": f"s3://-/{image.shown[0]}"}
    for name, own in boxes.items():
        labels = sorted({one.label for one in own})
        line[name] = {"annotations": [{"class_id": labels.index(one.label), **asdict(one.box)} for one in own]}
        objects = [{"confidence": one.confidence} for one in own]
        line[f"{name}-metadata"] = {"objects": objects, "class-map": {str(n): label for n, label in enumerate(labels)}}
    return line


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
