"""Answers of a test drawn on their images: truth and prediction. Needs the imaging layer."""

from collections.abc import Iterator, Mapping
from typing import Any

from mlops.aws import buckets
from mlops.dataset.boxes import Box
from mlops.judging.detection import FALSE_ALARM, HIT, MISSED, RIGHT
from mlops.pictures import drawing
from mlops.pictures.drawing import Mark, as_jpeg, draw
from mlops.pictures.pixels import open_picture
from mlops.pictures.png import PictureRefused
from mlops.words import number

_COLOURS = {HIT: drawing.TRUTH, MISSED: drawing.MISSED, RIGHT: drawing.FOUND, FALSE_ALARM: drawing.FALSE_ALARM}


def write(result: Mapping[str, Any]) -> None:
    """Draw what was planned; an image that is gone is left out."""
    by_image = {answer["key"]: answer for answer in result["answers"]}
    for picture in result["gallery"]:
        answer = by_image[picture["image"]]
        data = _bytes_of(answer)
        # A picture that was deleted since costs the gallery one entry, not the test its result.
        if data is not None and (drawn := _drawn(answer, picture["caption"], data)):
            buckets.artifacts_bucket().write(picture["key"], drawn)


def _bytes_of(answer: Mapping[str, Any]) -> bytes | None:
    """The bytes that were asked about, or the newest, which are the same unless the image was replaced."""
    picture = answer.get("picture", "")
    for version_id in [""] if picture else dict.fromkeys((answer.get("version_id", ""), "")):
        try:
            found = buckets.data_bucket().get(picture or answer["key"], version_id)
        except buckets.ObjectUnreadable:
            continue
        if found is not None:
            return bytes(found["Body"].read())
    return None


def _drawn(answer: Mapping[str, Any], caption: str, data: bytes) -> bytes | None:
    try:
        image = open_picture(data)
    except PictureRefused:
        return None
    return as_jpeg(draw(image, list(_marks(answer)), caption))


def _marks(answer: Mapping[str, Any]) -> Iterator[Mark]:
    if "found" not in answer:
        return
    # A hit is drawn below what was found in its place.
    for box in answer["truth"]:
        yield _mark(box, "missed: " * (box["outcome"] == MISSED) + box["label"])
    for box in answer["found"]:
        yield _mark(box, f"{box['label']} {number(box['confidence'], places=2)}")


def _mark(box: Mapping[str, Any], text: str) -> Mark:
    return Mark(Box(**box["box"]), text, _COLOURS[box["outcome"]])
