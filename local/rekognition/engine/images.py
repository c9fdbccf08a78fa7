"""Decode the pictures people upload: any PNG or JPEG mode, and nothing else."""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from local.rekognition.bare import bare

MAX_PIXELS = 64_000_000
_DEEP_MODES = frozenset({"I", "F"})


def decode_image(data: bytes) -> Image.Image:
    """Decode a PNG or JPEG file to RGB, upright, transparency on white.

    Raises ValueError saying what is wrong when the file is of another kind, damaged, or has over 64 million pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of damaged EXIF data, which costs the orientation only
            return _open(data)
    except ValueError:
        raise
    except UnidentifiedImageError as error:
        raise ValueError("not a PNG or JPEG image") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"image is over the limit of {MAX_PIXELS} pixels") from error
    except Exception as error:  # Pillow's decoders raise SyntaxError, OSError, struct.error, EOFError and more
        raise ValueError("damaged image") from error


def _open(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(bare(data)), formats=("PNG", "JPEG")) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError(f"image of {width} x {height} pixels is over the limit of {MAX_PIXELS} pixels")
        image.load()
        return _to_rgb(_upright(image))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF data: the pixels are good
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in _DEEP_MODES:
        return _from_16_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float32) / 257
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8)).convert("RGB")
