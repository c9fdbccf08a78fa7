"""Which pictures the service takes, decided from the header so that a hostile file is never decoded."""

import io

from PIL import Image

from local.rekognition import limits
from local.rekognition.bare import bare


class UnsupportedFormatError(ValueError):
    """Not a PNG or JPEG file that can be read."""


class ImageDimensionError(ValueError):
    """The sides are not as they should be."""


class ImageTooSmallError(ImageDimensionError):
    """A side is too short, or one side is too many times the other."""


class ImageTooLargeError(ImageDimensionError):
    """A side is too long."""


def check_image(data: bytes) -> None:
    """Raise one of this module's ValueErrors unless the data is a PNG or JPEG within the documented limits."""
    width, height = _size(data)
    short, long = sorted((width, height))
    if long > limits.MAX_SIDE:
        raise ImageTooLargeError(f"The image is {width} x {height} pixels; a side has at most {limits.MAX_SIDE}.")
    if short < limits.MIN_SIDE:
        raise ImageTooSmallError(f"The image is {width} x {height} pixels; a side has at least {limits.MIN_SIDE}.")
    if long > limits.MAX_ASPECT_RATIO * short:
        ratio = limits.MAX_ASPECT_RATIO
        raise ImageTooSmallError(f"The image is {width} x {height} pixels; one side is over {ratio} times the other.")


def _size(data: bytes) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(bare(data)), formats=("PNG", "JPEG")) as image:
            return image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLargeError(f"The image has too many pixels; a side has at most {limits.MAX_SIDE}.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UnsupportedFormatError("The image is not a PNG or JPEG file that can be read.") from error
