import io
import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mlops.pixels import Picture, PictureRefused, inspect

SIZE = (80, 70)


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


@pytest.mark.parametrize(
    ("mode", "kind"),
    [*((mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")), ("L", "JPEG"), ("RGB", "JPEG")],
)
def test_pixels_of_every_usual_kind_are_taken(mode: str, kind: str) -> None:
    data = encoded(mode, kind)

    assert inspect(data) == Picture(*SIZE, len(data), kind)


def test_progressive_jpeg_is_taken() -> None:
    assert inspect(encoded(kind="JPEG", progressive=True)).size


def test_jpeg_with_an_appended_preview_is_a_jpeg() -> None:
    data = encoded(kind="MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])

    assert inspect(data) == Picture(*SIZE, len(data), "JPEG")


def test_cmyk_is_refused() -> None:
    assert refusal(encoded("CMYK", "JPEG")) == "is CMYK; save it as RGB"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_exif_rotation_is_refused(kind: str, orientation: int) -> None:
    fault = refusal(encoded(kind=kind, exif=turned(orientation)))

    assert fault.startswith("is rotated by its EXIF orientation")


@pytest.mark.parametrize("orientation", [0, 1, 9])
def test_exif_that_turns_nothing_is_taken(orientation: int) -> None:
    assert inspect(encoded(kind="JPEG", exif=turned(orientation))).size


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_truncated_image_may_be_cut_off(kind: str) -> None:
    with Image.effect_noise(SIZE, 50) as noise, io.BytesIO() as buffer:
        noise.save(buffer, kind)
        data = buffer.getvalue()

    fault = refusal(data[: len(data) // 2])

    assert "cut off" in fault


@pytest.mark.parametrize(
    "data", [b"", b"hello, this is text", b"%PDF-1.7", encoded(kind="GIF"), encoded(kind="TIFF"), encoded(kind="BMP")]
)
def test_other_files_named_like_pictures_are_refused(data: bytes) -> None:
    assert refusal(data) == "is not a PNG or JPEG image, whatever its name says"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_too_small_image_is_refused_with_its_size(kind: str) -> None:
    assert refusal(encoded(kind=kind, size=(63, 64))) == "is 63 x 64 px; each side must have 64 to 4096 px"


def test_large_image_is_refused_without_decoding_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(image: Image.Image) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", decode)

    assert refusal(png_bomb(13_000, 13_000)) == "is 13000 x 13000 px; each side must have 64 to 4096 px"


def test_bomb_is_refused_for_its_pixels() -> None:
    fault = refusal(png_bomb(60_000, 60_000))

    assert fault.startswith("has far too many pixels")


@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from(["PNG", "JPEG"]))
def test_damaged_bytes_are_read_or_refused(noise: bytes, at: int, kind: str) -> None:
    data = encoded(kind=kind)

    with suppress(PictureRefused):
        inspect(data[:at] + noise + data[at + len(noise) :])
