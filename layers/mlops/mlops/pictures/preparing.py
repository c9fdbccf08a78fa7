"""The copy of a picture that the service can take: upright, RGB or gray, 8 bits, PNG or JPEG. Needs the imaging layer.

One function for training and for inspection: a model is asked about pictures made as those were that it learned from.
Source of what the service takes: `mlops.limits`; "Guidelines and quotas in Amazon Rekognition Custom Labels".
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from mlops.dataset.limits import MAX_ASPECT, MAX_BYTES, MAX_SIDE, MIN_SIDE
from mlops.dataset.mapping import PictureMapping, fitted
from mlops.pictures.decoding import Decoded, decode
from mlops.pictures.depth import Ground, Window
from mlops.pictures.png import PictureRefused

__all__ = ["MOST_BYTES_IN_A_CALL", "WHITE", "Prepared", "Window", "prepare", "prepare_with_pixels", "prepared_mask"]

# DetectCustomLabels takes this much in the call itself; from S3 it takes as much as training does.
MOST_BYTES_IN_A_CALL = 4 * 1024 * 1024
# Tools that label, browsers and paper show white behind what is transparent: it is what people saw when they labelled.
WHITE: Ground = (255, 255, 255)
# From what no eye tells from the original to what still keeps fine scratches; before that, fewer pixels keep more.
_QUALITIES = (95, 90, 85, 80)
_SHRINK = 3, 4
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Prepared:
    """A picture as the service gets it: `data` as `extension` (`png` or `jpg`), or None where the original will do.

    Sizes in pixels: `width` x `height` is what the service gets, `original_width` x `original_height` what the file has
    before anything is turned. `mapping` leads from those pixels to these. `done` says for people what was done, `bits`
    how many of the file's numbers are used: 8, 10, 12, 14 or 16.
    """

    data: bytes | None
    extension: str
    width: int
    height: int
    original_width: int
    original_height: int
    mapping: PictureMapping
    done: tuple[str, ...] = ()
    bits: int = 8

    @property
    def as_it_is(self) -> bool:
        """Whether the service can take the original."""
        return self.data is None


def prepare(
    data: bytes, *, window: Window | None = None, ground: Ground = WHITE, most_bytes: int = MAX_BYTES
) -> Prepared:
    """Prepare a picture file of whatever kind for the service; the same input gives the same bytes.

    `window` brings numbers of more than eight bits to eight; without one, all of 10, 12, 14 or 16 bits that the largest
    number needs. One window for a whole dataset keeps its pictures comparable: prepare again with it once the most
    `bits` are known. `ground` (RGB) shows where the picture is transparent. `most_bytes` is what the copy may have.

    The numbers of the pixels count, as the service reads them: a colour profile is neither applied nor kept. What was
    lossless stays so while it fits. What is too small is refused, not scaled up: the service would be shown pixels that
    no camera saw, and its numbers would tell of our interpolation.
    Raises PictureRefused with a sentence that goes after the file's name.
    """
    return prepare_with_pixels(data, window=window, ground=ground, most_bytes=most_bytes)[0]


def prepare_with_pixels(
    data: bytes, *, window: Window | None = None, ground: Ground = WHITE, most_bytes: int = MAX_BYTES
) -> tuple[Prepared, Image.Image | None]:
    """The same, and what whoever opens the prepared picture would see; None where that would have to be decoded."""
    picture = decode(data, window, ground, _fitting)
    if min(picture.stored) < MIN_SIDE:
        width, height = picture.stored
        raise PictureRefused(
            f"is {width} x {height} px; each side must have at least {MIN_SIDE}: take it from nearer, or cut it larger"
        )
    mapping = _mapping(picture, _fitting(*picture.stored))
    # Nothing that can stay is encoded anew: a copy would differ from what cameras write.
    if picture.is_plain and mapping.changes_nothing and len(data) <= most_bytes:
        return _told(picture, mapping, None, "jpg" if picture.is_lossy else "png", picture.done), picture.image
    return _smallest_change(picture, mapping, len(data), most_bytes)


def prepared_mask(mask: Image.Image, mapping: PictureMapping) -> Image.Image:
    """A mask of the stored picture (mode 1 or L; marked is what is not black) as one of the prepared: L, 0 or 255.

    What was marked stays marked, however thin: around a region of it lies the box that `mapping.box` gives.
    Raises ValueError for a mask of another mode or of another size than the stored picture.
    """
    if mask.mode not in ("1", "L"):
        raise ValueError(f"the mask has the mode {mask.mode}, not 1 or L")
    if mask.size != (mapping.stored_width, mapping.stored_height):
        raise ValueError(f"the mask has {mask.size} px, its picture {mapping.stored_width} x {mapping.stored_height}")
    marked = mask.convert("L").point([0] + [255] * 255)
    pixels = np.asarray(_turned(marked, mapping.orientation))
    for axis, length in enumerate((mapping.height, mapping.width)):
        pixels = _brightest(pixels, axis, length)
    return Image.fromarray(pixels)


def _brightest(pixels: npt.NDArray[np.uint8], axis: int, length: int) -> npt.NDArray[np.uint8]:
    """Scaled down to `length` along an axis: of the pixels that reach into each new one the brightest."""
    number, before = np.arange(length), pixels.shape[axis]
    first = number * before // length
    last = -(-(number + 1) * before // length) - 1
    # What `reduceat` takes together ends where the next begins; the pixel there may reach into both.
    brightest: npt.NDArray[np.uint8] = np.maximum(np.maximum.reduceat(pixels, first, axis), pixels.take(last, axis))
    return brightest


def _fitting(width: int, height: int) -> tuple[int, int]:
    return fitted(width, height, MAX_SIDE, MIN_SIDE, MAX_ASPECT)


def _mapping(picture: Decoded, size: tuple[int, int]) -> PictureMapping:
    """`size` is that of the scaled picture before it is turned."""
    upright = size[::-1] if picture.orientation >= 5 else size
    return PictureMapping(*picture.stored, *upright, picture.orientation)


def _told(
    picture: Decoded, mapping: PictureMapping, data: bytes | None, extension: str, done: tuple[str, ...]
) -> Prepared:
    return Prepared(data, extension, mapping.width, mapping.height, *picture.stored, mapping, done, picture.bits)


def _smallest_change(
    picture: Decoded, mapping: PictureMapping, size: int, most_bytes: int
) -> tuple[Prepared, Image.Image | None]:
    """The copy that changes least of what fits into `most_bytes`: first fewer details of JPEG, then fewer pixels."""
    for tried in _ever_smaller(picture, mapping):
        image = _drawn(picture, tried)
        for data, extension, how in _encodings(image, picture.is_lossy):
            if len(data) <= most_bytes:
                done = [*picture.done, *_changes(picture, tried)]
                if how or not done:
                    done.append(f"{how or 'encoded again'} to have at most {most_bytes} bytes")
                # JPEG changes what it keeps.
                return _told(picture, tried, data, extension, tuple(done)), image if extension == "png" else None
    raise PictureRefused(f"has {size} bytes; at most {most_bytes} are allowed, and no copy of {MIN_SIDE} px fits")


def _ever_smaller(picture: Decoded, mapping: PictureMapping) -> Iterator[PictureMapping]:
    while min(mapping.width, mapping.height) >= MIN_SIDE:
        yield mapping
        width, height = (side * _SHRINK[0] // _SHRINK[1] for side in (mapping.width, mapping.height))
        size = fitted(width, height, MAX_SIDE, MIN_SIDE, MAX_ASPECT)
        mapping = replace(mapping, width=size[0], height=size[1])


def _drawn(picture: Decoded, mapping: PictureMapping) -> Image.Image:
    """The pixels, scaled and turned."""
    image, size = picture.image, (mapping.width, mapping.height)
    # A decoder that shrinks counts a last pixel that is not whole as one: only the part that is in the picture counts.
    wide, tall = (side / picture.shrunk for side in picture.stored)
    if picture.turns == 1:
        wide, tall = (wide, tall) if picture.orientation < 5 else (tall, wide)
    elif picture.turns >= 5:
        size = size[::-1]
    if image.size != size or picture.shrunk > 1:
        # No halos around edges, as the sharper filters draw them: no part has any.
        image = image.resize(size, Image.Resampling.HAMMING, (0, 0, wide, tall))
    return _turned(image, picture.turns)


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return image if orientation == 1 else image.transpose(_TRANSPOSE[orientation])


def _encodings(image: Image.Image, is_lossy: bool) -> Iterator[tuple[bytes, str, str]]:
    """Files with their extension, from the most faithful on; how it was encoded where that was no choice of ours."""
    if not is_lossy:
        yield _file(image, "PNG", compress_level=6), "png", ""
    for quality in _QUALITIES:
        # 4:4:4: a scratch may show in its colour alone.
        file = _file(image, "JPEG", quality=quality, subsampling=0)
        is_usual = is_lossy and quality == _QUALITIES[0]
        yield file, "jpg", "" if is_usual else f"encoded as JPEG of quality {quality}"


def _file(image: Image.Image, format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    # Profiles, comments and whatever else came along.
    image.info = {}
    image.save(buffer, format, **options)
    return buffer.getvalue()


def _changes(picture: Decoded, mapping: PictureMapping) -> Iterator[str]:
    if picture.orientation != 1:
        yield f"turned upright (its EXIF orientation was {picture.orientation})"
    before, after = mapping.upright, (mapping.width, mapping.height)
    if before != after:
        yield f"scaled from {before[0]} x {before[1]} to {after[0]} x {after[1]} px"
        if max(before) > MAX_ASPECT * min(before):
            yield f"its long side more than the other, of which it may be at most {MAX_ASPECT} times as long"
