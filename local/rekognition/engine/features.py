"""What the pretrained network sees in an image."""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

from local.rekognition.engine import network
from local.rekognition.engine.images import decode_image

IMAGE_SIDE = 448
GRID = IMAGE_SIDE // 16
CELLS = GRID * GRID
CHANNELS = network.FINE_CHANNELS + network.COARSE_CHANNELS
_MEAN, _SCALE = 127.0, 128.0  # of the pixels the network was trained on


@dataclass(frozen=True)
class ImageFeatures:
    """The features of one image.

    cells: float16 (CELLS, CHANNELS), what is where, each cell averaged with its neighbours, row by row.
    texture: float32 (2 * CHANNELS,), mean and spread of the cells over the image.
    content: float32 (2 * TOP_CHANNELS,), mean and maximum of what the network's last layer sees.
    """

    cells: np.ndarray
    texture: np.ndarray
    content: np.ndarray


def extract_features(data: bytes) -> ImageFeatures:
    """Return the features of a PNG or JPEG file. Raises ValueError when it cannot be decoded."""
    pixels = normalise_pixels(decode_image(data), (IMAGE_SIDE, IMAGE_SIDE))
    # One image at a time: as fast as a batch on two cores, and the bits do not depend on who else is in the batch.
    fine, coarse, top = (output[0] for output in network.session().run(None, {"image": pixels}))
    fine = fine.reshape(len(fine), GRID, 2, GRID, 2).mean((2, 4))
    maps = np.concatenate([fine, coarse])
    smooth = uniform_filter(maps, (0, 3, 3), mode="nearest")
    return ImageFeatures(
        cells=smooth.reshape(CHANNELS, CELLS).T.astype(np.float16),
        texture=np.concatenate([maps.mean((1, 2)), maps.std((1, 2))]),
        content=np.concatenate([top.mean((1, 2)), top.max((1, 2))]),
    )


def normalise_pixels(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Return an image, resized to (width, height), as the network takes it: float32 (1, 3, height, width)."""
    resized = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)
    pixels = (np.asarray(resized, np.float32) - _MEAN) / _SCALE
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
