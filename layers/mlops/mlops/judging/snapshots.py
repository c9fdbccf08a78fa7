"""The evaluation snapshot of Custom Labels: what was true of every test image, and what the version said.

Source: "Evaluation manifest snapshot" of the developer guide. A line of a classifier has a prediction for each of its
labels, each with many words: 25 000 images of 250 labels are some gigabytes. So they are read once, line by line.
"""

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlops.codec import Json
from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.images import Image
from mlops.dataset.tiles import Tile, key_of, merged, tiles_of
from mlops.judging import operating_points
from mlops.judging.metrics import Outcome, Score, label_scores
from mlops.judging.operating_points import RIGHT, Answered, Saying, told_of_boxes, told_of_image

_TRUTH, _PREDICTION = "rekognition-custom-labels-training-", "rekognition-custom-labels-evaluation"
_UNKNOWN_THRESHOLD = 0.5
# Files have been seen with so many digits of a confidence, and with all of them.
_CONFIDENCE_DIGITS = 5
# What is true and was not said, as a confidence: no threshold is so low.
_NOT_SAID = -1.0


class Snapshot:
    """What was true of every image that a version was tested on, and what it said of it at any confidence, 0 to 1.

    Made from (key of the image, what was told of it). It is kept as plain numbers: thousands of images times hundreds
    of labels fit into memory.
    """

    def __init__(self, images: Iterable[tuple[str, Iterable[Saying]]]) -> None:
        self._keys: list[str] = []
        # Where what was told of an image ends.
        self._ends = array("L")
        self._numbers: dict[str, int] = {}
        self._labels, self._confidences, self._kinds = array("I"), array("d"), bytearray()
        for key, told in images:
            for label, confidence, kind in told:
                self._labels.append(self._numbers.setdefault(label, len(self._numbers)))
                self._confidences.append(_NOT_SAID if confidence is None else confidence)
                self._kinds.append(kind)
            self._keys.append(key)
            self._ends.append(len(self._kinds))

    def __len__(self) -> int:
        """How many images there are."""
        return len(self._keys)

    def answered(self) -> dict[str, Answered]:
        """What was said at any confidence, 0 to 100, by label."""
        names = list(self._numbers)
        told = zip(self._labels, self._confidences, self._kinds, strict=True)
        return operating_points.answered(
            (names[number], None if confidence == _NOT_SAID else 100 * confidence, kind)
            for number, confidence, kind in told
        )

    def outcomes(self, thresholds: Mapping[str, float]) -> Iterator[tuple[str, list[Outcome]]]:
        """(key, what became of all that is true of an image or was said of it), at thresholds of 0 to 1."""
        names = list(self._numbers)
        least = [thresholds.get(name, _UNKNOWN_THRESHOLD) for name in names]
        # Most labels are said of most images at next to nothing: these need not be compared exactly.
        surely_less = [threshold - 10**-_CONFIDENCE_DIGITS for threshold in least]
        first = 0
        for key, end in zip(self._keys, self._ends, strict=True):
            found: list[Outcome] = []
            for place in range(first, end):
                number, confidence = self._labels[place], self._confidences[place]
                is_said = confidence >= surely_less[number] and _reaches(confidence, least[number])
                if is_said or self._kinds[place] == RIGHT:
                    found.append((names[number], self._kinds[place] == RIGHT, is_said))
            first = end
            yield key, found

    def scores(self, thresholds: Mapping[str, float]) -> dict[str, Score]:
        """The scores of every label at thresholds of 0 to 1."""
        outcomes = (outcome for _, found in self.outcomes(thresholds) for outcome in found)
        return label_scores(outcomes, {*thresholds, *self._numbers})


def of_labels(lines: Iterable[str]) -> Snapshot:
    """What a snapshot of a classifier says, from its lines."""
    return Snapshot(map(_labelled, _entries(lines)))


def of_boxes(images: Iterable[tuple[str, list[LabeledBox], list[LabeledBox]]], least_iou: float) -> Snapshot:
    """What a detector found, from (key, true boxes, boxes found at any confidence) of every image."""
    return Snapshot((key, told_of_boxes(truth, found, least_iou)) for key, truth, found in images)


def boxes_in(lines: Iterable[str]) -> Iterator[tuple[str, list[LabeledBox], list[LabeledBox]]]:
    """(key, true boxes, boxes found at any confidence) of every line of a detector's snapshot."""
    for key, entry in _entries(lines):
        yield key, _boxes(entry, _TRUTH), _boxes(entry, _PREDICTION)


def boxes_put_together(
    lines: Iterable[str], images: Iterable[Image], side: int
) -> Iterator[tuple[str, list[LabeledBox], list[LabeledBox]]]:
    """The same of whole pictures, from the snapshot of a version that was tested on tiles of `side` pixels.

    `images` are those that it was tested on: what is true of a picture is known, and of a tile only a part of it. A
    picture of which no tile was tested is left out.
    """
    said = {key: found for key, _, found in boxes_in(lines)}
    for image in images:
        tiles = tiles_of(image.width, image.height, side)
        keys = {tile: key_of(image, tile) if len(tiles) > 1 else image.shown[0] for tile in tiles}
        tested: list[tuple[Tile, list[LabeledBox]]] = [(tile, said[key]) for tile, key in keys.items() if key in said]
        if tested:
            yield image.shown[0], list(image.boxes), merged(tested)


def _entries(lines: Iterable[str]) -> Iterator[tuple[str, Json]]:
    """(key of the image, what a line says)."""
    for number, entry in enumerate(json.loads(line) for line in lines if line):
        yield str(entry.get("source-ref", number)).split("/", 3)[-1], entry


def _labelled(of_line: tuple[str, Json]) -> tuple[str, Iterator[Saying]]:
    key, entry = of_line
    truth = {str(value["class-name"]) for value in _metadata(entry, _TRUTH).values()}
    said = {str(value["class-name"]): float(value["confidence"]) for value in _metadata(entry, _PREDICTION).values()}
    return key, told_of_image(truth, said)


def _reaches(confidence: float, threshold: float) -> bool:
    """Whether a confidence is at least a threshold; one that was rounded is compared with as much of the threshold."""
    is_rounded = round(confidence, _CONFIDENCE_DIGITS) == confidence
    return confidence >= (round(threshold, _CONFIDENCE_DIGITS) if is_rounded else threshold)


def _boxes(entry: Json, prefix: str) -> list[LabeledBox]:
    found = []
    for name, metadata in _metadata(entry, prefix).items():
        annotations = entry[name.removesuffix("-metadata")]["annotations"]
        for drawn, extra in zip(annotations, metadata["objects"], strict=True):
            box = Box(*(float(drawn[side]) for side in ("left", "top", "width", "height")))
            label = str(metadata["class-map"][str(drawn["class_id"])])
            found.append(LabeledBox(label, box, float(extra["confidence"])))
    return found


def _metadata(entry: Json, prefix: str) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name.startswith(prefix) and name.endswith("-metadata")}
