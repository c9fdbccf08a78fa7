"""Pictures of small hardware on a tray: washers, nuts and screws as they fell, among things that look like them."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from local.rekognition.engine import BoxedImage, LabeledBox

WIDTH, HEIGHT = 432, 336
_FINER = 3  # drawn so much larger, then reduced

_Look = tuple[np.ndarray, np.ndarray]  # which points belong to the part, and how bright they are
_Part = Callable[[np.ndarray, np.ndarray], _Look]


def _washer(x: np.ndarray, y: np.ndarray) -> _Look:
    radius = np.hypot(x, y)
    rim = np.minimum(abs(radius - 0.97), abs(radius - 0.53)) < 0.04
    return (radius < 1) & (radius > 0.5), 0.68 + 0.22 * np.cos(2 * np.arctan2(y, x)) - 0.25 * rim


def _nut(x: np.ndarray, y: np.ndarray) -> _Look:
    radius = np.hypot(x, y)
    flats = np.max([abs(x * np.cos(turn) + y * np.sin(turn)) for turn in np.arange(3) * np.pi / 3], axis=0)
    chamfer, thread = radius > 0.84, radius < 0.58
    return (flats < 0.87) & (radius > 0.46), 0.72 + 0.12 * x - 0.22 * chamfer * (1 + y) - 0.4 * thread


def _screw(x: np.ndarray, y: np.ndarray) -> _Look:
    head = (x < -0.68) & (x > -1 + 0.5 * y**2) & (abs(y) < 0.32)
    shaft = (x >= -0.68) & (abs(y) < 0.14 * np.minimum(1, (1 - x) / 0.2)) & (x < 1)
    thread = 0.16 * np.sign(np.sin(60 * x + 9 * y)) * (x > -0.45)
    roundness = np.sqrt((1 - (y / np.where(head, 0.36, 0.16)) ** 2).clip(0))
    return head | shaft, 0.2 + 0.65 * roundness + thread * shaft


def _coin(x: np.ndarray, y: np.ndarray) -> _Look:
    radius = np.hypot(x, y)
    stamp = (abs(x) < 0.3) & (abs(y) < 0.45)
    return radius < 1, 0.66 + 0.2 * np.cos(2 * np.arctan2(y, x)) * (radius > 0.8) + 0.08 * stamp


def _seal(x: np.ndarray, y: np.ndarray) -> _Look:
    radius = np.hypot(x, y)
    return (radius < 1) & (radius > 0.78), 0.2 + 0.12 * np.cos((radius - 0.86) * 30)


def _plate(x: np.ndarray, y: np.ndarray) -> _Look:
    hole = np.hypot(x, y) < 0.3
    return (abs(x) < 0.8) & (abs(y) < 0.8) & ~hole, 0.65 + 0.15 * x * y


def _pin(x: np.ndarray, y: np.ndarray) -> _Look:
    return (abs(x) < 1) & (abs(y) < 0.11), 0.25 + 0.6 * np.sqrt((1 - (y / 0.12) ** 2).clip(0))


PARTS: dict[str, tuple[_Part, float]] = {"nut": (_nut, 1.0), "screw": (_screw, 1.9), "washer": (_washer, 1.0)}
DISTRACTORS: tuple[tuple[_Part, float], ...] = ((_coin, 1.0), (_seal, 1.0), (_plate, 1.0), (_pin, 1.6))
METALS = ((200, 204, 210), (214, 186, 120), (150, 148, 150), (205, 160, 130))


def _smooth_noise(random: np.random.Generator, cells: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Noise of so many (columns, rows), enlarged to size (width, height)."""
    coarse = Image.fromarray(random.normal(0, 1, cells[::-1]).astype(np.float32))
    return np.asarray(coarse.resize(size, Image.Resampling.BICUBIC))


