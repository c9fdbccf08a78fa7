"""Looking into image files. Needs the imaging layer."""

import io
import warnings
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from mlops.limits import FORMATS, image_faults

_ORIENTATION = 0x0112
_TURNED = range(2, 9)


class PictureRefused(ValueError):  # noqa: N818  - a refusal is a result that is recorded, not a fault
    """The file cannot be used; the message says what is wrong with it and what to do."""


@dataclass(frozen=True)
class Picture:
    """Width and height in pixels, size in bytes, format as Pillow names it."""

    width: int
    height: int
    size: int
    format: str


def inspect(data: bytes) -> Picture:
    """Look at an image file whose name promised a picture. Raises PictureRefused."""
    image = open_picture(data)
    return Picture(*image.size, len(data), _format(image))


def open_picture(data: bytes, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Open and decode an image file within the limits of the service. Raises PictureRefused for any other."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return _opened(data, formats)
    except PictureRefused:
        raise
    except UnidentifiedImageError:
        raise PictureRefused(f"is not a {' or '.join(formats)} image, whatever its name says") from None
    except Image.DecompressionBombError as error:
        raise PictureRefused(f"has far too many pixels ({error})") from error
    except Exception as error:  # a hostile file may raise anything from a decoder
        raise PictureRefused(f"cannot be read as an image ({error}); it may be cut off") from error


def _opened(data: bytes, formats: tuple[str, ...]) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=formats)
    faults = image_faults(*image.size, len(data), _format(image))
    if image.mode == "CMYK":
        faults.append("is CMYK; save it as RGB")
    if not faults:
        faults = _decode(image)
    if faults:
        raise PictureRefused("; ".join(faults))
    return image


def _format(image: Image.Image) -> str:
    # Cameras that append a preview make a JPEG that Pillow calls MPO.
    return "JPEG" if image.format == "MPO" else str(image.format)


def _decode(image: Image.Image) -> list[str]:
    """What is wrong inside; only for images whose size is known to be harmless, as reading a PNG's EXIF decodes it."""
    try:
        image.load()
        orientation = image.getexif().get(_ORIENTATION)
    except Exception as error:
        return [f"cannot be decoded ({error}); it may be cut off"]
    return ["is rotated by its EXIF orientation; rotate the pixels and save it without"] * (orientation in _TURNED)
