"""Pictures that the service takes, decoded to be drawn on. Needs the imaging layer."""

import io
import warnings

from PIL import Image

from mlops.dataset.limits import FORMATS
from mlops.pictures.png import PictureRefused


def open_picture(data: bytes, least_side: int = 0) -> Image.Image:
    """A prepared picture, or a file that needed no preparing. Raises PictureRefused for anything else.

    With `least_side`, a JPEG is unpacked at a half, a quarter or an eighth where its shorter side stays as long.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            if least_side:
                image.draft(image.mode, (least_side, least_side))
            image.load()
    except Exception as error:  # a hostile file may raise anything from a decoder
        raise PictureRefused(f"cannot be read as an image ({error}): it is damaged, or of a rare kind") from error
    return image
