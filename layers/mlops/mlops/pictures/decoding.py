"""Picture files of every kind that cameras and tools write, as eight bits of gray or RGB. Needs the imaging layer.

What may not fit into memory is refused by what the head of the file claims, before a pixel is decoded.
"""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from PIL import Image, ImageChops, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from mlops.pictures.depth import Ground, Strips, Window, gray_strips, narrowed, png_strips, rows_a_strip, tiff_strips
from mlops.pictures.png import SIGNATURE, PictureRefused, Png, orientation_of, read_png

# The largest camera sensors have 151 million pixels. Far beyond that even counting takes too long.
MAX_PIXELS = 160_000_000
# Bytes for a picture and its file. Python, the libraries and the copy take the rest of the 1024 MB of a function.
_MOST_MEMORY = 700_000_000
# Bytes a pixel that decoding takes at its peak, by Pillow's mode, which keeps RGB in four bytes: the pixels, and what
# they become.
_BYTES_A_PIXEL = {"1": 2, "L": 2, "P": 5, "RGB": 5, "I;16": 4, "I;16B": 4, "I": 8}
_BYTES_OF_OTHERS = 9
# Both halves of the numbers, and what they become.
_BYTES_OF_DEEP = 13
# WebP and GIF draw a frame on a canvas of RGBA and keep the one before.
_BYTES_OF_FRAMES = 20
# Beside the file itself its chunks are put together, and written anew.
_COPIES_OF_PNG = 3
_FORMATS = ("JPEG", "TIFF", "BMP", "WEBP", "GIF")
TAKEN = "PNG, JPEG, TIFF, BMP, WebP or GIF"
_JPEG, _TIFF = b"\xff\xd8", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Markers of JPEG: the frame, of every kind; those whose scans refine each other; the first scan.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE, _SCAN = frozenset({0xC2, 0xC6, 0xCA, 0xCE}), 0xDA
# TIFF tags, and those of its values that matter here.
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _KIND, _EXTRA = 256, 257, 258, 262, 339, 338
_TILE_WIDTH, _TILE_HEIGHT, _COMPRESSION, _PLANES = 322, 323, 259, 284
_WHITE_IS_ZERO, _SIGNED, _FLOAT, _PREMULTIPLIED, _CMYK, _NONE, _APART = 0, 2, 3, 1, 5, 1, 2


@dataclass(frozen=True)
class Decoded:
    """A picture as `image`, eight bits of gray (L) or RGB, without transparency.

    `stored` is (width, height) in pixels as the file has the rows, `orientation` how EXIF turns them. `turns` is
    what is left to be turned in `image`, which may also be smaller than the picture by the whole factor `shrunk`.
    `done` says what was done so far, `bits` how many a number uses. `is_plain`: the file itself holds this, as PNG or
    JPEG.
    """

    image: Image.Image
    stored: tuple[int, int]
    format: str
    orientation: int = 1
    turns: int = 1
    shrunk: int = 1
    bits: int = 8
    done: tuple[str, ...] = ()
    is_plain: bool = False

    @property
    def is_lossy(self) -> bool:
        """Whether the file's encoding had thrown details away already."""
        return self.format == "JPEG"


# The size to which a picture of this width and height will be scaled down.
Fitting = Callable[[int, int], tuple[int, int]]


def decode(data: bytes, window: Window | None, ground: Ground, fitting: Fitting) -> Decoded:
    """Read the first picture of a file. Raises PictureRefused, whatever a hostile file does to a decoder."""
    with _refusing(data), warnings.catch_warnings(action="ignore"):
        if data.startswith(SIGNATURE):
            return _png(data, window, ground)
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
        _check_pixels(*image.size)
        if isinstance(image, TiffImageFile):
            return _tiff(data, image, window, ground)
        if image.format in ("JPEG", "MPO"):
            return _jpeg(data, image, ground, fitting)
        return _other(data, image, ground)


