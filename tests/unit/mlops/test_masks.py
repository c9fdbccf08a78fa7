"""Masks to boxes, against the labelling of another library."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from mlops.boxes import Box
from mlops.masks import read_mask
from mlops.pixels import PictureRefused

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


def test_a_jpeg_is_no_mask() -> None:
    data = io.BytesIO()
    Image.fromarray(patch(255)).save(data, "JPEG")

    with pytest.raises(PictureRefused, match="is not a PNG image"):
        read_mask(data.getvalue())
