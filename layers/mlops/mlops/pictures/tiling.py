"""Tiles of a prepared picture as files: the same for training, tests and inspection. Needs the imaging layer."""

import io

from PIL import Image

from mlops.dataset.tiles import Tile, format_of
from mlops.pictures.preparing import MOST_BYTES_IN_A_CALL

# A tile that is stored with loss is a copy of a copy: what the first ones lose, no model sees.
_QUALITIES = (95, 90, 85, 80, 70, 60, 50, 40, 30, 20, 10)


def tile_file(picture: Image.Image, tile: Tile) -> bytes:
    """A tile of a picture that `open_picture` has read, as a file of the format that `format_of` says.

    It fits into a call of DetectCustomLabels. The same picture and tile give the same bytes.
    """
    part = picture.crop((tile.left, tile.top, tile.right, tile.bottom))
    if part.mode not in ("L", "RGB"):
        part = part.convert("RGB")
    # Profiles and comments of the whole.
    part.info = {}
    if format_of(picture.format or "", tile) == "PNG":
        return _encoded(part, "PNG", compress_level=4)
    # 4:4:4: a scratch may show in its colour alone.
    files = (_encoded(part, "JPEG", quality=quality, subsampling=0) for quality in _QUALITIES)
    return next(file for file in files if len(file) <= MOST_BYTES_IN_A_CALL)


def _encoded(image: Image.Image, format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()
