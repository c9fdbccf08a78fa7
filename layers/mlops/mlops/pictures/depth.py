"""Pictures with more than eight bits a channel: one window brings their numbers to eight. Needs the imaging layer.

A few hundred rows a time: all at full depth would take more memory than a function has.
"""

import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from mlops.pictures.png import PictureRefused, Png

# A strip of pixels, (rows, columns, channels), 16 bits a number; and how to get all strips of a picture from the top.
Strip = npt.NDArray[np.uint16]
Strips = Callable[[], Iterator[Strip]]
Ground = tuple[int, int, int]

_DEPTHS = (8, 10, 12, 14, 16)
_FULL = 65535
# Pixels of a strip: each takes up to eight bytes, several times over.
_STRIP = 1_000_000
# Bytes that are unpacked at once.
_PIECE = 100_000
# An interlaced picture is taken apart as a whole.
_MOST_INTERLACED = 12_000_000


@dataclass(frozen=True)
class Window:
    """What becomes black (`low`) and white (`high`), in the numbers of the file: 0 to 65535.

    One window for a whole dataset keeps what is as bright equally bright in all its pictures.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= _FULL:
            raise ValueError(f"a window goes from a lower to a higher number, of 0 to {_FULL}; not {self}")

    @classmethod
    def of_bits(cls, bits: int) -> "Window":
        """All that so many bits can hold."""
        return cls(0, 2**bits - 1)

    def table(self, *, inverted: bool = False) -> npt.NDArray[np.uint8]:
        """Eight bits for every number of 16, rounded; what lies outside the window is black or white."""
        above = np.clip(np.arange(_FULL + 1), self.low, self.high) - self.low
        span = self.high - self.low
        table = ((above * 255 + span // 2) // span).astype(np.uint8)
        return 255 - table if inverted else table


@dataclass(frozen=True)
class Narrowed:
    """A picture at eight bits a channel, without transparency; how many bits it used; and its window."""

    image: Image.Image
    bits: int
    window: Window


def narrowed(
    size: tuple[int, int], strips: Strips, window: Window | None, ground: Ground, *, inverted: bool = False
) -> Narrowed:
    """Bring a picture of `size` (width, height) to eight bits, through the window or else by the bits that are used.

    A second or fourth channel is alpha over its full range; what it lets through shows the ground. `strips` is asked
    twice: the bits that are used are those of the largest number, which may be in the last row.
    """
    bits = _bits_used(strips())
    used = window or Window.of_bits(bits)
    table = used.table(inverted=inverted)
    image, top = None, 0
    for strip in strips():
        pixels = _flat(strip, table, ground)
        if image is None:
            image = Image.new("L" if pixels.ndim == 2 else "RGB", size)
        image.paste(Image.fromarray(pixels), (0, top))
        top += len(pixels)
    if image is None:
        raise PictureRefused("is cut off: it has no pixels")
    return Narrowed(image, bits, used)


def _bits_used(strips: Iterator[Strip]) -> int:
    largest = max((int(_colours(strip).max(initial=0)) for strip in strips), default=0)
    return next(bits for bits in _DEPTHS if largest < 2**bits)


def _colours(strip: Strip) -> Strip:
    return strip[:, :, : _colour_count(strip)]


def _colour_count(strip: Strip) -> int:
    return 1 if strip.shape[2] < 3 else 3


def _flat(strip: Strip, table: npt.NDArray[np.uint8], ground: Ground) -> npt.NDArray[np.uint8]:
    """Eight bits a channel, (rows, columns) of gray or (rows, columns, 3) of RGB, as gray on a coloured ground is."""
    colours = table[_colours(strip)]
    if strip.shape[2] in (2, 4):
        colours = _on_ground(colours, strip[:, :, -1], ground)
    return np.ascontiguousarray(colours[:, :, 0] if colours.shape[2] == 1 else colours)


def _on_ground(colours: npt.NDArray[np.uint8], alpha: Strip, ground: Ground) -> npt.NDArray[np.uint8]:
    below = ground[:1] if colours.shape[2] == 1 and len(set(ground)) == 1 else ground
    opaque = alpha.astype(np.uint32)[:, :, np.newaxis]
    mixed = colours * opaque + np.array(below, np.uint32) * (_FULL - opaque) + _FULL // 2
    return (mixed // _FULL).astype(np.uint8)


def rows_a_strip(width: int) -> int:
    """How many rows of so many pixels are worked on at once."""
    return max(_STRIP // width, 1)


def png_strips(png: Png) -> Strips:
    """The strips of a PNG of 16 bits a channel; the colour that counts as transparent becomes alpha.

    Raises PictureRefused.
    """
    if png.is_interlaced and png.width * png.height > _MOST_INTERLACED:
        raise PictureRefused(
            f"is an interlaced PNG of 16 bits with {png.width} x {png.height} px; save it without interlacing"
        )
    key = png.key_colour()

    def strips() -> Iterator[Strip]:
        found = paired(*png.halves())() if png.is_interlaced else _unfiltered(png)
        return found if key is None else (_with_key(strip, key) for strip in found)

    return strips


def _with_key(strip: Strip, key: tuple[int, ...]) -> Strip:
    is_clear = (strip == np.array(key, np.uint16)).all(axis=2, keepdims=True)
    return np.concatenate([strip, np.where(is_clear, 0, _FULL).astype(np.uint16)], axis=2)


def _unfiltered(png: Png) -> Iterator[Strip]:
    """Strips of a PNG that is not interlaced.

    A filter computes each byte from the bytes at the same place in neighbouring pixels, so upper and lower bytes are
    pictures of their own (`Png.halves`); and from the row above, so each strip begins with the last row before it.
    """
    size = 1 + 2 * png.channels * png.width
    above: npt.NDArray[np.uint8] | None = None
    for rows in _filtered_rows(png, size):
        given = rows if above is None else np.concatenate([above, rows])
        strip = _joined(_half(png, given, 0), _half(png, given, 1), png.channels)
        # Filter 0: the bytes are the pixels.
        above = np.concatenate([np.zeros((1, 1), np.uint8), strip[-1:].astype(">u2").view(np.uint8).reshape(1, -1)], 1)
        yield strip if given is rows else strip[1:]


def _filtered_rows(png: Png, size: int) -> Iterator[npt.NDArray[np.uint8]]:
    """All rows, some at a time: the number of a filter, then the filtered bytes; `size` bytes together."""
    found, left = bytearray(), png.height
    for more in _unpacked(png.data):
        found += more
        while left and len(found) >= (wanted := size * min(rows_a_strip(png.width), left)):
            yield np.frombuffer(bytes(found[:wanted]), np.uint8).reshape(-1, size)
            left -= wanted // size
            del found[:wanted]
        if not left:
            return
    raise PictureRefused("is cut off: pixels are missing at its end")


def _unpacked(data: bytes) -> Iterator[bytes]:
    """The bytes of a zlib stream, at most a piece at a time, however well they are packed."""
    unpacker, view = zlib.decompressobj(), memoryview(data)
    try:
        for start in range(0, len(data), _PIECE):
            packed: bytes | memoryview = view[start : start + _PIECE]
            while packed or start + _PIECE >= len(data):
                more = unpacker.decompress(packed, _STRIP)
                packed = unpacker.unconsumed_tail
                if not more:
                    break
                yield more
    except zlib.error as error:
        raise PictureRefused(f"is damaged: its pixels cannot be unpacked ({error})") from error


def _half(png: Png, rows: npt.NDArray[np.uint8], place: int) -> Image.Image:
    """The first or the second byte of every number, unfiltered."""
    half = np.concatenate([rows[:, :1], rows[:, 1 + place :: 2]], axis=1)
    # Level 0: nothing is gained by packing what is unpacked at once.
    data = zlib.compress(half.tobytes(), 0)
    return Png(png.width, len(rows), 8, png.colour, False, b"", b"", data).image()


def paired(upper: Image.Image, lower: Image.Image) -> Strips:
    """The strips of a picture whose upper and lower eight bits are pictures of their own."""
    rows = rows_a_strip(upper.width)

    def strips() -> Iterator[Strip]:
        for top in range(0, upper.height, rows):
            area = (0, top, upper.width, min(top + rows, upper.height))
            yield _joined(upper.crop(area), lower.crop(area), len(upper.getbands()))

    return strips


def _joined(upper: Image.Image, lower: Image.Image, channels: int) -> Strip:
    shape = upper.height, upper.width, channels
    strip = np.asarray(upper).reshape(shape).astype(np.uint16)
    strip <<= 8
    strip |= np.asarray(lower).reshape(shape)
    return strip


def gray_strips(image: Image.Image) -> Strips:
    """The strips of a gray picture whose numbers Pillow keeps: of 16 bits, or of 32 that hold no more than 16.

    Raises PictureRefused where they hold more, or less than nothing.
    """
    if image.mode == "I":
        low, high = image.getextrema()
        if not 0 <= int(low) <= int(high) <= _FULL:  # type: ignore[arg-type]
            raise PictureRefused(f"has numbers from {low} to {high}; save it with those from 0 to {_FULL}")
    rows = rows_a_strip(image.width)

    def strips() -> Iterator[Strip]:
        for top in range(0, image.height, rows):
            area = image.crop((0, top, image.width, min(top + rows, image.height)))
            yield np.asarray(area).astype(np.uint16)[:, :, np.newaxis]

    return strips


def tiff_strips(data: bytes) -> Strips:
    """The strips of a colour TIFF of 16 bits a channel, of which Pillow keeps the upper eight: it is read twice.

    Whoever reads the other byte of each number reads the lower eight. Raises what a decoder raises.
    """
    return paired(*(_read_bytes(data, is_upper) for is_upper in (True, False)))


def _read_bytes(data: bytes, is_upper: bool) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=("TIFF",))
    if not is_upper:
        image.tile = [tile._replace(args=_other_bytes(tile.args)) for tile in image.tile]
    image.load()
    return image


# Of libtiff come numbers in the order of the machine, which is little endian wherever this runs.
_OTHER = {"L": "B", "B": "L", "N": "B"}


def _other_bytes(args: tuple[object, ...] | str | None) -> tuple[object, ...]:
    mode, *rest = (args,) if isinstance(args, str) else args or ("",)
    if not str(mode).endswith(("16L", "16B", "16N")):
        raise PictureRefused("is a TIFF of 16 bits of a rare kind; save it anew, the channels of a pixel side by side")
    return f"{str(mode)[:-1]}{_OTHER[str(mode)[-1]]}", *rest
