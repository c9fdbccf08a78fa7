"""The statistics of a picture, measured. Needs the imaging layer."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from mlops.judging.appearance import Statistics
from mlops.pictures.perceptual import perceptual_hash

# Shades and colours are those of the whole picture, made small; sharpness is that of its middle, pixel by pixel.
_SMALL, _MIDDLE = 256, 1024
# Black and white squares beside each other have some 10 000 of it; what has less than this has no structure.
_LEAST_STRUCTURE = 0.05
_PLACES = 3


def looks_of(image: Image.Image) -> str:
    """The perceptual hash of a prepared picture."""
    return perceptual_hash(image.convert("RGB"))


def measure(data: bytes) -> Statistics:
    """The statistics of a prepared picture, as the service gets it: PNG or JPEG, upright, 8 bits."""
    with Image.open(io.BytesIO(data)) as image:
        return statistics_of(image)


def statistics_of(image: Image.Image) -> Statistics:
    width, height = image.size
    middle = image.crop(_middle(width, height)).convert("L")
    colours = image.convert("RGB")
    colours.thumbnail((_SMALL, _SMALL), Image.Resampling.BOX)
    pixels = np.asarray(colours, dtype=np.float64)
    red, green, blue = pixels.mean(axis=(0, 1))
    # ITU-R BT.601, as Pillow's L.
    gray = pixels @ np.array([0.299, 0.587, 0.114])
    sharpness = _sharpness(np.asarray(middle, dtype=np.float32))
    return Statistics(
        brightness=_rounded(gray.mean()),
        contrast=_rounded(gray.std()),
        sharpness=_rounded(sharpness),
        red=_rounded(red),
        green=_rounded(green),
        blue=_rounded(blue),
        width=width,
        height=height,
    )


def _rounded(value: float) -> float:
    return round(float(value), _PLACES)


def _middle(width: int, height: int) -> tuple[int, int, int, int]:
    wide, tall = min(width, _MIDDLE), min(height, _MIDDLE)
    left, top = (width - wide) // 2, (height - tall) // 2
    return left, top, left + wide, top + tall


def _sharpness(gray: npt.NDArray[np.float32]) -> float:
    """How much neighbours differ beside how much pixels two apart do: neither light nor contrast changes it."""
    near = far = 0.0
    for lines in (gray, gray.T):
        if len(lines) > 2:
            near += float(np.square(lines[2:] - lines[1:-1]).mean())
            far += float(np.square(lines[2:] - lines[:-2]).mean())
    return near / far if far > _LEAST_STRUCTURE else 0.0
