"""How right a detector is about boxes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mlops.dataset.boxes import Box, LabeledBox, match
from mlops.dataset.images import Image
from mlops.judging.answers import Call
from mlops.judging.metrics import Outcome, Score, as_dicts, label_scores, macro
from mlops.judging.operating_points import counts

# What became of a true box, and of a found one.
HIT, MISSED, RIGHT, FALSE_ALARM = "hit", "missed", "right", "false_alarm"


def measure(calls: Sequence[Call], least_iou: float, points: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Scores by label on the images with boxes, and the number of boxes found per clean image.

    A box counts from the point of its label on (0 to 100); without points, every box that the service answers.
    Clean images are counted apart, so that precision does not depend on how many of them are asked about.
    """
    answers = [_answer(call, least_iou, points or {}) for call in calls]
    marked = [answer for answer in answers if answer["truth"]]
    # Mixed in, precision would change with how many clean parts somebody photographed.
    clean = [answer for answer in answers if not answer["truth"]]
    scores = _scores(marked)
    false_alarms = sum(len(answer["found"]) for answer in clean)
    return {
        **macro(scores),
        "per_label": {label: score | _mistakes(label, marked, clean) for label, score in as_dicts(scores).items()},
        "false_alarm_rate": false_alarms / len(clean) if clean else None,
        "false_alarms_on_clean_images": false_alarms,
        "clean_images": len(clean),
        "match_iou": least_iou,
        "answers": answers,
    }


def _mistakes(label: str, marked: Sequence[Mapping[str, Any]], clean: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    def count(answers: Sequence[Mapping[str, Any]], kind: str, outcome: str) -> int:
        return sum((box["label"], box["outcome"]) == (label, outcome) for a in answers for box in a[kind])

    return {
        "missed": count(marked, "truth", MISSED),
        "false_alarms": count(marked, "found", FALSE_ALARM),
        "false_alarms_on_clean_images": count(clean, "found", FALSE_ALARM),
    }


def _answer(call: Call, least_iou: float, points: Mapping[str, float]) -> dict[str, Any]:
    truth = list(call.image.boxes)
    found = [box for box in found_by(call) if counts(box.confidence * 100, box.label, points)]
    return {
        **call.image.content,
        "label": " + ".join(call.image.labels),
        **_outcomes(truth, found, least_iou),
        "milliseconds": call.milliseconds,
    }


def _outcomes(truth: Sequence[LabeledBox], found: Sequence[LabeledBox], least_iou: float) -> dict[str, Any]:
    matched = match(truth, found, least_iou)
    hits = set(matched.values())
    return {
        "truth": [_described(box, HIT if i in hits else MISSED) for i, box in enumerate(truth)],
        "found": [_described(box, RIGHT if i in matched else FALSE_ALARM) for i, box in enumerate(found)],
    }


def _scores(marked: Sequence[Mapping[str, Any]]) -> dict[str, Score]:
    return label_scores(outcome for answer in marked for outcome in outcomes_of(answer))


def outcomes_of(answer: Mapping[str, Any]) -> Iterator[Outcome]:
    """What became of every true box of an image, and every false alarm on it."""
    yield from ((box["label"], True, box["outcome"] == HIT) for box in answer["truth"])
    yield from ((box["label"], False, True) for box in answer["found"] if box["outcome"] != RIGHT)


def is_called_defective(answer: Mapping[str, Any]) -> bool:
    return bool(answer["found"])


def is_defective(answer: Mapping[str, Any]) -> bool:
    return bool(answer["truth"])


def mistakes_in(answer: Mapping[str, Any], truth: Mapping[str, Any], least_iou: float) -> int:
    """How many boxes of an image are missed or false alarms, by the truth that another answer to it recorded."""
    judged = _outcomes(_boxes(truth["truth"]), _boxes(answer["found"]), least_iou)
    return sum(not (is_true and is_found) for _, is_true, is_found in outcomes_of(judged))


def scores_of(
    answers: Sequence[Mapping[str, Any]], truths: Sequence[Mapping[str, Any]], least_iou: float
) -> dict[str, Score]:
    """Scores by label of recorded answers, against the truth that other answers to the same images recorded."""
    pairs = [(_boxes(truth["truth"]), _boxes(answer["found"])) for answer, truth in zip(answers, truths, strict=True)]
    return _scores([_outcomes(truth, found, least_iou) for truth, found in pairs if truth])


def _boxes(recorded: Sequence[Mapping[str, Any]]) -> list[LabeledBox]:
    return [LabeledBox(box["label"], Box(**box["box"]), box["confidence"]) for box in recorded]


def found_by(call: Call) -> list[LabeledBox]:
    """The boxes of an answer, whatever their confidence, 0 to 1."""
    return [_found(label, call.image) for label in call.labels if "Geometry" in label]


def _found(label: Mapping[str, Any], image: Image) -> LabeledBox:
    """A detected label in pixels of the image; the service answers ratios of width and height, and 0 to 100."""
    drawn = label["Geometry"]["BoundingBox"]
    left, width = drawn["Left"] * image.width, drawn["Width"] * image.width
    top, height = drawn["Top"] * image.height, drawn["Height"] * image.height
    return LabeledBox(str(label["Name"]), Box(left, top, width, height), label["Confidence"] / 100)


def _described(box: LabeledBox, outcome: str) -> dict[str, Any]:
    sides = {name: round(value, 3) for name, value in asdict(box.box).items()}
    return {"label": box.label, "confidence": box.confidence, "box": sides, "outcome": outcome}
