"""Looking into image files. Needs the imaging layer."""

import io
import warnings
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from mlops.dataset.limits import FORMATS, image_faults
from mlops.pictures.png import SIGNATURE, PictureRefused, Png, orientation_of, read_png

_TURNED = "is rotated by its EXIF orientation; rotate the pixels and save it without"
_JPEG = b"\xff\xd8"
# Start of frame, of every kind.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


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


def open_picture(data: bytes) -> Image.Image:
    """Open and decode an image file within the limits of the service. Raises PictureRefused for any other."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return _opened_png(data) if data.startswith(SIGNATURE) else _opened_jpeg(data)
    except PictureRefused:
        raise
    except UnidentifiedImageError:
        raise PictureRefused(_unidentified(data)) from None
    except Image.DecompressionBombError as error:
        raise PictureRefused(f"has far too many pixels ({error})") from error
    except Exception as error:  # a hostile file may raise anything from a decoder
        raise PictureRefused(f"cannot be read as an image ({error}): it is damaged, or of a rare kind") from error


def _opened_png(data: bytes) -> Image.Image:
    png = checked_png(data)
    if png.depth > 8:
        raise PictureRefused(f"has {png.depth} bits a channel; save it with 8, over the range that it uses")
    if png.orientation != 1:
        raise PictureRefused(_TURNED)
    return png.image()


def checked_png(data: bytes) -> Png:
    """A PNG file within the limits of the service, not decoded yet. Raises PictureRefused."""
    png = read_png(data)
    if faults := image_faults(png.width, png.height, len(data), "PNG"):
        raise PictureRefused("; ".join(faults))
    return png


def _opened_jpeg(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=("JPEG",))
    faults = image_faults(*image.size, len(data), _format(image))
    if image.mode == "CMYK":
        faults.append("is CMYK; save it as RGB")
    if not faults:
        faults = _decode(image)
    if faults:
        raise PictureRefused("; ".join(faults))
    return image


def _unidentified(data: bytes) -> str:
    """Why a file is not what its name says, or cannot be what it is."""
    if not data.startswith(_JPEG):
        return f"is not a {' or '.join(FORMATS)} image, whatever its name says"
    bits = _bits_of_jpeg(data)
    if bits > 8:
        return f"has {bits} bits a channel; save it with 8, over the range that it uses"
    return "is a JPEG that cannot be read: it is damaged, or of a rare kind; save it anew as a usual JPEG"


def _bits_of_jpeg(data: bytes) -> int:
    """The bits a channel that the frame of a JPEG claims; 0 where no frame is found."""
    place = 2
    while place + 5 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _FRAMES:
            return data[place + 4]
        place += 1 if marker == 0xFF else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return 0


def _format(image: Image.Image) -> str:
    # Cameras that append a preview make a JPEG that Pillow calls MPO.
    return "JPEG" if image.format == "MPO" else str(image.format)


def _decode(image: Image.Image) -> list[str]:
    """What is wrong inside; only for images whose size is known to be harmless."""
    try:
        image.load()
    except Exception as error:
        if "truncated" in str(error):
            return ["ends before its pixels do: it was not written or copied completely; do it again"]
        return [f"cannot be decoded ({error}): it is damaged"]
    try:
        orientation = orientation_of(image.getexif())
    except Exception:  # what nobody can read turns nothing
        orientation = 1
    return [_TURNED] * (orientation != 1)
