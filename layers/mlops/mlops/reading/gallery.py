"""Answers of a test drawn on their images: truth and prediction. Needs the imaging layer."""

from collections.abc import Iterable, Iterator, Sequence

from mlops.aws import buckets
from mlops.dataset.images import Content
from mlops.judging.answers import FALSE_ALARM, HIT, MISSED, RIGHT, Answer
from mlops.judging.mistakes import Shown
from mlops.pictures import drawing
from mlops.pictures.drawing import Mark, as_jpeg, draw
from mlops.pictures.pixels import open_picture
from mlops.pictures.png import PictureRefused
from mlops.words import number

_COLOURS = {HIT: drawing.TRUTH, MISSED: drawing.MISSED, RIGHT: drawing.FOUND, FALSE_ALARM: drawing.FALSE_ALARM}


def write(pictures: Sequence[Shown], answers: Iterable[Answer]) -> None:
    """Draw what was planned; an image that is gone is left out."""
    wanted = {picture.image for picture in pictures}
    by_image = {answer.about.key: answer for answer in answers if answer.about.key in wanted}
    for picture in pictures:
        answer = by_image[picture.image]
        data = _bytes_of(answer.about)
        # A picture that was deleted since costs the gallery one entry, not the test its result.
        if data is not None and (drawn := _drawn(answer, picture.caption, data)):
            buckets.artifacts_bucket().write(picture.key, drawn)


def _bytes_of(content: Content) -> bytes | None:
    """The bytes that were asked about, or the newest, which are the same unless the image was replaced."""
    for version_id in [""] if content.picture else dict.fromkeys((content.version_id, "")):
        try:
            found = buckets.data_bucket().get(content.picture or content.key, version_id)
        except buckets.ObjectUnreadable:
            continue
        if found is not None:
            return bytes(found["Body"].read())
    return None


def _drawn(answer: Answer, caption: str, data: bytes) -> bytes | None:
    try:
        image = open_picture(data)
    except PictureRefused:
        return None
    return as_jpeg(draw(image, list(_marks(answer)), caption))


def _marks(answer: Answer) -> Iterator[Mark]:
    # A hit is drawn below what was found in its place.
    for box in answer.drawn:
        missed = "missed: " if box.outcome == MISSED else ""
        text = f"{missed}{box.label}" if box.is_true else f"{box.label} {number(box.confidence, places=2)}"
        yield Mark(box.box, text, _COLOURS[box.outcome])
