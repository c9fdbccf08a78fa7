"""Pixel masks become boxes: one for every connected region of set pixels. Needs the imaging layer."""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops

from mlops.boxes import Box
from mlops.limits import MAX_BOXES
from mlops.pixels import PictureRefused, open_picture

Pixels = npt.NDArray[Any]
Numbers = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Mask:
    """Width and height in pixels, the boxes of what is marked, and how many specks were left out."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    specks: int = 0


def read_mask(data: bytes, *, least_pixels: int = 1, merge_distance: int = 0) -> Mask:
    """Read a PNG mask: every pixel that is neither black nor transparent is marked.

    Regions touch over edges and corners (8-connectivity), and across gaps of up to `merge_distance` pixels. Those with
    fewer than `least_pixels` are specks. Boxes are sorted by their regions' first pixels.
    Raises PictureRefused when the file is no mask that can be used.
    """
    image = open_picture(data, ("PNG",))
    pixels, left, top = _marked(image)
    boxes, counts = _regions(pixels, merge_distance)
    kept = boxes[counts >= least_pixels] + (left, top, 0, 0)
    if len(kept) > MAX_BOXES:
        raise PictureRefused(
            f"has {len(kept)} regions; an image may have {MAX_BOXES} boxes. Raise MergeDistance or MinimumDefectPixels"
        )
    return Mask(*image.size, tuple(Box(*map(int, box)) for box in kept), len(boxes) - len(kept))


def _marked(image: Image.Image) -> tuple[Pixels, int, int]:
    """The marked pixels, cropped to the rows and columns that have any, and where the crop begins."""
    shade = _shade(image)
    left, top, right, bottom = shade.getbbox() or (0, 0, 0, 0)
    # One column more, which is clear, also right of the frame: it ends every row.
    return np.asarray(shade.crop((left, top, right + 1, bottom))), left, top


def _shade(image: Image.Image) -> Image.Image:
    """One band that is 0 where the image is black or transparent."""
    if image.mode in ("P", "PA"):
        # What a palette's numbers mean is in the palette.
        image = image.convert("RGBA")
    if len(image.getbands()) == 1:
        return image
    *colours, last = image.split()
    if "A" not in image.getbands():
        return reduce(ImageChops.lighter, [*colours, last])
    opaque = last.point(lambda value: 255 * (value > 0))
    return ImageChops.darker(reduce(ImageChops.lighter, colours), opaque)


def _regions(pixels: Pixels, merge_distance: int = 0) -> tuple[Numbers, Numbers]:
    """Boxes (n, 4) as left, top, width, height, and pixel counts (n,); the last column of `pixels` is clear."""
    rows, starts, ends = _runs(pixels)
    one, other = _neighbours(rows, starts, ends, merge_distance + 1)
    firsts, region = np.unique(_connected(len(rows), one, other), return_inverse=True)
    right, bottom = np.zeros((2, len(firsts)), np.intp)
    left = np.full(len(firsts), pixels.shape[1])
    np.minimum.at(left, region, starts)
    np.maximum.at(right, region, ends)
    np.maximum.at(bottom, region, rows + 1)
    # Runs are numbered from the top, so a region's first run is its topmost.
    top = rows[firsts]
    counts = np.bincount(region, ends - starts).astype(np.intp)
    return np.stack([left, top, right - left, bottom - top], axis=1), counts


def _runs(pixels: Pixels) -> tuple[Numbers, Numbers, Numbers]:
    """Row, first column and column after the last of every horizontal run of set pixels, from the top left."""
    width, line = pixels.shape[1], pixels.ravel()
    changes = np.flatnonzero(line[1:] != line[:-1]) + 1
    edges = changes[(line[changes] != 0) != (line[changes - 1] != 0)]
    if line[:1].any():
        edges = np.insert(edges, 0, 0)
    rows, starts = np.divmod(edges[::2], width)
    return rows, starts, edges[1::2] - rows * width


def _neighbours(rows: Numbers, starts: Numbers, ends: Numbers, reach: int) -> tuple[Numbers, Numbers]:
    """Pairs of runs whose pixels are at most `reach` rows and columns apart; each pair once or twice."""
    stride = int(ends.max(initial=0)) + 2 * reach
    first, last = rows * stride + starts, rows * stride + ends - 1
    pairs = []
    for apart in range(reach + 1):
        # All neighbours of a run in one row are next to each other.
        low = np.searchsorted(last, first + (apart * stride - reach))
        high = np.searchsorted(first, last + (apart * stride + reach), side="right")
        count = np.maximum(high - low, 0)
        one = np.repeat(np.arange(len(rows)), count)
        pairs.append((one, np.arange(len(one)) + np.repeat(low - (np.cumsum(count) - count), count)))
    return np.concatenate([one for one, _ in pairs]), np.concatenate([other for _, other in pairs])


def _connected(count: int, one: Numbers, other: Numbers) -> Numbers:
    """For each of `count` nodes the smallest node of its component, given the two ends of every edge."""
    smallest = np.arange(count)
    while True:
        ends = smallest[one], smallest[other]
        if np.array_equal(*ends):
            return smallest
        lower = np.minimum(*ends)
        for end in ends:
            np.minimum.at(smallest, end, lower)
        while not np.array_equal(shorter := smallest[smallest], smallest):
            smallest = shorter