@contextmanager
def _refusing(data: bytes) -> Iterator[None]:
    try:
        yield
    except PictureRefused:
        raise
    except UnidentifiedImageError:
        raise PictureRefused(_unidentified(data)) from None
    except Image.DecompressionBombError:
        raise PictureRefused(_too_many("more than a function can hold")) from None
    except Exception as error:  # a hostile file may raise anything from a decoder
        text = str(error) or type(error).__name__
        if "truncated" in text or "not enough image data" in text:
            raise PictureRefused("ends before its pixels do: it was not written or copied completely") from error
        raise PictureRefused(f"cannot be decoded ({text}): it is damaged, or of a rare kind; save it as PNG") from error


def _unidentified(data: bytes) -> str:
    if data.startswith(_TIFF):
        return "is a TIFF of a rare kind, or damaged; save it as PNG, or as TIFF of 8 or 16 bits gray or RGB"
    if data.startswith(_JPEG):
        bits = _bits_of_jpeg(data)
        if bits > 8:
            return f"is a JPEG of {bits} bits a channel, which is not read; save it as PNG or TIFF of 16 bits"
        return "is a JPEG that cannot be read: it is damaged, or of a rare kind; save it anew as a usual JPEG or as PNG"
    return f"is not a {TAKEN} picture, whatever its name says; save it as PNG"


def _bits_of_jpeg(data: bytes) -> int:
    """The bits a channel that the frame of a JPEG claims; 0 where no frame is found."""
    place = 2
    while place + 5 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _FRAMES:
            return data[place + 4]
        place += 1 if marker == 0xFF else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return 0


def _too_many(pixels: str) -> str:
    return f"has too many pixels ({pixels}); cut it into parts, or save it smaller"


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PictureRefused(_too_many(f"{width} x {height}; at most {MAX_PIXELS // 1_000_000} million are read"))


def _check_memory(size: tuple[int, int], bytes_a_pixel: float, file: int, copies: int = 1) -> None:
    width, height = size
    if width * height * bytes_a_pixel + copies * file > _MOST_MEMORY:
        raise PictureRefused(
            _too_many(f"{width} x {height} of its kind in a file of {file} bytes take more memory than there is")
        )


def _png(data: bytes, window: Window | None, ground: Ground) -> Decoded:
    # Looked for first: whatever is in the file, its chunks are copied when they are read.
    if len(data) * _COPIES_OF_PNG > _MOST_MEMORY:
        raise PictureRefused(f"has {len(data)} bytes; at most {_MOST_MEMORY // _COPIES_OF_PNG} are read")
    png = read_png(data)
    size = png.width, png.height
    _check_pixels(*size)
    done = _of_frames(b"acTL" in data[: data.find(b"IDAT")])
    decoded = partial(Decoded, stored=size, format="PNG", orientation=png.orientation, turns=png.orientation)
    _check_memory(size, _bytes_of_png(png), len(data), _COPIES_OF_PNG)
    if png.depth > 8:
        image, bits, sentence = _narrow(size, png_strips(png), window, ground)
        return decoded(image, bits=bits, done=(*done, sentence))
    is_plain = png.depth == 8 and png.colour in (0, 2) and not png.transparency
    if png.colour in (0, 2) and png.transparency:
        image, said = _keyed(png, ground)
    else:
        image, said = _flattened(png.image(), ground)
    if png.depth < 8 and png.colour == 0:
        said = (f"gray of {png.depth} bits stretched over 8", *said)
    return decoded(image, done=(*done, *said), is_plain=is_plain)


def _bytes_of_png(png: Png) -> int:
    if png.depth > 8:
        # Only strips of it are at full depth, where it is not taken apart as a whole.
        return 40 if png.is_interlaced else _BYTES_A_PIXEL["L" if png.colour == 0 else "RGB"]
    mode = {0: "L", 2: "RGB", 3: "P"}.get(png.colour, "")
    return _BYTES_OF_OTHERS if png.transparency else _BYTES_A_PIXEL.get(mode, _BYTES_OF_OTHERS)


