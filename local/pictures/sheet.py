"""Brushed sheets of metal under a large camera, with scratches a few pixels wide: small defects in large pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from local.pictures.camera import expose
from local.pictures.raster import Array

WIDTH, HEIGHT = 3000, 2000
"""Of a picture, in pixels."""

SCRATCH_WIDTH = 3
"""Of every scratch, in pixels; lengths differ."""

Place = tuple[int, int, int, int]
_SHORTEST, _LONGEST, _MARGIN = 20, 300, 30
_BOLTS, _BOLT_RADIUS = ((300, 300), (2700, 300), (300, 1700), (2700, 1700)), 90


@dataclass(frozen=True)
class Sheet:
    """A picture, and the (left, top, width, height) of every scratch on it, in its pixels."""

    image: Image.Image
    scratches: tuple[Place, ...]


def sheet(rng: np.random.Generator, scratches: int) -> Sheet:
    """Take the picture of a sheet (RGB, 8 bits) with so many scratches; the same numbers give the same picture."""
    levels = _brushed(rng)
    boxes: list[Place] = []
    for _ in range(scratches):
        boxes.append(_scratched(levels, rng, boxes))
    return Sheet(Image.fromarray(expose(levels, rng)).convert("RGB"), tuple(boxes))


def _brushed(rng: np.random.Generator) -> Array:
    """Levels of a good sheet, from 0 to 255: lines of the brush from left to right, light, a bolt in each corner."""
    lines = rng.normal(0, 1, (HEIGHT, WIDTH // 60)).astype(np.float32)
    brushed = np.asarray(Image.fromarray(lines).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR))
    across, down = np.linspace(-1, 1, WIDTH, dtype=np.float32), np.linspace(-1, 1, HEIGHT, dtype=np.float32)
    levels = (
        150
        + 5 * brushed
        + np.float32(rng.normal(0, 8)) * across[None, :]
        + np.float32(rng.normal(0, 8)) * down[:, None]
    )
    bolts = Image.new("L", (WIDTH, HEIGHT))
    for x, y in _BOLTS:
        left, top = x + rng.normal(0, 4), y + rng.normal(0, 4)
        box = (left - _BOLT_RADIUS, top - _BOLT_RADIUS, left + _BOLT_RADIUS, top + _BOLT_RADIUS)
        ImageDraw.Draw(bolts).ellipse(box, fill=90, outline=200, width=6)
    return np.asarray(levels - np.asarray(bolts, np.float32) * 0.5, np.float32)


def _scratched(levels: Array, rng: np.random.Generator, others: Sequence[Place]) -> Place:
    """Scratch a sheet; returns the box of what is marked. It touches no other scratch."""
    while True:
        length, angle = np.exp(rng.uniform(np.log(_SHORTEST), np.log(_LONGEST))), np.radians(rng.uniform(25, 65))
        across, down = int(length * np.cos(angle)), int(length * np.sin(angle))
        left, top = (
            int(rng.integers(_MARGIN, WIDTH - across - _MARGIN)),
            int(rng.integers(_MARGIN, HEIGHT - down - _MARGIN)),
        )
        if not any(_touch((left, top, across, down), other) for other in others):
            break
    along = np.linspace(0, 1, 24)
    bend = 4 * along * (1 - along) * rng.normal(0, 0.06) * length
    rises = along if rng.random() < 0.5 else 1 - along
    xs, ys = _MARGIN + across * along + bend * np.sin(angle), _MARGIN + down * rises
    mask = Image.new("L", (across + 2 * _MARGIN, down + 2 * _MARGIN))
    ImageDraw.Draw(mask).line(list(zip(xs, ys, strict=True)), fill=255, width=SCRATCH_WIDTH)
    marked = mask.getbbox() or (0, 0, 1, 1)
    covered = np.asarray(mask.filter(ImageFilter.GaussianBlur(0.6)), np.float32) / 255
    left, top = left - _MARGIN, top - _MARGIN
    rows, columns = slice(top, top + mask.height), slice(left, left + mask.width)
    levels[rows, columns] += rng.choice([-1, 1]) * rng.uniform(45, 75) * covered
    return left + marked[0], top + marked[1], marked[2] - marked[0], marked[3] - marked[1]


def _touch(one: Place, other: Place, room: int = 60) -> bool:
    return all(
        one[axis] - room < other[axis] + other[axis + 2] and other[axis] - room < one[axis] + one[axis + 2]
        for axis in (0, 1)
    )
