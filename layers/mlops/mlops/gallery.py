"""A detector's answers drawn on their images, truth and prediction: misses and false alarms first."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlops import aws, drawing
from mlops.boxes import Box
from mlops.detection import FALSE_ALARM, HIT, MISSED, RIGHT
from mlops.drawing import Mark, as_jpeg, draw
from mlops.keys import run_key
from mlops.pixels import PictureRefused, open_picture
from mlops.runs import StageRef

_MOST, _MOST_WRONG = 24, 18
_COLOURS = {HIT: drawing.TRUTH, MISSED: drawing.MISSED, RIGHT: drawing.FOUND, FALSE_ALARM: drawing.FALSE_ALARM}
Answer = Mapping[str, Any]


def plan(ref: StageRef, answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Which images are drawn where: most misses first, then most false alarms, then what is right, defects first."""
    wrong = [answer for answer in answers if _missed(answer) or _false_alarms(answer)]
    wrong.sort(key=lambda answer: (-_missed(answer), -_false_alarms(answer), answer["key"]))
    right = [answer for answer in answers if not (_missed(answer) or _false_alarms(answer))]
    right.sort(key=lambda answer: (not answer["truth"], answer["key"]))
    shown = wrong[:_MOST_WRONG]
    shown += right[: _MOST - len(shown)]
    return [
        {
            "key": run_key(ref.run_id, f"{ref.environment}/gallery/{number:02}-{_verdict(answer)}.jpg"),
            "image": answer["key"],
            "missed": _missed(answer),
            "false_alarms": _false_alarms(answer),
        }
        for number, answer in enumerate(shown)
    ]


def write(result: Mapping[str, Any]) -> None:
    """Draw what was planned; an image that was deleted or replaced by something else since is left out."""
    by_image = {answer["key"]: answer for answer in result["answers"]}
    for picture in result.get("gallery", ()):
        data = aws.data_bucket().find(picture["image"])
        if data is not None and (drawn := _drawn(by_image[picture["image"]], data)):
            aws.artifacts_bucket().write(picture["key"], drawn, "image/jpeg")


def _drawn(answer: Answer, data: bytes) -> bytes | None:
    try:
        image = open_picture(data)
    except PictureRefused:
        return None
    # A hit is drawn below what was found in its place.
    marks = [_mark(box, "missed: " * (box["outcome"] == MISSED) + box["label"]) for box in answer["truth"]]
    marks += [_mark(box, f"{box['label']} {box['confidence']:.2f}") for box in answer["found"]]
    caption = f"{_verdict(answer).replace('-', ' ')}: {answer['key'].split('/', 2)[2]}"
    return as_jpeg(draw(image, marks, caption))


def _mark(box: Mapping[str, Any], text: str) -> Mark:
    return Mark(Box(**box["box"]), text, _COLOURS[box["outcome"]])


def _verdict(answer: Answer) -> str:
    if _missed(answer):
        return "missed"
    if _false_alarms(answer):
        return "false-alarm"
    return "found" if answer["truth"] else "clean"


def _missed(answer: Answer) -> int:
    return sum(box["outcome"] == MISSED for box in answer["truth"])


def _false_alarms(answer: Answer) -> int:
    return sum(box["outcome"] == FALSE_ALARM for box in answer["found"])
