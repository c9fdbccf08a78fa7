"""PNG files chunk by chunk: their pixels at full depth, whatever lies beside them. Needs the imaging layer.

Source: PNG specification (third edition): chunks (5), filtering (9), interlacing (8). Metadata is left alone: a broken
comment is no reason to refuse pixels, and Pillow refuses some of it.
"""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PALETTE = 3
_ORIENTATION = 0x0112
# Adam7: first row and column of each pass, and the steps from one to the next.
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


class PictureRefused(ValueError):  # noqa: N818  - a refusal is a result that is recorded, not a fault
    """The file cannot be used; the message says what is wrong with it and what to do."""


@dataclass(frozen=True)
class Png:
    """What decides the pixels of a PNG: size in pixels, bits a channel, colour type, and the compressed data.

    `transparency` is what its tRNS chunk holds. `orientation` is EXIF's, 1 where there is none that can be read.
    """

    width: int
    height: int
    depth: int
    colour: int
    is_interlaced: bool
    palette: bytes
    transparency: bytes
    data: bytes
    orientation: int = 1

    @property
    def channels(self) -> int:
        """Numbers a pixel: a palette's number is one."""
        return _CHANNELS[self.colour]

    def image(self) -> Image.Image:
        """The pixels, as Pillow decodes them: of 16 bits a channel only a gray picture keeps all."""
        return _decoded(self._file(self.data, self.depth))

    def halves(self) -> tuple[Image.Image, Image.Image]:
        """The upper and the lower eight bits of a PNG with 16 bits a channel, as two images.

        A filter computes each byte from the bytes at the same place in neighbouring pixels. So the upper bytes of all
        channels are, with the same filters, a PNG of eight bits of their own, and so are the lower ones.
        """
        raw = self._inflated()
        upper, lower = (self._half(raw, place) for place in (0, 1))
        return upper, lower

    def _half(self, raw: bytes, place: int) -> Image.Image:
        """The first or the second byte of every number."""
        compressor = zlib.compressobj(0)
        data = []
        for pixels in self._sections(raw):
            half = np.concatenate([pixels[:, :1], pixels[:, 1 + place :: 2]], axis=1)
            data.append(compressor.compress(half.tobytes()))
        return _decoded(self._file(b"".join([*data, compressor.flush()]), 8))

    def key_colour(self) -> tuple[int, ...] | None:
        """The one colour that counts as transparent, as the numbers in the file; None where there is none."""
        count = _CHANNELS[self.colour]
        if self.colour not in (0, 2) or len(self.transparency) < 2 * count:
            return None
        return struct.unpack(f">{count}H", self.transparency[: 2 * count])

    def _file(self, data: bytes, depth: int) -> bytes:
        header = struct.pack(">IIBBBBB", self.width, self.height, depth, self.colour, 0, 0, self.is_interlaced)
        chunks = [_chunk(b"IHDR", header)]
        if self.palette:
            chunks.append(_chunk(b"PLTE", self.palette))
        # A colour that is transparent is looked for in the numbers of the file.
        if self.transparency and self.colour == _PALETTE:
            chunks.append(_chunk(b"tRNS", self.transparency))
        return b"".join([SIGNATURE, *chunks, _chunk(b"IDAT", data), _chunk(b"IEND", b"")])

    def _inflated(self) -> bytes:
        expected = sum(rows * (1 + self._row_bytes(columns)) for rows, columns in self._shapes())
        try:
            # No more than the head has claimed and was checked for: a few bytes may unpack to gigabytes.
            raw = zlib.decompressobj().decompress(self.data, expected)
        except zlib.error as error:
            raise PictureRefused(f"is damaged: its pixels cannot be unpacked ({error})") from error
        if len(raw) < expected:
            raise PictureRefused("is cut off: pixels are missing at its end")
        return raw

    def _row_bytes(self, columns: int) -> int:
        return 2 * _CHANNELS[self.colour] * columns

    def _shapes(self) -> list[tuple[int, int]]:
        """Rows and columns of every pass; one pass where the picture is not interlaced."""
        if not self.is_interlaced:
            return [(self.height, self.width)]
        shapes = [
            (-((top - self.height) // down), -((left - self.width) // right)) for top, left, down, right in _PASSES
        ]
        return [shape for shape in shapes if min(shape) > 0]

    def _sections(self, raw: bytes) -> list[npt.NDArray[np.uint8]]:
        """The filtered bytes of every pass: a filter's number, then the bytes of a row."""
        found, start = [], 0
        for rows, columns in self._shapes():
            size = rows * (1 + self._row_bytes(columns))
            found.append(np.frombuffer(raw, np.uint8, size, start).reshape(rows, -1))
            start += size
        return found


def read_png(data: bytes) -> Png:
    """Read what decides the pixels of a PNG file. Raises PictureRefused."""
    found: dict[bytes, list[bytes]] = {}
    place = len(SIGNATURE)
    while place + 8 <= len(data) and b"IEND" not in found:
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        content = data[place + 8 : place + 8 + length]
        checksum = data[place + 8 + length : place + 12 + length]
        place += 12 + length
        if fault := _fault(kind, content, length, checksum):
            # The first letter of what matters is a capital.
            if kind[:1].isupper():
                raise PictureRefused(fault)
            continue
        found.setdefault(kind, []).append(content)
    header = found.get(b"IHDR", [b""])[0]
    if len(header) != 13 or b"IDAT" not in found:
        raise PictureRefused("is cut off: it has no pixels")
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", header)
    if colour not in _CHANNELS or depth not in (1, 2, 4, 8, 16):
        raise PictureRefused(f"is damaged: it claims colour type {colour} with {depth} bits a channel")
    palette, transparency = (b"".join(found.get(kind, [])[:1]) for kind in (b"PLTE", b"tRNS"))
    shape = width, height, depth, colour, bool(interlace)
    return Png(*shape, palette, transparency, b"".join(found[b"IDAT"]), orientation_in(found.get(b"eXIf", [b""])[0]))


def _fault(kind: bytes, content: bytes, length: int, checksum: bytes) -> str:
    if len(content) < length or len(checksum) < 4:
        return "is cut off"
    if zlib.crc32(content, zlib.crc32(kind)) != int.from_bytes(checksum, "big"):
        name = kind.decode("latin-1")
        return f"is damaged: the checksum of its {name if name.isalnum() else 'first'} chunk does not fit"
    return ""


def orientation_in(exif: bytes) -> int:
    """How what an eXIf chunk holds turns its picture, 1 to 8."""
    if not exif:
        return 1
    found = Image.Exif()
    try:
        found.load(exif)
        return orientation_of(found)
    except Exception:  # whatever it is, it turns nothing
        return 1


def orientation_of(exif: Image.Exif) -> int:
    """How a picture is turned, 1 to 8; 1 where that is not said in a way that can be read."""
    value = exif.get(_ORIENTATION)
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) and 1 <= first <= 8 else 1


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _decoded(file: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(file), formats=("PNG",))
        image.load()
    except Exception as error:  # a hostile file may raise anything from a decoder
        text = str(error)
        if "truncated" in text:
            raise PictureRefused("is cut off: pixels are missing at its end") from error
        raise PictureRefused(f"is damaged: its pixels cannot be unpacked ({text})") from error
    return image
