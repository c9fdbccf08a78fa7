"""Boxes drawn on images, for people who check. Needs the imaging layer."""

import io
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mlops.dataset.boxes import Box

# Colours that people with any colour vision tell apart, on light and on dark parts.
TRUTH, FOUND, MISSED, FALSE_ALARM = "#2bd65a", "#4db8ff", "#ffe14d", "#ff5c33"
_INK, _PAPER, _DARK = "#f2f4f7", "#1c2430", "#10151c"
_LEAST_SIDE, _MOST_SIDE = 360, 960
_FONT, _LINE, _STRIP, _GAP = 15, 3, 26, 8
_QUALITY = 88


_Place = tuple[float, float, float, float]


@dataclass(frozen=True)
class Mark:
    """A box in pixels of the image, its colour, and what is written beside it."""

    box: Box
    text: str
    colour: str


def draw(image: Image.Image, marks: Sequence[Mark], caption: str, most_side: int = _MOST_SIDE) -> Image.Image:
    """The image at a size that is easy to look at, the marks on it, and a line that says what it is."""
    scale = _scale(image, most_side)
    size = round(image.width * scale), round(image.height * scale)
    drawn = Image.new("RGB", (max(size[0], _LEAST_SIDE), size[1] + _STRIP), _PAPER)
    drawn.paste(_as_rgb(image).resize(size, Image.Resampling.LANCZOS), (0, _STRIP))
    canvas = ImageDraw.Draw(drawn)
    canvas.text((6, 4), _fitting(canvas, caption, drawn.width - 12), _INK, _font())
    for mark in marks:
        _outline(canvas, mark, scale)
    taken: list[_Place] = []
    for mark in marks:
        taken.append(_label(canvas, mark, scale, drawn.size, taken))
    return drawn


def sheet(tiles: Sequence[Image.Image], columns: int = 3) -> Image.Image:
    """Several drawn images as one picture, row by row."""
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(tile.height for tile in row) for row in rows]
    width = max(sum(tile.width + _GAP for tile in row) for row in rows)
    page = Image.new("RGB", (width, sum(heights) + _GAP * len(rows)), _DARK)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for tile in row:
            page.paste(tile, (left, top))
            left += tile.width + _GAP
        top += height + _GAP
    return page


def as_jpeg(image: Image.Image) -> bytes:
    """The bytes of a JPEG file, the same for the same picture."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=_QUALITY)
    return data.getvalue()


def _scale(image: Image.Image, most_side: int) -> float:
    longest = max(image.size)
    return min(most_side / longest, max(1.0, _LEAST_SIDE / longest))


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16 bits a pixel: the upper eight are what a screen shows.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def _outline(canvas: ImageDraw.ImageDraw, mark: Mark, scale: float) -> None:
    left, top, right, bottom = _corners(mark.box, scale)
    # Dark around bright: seen on parts of any shade.
    canvas.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=_DARK, width=_LINE + 2)
    canvas.rectangle((left, top, right, bottom), outline=mark.colour, width=_LINE)


def _label(
    canvas: ImageDraw.ImageDraw, mark: Mark, scale: float, frame: tuple[int, int], taken: Sequence[_Place]
) -> _Place:
    """Write a mark's text above its box, or wherever near it nothing has been written yet; return the place."""
    left, top, _, bottom = _corners(mark.box, scale)
    text = _fitting(canvas, mark.text, frame[0] - 8)
    width, height = canvas.textlength(text, _font()) + 8, _FONT + 5
    x = max(min(left, frame[0] - width), 0)
    places = [top - height, bottom + 1, *(top + step * height for step in range(8))]
    free = (y for y in places if _STRIP <= y <= frame[1] - height and not _overlaps((x, y, width, height), taken))
    y = next(free, max(top - height, _STRIP))
    canvas.rectangle((x, y, x + width, y + height), fill=mark.colour)
    canvas.text((x + 4, y + 1), text, _DARK, _font())
    return x, y, width, height


def _overlaps(place: _Place, taken: Iterable[_Place]) -> bool:
    x, y, width, height = place
    return any(x < a + w and a < x + width and y < b + h and b < y + height for a, b, w, h in taken)


def _corners(box: Box, scale: float) -> _Place:
    """First and last pixel of a box on the drawn image."""
    left, top = box.left * scale, box.top * scale + _STRIP
    return left, top, max(left + box.width * scale - 1, left), max(top + box.height * scale - 1, top)


def _fitting(canvas: ImageDraw.ImageDraw, text: str, width: float) -> str:
    if canvas.textlength(text, _font()) <= width:
        return text
    # By halves: a text may have all labels of a model.
    most = bisect_right(range(len(text)), width, key=lambda count: canvas.textlength(f"{text[:count]}…", _font()))
    return f"{text[: most - 1]}…"


def _font() -> ImageFont.FreeTypeFont:
    return cast("ImageFont.FreeTypeFont", ImageFont.load_default(_FONT))
