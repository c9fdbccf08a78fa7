"""Where the pixels of a stored picture lie in its prepared copy: turned upright, then scaled. Boxes need no imaging."""

import math
from dataclasses import dataclass
from fractions import Fraction

from mlops.dataset.boxes import Box

# Source: EXIF 2.32, tag 0x0112. What is to be done with the stored picture: exchange its axes, then mirror
# horizontally, then mirror vertically.
TURNS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}
_Edges = tuple[Fraction | int, Fraction | int]


@dataclass(frozen=True, slots=True)
class PictureMapping:
    """From a picture of `stored_width` x `stored_height` px, as its file has the rows, to one of `width` x `height` px.

    `orientation` is EXIF's, 1 to 8. All numbers are whole, so that a mapping can be kept in a record and made again.
    """

    stored_width: int
    stored_height: int
    width: int
    height: int
    orientation: int = 1

    def __post_init__(self) -> None:
        if self.orientation not in TURNS:
            raise ValueError(f"orientation is {self.orientation}; EXIF knows 1 to 8")
        if min(self.stored_width, self.stored_height, self.width, self.height) < 1:
            raise ValueError(f"a picture has at least one pixel: {self}")

    @property
    def changes_nothing(self) -> bool:
        """Whether every pixel stays where it is."""
        return self.orientation == 1 and (self.width, self.height) == (self.stored_width, self.stored_height)

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height in pixels once the picture is turned, before it is scaled."""
        size = self.stored_width, self.stored_height
        return size[::-1] if self.swaps else size

    @property
    def swaps(self) -> bool:
        """Whether width and height change places."""
        return TURNS[self.orientation][0]

    def box(self, left: float, top: float, width: float, height: float) -> Box:
        """A box of the stored picture in whole pixels of the prepared one: the smallest that holds it.

        What reaches beyond the picture is cut off; at least one pixel is left. Raises ValueError for a box that is
        empty or not a number.
        """
        # Exact until the end: a float would move an edge that lies on a pixel into the next one.
        across, down = _edges(left, width), _edges(top, height)
        swap, mirror_x, mirror_y = TURNS[self.orientation]
        if swap:
            across, down = down, across
        wide, tall = self.upright
        across, down = _mirrored(across, wide, mirror_x), _mirrored(down, tall, mirror_y)
        return _outwards(_scaled(across, wide, self.width), _scaled(down, tall, self.height), self.width, self.height)

    def back(self, box: Box) -> Box:
        """A box of the prepared picture, as inspection finds it, in whole pixels of the stored one; as `box` does."""
        wide, tall = self.upright
        across = _scaled(_edges(box.left, box.width), self.width, wide)
        down = _scaled(_edges(box.top, box.height), self.height, tall)
        swap, mirror_x, mirror_y = TURNS[self.orientation]
        across, down = _mirrored(across, wide, mirror_x), _mirrored(down, tall, mirror_y)
        if swap:
            across, down = down, across
        return _outwards(across, down, self.stored_width, self.stored_height)


def fitted(width: int, height: int, most: int, least: int, most_aspect: int) -> tuple[int, int]:
    """The size in pixels to scale a picture down to: no side above `most` px, none above `most_aspect` times the other.

    Both sides shrink alike, but where a picture is longer than the service takes: then its long side shrinks more, as
    little as it takes. No side shrinks below `least` px. What fits is not scaled, and nothing is ever scaled up.
    """
    short, long = sorted((width, height))
    fitting = min(long, most, most_aspect * short)
    shortest = max(_rounded(short * fitting, long), -(-fitting // most_aspect), min(least, short))
    return (shortest, fitting) if width == short and width != long else (fitting, shortest)


def _rounded(numerator: int, denominator: int) -> int:
    # Whole numbers, halves up: the same size on every machine, for an inspection as for a training.
    return (2 * numerator + denominator) // (2 * denominator)


def _edges(first: float, length: float) -> _Edges:
    if not (math.isfinite(first) and math.isfinite(length) and length > 0):
        raise ValueError(f"no box begins at {first} and is {length} px long")
    # Whole numbers and fractions keep what floats would round across the edge of a pixel.
    if isinstance(first, int) and isinstance(length, int):
        return first, first + length
    return Fraction(first), Fraction(first) + Fraction(length)


def _mirrored(edges: _Edges, length: int, is_mirrored: bool) -> _Edges:
    return (length - edges[1], length - edges[0]) if is_mirrored else edges


def _scaled(edges: _Edges, length: int, to: int) -> _Edges:
    return edges if length == to else (Fraction(edges[0] * to, length), Fraction(edges[1] * to, length))


def _outwards(across: _Edges, down: _Edges, width: int, height: int) -> Box:
    (left, right), (top, bottom) = _whole(across, width), _whole(down, height)
    return Box(left, top, right - left, bottom - top)


def _whole(edges: _Edges, length: int) -> tuple[int, int]:
    first = min(max(math.floor(edges[0]), 0), length - 1)
    return first, min(max(math.ceil(edges[1]), first + 1), length)
