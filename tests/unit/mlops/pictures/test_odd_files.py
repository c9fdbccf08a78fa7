import io
import struct
import zlib
from contextlib import suppress
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mlops.pictures.png import PictureRefused
from mlops.pictures.preparing import prepare

SIZE = (80, 70)


class Picture(NamedTuple):
    width: int
    height: int
    size: int
    format: str


def inspect(data: bytes) -> Picture:
    """What the service gets of a file."""
    prepared = prepare(data)
    shown = prepared.data or data
    return Picture(prepared.width, prepared.height, len(shown), {"png": "PNG", "jpg": "JPEG"}[prepared.extension])


def encoded(mode: str = "RGB", kind: str = "PNG", size: tuple[int, int] = SIZE, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **options)
    return buffer.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(PictureRefused) as raised:
        inspect(data)
    return str(raised.value)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises width x height gray pixels, with few bytes of data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def test_progressive_jpeg_is_taken() -> None:
    assert inspect(encoded(kind="JPEG", progressive=True)).size


def with_chunk(data: bytes, extra: bytes) -> bytes:
    """A PNG with one more chunk behind its header."""
    return data[:33] + extra + data[33:]


def with_app1(data: bytes, payload: bytes) -> bytes:
    """A JPEG with EXIF of these bytes."""
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + data[2:]


HUGE = zlib.compress(b"x" * 3_000_000)
METADATA = {
    "EXIF that is no TIFF": chunk(b"eXIf", bytes(10)),
    "EXIF that ends early": chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x05\x01\x12"),
    "a large profile": chunk(b"iCCP", b"icc\0\0" + HUGE),
    "a large text": chunk(b"zTXt", b"Comment\0\0" + HUGE),
    "large XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0" + HUGE),
    "a wrong checksum of a text": chunk(b"tEXt", b"a\0b")[:-4] + bytes(4),
    "a wrong size of a pixel": chunk(b"pHYs", b"\0"),
    "a chunk of nobody": chunk(b"abCd", b"?"),
    "a gamma of zero": chunk(b"gAMA", bytes(4)),
}


@pytest.mark.parametrize("extra", METADATA.values(), ids=METADATA)
def test_metadata_that_cannot_be_read_refuses_no_png(extra: bytes) -> None:
    assert inspect(with_chunk(encoded(), extra)).format == "PNG"


@pytest.mark.parametrize(
    "payload",
    [
        b"Exif\0\0garbage!!",
        b"Exif\0\0",
        b"Exif\0\0MM\0*\xff\xff\xff\xf0",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x026\0\0\0\0\0\0\0",
    ],
    ids=["no TIFF", "nothing", "beyond the end", "an orientation in words"],
)
def test_metadata_that_cannot_be_read_refuses_no_jpeg(payload: bytes) -> None:
    assert inspect(with_app1(encoded(kind="JPEG"), payload)).format == "JPEG"


@pytest.mark.parametrize(
    "written", [b"\0\x03\0\0\0\x01\0\x06\0\0", b"\0\x04\0\0\0\x01\0\0\0\x06", b"\0\x03\0\0\0\x02\0\x06\0\x06"]
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_is_turned_upright_however_its_orientation_is_written(kind: str, written: bytes) -> None:
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12" + written + bytes(4)
    png, jpeg = with_chunk(encoded(), chunk(b"eXIf", tiff)), with_app1(encoded(kind="JPEG"), b"Exif\0\0" + tiff)

    assert inspect(png if kind == "PNG" else jpeg)[:2] == (SIZE[1], SIZE[0])


def test_a_damaged_png_is_told_from_another_file() -> None:
    data = encoded()
    place = data.index(b"IDAT") + 6

    damaged = data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]
    assert refusal(damaged) == "is damaged: the checksum of its IDAT chunk does not fit"
    assert refusal(data[:20]) == "is cut off"


def test_a_jpeg_of_twelve_bits_is_refused_for_that() -> None:
    data = bytearray(encoded(kind="JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12

    assert refusal(bytes(data)).startswith("is a JPEG of 12 bits a channel")


def test_a_jpeg_that_lacks_its_end_is_not_called_something_else() -> None:
    assert refusal(encoded(kind="JPEG")[:-2]).startswith("ends before its pixels do")


def test_jpeg_with_an_appended_preview_is_a_jpeg() -> None:
    data = encoded(kind="MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])

    assert inspect(data) == Picture(*SIZE, len(data), "JPEG")


@pytest.mark.parametrize("orientation", [0, 1, 9])
def test_exif_that_turns_nothing_is_taken(orientation: int) -> None:
    assert inspect(encoded(kind="JPEG", exif=turned(orientation))).size


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_image_is_refused_as_such(kind: str) -> None:
    with Image.effect_noise(SIZE, 50) as noise, io.BytesIO() as buffer:
        noise.save(buffer, kind)
        data = buffer.getvalue()

    fault = refusal(data[: len(data) // 2])

    assert "is cut off" in fault or "ends before its pixels do" in fault


@pytest.mark.parametrize("data", [b"", b"hello, this is text", b"%PDF-1.7", encoded(kind="ICO")])
def test_other_files_named_like_pictures_are_refused(data: bytes) -> None:
    assert refusal(data).startswith("is not a PNG, JPEG, TIFF, BMP, WebP or GIF picture, whatever its name says")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_too_small_image_is_refused_with_its_size(kind: str) -> None:
    assert refusal(encoded(kind=kind, size=(63, 64))).startswith("is 63 x 64 px; each side must have at least 64")


def test_bomb_is_refused_for_its_pixels() -> None:
    fault = refusal(png_bomb(60_000, 60_000))

    assert fault.startswith("has too many pixels (60000 x 60000; ")


@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from(["PNG", "JPEG"]))
def test_damaged_bytes_are_read_or_refused(noise: bytes, at: int, kind: str) -> None:
    data = encoded(kind=kind)

    with suppress(PictureRefused):
        inspect(data[:at] + noise + data[at + len(noise) :])
