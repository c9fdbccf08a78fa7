"""Looking into image files. Needs the imaging layer."""

import io
import warnings
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from mlops.limits import FORMATS, image_faults

_ORIENTATION = 0x0112
_UPRIGHT = 1


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
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            warnings.simplefilter("ignore")
            return _inspect(image, len(data))
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return Picture(0, 0, len(data), "", ("is not a PNG or JPEG image, whatever its name says",))
    except Exception as error:  # a hostile file may raise anything from a decoder
        return Picture(0, 0, len(data), "", (f"cannot be read as an image ({error}); it may be cut off",))


def _inspect(image: Image.Image, size: int) -> Picture:
    width, height, format = image.width, image.height, str(image.format)
    faults = image_faults(width, height, size, format)
    if image.mode == "CMYK":
        faults.append("is CMYK; save it as RGB")
    if image.getexif().get(_ORIENTATION, _UPRIGHT) != _UPRIGHT:
        faults.append("is rotated by its EXIF orientation; rotate the pixels and save it without")
    if not faults:
        # Decoded only once its size is known to be harmless.
        try:
            image.load()
        except Exception as error:
            faults.append(f"cannot be decoded ({error}); it may be cut off")
    return Picture(width, height, size, format, tuple(faults))
