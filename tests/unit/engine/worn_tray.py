"""Pictures made from a seed: washers, nuts and screws, lying as they fell on a worn tray among other things."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from local.rekognition.engine import BoxedImage, LabeledBox

SIDE, _FINER = 320, 3
_MOST_SHARED = 0.05
Draw = Callable[[ImageDraw.ImageDraw, float, np.random.Generator], None]


def _metal(random: np.random.Generator) -> tuple[int, int, int]:
    tone = int(random.integers(150, 215))
    return tone, tone - int(random.integers(0, 12)), tone - int(random.integers(0, 35))


def _disc(draw: ImageDraw.ImageDraw, middle: float, radius: float, fill: object) -> None:
    draw.ellipse((middle - radius, middle - radius, middle + radius, middle + radius), fill=fill)


def _washer(draw: ImageDraw.ImageDraw, size: float, random: np.random.Generator) -> None:
    tone = _metal(random)
    _disc(draw, size, 0.6 * size, tuple(part - 50 for part in tone))
    _disc(draw, size, 0.55 * size, tone)
    _disc(draw, size, random.uniform(0.22, 0.34) * size, 0)


def _nut(draw: ImageDraw.ImageDraw, size: float, random: np.random.Generator) -> None:
    tone = _metal(random)
    for scale, shade in ((0.65, 60), (0.56, 0)):
        corners = [(size + scale * size * np.cos(turn), size + scale * size * np.sin(turn)) for turn in _SIXTHS]
        draw.polygon(corners, fill=tuple(part - shade for part in tone))
    _disc(draw, size, 0.34 * size, tuple(part - 70 for part in tone))
    _disc(draw, size, 0.28 * size, 0)


_SIXTHS = np.arange(6) * np.pi / 3


def _screw(draw: ImageDraw.ImageDraw, size: float, random: np.random.Generator) -> None:
    tone = _metal(random)
    dark = tuple(part - 75 for part in tone)
    length = random.uniform(0.65, 0.95) * size
    draw.rectangle((size - 0.11 * size, size - length, size + 0.11 * size, size + length), fill=tone)
    for y in np.arange(size - 0.5 * length, size + length, 0.1 * size):
        draw.line((size - 0.13 * size, y, size + 0.13 * size, y + 0.06 * size), fill=dark, width=max(int(size / 25), 1))
    draw.rectangle((size - 0.3 * size, size - length, size + 0.3 * size, size - 0.72 * length), fill=tone)
    draw.line((size - 0.3 * size, size - 0.72 * length, size + 0.3 * size, size - 0.72 * length), fill=dark, width=4)


def _chip(draw: ImageDraw.ImageDraw, size: float, random: np.random.Generator) -> None:
    corners = [(size + x * size, size + y * size) for x, y in random.uniform(-0.5, 0.5, (4, 2))]
    draw.polygon(corners, fill=tuple(random.integers(40, 150, 3).tolist()))


_PARTS: dict[str, Draw] = {"nut": _nut, "screw": _screw, "washer": _washer}


def _piece(draw_part: Draw, size: float, random: np.random.Generator) -> Image.Image:
    """Draw one thing, turned anywhere, cut to what is visible of it."""
    cutout = Image.new("RGBA", (int(2 * size), int(2 * size)))
    draw_part(ImageDraw.Draw(cutout), size, random)
    turned = cutout.rotate(random.uniform(0, 360), Image.Resampling.BICUBIC)
    return turned.crop(turned.getchannel("A").point(lambda value: 255 * (value > 127)).getbbox())


def _tray(random: np.random.Generator) -> Image.Image:
    side = SIDE * _FINER
    coarse = random.normal(0, 9, (side // 24, side // 24, 1)) + random.uniform(85, 125) + random.normal(0, 8, 3)
    tray = Image.fromarray(coarse.clip(0, 255).astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(tray)
    for _ in range(25):
        x, y, *reach = random.uniform((0, 0, -150, -150), (side, side, 150, 150))
        tone = int(random.integers(70, 150))
        draw.line((x, y, x + reach[0], y + reach[1]), fill=(tone, tone, tone), width=int(random.integers(1, 5)))
    return tray


def _lay(tray: Image.Image, piece: Image.Image, taken: list[np.ndarray], random: np.random.Generator) -> bool:
    """Lay a piece where it hardly covers others; say whether there was room."""
    for _ in range(30):
        left, top = (int(random.integers(0, tray.width - length)) for length in piece.size)
        box = np.array([left, top, left + piece.width, top + piece.height])
        shared = [(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])).clip(0).prod() for other in taken]
        if max(shared, default=0) <= _MOST_SHARED * piece.width * piece.height:
            shadow = Image.new("RGBA", piece.size, (15, 15, 15, 0))
            shadow.putalpha(piece.getchannel("A").point(lambda value: value // 2))
            tray.paste(shadow, (left + 7, top + 9), shadow)
            tray.paste(piece, (left, top), piece)
            taken.append(box)
            return True
    return False


def _photograph(tray: Image.Image, random: np.random.Generator) -> Image.Image:
    small = tray.resize((SIDE, SIDE), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(0.6))
    slope = np.add.outer(np.linspace(-1, 1, SIDE) * random.normal(), np.linspace(-1, 1, SIDE) * random.normal())
    lit = np.asarray(small, np.float32) * (1 + 0.12 * slope[:, :, None]) + random.normal(0, 3, (SIDE, SIDE, 3))
    return Image.fromarray(lit.clip(0, 255).astype(np.uint8))


def draw_tray(name: str, count: int, random: np.random.Generator) -> BoxedImage:
    """Draw a tray with up to `count` parts and some chips that are no parts."""
    tray, taken, boxes = _tray(random), [], []
    for label in random.choice(sorted(_PARTS), count).tolist():
        if _lay(tray, _piece(_PARTS[label], random.uniform(85, 150), random), taken, random):
            left, top, right, bottom = (taken[-1] / _FINER).tolist()
            boxes.append(LabeledBox(label, left, top, right - left, bottom - top))
    for _ in range(random.integers(1, 5)):
        _lay(tray, _piece(_chip, random.uniform(40, 90), random), taken, random)
    buffer = io.BytesIO()
    _photograph(tray, random).save(buffer, "PNG", compress_level=1)
    return BoxedImage(name, buffer.getvalue(), tuple(boxes))


def draw_trays(count: int, seed: int, least: int = 1, most: int = 5) -> list[BoxedImage]:
    """Draw trays with `least` to `most` parts each."""
    random = np.random.default_rng(seed)
    return [draw_tray(f"tray/{index:03}.png", int(random.integers(least, most + 1)), random) for index in range(count)]
