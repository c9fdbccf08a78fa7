"""The camera over the board: where it looks, how the lamp lights the field, what lens and sensor add."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from local.pictures.raster import Array, Grid, Pose

FIELD_OF_VIEW = 11.47
"""Width and height of the picture, mm."""

AIM = (0.0, -4.47)
"""The point of the board at the middle of the picture, mm."""


def look(size: int, rng: np.random.Generator) -> Grid:
    """Where each of size x size pixels lies on the board: the fixture holds within about one per cent."""
    width = FIELD_OF_VIEW * rng.normal(1, 0.006)
    offsets = ((np.arange(size) + 0.5) / size - 0.5) * width
    x, y = np.meshgrid(offsets.astype(np.float32), offsets.astype(np.float32))
    slip = Pose((AIM[0] + rng.normal(0, 0.05), AIM[1] + rng.normal(0, 0.06)), rng.normal(0, np.radians(0.25)))
    looking = Grid(x, y, width / size).seen_from(Pose(turn=slip.turn))
    return Grid(looking.x + np.float32(slip.shift[0]), looking.y + np.float32(slip.shift[1]), looking.pixel)


def photograph(scene: Array, rng: np.random.Generator) -> Image.Image:
    """Take the picture of a scene (height x width x 3, from 0 to 1): RGB, 8 bits."""
    lit = scene * illumination(scene.shape[0], rng)[..., None] * white_balance(rng)
    sharp = Image.fromarray(np.uint8(np.clip(lit * 255 + 0.5, 0, 255)))
    pixel_scale = scene.shape[0] / 512
    blurred = sharp.filter(ImageFilter.GaussianBlur(rng.uniform(0.45, 0.8) * pixel_scale))
    return Image.fromarray(expose(np.asarray(blurred, np.float32), rng))


def illumination(size: int, rng: np.random.Generator) -> Array:
    """Uneven light (size x size): a lamp somewhat to one side, and darker corners."""
    along = np.linspace(-1, 1, size, dtype=np.float32)
    across_slope, down_slope = rng.normal(0.03, 0.04), rng.normal(0.03, 0.05)
    gradient = 1 + np.float32(across_slope) * along[None, :] + np.float32(down_slope) * along[:, None]
    vignette = 1 - np.float32(rng.uniform(0.03, 0.12)) * (along[None, :] ** 2 + along[:, None] ** 2) / 2
    return gradient * vignette * np.float32(rng.normal(1, 0.05))


def white_balance(rng: np.random.Generator) -> Array:
    """Gain of each colour channel."""
    return rng.normal(1, 0.015, 3).astype(np.float32)


def expose(levels: Array, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Sensor noise on levels from 0 to 255: read noise, and shot noise that grows with the light."""
    noise = rng.standard_normal(levels.shape, np.float32) * np.sqrt(0.5 + 0.012 * levels)
    return np.asarray(np.clip(levels + noise + 0.5, 0, 255), np.uint8)
