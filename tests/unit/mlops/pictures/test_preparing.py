"""What the service gets of the pictures that cameras and tools write."""

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw

from mlops.dataset.limits import MAX_BYTES, image_faults
from mlops.dataset.mapping import PictureMapping
from mlops.pictures import decoding, depth, preparing
from mlops.pictures.pixels import open_picture
from mlops.pictures.png import PictureRefused
from mlops.pictures.preparing import Prepared, Window, prepare, prepare_with_pixels, prepared_mask

SIZE = (96, 80)
Array = npt.NDArray[np.generic]


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def blank(mode: str = "RGB", kind: str = "PNG", size: tuple[int, int] = SIZE, **options: object) -> bytes:
    return encoded(Image.new(mode, size), kind, **options)


def noise(size: tuple[int, int] = SIZE, mode: str = "RGB", seed: int = 7) -> Image.Image:
    shape = size[::-1] + (() if mode == "L" else (len(mode),))
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8), mode)


def smooth(size: tuple[int, int] = SIZE) -> Image.Image:
    """Colours that change slowly, which every encoding keeps nearly as they are."""
    across, down = (Image.linear_gradient("L").rotate(turn).resize(size) for turn in (0, 90))
    return Image.merge("RGB", (across, down, Image.new("L", size, 90)))


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png16(pixels: npt.NDArray[np.uint16], *, key: bytes = b"", filters: int | None = None) -> bytes:
    """A PNG of 16 bits a channel, (rows, columns, channels); every row with another filter, or all with one."""
    height, width, channels = pixels.shape
    step = 2 * channels
    rows = pixels.astype(">u2").view(np.uint8).reshape(height, -1).astype(int)
    above, packed = np.zeros_like(rows[0]), []
    for number, row in enumerate(rows):
        used = number % 5 if filters is None else filters
        left = np.concatenate([np.zeros(step, int), row[:-step]])
        corner = np.concatenate([np.zeros(step, int), above[:-step]])
        guess = left + above - corner
        near = [abs(guess - side) for side in (left, above, corner)]
        paeth = np.where((near[0] <= near[1]) & (near[0] <= near[2]), left, np.where(near[1] <= near[2], above, corner))
        predicted = [0 * row, left, above, (left + above) // 2, paeth][used]
        packed.append(bytes([used]) + ((row - predicted) % 256).astype(np.uint8).tobytes())
        above = row
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    keyed = chunk(b"tRNS", key) if key else b""
    data = chunk(b"IHDR", header) + keyed + chunk(b"IDAT", zlib.compress(b"".join(packed))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def deep(channels: int, most: int = 4095, size: tuple[int, int] = SIZE) -> npt.NDArray[np.uint16]:
    """Numbers from 0 to `most`, both of which occur."""
    pixels = np.random.default_rng(1).integers(0, most + 1, (*size[::-1], channels), np.uint16)
    pixels[0, 0], pixels[0, 1] = 0, most
    return pixels


def tiff(pixels: Array, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def refusal(data: bytes, **options: int) -> str:
    with pytest.raises(PictureRefused) as raised:
        prepare(data, **options)
    return str(raised.value)


def opened(prepared: Prepared) -> Image.Image:
    assert prepared.data is not None
    return Image.open(io.BytesIO(prepared.data))


def pixels_of(prepared: Prepared) -> npt.NDArray[np.uint8]:
    return np.asarray(opened(prepared))


def check(data: bytes, prepared: Prepared, most_bytes: int = MAX_BYTES) -> None:
    """What holds of every prepared picture."""
    file = data if prepared.data is None else prepared.data
    with Image.open(io.BytesIO(file)) as image:
        image.load()
    assert image.mode in ("L", "RGB") and image.format in ("PNG", "JPEG", "MPO")
    assert image.size == (prepared.width, prepared.height) == (prepared.mapping.width, prepared.mapping.height)
    assert not image_faults(*image.size, len(file), "PNG") and len(file) <= most_bytes
    assert image.getexif().get(0x0112, 1) == 1
    again = prepare(file, most_bytes=most_bytes)
    assert again.as_it_is and (again.width, again.height) == image.size and not again.done


@pytest.mark.parametrize(
    ("data", "extension"),
    [
        (blank("RGB"), "png"),
        (blank("L"), "png"),
        (encoded(noise()), "png"),
        (blank("RGB", "JPEG"), "jpg"),
        (blank("L", "JPEG"), "jpg"),
        (blank("RGB", "JPEG", progressive=True), "jpg"),
        (blank("RGB", "JPEG", exif=turned(1)), "jpg"),
        (blank("RGB", "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))]), "jpg"),
        (blank(size=(64, 1280)), "png"),
        (blank(size=(4096, 64 * 4)), "png"),
    ],
)
def test_what_the_service_can_take_is_left_as_it_is(data: bytes, extension: str) -> None:
    prepared = prepare(data)

    assert (prepared.as_it_is, prepared.done, prepared.extension) == (True, (), extension)
    assert prepared.mapping.changes_nothing and prepared.bits == 8
    check(data, prepared)


KINDS = {
    "BMP": encoded(smooth(), "BMP"),
    "gray BMP": encoded(smooth().convert("L"), "BMP"),
    "palette BMP": encoded(smooth().quantize(200), "BMP"),
    "TIFF": encoded(smooth(), "TIFF"),
    "LZW TIFF": encoded(smooth(), "TIFF", compression="tiff_lzw"),
    "deflate TIFF": encoded(smooth(), "TIFF", compression="tiff_adobe_deflate"),
    "gray TIFF": encoded(smooth().convert("L"), "TIFF"),
    "tiled TIFF": tiff(np.asarray(smooth()), tile=(32, 32), photometric="rgb"),
    "planar TIFF": tiff(np.asarray(smooth()).transpose(2, 0, 1), planarconfig="separate", photometric="rgb"),
    "big-endian TIFF": tiff(np.asarray(smooth()), byteorder=">", photometric="rgb"),
    "BigTIFF": tiff(np.asarray(smooth()), bigtiff=True, photometric="rgb"),
    "palette TIFF": encoded(smooth().quantize(200), "TIFF"),
    "RGBA TIFF": encoded(smooth().convert("RGBA"), "TIFF"),
    "WebP": encoded(smooth(), "WEBP", quality=95),
    "lossless WebP": encoded(smooth(), "WEBP", lossless=True),
    "GIF": encoded(smooth().quantize(200), "GIF"),
    "palette PNG": encoded(smooth().quantize(200)),
    "RGBA PNG": encoded(smooth().convert("RGBA")),
    "interlaced RGBA PNG": encoded(smooth().convert("RGBA")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_usual_kind_becomes_what_the_service_takes(kind: str) -> None:
    data = KINDS[kind]
    prepared = prepare(data)

    check(data, prepared)
    wanted = np.asarray(smooth().convert("L" if "gray" in kind else "RGB")).astype(int)
    assert prepared.extension == "png" and prepared.mapping.changes_nothing and prepared.done
    assert np.abs(pixels_of(prepared) - wanted).max() <= (25 if kind in ("WebP",) or "palette" in kind else 1) or (
        kind == "GIF"
    )
    assert prepare(data) == prepared


@pytest.mark.parametrize(
    "data",
    [
        *KINDS.values(),
        *(encoded(smooth(), kind) for kind in ("PNG", "JPEG")),
        encoded(smooth().convert("L")),
        encoded(smooth((4200, 300)), "JPEG", exif=turned(6)),
        encoded(smooth(), "JPEG", progressive=True),
    ],
)
def test_the_pixels_that_are_handed_out_are_those_of_the_prepared_picture(data: bytes) -> None:
    prepared, pixels = prepare_with_pixels(data)
    shown = open_picture(prepared.data or data)

    assert prepared == prepare(data)
    # What was encoded as JPEG has to be decoded.
    assert (pixels is None) == (prepared.data is not None and prepared.extension == "jpg")
    if pixels is not None:
        assert (pixels.mode, pixels.size, pixels.tobytes()) == (shown.mode, shown.size, shown.tobytes())


@pytest.mark.parametrize("kind", ["CMYK JPEG", "plain CMYK JPEG", "CMYK TIFF", "deep CMYK TIFF"])
def test_cmyk_becomes_rgb_however_it_is_stored(kind: str) -> None:
    cmyk = Image.new("CMYK", SIZE, (255, 0, 0, 255) if "plain" in kind else (0, 255, 255, 0))
    data = encoded(cmyk, "TIFF" if "TIFF" in kind else "JPEG")
    if kind == "deep CMYK TIFF":
        data = tiff(np.full((*SIZE[::-1], 4), (0, 65535, 65535, 0), np.uint16), photometric="separated")
    if kind == "plain CMYK JPEG":
        # Without Adobe's segment the numbers are not inverted, and these are red, too.
        place = data.index(b"\xff\xee")
        data = data[:place] + data[place + 2 + int.from_bytes(data[place + 2 : place + 4], "big") :]

    prepared = prepare(data)

    check(data, prepared)
    red, green, blue = (int(value) for value in pixels_of(prepared)[40, 40])
    assert red > 250 and green < 5 and blue < 5
    assert "CMYK became RGB" in prepared.done


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_gray_of_few_bits_is_stretched_over_eight(depth: int) -> None:
    levels = 2**depth
    row = sum(value << (8 - depth * (1 + place)) for place, value in enumerate([levels - 1] + [0] * (8 // depth - 1)))
    header = struct.pack(">IIBBBBB", 64, 64, depth, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes([row]) + bytes(64 * depth // 8 - 1)) * 64)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")

    prepared = prepare(data)

    pixels = pixels_of(prepared)
    assert prepared.done == (f"gray of {depth} bits stretched over 8",)
    assert pixels[:, 0].tolist() == [255] * 64 and not pixels[:, 1:].any()


@pytest.mark.parametrize("ground", [(255, 255, 255), (10, 200, 30)])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_what_is_transparent_shows_the_ground(kind: str, ground: tuple[int, int, int]) -> None:
    image = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    image.paste((200, 100, 50, 255), (0, 0, 48, 80))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}

    prepared = prepare(encoded(image, kind, **options), ground=ground)

    pixels = pixels_of(prepared)
    assert pixels[10, 10].tolist() == [200, 100, 50] and pixels[10, 90].tolist() == list(ground)
    assert any("where it was transparent" in sentence for sentence in prepared.done)


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_one_colour_may_count_as_transparent(mode: str) -> None:
    image = Image.new("RGB", SIZE, (7, 7, 7))
    image.paste((200, 200, 200), (0, 0, 48, 80))
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    key = image.getpixel((90, 10))

    prepared = prepare(encoded(image, transparency=key))

    pixels = np.asarray(opened(prepared).convert("RGB"))
    assert pixels[10, 10].tolist() == [200] * 3 and pixels[10, 90].tolist() == [255] * 3
    check(b"", prepared)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("rows", [1, 7, 80])
def test_a_png_of_16_bits_is_narrowed_strip_by_strip(channels: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth, "_STRIP", rows * SIZE[0])
    pixels = deep(channels)
    if channels in (2, 4):
        pixels[:, :, -1] = 65535
    data = png16(pixels)

    prepared = prepare(data)

    colours = pixels[:, :, : 1 if channels < 3 else 3].astype(int)
    assert (prepared.bits, prepared.done) == (12, ("12 bits brought to 8 through the window 0 to 4095",))
    assert np.array_equal(pixels_of(prepared).reshape(colours.shape), (colours * 255 + 2047) // 4095)
    check(data, prepared)


@pytest.mark.parametrize("kind", ["uncompressed", "deflate", "big-endian", "tiled", "big-endian deflate"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_tiff_of_16_bits_keeps_all_that_the_window_shows(kind: str, channels: int) -> None:
    pixels = deep(channels)
    options: dict[str, object] = {"photometric": "minisblack" if channels == 1 else "rgb"}
    if channels == 4:
        pixels[:, :, 3] = 65535
        options["extrasamples"] = ["unassalpha"]
    if "deflate" in kind:
        options["compression"] = "adobe_deflate"
    if "big-endian" in kind:
        options["byteorder"] = ">"
    if kind == "tiled":
        options["tile"] = (32, 32)
    data = tiff(pixels[:, :, 0] if channels == 1 else pixels, **options)

    prepared = prepare(data)

    colours = pixels[:, :, : min(channels, 3)].astype(int)
    assert prepared.bits == 12
    assert np.array_equal(pixels_of(prepared).reshape(colours.shape), (colours * 255 + 2047) // 4095)
    check(data, prepared)


def test_white_may_be_zero_in_a_tiff() -> None:
    pixels = deep(1)[:, :, 0]

    prepared = prepare(tiff(pixels, photometric="miniswhite"))

    assert np.array_equal(pixels_of(prepared), 255 - (pixels.astype(int) * 255 + 2047) // 4095)


@pytest.mark.parametrize(
    ("most", "bits"), [(0, 8), (255, 8), (256, 10), (1023, 10), (4095, 12), (4096, 14), (65535, 16)]
)
def test_the_bits_that_are_used_are_told(most: int, bits: int) -> None:
    prepared = prepare(png16(deep(1, most)))

    assert prepared.bits == bits
    assert prepared.done == (f"{bits} bits brought to 8 through the window 0 to {2**bits - 1}",)


def test_one_window_keeps_what_is_as_bright_equally_bright() -> None:
    dark, bright = deep(1, 1000), deep(1, 4000)
    window = Window(500, 2548)

    for pixels in (dark, bright):
        prepared = prepare(png16(pixels), window=window)

        below = (np.clip(pixels[:, :, 0].astype(int), 500, 2548) - 500) * 255
        assert np.array_equal(pixels_of(prepared), (below + 1024) // 2048)
    assert prepared.bits == 12


def test_a_window_leaves_eight_bits_alone() -> None:
    assert prepare(encoded(noise()), window=Window(0, 10)).as_it_is


@pytest.mark.parametrize(("low", "high"), [(5, 5), (-1, 5), (0, 65536), (9, 3)])
def test_a_window_goes_upwards_within_16_bits(low: int, high: int) -> None:
    with pytest.raises(ValueError):
        Window(low, high)


def test_alpha_of_16_bits_and_a_transparent_colour_show_the_ground() -> None:
    pixels = np.full((80, 96, 4), 4095, np.uint16)
    pixels[:, :, 3] = 65535
    pixels[:, :48, 3] = 0
    keyed = np.full((80, 96, 3), 4095, np.uint16)
    keyed[:, :48] = (1, 2, 3)

    for data in (png16(pixels), png16(keyed, key=struct.pack(">3H", 1, 2, 3))):
        found = pixels_of(prepare(data, ground=(9, 8, 7)))
        assert found[5, 5].tolist() == [9, 8, 7] and found[5, 90].tolist() == [255, 255, 255]


def test_an_interlaced_png_of_16_bits_is_read_too() -> None:
    # Of a single colour all passes are alike: each row is its filter and the colour again and again.
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    raw = b""
    for top, left, down, right in passes:
        columns = len(range(left, 64, right))
        raw += (b"\0" + struct.pack(">3H", 4095, 2048, 0) * columns) * len(range(top, 64, down))
    header = struct.pack(">IIBBBBB", 64, 64, 16, 2, 0, 0, 1)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")

    pixels = pixels_of(prepare(data))

    assert (pixels == np.array([255, 128, 0])).all()


def marked(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    image = Image.new("RGB", size)
    left, top, width, height = box
    ImageDraw.Draw(image).rectangle((left, top, left + width - 1, top + height - 1), fill=(255, 255, 255))
    return image


def brightest_box(prepared: Prepared, least: int) -> tuple[int, int, int, int]:
    shown = opened(prepared).convert("L").point([0] * least + [255] * (256 - least)).getbbox()
    assert shown is not None
    return shown


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "LZW TIFF", "TIFF of two pages", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_kind_is_turned_upright_and_its_boxes_with_it(kind: str, orientation: int) -> None:
    options: dict[str, object] = {
        "WEBP": {"lossless": True},
        "LZW TIFF": {"compression": "tiff_lzw"},
        "TIFF of two pages": {"save_all": True, "append_images": [Image.new("L", (7, 7))]},
    }.get(kind, {})
    kind = "TIFF" if "TIFF" in kind else kind
    data = encoded(marked((120, 80), (16, 8, 32, 24)), kind, exif=turned(orientation), **options)

    prepared = prepare(data)

    box = prepared.mapping.box(16, 8, 32, 24)
    assert (prepared.original_width, prepared.original_height) == (120, 80)
    assert (prepared.width, prepared.height) == ((80, 120) if orientation >= 5 else (120, 80))
    assert prepared.mapping.back(box) == type(box)(16, 8, 32, 24)
    check(data, prepared)
    if prepared.data is not None:
        assert brightest_box(prepared, 128) == (box.left, box.top, box.left + box.width, box.top + box.height)
        assert (orientation != 1) == (f"turned upright (its EXIF orientation was {orientation})" in prepared.done)


def test_a_deep_png_is_turned_upright_too() -> None:
    pixels = np.zeros((80, 120, 1), np.uint16)
    pixels[8:32, 16:48] = 4095
    data = png16(pixels)
    exif = turned(6).tobytes().removeprefix(b"Exif\0\0")
    data = data[:33] + chunk(b"eXIf", exif) + data[33:]

    prepared = prepare(data)

    assert (prepared.width, prepared.height) == (80, 120)
    assert brightest_box(prepared, 128) == (48, 16, 72, 48)


@pytest.mark.parametrize("orientation", [1, 2, 6, 7])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_deep_tiff_is_turned_upright_too(orientation: int, channels: int) -> None:
    pixels = np.zeros((80, 120, channels), np.uint16)
    pixels[8:32, 16:48] = 4095
    photometric = "minisblack" if channels == 1 else "rgb"
    page = pixels[:, :, 0] if channels == 1 else pixels
    data = tiff(page, photometric=photometric, extratags=[(274, "H", 1, orientation, True)], metadata=None)

    prepared = prepare(data)

    box = prepared.mapping.box(16, 8, 32, 24)
    assert (prepared.mapping.orientation, prepared.original_width) == (orientation, 120)
    assert brightest_box(prepared, 128) == (box.left, box.top, box.left + box.width, box.top + box.height)


@settings(max_examples=25, deadline=None)
@given(st.data(), st.integers(1, 8), st.sampled_from(["PNG", "JPEG", "BMP", "TIFF"]))
def test_a_bright_rectangle_lands_where_its_mapped_box_says(data: st.DataObject, orientation: int, kind: str) -> None:
    width, height = data.draw(st.sampled_from([(4097, 70), (70, 5003), (8193, 500), (9001, 100), (4500, 64)]))
    # Wider than what four pixels of the original become, so that something of it stays white.
    left, top = data.draw(st.integers(0, width - 40)), data.draw(st.integers(0, height - 40))
    box = left, top, data.draw(st.integers(40, width - left)), data.draw(st.integers(40, height - top))
    turn = {} if kind == "BMP" else {"exif": turned(orientation)}
    prepared = prepare(encoded(marked((width, height), box), kind, **turn))

    there = prepared.mapping.box(*box)
    shown = brightest_box(prepared, 140)

    assert prepared.done and max(prepared.width, prepared.height) <= 4096
    assert there.left <= shown[0] <= there.left + 1 and there.top <= shown[1] <= there.top + 1
    right, bottom = there.left + there.width, there.top + there.height
    assert right - 1 <= shown[2] <= right and bottom - 1 <= shown[3] <= bottom


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 8))
def test_around_a_prepared_mask_lies_the_mapped_box(data: st.DataObject, orientation: int) -> None:
    width, height = data.draw(st.integers(64, 300)), data.draw(st.integers(64, 300))
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = left, top, data.draw(st.integers(1, width - left)), data.draw(st.integers(1, height - top))
    size = data.draw(st.integers(64, width)), data.draw(st.integers(64, height))
    mapping = PictureMapping(width, height, *(size[::-1] if orientation >= 5 else size), orientation)

    mask = prepared_mask(marked((width, height), box).convert("L").point([0] + [1] * 255), mapping)

    there = mapping.box(*box)
    assert mask.size == (mapping.width, mapping.height)
    assert mask.getbbox() == (there.left, there.top, there.left + there.width, there.top + there.height)
    assert set(np.unique(np.asarray(mask))) <= {0, 255}


def test_a_mask_belongs_to_its_picture() -> None:
    mapping = PictureMapping(10, 10, 10, 10)

    with pytest.raises(ValueError, match="its picture 10 x 10"):
        prepared_mask(Image.new("L", (10, 11)), mapping)
    with pytest.raises(ValueError, match="mode RGB"):
        prepared_mask(Image.new("RGB", (10, 10)), mapping)


def test_what_is_too_large_is_scaled_down() -> None:
    data = encoded(smooth((6000, 400)), "JPEG")
    prepared = prepare(data)

    assert (prepared.width, prepared.height) == (4096, 273)
    assert prepared.done == ("scaled from 6000 x 400 to 4096 x 273 px",)
    check(data, prepared)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_what_a_line_camera_saw_is_pressed_into_the_limits(kind: str) -> None:
    data = encoded(smooth((9000, 70)), kind)
    prepared = prepare(data)

    assert (prepared.width, prepared.height) == (1400, 70)
    assert "its long side more than the other" in prepared.done[1]
    check(data, prepared)


def test_a_jpeg_that_its_decoder_shrinks_keeps_its_colours_and_edges() -> None:
    image = smooth((8201, 203))

    prepared = prepare(encoded(image, "JPEG", quality=95))

    assert (prepared.width, prepared.height) == (4060, 203)
    wanted = np.asarray(image.resize((4060, 203), Image.Resampling.BOX)).astype(int)
    assert np.abs(pixels_of(prepared) - wanted).max() <= 16


def test_what_is_too_heavy_is_encoded_again() -> None:
    data = encoded(noise((500, 500)))

    prepared = prepare(data, most_bytes=700_000)

    assert (prepared.extension, prepared.width) == ("jpg", 500)
    assert prepared.done == ("encoded as JPEG of quality 95 to have at most 700000 bytes",)
    check(data, prepared, 700_000)


def test_fewer_pixels_come_before_fewer_details() -> None:
    data = encoded(noise((500, 500)), "JPEG", quality=95, subsampling=0)

    prepared = prepare(data, most_bytes=100_000)

    assert prepared.width < 500 and len(prepared.data or b"") <= 100_000
    check(data, prepared, 100_000)


def test_what_fits_in_no_way_is_refused() -> None:
    assert "at most 200 are allowed" in refusal(encoded(noise()), most_bytes=200)


def test_an_unpacked_png_is_packed_and_stays_lossless() -> None:
    data = encoded(smooth((400, 400)), compress_level=0)

    prepared = prepare(data, most_bytes=200_000)

    assert prepared.extension == "png" and prepared.done == ("encoded again to have at most 200000 bytes",)
    assert np.array_equal(pixels_of(prepared), np.asarray(smooth((400, 400))))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_of_several_pictures_in_a_file_the_first_is_used(kind: str) -> None:
    first, second = Image.new("RGB", SIZE, "red"), Image.new("RGB", SIZE, "blue")
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(first, kind, save_all=True, append_images=[second], **options)

    prepared = prepare(data)

    assert f"only its first {'page' if kind == 'TIFF' else 'frame'} was used" in prepared.done
    if prepared.data is not None:
        assert pixels_of(prepared)[5, 5].tolist() == [255, 0, 0]


def test_no_profile_and_no_comment_is_kept() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(smooth(), "JPEG", exif=turned(3), icc_profile=profile, comment=b"made by me")

    assert not opened(prepare(data)).info.keys() & {"icc_profile", "comment", "exif"}


REFUSED = {
    "nothing": (b"", "is not a PNG, JPEG, TIFF, BMP, WebP or GIF picture"),
    "text": (b"hello, this is text", "is not a PNG, JPEG"),
    "PDF": (b"%PDF-1.7", "is not a PNG, JPEG"),
    "small": (blank(size=(63, 64)), "is 63 x 64 px; each side must have at least 64"),
    "half a PNG": (encoded(noise())[:9000], "is cut off"),
    "half a JPEG": (encoded(noise(), "JPEG")[:2000], "ends before its pixels do"),
    "half a BMP": (encoded(noise(), "BMP")[:9000], "ends before its pixels do"),
    "half a deep PNG": (png16(deep(3))[:9000], "is cut off"),
    "half a TIFF": (encoded(noise(), "TIFF")[:9000], "ends before its pixels do"),
    "half a packed TIFF": (
        encoded(noise(), "TIFF", compression="tiff_lzw")[:9000],
        "is a TIFF of a rare kind, or damaged",
    ),
    "floats": (tiff(np.zeros((80, 96), np.float32)), "is a TIFF of floating point numbers"),
    "planes": (tiff(deep(3).transpose(2, 0, 1), photometric="rgb", planarconfig="separate"), "in separate planes"),
    "packed planes": (
        tiff(deep(3).transpose(2, 0, 1), photometric="rgb", planarconfig="separate", compression="adobe_deflate"),
        "in separate planes",
    ),
    "multiplied": (tiff(deep(4), photometric="rgb", extrasamples=["assocalpha"]), "are multiplied by alpha"),
    "signed": (tiff(np.zeros((80, 96), np.int8)), "below zero"),
    "doubles": (tiff(np.zeros((80, 96))), "is a TIFF of a rare kind"),
    "JPEG 2000": (encoded(Image.new("RGB", SIZE), "JPEG2000"), "is not a PNG, JPEG"),
    "32 bits": (tiff(np.full((80, 96), 70_000, np.uint32)), "has numbers from 70000"),
    "negative": (tiff(np.full((80, 96), -5, np.int16)), "has numbers from -5"),
    "colour floats": (tiff(np.zeros((80, 96, 3), np.float32), photometric="rgb"), "is a TIFF of"),
    "12 bits": (blank(kind="JPEG").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "is a JPEG of 12 bits"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_helped_is_refused_with_its_reason(kind: str) -> None:
    data, reason = REFUSED[kind]

    assert reason in refusal(data)


def claiming(width: int, height: int, depth: int = 8, colour: int = 6, interlaced: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg_claiming(width: int, height: int, **options: object) -> bytes:
    data = bytearray(blank(kind="JPEG", **options))
    place = next(data.find(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in data)
    data[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def webp_claiming(width: int, height: int) -> bytes:
    data = bytearray(blank(kind="WEBP", lossless=True))
    # The rest says one colour for all that there is.
    data[21:25] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        claiming(60_000, 60_000),
        claiming(16_000, 10_001),
        claiming(12_000, 8_000),
        claiming(5_000, 4_000, 16, 6, 1),
        jpeg_claiming(65_000, 65_000),
        jpeg_claiming(16_000, 10_000, progressive=True, subsampling=0),
        # Of its first scan one channel.
        jpeg_claiming(16_000, 10_000, subsampling=0).replace(b"\xff\xda\0\x0c\x03", b"\xff\xda\0\x0c\x01"),
        jpeg_claiming(16_000, 10_000, subsampling=0).replace(b"\xff\xda", b"\xff\0"),
        webp_claiming(12_000, 12_000),
    ],
    ids=["huge", "large", "alpha", "interlaced", "JPEG", "progressive", "apart", "no scan", "WebP"],
)
def test_a_bomb_is_refused_before_a_pixel_is_decoded(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(image: Image.Image) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    monkeypatch.setattr("PIL.WebPImagePlugin.WebPImageFile.load", load)
    monkeypatch.setattr(depth, "_unfiltered", load)

    assert any(part in refusal(data) for part in ("too many pixels", "interlaced PNG of 16 bits"))


def test_a_tile_that_claims_more_than_there_is_memory_is_refused() -> None:
    data = bytearray(tiff(np.zeros((80, 96), np.uint8), tile=(32, 32), compression="adobe_deflate"))
    for tag in (322, 323):
        entry = data.index(struct.pack("<H", tag))
        data[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, 65_520)

    assert "too many pixels" in refusal(bytes(data))


SEEDS = {**KINDS, "deep": png16(deep(3)), "deep TIFF": tiff(deep(3)[:, :, 0])}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SEEDS)), st.binary(max_size=40), st.integers(0, 3000))
def test_damaged_bytes_are_prepared_or_refused(kind: str, noise: bytes, at: int) -> None:
    data = SEEDS[kind][:at] + noise + SEEDS[kind][at + len(noise) :]

    with suppress(PictureRefused):
        check(data, prepare(data))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(64, 300),
    st.integers(64, 300),
    st.sampled_from(["L", "RGB", "RGBA"]),
    st.sampled_from(["PNG", "TIFF", "WEBP", "BMP", "JPEG"]),
    st.integers(1, 8),
    st.integers(50_000, 400_000),
)
def test_nothing_is_above_the_limits_and_all_is_done_the_same_again(
    width: int, height: int, mode: str, kind: str, orientation: int, most_bytes: int
) -> None:
    image = noise((width, height), mode)
    turn = {} if kind == "BMP" else {"exif": turned(orientation)}
    data = encoded(image.convert("RGB") if kind == "JPEG" and mode == "RGBA" else image, kind, **turn)

    prepared = prepare(data, most_bytes=most_bytes)

    check(data, prepared, most_bytes)
    assert prepare(data, most_bytes=most_bytes) == prepared


def test_the_modules_are_those_of_the_imaging_layer() -> None:
    assert decoding.MAX_PIXELS >= 151_000_000
    assert preparing.MOST_BYTES_IN_A_CALL == 4_194_304