def _keyed(png: Png, ground: Ground) -> tuple[Image.Image, tuple[str, ...]]:
    """A PNG in which one colour counts as transparent."""
    image, _ = _flattened(png.image(), ground)
    key = png.key_colour()
    if key is None:
        return image, ()
    # Pillow stretches gray of less than eight bits over all of them.
    stretch = 255 // (2**png.depth - 1)
    is_clear = Image.new("L", image.size, 255)
    for band, value in zip(image.split(), key, strict=True):
        is_clear = ImageChops.darker(is_clear, band.point([255 * (shade == value * stretch) for shade in range(256)]))
    if image.mode == "L" and len(set(ground)) > 1:
        image = image.convert("RGB")
    image.paste(ground if image.mode == "RGB" else ground[0], mask=is_clear)
    return image, (_on(ground),)


def _jpeg(data: bytes, image: Image.Image, ground: Ground, fitting: Fitting) -> Decoded:
    stored = image.size
    orientation = _turn(image)
    target = fitting(*stored)
    # The decoder itself can skip what scaling would drop: at most half of it, so that scaling still averages.
    image.draft(None, target)
    shrunk = -(-stored[0] // image.width)
    # What comes in several scans is kept whole, as two bytes a coefficient, until the last has come.
    kept = 2 * _samples_of(image) * _has_several_scans(data)
    _check_memory(stored, kept + _bytes_of(image) / shrunk**2, len(data))
    image.load()
    is_plain = image.mode in ("L", "RGB")
    if image.mode == "CMYK" and "adobe" not in image.info:
        # Pillow takes all CMYK for Adobe's, which is stored inverted and says so.
        image = ImageChops.invert(image)
    flat, said = _flattened(image, ground)
    return Decoded(flat, stored, "JPEG", orientation, orientation, shrunk, done=said, is_plain=is_plain)


def _has_several_scans(data: bytes) -> bool:
    """Whether a JPEG is progressive, or its first scan lacks a channel (ITU T.81, B.2)."""
    place, channels = 2, 0
    while place + 10 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _PROGRESSIVE:
            return True
        if marker in _FRAMES:
            channels = data[place + 9]
        if marker == _SCAN:
            return data[place + 4] < channels
        place += 1 if marker == 0xFF else 2 + length
    return True


def _samples_of(image: Image.Image) -> float:
    """How many numbers a pixel of a JPEG has on average: of colours there are fewer where they are subsampled."""
    factors = [across * down for _, across, down, *_ in getattr(image, "layer", ())]
    return sum(factors) / max(factors, default=1) if factors else len(image.getbands())


def _turn(image: Image.Image) -> int:
    try:
        return orientation_of(image.getexif())
    except Exception:  # what nobody can read turns nothing
        return 1


def _other(data: bytes, image: Image.Image, ground: Ground) -> Decoded:
    orientation, format = _turn(image), str(image.format)
    _check_memory(image.size, _bytes_of(image) if format == "BMP" else _BYTES_OF_FRAMES, len(data))
    done = (_written_as(format), *_of_frames(bool(getattr(image, "is_animated", False))))
    image.load()
    flat, said = _flattened(image, ground)
    return Decoded(flat, image.size, format, orientation, orientation, done=(*done, *said))


def _tiff(data: bytes, image: TiffImageFile, window: Window | None, ground: Ground) -> Decoded:
    """Pillow turns a TIFF upright when it is loaded."""
    tags = image.tag_v2
    stored, orientation = (int(tags[_WIDTH]), int(tags[_HEIGHT])), _turn(image)
    done = (_written_as("TIFF"), *_of_frames(bool(tags.next), "page"))
    bits = max(tags.get(_BITS, (1,)))
    if image.mode == "F" or _FLOAT in tags.get(_KIND, ()):
        raise PictureRefused("is a TIFF of floating point numbers, whose black and white nobody knows; save it with 16")
    if bits <= 8 and _SIGNED in tags.get(_KIND, ()):
        raise PictureRefused("is a TIFF whose numbers are below zero, too; save it with those from 0 on")
    _check_tiff(data, image, bits)
    if bits <= 8 or int(tags[_PHOTOMETRIC]) == _CMYK:
        image.load()
        flat, said = _flattened(image, ground)
        return Decoded(flat, stored, "TIFF", orientation, done=(*done, *said))
    if tags.get(_PLANES) == _APART and len(image.getbands()) > 1:
        raise PictureRefused(
            "is a TIFF of 16 bits in separate planes; save it with the channels of a pixel side by side"
        )
    if _PREMULTIPLIED in tags.get(_EXTRA, ()):
        raise PictureRefused("is a TIFF of 16 bits whose colours are multiplied by alpha; save it without transparency")
    inverted = int(tags[_PHOTOMETRIC]) == _WHITE_IS_ZERO
    if image.mode in ("RGB", "RGBA"):
        strips = tiff_strips(data)
    else:
        image.load()
        strips = gray_strips(image)
    narrow, used, sentence = _narrow(_upright_size(stored, orientation), strips, window, ground, inverted)
    return Decoded(narrow, stored, "TIFF", orientation, bits=used, done=(*done, sentence))


def _upright_size(stored: tuple[int, int], orientation: int) -> tuple[int, int]:
    return stored[::-1] if orientation >= 5 else stored


def _check_tiff(data: bytes, image: TiffImageFile, bits: int) -> None:
    """Memory for the pixels, and for a strip or tile, which may hold all of them or claim to be larger still."""
    tags, samples = image.tag_v2, len(image.getbands())
    piece = samples * bits / 8 * (tags.get(_COMPRESSION, _NONE) != _NONE)
    tile = (tags.get(tag) for tag in (_TILE_WIDTH, _TILE_HEIGHT))
    match tuple(tile):
        case (int(width), int(height)):
            _check_memory((width, height), piece, len(data))
    own = _BYTES_OF_DEEP if bits > 8 and samples > 1 else _bytes_of(image)
    _check_memory(image.size, own + piece, len(data))


def _bytes_of(image: Image.Image) -> int:
    return _BYTES_A_PIXEL.get(image.mode, _BYTES_OF_OTHERS)


def _narrow(
    size: tuple[int, int], strips: Strips, window: Window | None, ground: Ground, inverted: bool = False
) -> tuple[Image.Image, int, str]:
    found = narrowed(size, strips, window, ground, inverted=inverted)
    used = found.window
    sentence = f"{found.bits} bits brought to 8 through the window {used.low} to {used.high}"
    return found.image, found.bits, sentence


def _flattened(image: Image.Image, ground: Ground) -> tuple[Image.Image, tuple[str, ...]]:
    """An image of eight bits as gray or RGB, and what was done to it."""
    if image.has_transparency_data:
        return _strip_by_strip(image, lambda strip: _laid_on(strip, ground)), (_on(ground),)
    match image.mode:
        case "L" | "RGB":
            return image, ()
        case "1":
            return image.convert("L"), ()
        case "CMYK":
            return _strip_by_strip(image, lambda strip: strip.convert("RGB")), ("CMYK became RGB",)
        case "P":
            return image.convert("RGB"), ("a palette became RGB",)
        case "I;16" | "I;16B" | "I" | "F" as mode:
            raise PictureRefused(f"has numbers of a kind ({mode}) that is rare in its format; save it as PNG")
    return image.convert("RGB"), (f"{image.mode} became RGB",)


def _strip_by_strip(image: Image.Image, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """An RGB image, made of some rows a time: a copy of all in between would take as much memory again."""
    made = Image.new("RGB", image.size)
    rows = rows_a_strip(image.width)
    for top in range(0, image.height, rows):
        made.paste(change(image.crop((0, top, image.width, min(top + rows, image.height)))), (0, top))
    return made


def _laid_on(image: Image.Image, ground: Ground) -> Image.Image:
    below = Image.new("RGBA", image.size, (*ground, 255))
    return Image.alpha_composite(below, image.convert("RGBA")).convert("RGB")


def _on(ground: Ground) -> str:
    name = {(255, 255, 255): "white", (0, 0, 0): "black"}.get(ground, f"the colour {ground}")
    return f"laid on {name} where it was transparent"


def _written_as(format: str) -> str:
    return f"{ {'WEBP': 'WebP'}.get(format, format) } was written anew, for the service takes only PNG and JPEG"


def _of_frames(has_more: bool, what: str = "frame") -> tuple[str, ...]:
    return (f"only its first {what} was used",) * has_more
