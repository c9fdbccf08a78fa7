"""Looking into image files. Needs the imaging layer."""

import io
import warnings
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from mlops.limits import FORMATS, image_faults

_ORIENTATION = 0x0112
_TURNED = range(2, 9)


@dataclass(frozen=True)
class Picture:
    """Width and height in pixels, size in bytes, format as Pillow names it, and why it cannot be used."""

    width: int
    height: int
    size: int
    format: str
    faults: tuple[str, ...] = ()


def inspect(data: bytes) -> Picture:
    """Look at an image file whose name promised a picture. Never raises: faults say what is wrong and what to do."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _inspect(image, len(data))
    except UnidentifiedImageError:
        return Picture(0, 0, len(data), "", ("is not a PNG or JPEG image, whatever its name says",))
    except Image.DecompressionBombError as error:
        return Picture(0, 0, len(data), "", (f"has far too many pixels ({error})",))
    except Exception as error:  # a hostile file may raise anything from a decoder
        return Picture(0, 0, len(data), "", (f"cannot be read as an image ({error}); it may be cut off",))


def _inspect(image: Image.Image, size: int) -> Picture:
    width, height = image.size
    # Cameras that append a preview make a JPEG that Pillow calls MPO.
    format = "JPEG" if image.format == "MPO" else str(image.format)
    faults = image_faults(width, height, size, format)
    if image.mode == "CMYK":
        faults.append("is CMYK; save it as RGB")
    if not faults:
        faults = _decode(image)
    return Picture(width, height, size, format, tuple(faults))


def _decode(image: Image.Image) -> list[str]:
    """What is wrong inside; only for images whose size is known to be harmless, as reading a PNG's EXIF decodes it."""
    try:
        image.load()
        orientation = image.getexif().get(_ORIENTATION)
    except Exception as error:
        return [f"cannot be decoded ({error}); it may be cut off"]
    return ["is rotated by its EXIF orientation; rotate the pixels and save it without"] * (orientation in _TURNED)
