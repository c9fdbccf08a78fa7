import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from local.rekognition.engine import decode_image


def encode(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


GREY = Image.new("L", (6, 4), 100)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_png_mode_becomes_rgb(mode: str) -> None:
    image = Image.new("I;16", (6, 4), 100 * 257) if mode == "I;16" else GREY.convert(mode)

    decoded = decode_image(encode(image))

    assert (decoded.mode, decoded.size) == ("RGB", (6, 4))
    if mode != "1":
        assert decoded.getpixel((3, 2)) == (100, 100, 100)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_jpeg_mode_becomes_rgb(mode: str) -> None:
    decoded = decode_image(encode(GREY.convert("RGB").convert(mode), "JPEG", quality=95))

    assert (decoded.mode, decoded.size) == ("RGB", (6, 4))
    assert np.abs(np.asarray(decoded, int) - 100).max() <= 3


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_become_white(mode: str) -> None:
    transparent = Image.new("RGBA", (2, 2), (10, 10, 10, 0)).convert(mode)

    assert decode_image(encode(transparent)).getpixel((0, 0)) == (255, 255, 255)


def test_transparent_palette_entry_becomes_white() -> None:
    image = Image.new("P", (2, 2), 0)
    image.putpalette([10, 20, 30])

    assert decode_image(encode(image, transparency=0)).getpixel((0, 0)) == (255, 255, 255)


def test_image_is_turned_as_its_camera_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the scene is at the right side of the pixels

    assert decode_image(encode(GREY, "JPEG", exif=exif)).size == (4, 6)


def test_damaged_exif_data_costs_the_orientation_only() -> None:
    assert decode_image(encode(GREY.convert("RGB"), "JPEG", exif=b"Exif\0\0MM\0\x2agarbage")).size == (6, 4)


@pytest.mark.parametrize("data", [b"", b"hello", b"GIF89a" + bytes(40), encode(GREY, "BMP"), encode(GREY, "GIF")])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a PNG or JPEG"):
        decode_image(data)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_truncated_files_are_refused(form: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = encode(Image.fromarray(noise), form)

    with pytest.raises(ValueError, match="damaged image"):
        decode_image(data[: len(data) // 2])


@pytest.mark.parametrize("side", [9_000, 12_000, 60_000])
def test_images_of_too_many_pixels_are_refused_before_they_are_decoded(side: int) -> None:
    with pytest.raises(ValueError, match="over the limit of 64000000 pixels"):
        decode_image(png_header(side, side) + chunk(b"IDAT", zlib.compress(b"")))


BIG = zlib.compress(b"x" * 3_000_000)


@pytest.mark.parametrize(
    "broken",
    [
        chunk(b"iCCP", b"icc\0\0" + BIG),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BIG),
        chunk(b"tEXt", b"a\0b")[:-4] + bytes(4),
        chunk(b"gAMA", b"\0"),
        chunk(b"tRNS", b"\0"),
        chunk(b"eXIf", bytes(8)),
    ],
    ids=["profile", "XMP", "checksum", "gamma", "transparency", "EXIF"],
)
def test_broken_metadata_of_a_png_does_not_matter(broken: bytes) -> None:
    data = encode(GREY)

    decoded = decode_image(data[:33] + broken + data[33:])

    assert np.array_equal(decoded, decode_image(data))


@pytest.mark.parametrize(
    "broken",
    [b"\xff\xe0\0\7JFIF\0", b"\xff\xee\0\7Adobe", b"\xff\xe2\0\x0eICC_PROFILE\0", b"\xff\xe1\0\x08Exif\0\0"],
    ids=["JFIF", "Adobe", "profile", "EXIF"],
)
def test_broken_metadata_of_a_jpeg_does_not_matter(broken: bytes) -> None:
    data = encode(GREY.convert("RGB"), "JPEG")

    decoded = decode_image(data[:2] + broken + data[2:])

    assert np.array_equal(decoded, decode_image(data))


@pytest.mark.parametrize("kind", [b"tRNS", b"eXIf"])
def test_a_png_of_metadata_only_is_none(kind: bytes) -> None:
    with pytest.raises(ValueError, match="not a PNG or JPEG image"):
        decode_image(b"\x89PNG\r\n\x1a\n" + chunk(kind, b""))
