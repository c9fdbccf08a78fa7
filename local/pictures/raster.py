"""Drawing with signed distances: every shape is a function of where a pixel lies, in millimetres.

A distance is negative inside a shape. Dividing it by the size of a pixel gives the share of the pixel that the shape
covers, so edges come out smooth at any size without drawing large and shrinking.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Array = npt.NDArray[np.floating]
Window = tuple[slice, slice]
Colour = tuple[float, float, float]
Point = tuple[float, float]
Number = np.floating[Any]

_FAR = 1000.0
"""Farther than anything is from anything in a picture, mm."""
_BESIDE = 0.25
"""How far beside a line distances are measured, mm: more than anything that is drawn along its edge."""
_SEGMENTS = 8
"""Of a path that are measured together."""


@dataclass(frozen=True)
class Pose:
    """A turn about a pivot followed by a shift, in millimetres and radians."""

    shift: Point = (0.0, 0.0)
    turn: float = 0.0
    pivot: Point = (0.0, 0.0)


@dataclass(frozen=True)
class Grid:
    """Where the centre of each pixel lies: `x` and `y` (height x width, mm); `pixel` is the size of one in mm."""

    x: Array
    y: Array
    pixel: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.x.shape
        return height, width

    def __getitem__(self, window: Window) -> "Grid":
        return Grid(self.x[window], self.y[window], self.pixel)

    def coarser(self, step: int) -> "Grid":
        """Every `step`-th pixel."""
        return Grid(self.x[::step, ::step], self.y[::step, ::step], self.pixel * step)

    def seen_from(self, pose: Pose) -> "Grid":
        """The same pixels in the coordinates of something that was moved by `pose`."""
        cos, sin = np.cos(pose.turn), np.sin(pose.turn)
        x = self.x - np.float32(pose.shift[0] + pose.pivot[0])
        y = self.y - np.float32(pose.shift[1] + pose.pivot[1])
        return Grid(
            np.float32(cos) * x + np.float32(sin) * y + np.float32(pose.pivot[0]),
            np.float32(cos) * y - np.float32(sin) * x + np.float32(pose.pivot[1]),
            self.pixel,
        )

    def around(self, path: Array, margin: float) -> Window:
        """The smallest window that holds every pixel within `margin` mm of the path's bounding box."""
        (left, top), (right, bottom) = path.min(axis=0) - margin, path.max(axis=0) + margin
        inside = (self.x > left) & (self.x < right) & (self.y > top) & (self.y < bottom)
        return _extent(inside.any(axis=1)), _extent(inside.any(axis=0))


def _extent(flags: npt.NDArray[np.bool_]) -> slice:
    hits = np.flatnonzero(flags)
    return slice(int(hits[0]), int(hits[-1]) + 1) if hits.size else slice(0, 0)


Region = Callable[[Grid], Array]
"""The signed distance to a shape, mm, negative inside."""


@dataclass(frozen=True)
class Trace:
    """Pixels in the coordinates of a path, mm: `along` it from its start, `across` it (signed), `distance` from it."""

    along: Array
    across: Array
    distance: Array


def trace(grid: Grid, path: Array, reach: float) -> Trace:
    """Measure every pixel within `reach` mm of a path (points x 2, mm) against its nearest segment; others are far."""
    nearest = np.full(grid.shape, _FAR * _FAR, np.float32)
    along, across = np.zeros_like(nearest), np.zeros_like(nearest)
    start = np.float32(0)
    # A few segments at a time, on the pixels around them: most of the grid is far from most of a long path.
    for first in range(0, len(path) - 1, _SEGMENTS):
        piece = path[first : first + _SEGMENTS + 1]
        window = grid.around(piece, reach)
        start = _measure(grid[window], piece, start, nearest[window], along[window], across[window])
    return Trace(along, across, np.sqrt(nearest))