def _tray(random: np.random.Generator) -> Image.Image:
    """An empty tray: grain, stains, scratches, crumbs."""
    size = WIDTH, HEIGHT
    grain = _smooth_noise(random, (WIDTH // 10, HEIGHT), size) * random.integers(2)
    surface = 5 * grain + 7 * _smooth_noise(random, (9, 7), size) + 5 * _smooth_noise(random, (150, 120), size)
    color = random.uniform(70, 150) + random.normal(0, 12, 3)
    image = Image.fromarray((color + surface[:, :, None]).clip(0, 255).astype(np.uint8))
    image = image.resize((WIDTH * _FINER, HEIGHT * _FINER), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(image)
    for _ in range(random.integers(4, 14)):
        start = random.uniform((0, 0), image.size)
        end = start + random.normal(0, 200, 2)
        draw.line((*start, *end), fill=_shade(color + random.normal(0, 35)), width=int(random.integers(1, 5)))
    for _ in range(random.integers(5, 30)):
        corner, crumb = random.uniform((0, 0), image.size), random.uniform(1.5, 9, 2)
        draw.ellipse((*corner, *(corner + crumb)), fill=_shade(color * random.uniform(0.4, 1.5)))
    return image


def _shade(color: np.ndarray) -> tuple[int, ...]:
    return tuple(color.clip(0, 255).astype(int).tolist())


def _shadow(mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    blurred = Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.BoxBlur(6))
    return np.roll(np.asarray(blurred, np.float32) / 255, random.integers(3, 9, 2), (0, 1)) * ~mask


def _lay(image: Image.Image, part: _Part, center: np.ndarray, size: float, random: np.random.Generator) -> np.ndarray:
    """Draw a part, turned at random; return its left, top, right and bottom in pixels of the picture."""
    half = round((size + 8) * _FINER)
    corner = (center * _FINER).astype(int) - half
    across, down = (np.arange(-half, half) / (size * _FINER))[None], (np.arange(-half, half) / (size * _FINER))[:, None]
    turn = random.uniform(0, 2 * np.pi)
    mask, bright = part(across * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - across * np.sin(turn))
    metal = np.array(METALS[random.integers(len(METALS))]) * random.uniform(0.7, 1.1)
    worn = 0.06 * _smooth_noise(random, (12, 12), mask.shape)
    below = np.asarray(image.crop((*corner, *(corner + 2 * half))), np.float32)
    drawn = np.where(mask[:, :, None], (bright + worn)[:, :, None] * metal, below)
    drawn *= 1 - 0.55 * _shadow(mask, random)[:, :, None]
    image.paste(Image.fromarray(drawn.clip(0, 255).astype(np.uint8)), tuple(corner.tolist()))
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    ends = np.array([(columns[0], rows[0]), (columns[-1] + 1, rows[-1] + 1)])
    return ((ends + corner) / _FINER).ravel()


def _photograph(canvas: Image.Image, random: np.random.Generator) -> Image.Image:
    """Reduce, light unevenly, add the noise of a sensor."""
    image = canvas.resize((WIDTH, HEIGHT), Image.Resampling.BOX).filter(
        ImageFilter.GaussianBlur(random.uniform(0.2, 0.8))
    )
    light = 1 + 0.13 * _smooth_noise(random, (3, 3), image.size)
    noisy = np.asarray(image, np.float32) * light[:, :, None] + random.normal(0, 4, (HEIGHT, WIDTH, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def _place(random: np.random.Generator, taken: list[tuple[np.ndarray, float]], reach: float) -> np.ndarray | None:
    """Find a center for a part of this reach that hardly overlaps what lies there; None when there is no room."""
    for _ in range(40):
        center = random.uniform((reach, reach), (WIDTH - reach, HEIGHT - reach))
        if all(np.hypot(*(center - other)) > 0.88 * (reach + own) for other, own in taken):
            return center
    return None


def draw_tray(name: str, parts: int, random: np.random.Generator) -> BoxedImage:
    """Draw a tray with up to so many parts (fewer where there is no room) and up to three distractors."""
    canvas = _tray(random)
    names = random.choice(sorted(PARTS), parts).tolist()
    things = [(PARTS[label], label) for label in names]
    things += [(DISTRACTORS[index], "") for index in random.integers(len(DISTRACTORS), size=random.integers(0, 4))]
    taken: list[tuple[np.ndarray, float]] = []
    boxes: list[LabeledBox] = []
    for (part, stretch), label in things:
        size = random.uniform(17, 38) * stretch
        center = _place(random, taken, size)
        if center is None:
            continue
        taken.append((center, size))
        left, top, right, bottom = _lay(canvas, part, center, size, random)
        if label:
            boxes.append(LabeledBox(label, left, top, right - left, bottom - top))
    buffer = io.BytesIO()
    _photograph(canvas, random).save(buffer, "PNG", compress_level=1)
    return BoxedImage(name, buffer.getvalue(), tuple(boxes))


def draw_trays(count: int, seed: int, least: int = 1, most: int = 5) -> list[BoxedImage]:
    """Draw trays with `least` to `most` parts each."""
    random = np.random.default_rng(seed)
    return [
        draw_tray(f"s3://trays/{seed}/{number:03}.png", int(random.integers(least, most + 1)), random)
        for number in range(count)
    ]
