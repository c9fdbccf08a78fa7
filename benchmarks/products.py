"""Products for measuring the training engine on, drawn from a seed.

`metal`: ground metal, five defects. `fabric`: a woven fabric, four defects. Nobody tuned the engine to these two. Both
have clean pictures, too, and one defect in each of the others. `hardware` and `worn`: trays with several parts each, as
the engine's own tests have them.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from local.rekognition.engine import BoxedImage, LabeledBox
from tests.unit.engine import hardware_tray, worn_tray

Levels = NDArray[np.float64]
Marked = NDArray[np.bool_]
SIDE = 384
"""Of a picture of metal or fabric, in pixels."""

_ROWS, _COLUMNS = np.mgrid[:SIDE, :SIDE].astype(float)


@dataclass(frozen=True)
class Drawn:
    """A picture (PNG), what its folder would be called, and its boxes in pixels."""

    data: bytes
    label: str
    boxes: tuple[LabeledBox, ...]


# A defect changes the levels of a picture (0 to 255) and tells which pixels it has changed.
Defect = Callable[[Levels, np.random.Generator], Marked]


def _metal(random: np.random.Generator) -> Levels:
    """Lines of the grinder from left to right, a little askew, under a lamp that stands elsewhere each time."""
    grain = gaussian_filter(random.normal(0, 1, (SIDE, SIDE)), (0.6, random.uniform(12, 30)))
    lamp = np.hypot(_ROWS - random.uniform(0, SIDE), _COLUMNS - random.uniform(0, SIDE)) / SIDE
    return np.asarray(150 + 60 * grain - 25 * lamp + random.normal(0, 4))


def _fabric(random: np.random.Generator) -> Levels:
    """Warp and weft of seven pixels, pulled a little out of their places."""
    pulled = [gaussian_filter(random.normal(0, 1, (SIDE, SIDE)), 40) * 60 for _ in range(2)]
    warp, weft = (np.sin(2 * np.pi * (axis + pull) / 7) for axis, pull in zip((_COLUMNS, _ROWS), pulled, strict=True))
    return np.asarray(120 + 28 * warp * weft + 10 * (warp + weft) + random.normal(0, 3))


def _spot(random: np.random.Generator, least: float, most: float, ragged: float) -> Levels:
    """How far each pixel lies within a spot somewhere: 1 in its middle, 0 at its rim, less outside."""
    size = random.uniform(least, most, 2)
    row, column = (random.uniform(one + 6, SIDE - one - 6) for one in size)
    turned = random.uniform(0, np.pi)
    down, across = _ROWS - row, _COLUMNS - column
    along, aside = down * np.cos(turned) + across * np.sin(turned), across * np.cos(turned) - down * np.sin(turned)
    rim = gaussian_filter(random.normal(0, 1, (SIDE, SIDE)), 5) * 12 * ragged
    return np.asarray(1 - np.hypot(along / size.min(), aside / size.max()) + rim)


def _line(random: np.random.Generator, long: tuple[float, float], width: int) -> Levels:
    """A bent line somewhere: 1 on it."""
    length, angle = random.uniform(*long), random.uniform(0, 2 * np.pi)
    ahead = length / 2 * np.array([np.cos(angle), np.sin(angle)])
    middle = random.uniform(np.abs(ahead) + 12, SIDE - np.abs(ahead) - 12)
    bend = random.normal(0, length / 12) * np.array([-np.sin(angle), np.cos(angle)])
    picture = Image.new("L", (SIDE, SIDE))
    points = [tuple(middle + t * ahead + (1 - t * t) * bend) for t in np.linspace(-1, 1, 20)]
    ImageDraw.Draw(picture).line(points, fill=255, width=width)
    return np.asarray(gaussian_filter(np.asarray(picture, float) / 255, 0.6))


def _scratch(levels: Levels, random: np.random.Generator) -> Marked:
    line = _line(random, (50, 200), int(random.integers(1, 4)))
    levels += line * random.choice([-1, 1]) * random.uniform(35, 70)
    return line > 0.3


def _dent(levels: Levels, random: np.random.Generator) -> Marked:
    """Light on one side, shadow on the other."""
    spot = _spot(random, 12, 34, 0).clip(0)
    down, across = np.gradient(gaussian_filter(spot, 2))
    angle = random.uniform(0, 2 * np.pi)
    levels += (down * np.sin(angle) + across * np.cos(angle)) * random.uniform(600, 1200)
    return spot > 0


def _stain(levels: Levels, random: np.random.Generator) -> Marked:
    spot = _spot(random, 14, 48, 1) > 0
    levels -= gaussian_filter(spot.astype(float), 1.5) * random.uniform(22, 45)
    return spot


def _pits(levels: Levels, random: np.random.Generator) -> Marked:
    """A handful of dark points close together."""
    row, column = random.uniform(40, SIDE - 40, 2)
    marked = np.zeros((SIDE, SIDE), bool)
    for _ in range(random.integers(4, 10)):
        away = np.hypot(_ROWS - row - random.normal(0, 10), _COLUMNS - column - random.normal(0, 10))
        marked |= away < random.uniform(1.5, 4)
    levels -= gaussian_filter(marked.astype(float), 0.8) * random.uniform(60, 100)
    return marked


def _uneven(levels: Levels, random: np.random.Generator) -> Marked:
    """Ground less: a large, faint shade with weaker lines."""
    spot = _spot(random, 40, 100, 0.4) > 0
    share = gaussian_filter(spot.astype(float), 4)
    smooth = gaussian_filter(levels, 3)
    levels += share * (0.8 * (smooth - levels) + random.choice([-1, 1]) * random.uniform(10, 18))
    return spot


def _missing_thread(levels: Levels, random: np.random.Generator) -> Marked:
    length, width = random.uniform(60, 220), random.uniform(4, 8)
    row, column = random.uniform(20, SIDE - 20), random.uniform(10, SIDE - length - 10)
    marked = (np.abs(_ROWS - row) < width / 2) & (column < _COLUMNS) & (column + length > _COLUMNS)
    if random.random() < 0.5:
        marked = marked.T
    levels -= gaussian_filter(marked.astype(float), 0.8) * random.uniform(35, 60)
    return marked


def _hole(levels: Levels, random: np.random.Generator) -> Marked:
    spot = _spot(random, 6, 20, 0.5)
    levels[spot > 0] = 30 + random.normal(0, 5, int((spot > 0).sum()))
    levels += 30 * ((spot > -0.3) & (spot <= 0))
    return spot > 0


def _knot(levels: Levels, random: np.random.Generator) -> Marked:
    spot = _spot(random, 7, 14, 0.3).clip(0)
    levels += np.sqrt(spot) * random.uniform(50, 80) - gaussian_filter(spot, 6) * 40
    return spot > 0


PRODUCTS: dict[str, tuple[Callable[[np.random.Generator], Levels], dict[str, Defect]]] = {
    "metal": (_metal, {"scratch": _scratch, "dent": _dent, "stain": _stain, "pits": _pits, "uneven": _uneven}),
    "fabric": (_fabric, {"missing_thread": _missing_thread, "hole": _hole, "knot": _knot, "stain": _stain}),
}
TRAYS: dict[str, Callable[[int, int], list[BoxedImage]]] = {
    "hardware": hardware_tray.draw_trays,
    "worn": worn_tray.draw_trays,
}


def draw(product: str, seed: int, clean: int, defective: int) -> Sequence[Drawn]:
    """So many clean pictures of a product, and so many of each defect; of trays, so many in all."""
    if product in TRAYS:
        return [Drawn(one.data, "tray", one.boxes) for one in TRAYS[product](clean + defective, seed)]
    blank, defects = PRODUCTS[product]
    random = np.random.default_rng(seed)
    labels = ["normal"] * clean + [label for label in defects for _ in range(defective)]
    drawn = []
    for label in labels:
        levels = blank(random)
        boxes = (_box(label, defects[label](levels, random)),) if label in defects else ()
        drawn.append(Drawn(_photographed(levels, random), label, boxes))
    return drawn


def _box(label: str, marked: Marked) -> LabeledBox:
    rows, columns = np.flatnonzero(marked.any(1)), np.flatnonzero(marked.any(0))
    left, top = int(columns[0]), int(rows[0])
    return LabeledBox(label, left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top)


def _photographed(levels: Levels, random: np.random.Generator) -> bytes:
    tint = np.array([1.0, 0.98, 0.94]) + random.normal(0, 0.01, 3)
    pixels = levels[:, :, None] * tint + random.normal(0, 3, (SIDE, SIDE, 3))
    data = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(data, "PNG", compress_level=1)
    return data.getvalue()