def _measure(grid: Grid, path: Array, start: Number, nearest: Array, along: Array, across: Array) -> Number:
    """Note in the last three arrays what lies nearer to this path, which begins `start` mm along; returns its end."""
    for (x, y), (end_x, end_y) in pairwise(path):
        length = np.hypot(end_x - x, end_y - y)
        right, down = (end_x - x) / length, (end_y - y) / length
        dx, dy = grid.x - x, grid.y - y
        forward, aside = dx * right + dy * down, dy * right - dx * down
        beyond = forward - np.clip(forward, 0, length)
        squared = beyond * beyond + aside * aside
        closer = squared < nearest
        np.copyto(nearest, squared, where=closer)
        np.copyto(along, start + forward, where=closer)
        np.copyto(across, aside, where=closer)
        start += length
    return start


def disc(centre: Point, radius: float) -> Region:
    """A round region."""
    return lambda grid: np.hypot(grid.x - np.float32(centre[0]), grid.y - np.float32(centre[1])) - np.float32(radius)


def stroke(path: Array, width: float) -> Region:
    """A line with round ends."""

    def distance(grid: Grid) -> Array:
        return trace(grid, path, width / 2 + _BESIDE).distance - np.float32(width / 2)

    return distance


def union(*regions: Region) -> Region:
    """All of the regions together."""
    return lambda grid: np.minimum.reduce([region(grid) for region in regions])


def coverage(grid: Grid, distance: Array) -> Array:
    """The share of each pixel that lies inside, from 0 to 1."""
    return np.asarray(np.clip(np.float32(0.5) - distance / np.float32(grid.pixel), 0, 1))


def smoothstep(start: float, end: float, value: Array) -> Array:
    """0 before `start`, 1 after `end`, and a soft ramp between."""
    ramp = np.clip((value - np.float32(start)) / np.float32(end - start), 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp))


def blend(image: Array, colour: Colour | Array, weight: Array) -> None:
    """Paint a colour (or a picture of colours) over an image, in place."""
    image += weight[..., None] * (np.asarray(colour, np.float32) - image)


def tint(brightness: Array, colour: Colour) -> Array:
    """One brightness per pixel (height x width) as a picture in shades of a colour (height x width x 3)."""
    # One plane after the other in memory: what is computed for all pixels then runs over long rows, not over threes.
    planes = np.multiply(np.asarray(colour, np.float32)[:, None, None], brightness)
    return np.moveaxis(planes, 0, -1)


def texture(rng: np.random.Generator, grid: Grid, grain: float, stretch: float = 1.0) -> Array:
    """Smooth noise of unit strength; `grain` is the size of its blotches in mm, `stretch` times that vertically."""
    height, width = grid.shape
    rows = max(2, min(height, round(height * grid.pixel / (grain * stretch))))
    columns = max(2, min(width, round(width * grid.pixel / grain)))
    noise = rng.standard_normal((rows, columns), np.float32)
    return enlarge(noise, (height, width))


def enlarge(values: Array, shape: tuple[int, int]) -> Array:
    """Resample to another height and width, smoothly."""
    return np.asarray(Image.fromarray(values).resize(shape[::-1], Image.Resampling.BICUBIC), np.float32)


def soften(weight: Array, radius: float) -> Array:
    """Blur weights between 0 and 1; `radius` is the standard deviation in pixels."""
    levels = Image.fromarray(np.uint8(np.clip(weight, 0, 1) * 255))
    return np.asarray(levels.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def meander(
    start: tuple[float, float], length: float, heading: float, curl: float, rng: np.random.Generator, steps: int = 12
) -> Array:
    """A path (points x 2, mm) whose heading drifts by about `curl` radians a step."""
    headings = heading + np.cumsum(rng.normal(0, curl, steps))
    moves = np.stack([np.cos(headings), np.sin(headings)], axis=1) * length / steps
    return np.asarray(start, np.float32) + np.cumsum(np.vstack([(0, 0), moves]), axis=0, dtype=np.float32)
