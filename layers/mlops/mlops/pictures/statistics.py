"""What a prepared picture looks like from afar, in a few numbers that tell when a camera or its light has changed.

Needs the imaging layer.
"""

import numpy as np
from PIL import Image

from mlops.pictures.perceptual import perceptual_hash

# Of a large picture every so many pixels are enough.
_MOST_SIDE = 1024
_GRAY = (0.299, 0.587, 0.114)


def looks_of(image: Image.Image) -> str:
    """The perceptual hash of a prepared picture."""
    return perceptual_hash(image.convert("RGB"))


def measures_of(image: Image.Image) -> dict[str, float]:
    """Brightness, contrast (standard deviation) and mean colours in shades of 255; sharpness.

    Sharpness is the variance of the Laplacian, which falls when a lens is out of focus.
    """
    step = max(1, -(-max(image.size) // _MOST_SIDE))
    pixels = np.asarray(image.convert("RGB"), np.float32)[::step, ::step]
    gray = pixels @ np.asarray(_GRAY, np.float32)
    edges = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:] - 4 * gray[1:-1, 1:-1]
    red, green, blue = (round(float(mean), 3) for mean in pixels.mean(axis=(0, 1)))
    return {
        "brightness": round(float(gray.mean()), 3),
        "contrast": round(float(gray.std()), 3),
        "sharpness": round(float(edges.var()), 3) if edges.size else 0.0,
        **{"red": red, "green": green, "blue": blue},
    }
