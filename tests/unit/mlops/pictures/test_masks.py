"""Masks to boxes, against the labelling of another library."""

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from mlops.dataset.boxes import Box, iou
from mlops.pictures.masks import read_mask, regions_by_colour
from mlops.pictures.png import PictureRefused

SIDE = 64  # the smallest image
EIGHT = np.ones((3, 3))
# Sparse noise, and noise that has grown into blobs.
noise = st.builds(
    lambda seed, density: np.random.default_rng(seed).random((SIDE, SIDE)) < density,
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0005, 0.003, 0.01, 0.6, 0.95]),
)
blobs = st.builds(lambda mask, size: ndimage.binary_dilation(mask, EIGHT, size), noise, st.integers(1, 3))
strips = arrays(bool, (4, SIDE)).map(lambda rows: np.repeat(rows, SIDE // 4, axis=0))
masks = st.one_of(noise, blobs, strips).filter(lambda mask: ndimage.label(mask, EIGHT)[1] <= 50)


def png(pixels: np.ndarray, mode: str = "L") -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(data, "PNG")
    return data.getvalue()


def as_png(mask: np.ndarray) -> bytes:
    return png(np.where(mask, 255, 0).astype(np.uint8))


def components(mask: np.ndarray) -> tuple[np.ndarray, list[Box]]:
    """The labelled mask of another library, and the box of every label from 1 on."""
    labels, _ = ndimage.label(mask, EIGHT)
    found = ndimage.find_objects(labels)
    return labels, [Box(x.start, y.start, x.stop - x.start, y.stop - y.start) for y, x in found]


@given(masks)
def test_boxes_are_those_of_another_library(mask: np.ndarray) -> None:
    assert sorted(read_mask(as_png(mask)).boxes) == sorted(components(mask)[1])


@given(masks)
def test_every_set_pixel_is_in_exactly_one_boxs_component(mask: np.ndarray) -> None:
    labels, regions = components(mask)
    left = list(read_mask(as_png(mask)).boxes)
    covered = np.zeros_like(labels)
    for number, region in enumerate(regions, 1):
        left.remove(region)
        covered += labels == number

    assert not left
    assert np.array_equal(covered, mask)


@given(masks)
def test_boxes_lie_inside_the_frame_and_touch_it_where_the_mask_does(mask: np.ndarray) -> None:
    boxes = read_mask(as_png(mask)).boxes

    assert all(
        0 <= box.left < box.left + box.width <= SIDE and 0 <= box.top < box.top + box.height <= SIDE for box in boxes
    )
    assert mask[:, -1].any() == any(box.left + box.width == SIDE for box in boxes)
    assert mask[-1].any() == any(box.top + box.height == SIDE for box in boxes)


@given(masks)
def test_transposing_the_mask_transposes_the_boxes(mask: np.ndarray) -> None:
    turned = [Box(box.top, box.left, box.height, box.width) for box in read_mask(as_png(mask.T)).boxes]

    assert sorted(turned) == sorted(read_mask(as_png(mask)).boxes)


@given(
    st.lists(st.tuples(st.integers(0, SIDE - 1), st.integers(0, SIDE - 1)), min_size=1, max_size=40, unique=True),
    st.integers(0, 12),
)
def test_regions_merge_across_gaps_of_the_given_distance(points: list[tuple[int, int]], distance: int) -> None:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[tuple(np.array(points).T)] = True
    near = cdist(points, points, "chebyshev") <= distance + 1
    count, groups = connected_components(near)
    expected = [np.array(points)[groups == number] for number in range(count)]

    boxes = read_mask(as_png(mask), merge_distance=distance).boxes

    assert sorted(boxes) == sorted(
        Box(left, top, right - left + 1, bottom - top + 1)
        for (top, left), (bottom, right) in ((group.min(0).tolist(), group.max(0).tolist()) for group in expected)
    )


@given(masks, st.integers(1, 40))
def test_regions_below_the_least_size_are_specks(mask: np.ndarray, least: int) -> None:
    labels, count = ndimage.label(mask, EIGHT)
    large = (np.bincount(labels.ravel(), minlength=count + 1)[1:] >= least).sum()

    found = read_mask(as_png(mask), least_pixels=least)

    assert (len(found.boxes), found.specks) == (large, count - large)


def patch(value: int, dtype: type = np.uint8) -> np.ndarray:
    pixels = np.zeros((70, 80), dtype)
    pixels[20:30, 50:80] = value
    return pixels


PATCH = (Box(50, 20, 30, 10),)


@pytest.mark.parametrize("value", [1, 2, 128, 255])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_any_value_but_zero_marks_in_any_number_of_channels(mode: str, value: int) -> None:
    assert read_mask(png(patch(value), mode)).boxes == PATCH


def test_single_bit_masks_are_read() -> None:
    assert read_mask(png(patch(255), "1")).boxes == PATCH


@pytest.mark.parametrize("value", [1, 255, 256, 65_535])
def test_sixteen_bit_masks_are_read(value: int) -> None:
    data = io.BytesIO()
    Image.fromarray(patch(value, np.uint16)).save(data, "PNG")

    assert read_mask(data.getvalue()).boxes == PATCH


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_colour_is_enough(channel: int) -> None:
    pixels = np.zeros((70, 80, 3), np.uint8)
    pixels[20:30, 50:80, channel] = 7

    assert read_mask(png(pixels, "RGB")).boxes == PATCH


def test_what_is_transparent_is_not_marked() -> None:
    pixels = np.full((70, 80, 4), 255, np.uint8)
    pixels[..., 3] = patch(255)

    assert read_mask(png(pixels, "RGBA")).boxes == PATCH


def test_a_palette_says_which_of_its_numbers_are_black() -> None:
    image = Image.fromarray(patch(1)).convert("L")
    image.putpalette([255, 255, 255, 0, 0, 0])
    data = io.BytesIO()
    image.save(data, "PNG")

    assert read_mask(data.getvalue()).boxes != PATCH


@pytest.mark.parametrize("fill", [np.zeros, np.ones])
def test_masks_of_one_colour_are_read(fill: Callable[..., np.ndarray]) -> None:
    mask = read_mask(as_png(fill((70, 80), bool)))

    assert mask.boxes == ((Box(0, 0, 80, 70),) if fill is np.ones else ())
    assert (mask.width, mask.height) == (80, 70)


def test_more_regions_than_an_image_may_have_boxes_are_refused_with_what_to_change() -> None:
    mask = np.zeros((200, 200), bool)
    mask[::20, ::20] = True

    with pytest.raises(PictureRefused, match="100 regions; an image may have 50 boxes"):
        read_mask(as_png(mask))
    assert len(read_mask(as_png(mask), merge_distance=19).boxes) == 1


def png_of_16_bits(pixels: np.ndarray, filters: Sequence[int] = (0,), *, interlaced: bool = False) -> bytes:
    """A PNG of (height, width, channels) uint16, its rows filtered in turn by these filters."""
    height, width, channels = pixels.shape
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    sections = [pixels[top::down, left::right] for top, left, down, right in passes]
    body = b"".join(filtered(section, filters) for section in sections if section.size)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, interlaced)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def filtered(pixels: np.ndarray, filters: Sequence[int]) -> bytes:
    """The rows of a picture as PNG writes them: the number of a filter, then differences."""
    step = 2 * pixels.shape[2]
    rows = [row.astype(">u2").tobytes() for row in pixels]
    above, found = bytes(len(rows[0])), b""
    for index, row in enumerate(rows):
        kind = filters[index % len(filters)]
        left, upper_left = bytes(step) + row, bytes(step) + above
        guesses = (
            {0: 0, 1: a, 2: b, 3: (a + b) // 2, 4: paeth(a, b, c)}[kind]
            for a, b, c in zip(left, above, upper_left, strict=False)
        )
        found += bytes([kind]) + bytes((value - guess) % 256 for value, guess in zip(row, guesses, strict=True))
        above = row
    return found


def paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


@given(
    arrays(
        np.uint16,
        st.tuples(st.integers(64, 70), st.integers(64, 70), st.just(1)),
        elements=st.integers(0, 1),
        fill=st.just(0),
    ),
    st.integers(1, 4),
    st.lists(st.integers(0, 4), min_size=1, max_size=5),
    st.booleans(),
    st.sampled_from([1, 255, 256, 65_535]),
)
def test_sixteen_bits_are_read_in_any_number_of_channels_filtered_and_interlaced_in_any_way(
    mask: np.ndarray, channels: int, filters: list[int], interlaced: bool, value: int
) -> None:
    pixels = np.repeat(mask * np.uint16(value), channels, axis=2)
    if channels in (2, 4):
        pixels[..., -1] = 1
    expected = read_mask(as_png(mask[..., 0] > 0), merge_distance=500)

    found = read_mask(png_of_16_bits(pixels, filters, interlaced=interlaced), merge_distance=500)
    assert found.boxes == expected.boxes


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("key", [0, 1])
def test_a_gray_that_counts_as_transparent_is_not_marked_at_any_depth(depth: int, key: int) -> None:
    pixels = np.zeros((64, 64), np.uint16)
    pixels[10:20, 10:20] = 1
    bits = ((pixels[..., None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8)
    rows = np.packbits(bits.reshape(64, -1), axis=1)
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", 64, 64, depth, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tRNS", struct.pack(">H", key)), (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*parts) for parts in chunks)

    assert read_mask(data).boxes == (() if key else (Box(10, 10, 10, 10),))


@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_a_colour_that_counts_as_transparent_is_not_marked(mode: str) -> None:
    image = Image.fromarray(patch(255)).convert("L").convert("RGB")
    image.paste((9, 9, 9), (0, 0, 10, 10))
    data = io.BytesIO()
    if mode == "P":
        image = image.convert("P", palette=Image.Palette.ADAPTIVE)
        key: object = image.getpixel((0, 0))
    else:
        key = (9, 9, 9)
    image.save(data, "PNG", transparency=key)

    assert read_mask(data.getvalue()).boxes == PATCH


@pytest.mark.parametrize("name", ["stripes", "checkerboard", "noise", "dithered"])
def test_noise_is_refused_before_it_takes_memory(name: str) -> None:
    side = 4096
    y, x = np.mgrid[:side, :side].astype(np.uint16)
    noise = np.random.default_rng(1).random((side, side), np.float32)
    pixels = {"stripes": x % 2, "checkerboard": (x + y) % 2, "noise": noise < 0.3, "dithered": noise < 0.5}[name]
    data = as_png(pixels.astype(bool))
    tracemalloc.start()
    with pytest.raises(PictureRefused, match="separate runs of marked pixels"):
        read_mask(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 200e6


def test_regions_that_reach_far_for_each_other_are_refused_before_they_take_memory() -> None:
    mask = np.zeros((4096, 4096), bool)
    mask[::40, ::600] = mask[::2, ::900] = True

    with pytest.raises(PictureRefused, match="too many for MergeDistance 499"):
        read_mask(as_png(mask), merge_distance=499)


@pytest.mark.parametrize("kind", ["inverted", "all of it"])
def test_a_box_around_nearly_everything_is_worth_a_remark(kind: str) -> None:
    mask = np.ones((100, 100), bool)
    mask[40:60, 40:60] = kind != "inverted"

    assert "the wrong way round" in "".join(read_mask(as_png(mask)).remarks)
    assert read_mask(png(patch(255), "L")).remarks == ()


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_a_mask_that_was_a_jpeg_is_cut_at_half_and_remarked(quality: int) -> None:
    hard = Image.new("L", (512, 512))
    ImageDraw.Draw(hard).ellipse((200, 150, 299, 224), fill=255)
    jpeg, data = io.BytesIO(), io.BytesIO()
    hard.filter(ImageFilter.GaussianBlur(3)).save(jpeg, "JPEG", quality=quality)
    Image.open(jpeg).save(data, "PNG")
    found = read_mask(data.getvalue(), least_pixels=10)

    (box,) = found.boxes
    assert iou(box, Box(200, 150, 100, 75)) > 0.95
    assert "shades" in found.remarks[0]


def test_fifty_numbered_defects_are_all_marked() -> None:
    mask = np.zeros((100, 500), np.uint8)
    for number in range(50):
        mask[10:20, 10 * number : 10 * number + 8] = number + 1

    assert len(read_mask(png(mask, "L")).boxes) == 50


def test_a_jpeg_is_no_mask() -> None:
    data = io.BytesIO()
    Image.fromarray(patch(255)).save(data, "JPEG")

    with pytest.raises(PictureRefused, match="is not a PNG image"):
        read_mask(data.getvalue())


def test_every_colour_of_a_mask_marks_regions_of_its_own() -> None:
    image = Image.new("RGB", (80, 64), "#ffffff")
    for colour, place in (("#2ca02c", (10, 20, 40, 28)), ("#2ca02c", (40, 28, 44, 30)), ("#1f77b4", (50, 40, 62, 54))):
        image.paste(colour, place)
    image.paste("#1f77b4", (0, 0, 2, 2))

    found = regions_by_colour(png(np.asarray(image), "RGB"), least_pixels=5)

    assert found["#2ca02c"] == [Box(10, 20, 34, 10)]
    assert found["#1f77b4"] == [Box(50, 40, 12, 14)]
    assert found.keys() == {"#ffffff", "#2ca02c", "#1f77b4"}


def test_a_photograph_and_a_colour_of_too_many_regions_mark_nothing() -> None:
    photograph = np.random.default_rng(1).integers(0, 255, (64, 80, 3), np.uint8)
    dots = np.zeros((64, 80), np.uint8)
    dots[::4, ::4] = 255

    assert regions_by_colour(png(photograph, "RGB")) == {}
    assert regions_by_colour(png(dots)).keys() == {"#000000"}
