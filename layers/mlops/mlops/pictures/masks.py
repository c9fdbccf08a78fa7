"""Pixel masks become boxes: one for every connected region of set pixels. Needs the imaging layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mlops.dataset.boxes import Box
from mlops.dataset.limits import MAX_BOXES, MAX_SIDE
from mlops.pictures.png import SIGNATURE, PictureRefused, Png, read_png

Pixels = npt.NDArray[Any]
Numbers = npt.NDArray[np.intp]


# More separate runs of pixels than this are noise, and would take more memory than a function has.
MAX_RUNS = 400_000
# Work grows with the runs and with how far regions reach for each other.
_MAX_REACHED = 4_000_000
_NEARLY_ALL = 0.95
# Lookout for Vision took ten kinds of anomalies, and Ground Truth ten labels of a segmentation.
_MOST_COLOURS = 16
# Twice the pixels of the largest picture of the service, which a picture that is scaled down may have; and as many bits
# as that one has at most.
_MOST_PIXELS = 2 * MAX_SIDE**2
_MOST_BITS = 64 * MAX_SIDE**2


@dataclass(frozen=True)
class Mask:
    """Width and height in pixels, the boxes of what is marked, and how many specks were left out.

    `remarks` say what is odd about it, without its name.
    """

    width: int
    height: int
    boxes: tuple[Box, ...]
    specks: int = 0
    remarks: tuple[str, ...] = ()


def read_mask(data: bytes, *, least_pixels: int = 1, merge_distance: int = 0) -> Mask:
    """Read a PNG mask: every pixel that is neither black nor transparent is marked, however the file writes it.

    A mask with more shades than an image may have boxes does not number defects: it was smoothed, or was a JPEG. Of it,
    what is at least half as bright as the brightest pixel is marked.
    Regions touch over edges and corners (8-connectivity), and across gaps of up to `merge_distance` pixels. Those with
    fewer than `least_pixels` are specks. Boxes are sorted by their regions' first pixels.
    Raises PictureRefused when the file is no mask that can be used.
    """
    if not data.startswith(SIGNATURE):
        raise PictureRefused("is not a PNG image, whatever its name says")
    png = _checked(data)
    shade, shades = shade_of(png)
    remarks = []
    if shades > MAX_BOXES:
        shade = shade >= (int(shade.max()) + 1) // 2
        remarks.append(
            f"has {shades} shades, as after smoothing or JPEG; what is half as bright as the brightest is marked"
        )
    pixels, left, top = cropped(shade)
    boxes, counts = regions(pixels, merge_distance)
    kept = boxes[counts >= least_pixels] + (left, top, 0, 0)
    if len(kept) > MAX_BOXES:
        raise PictureRefused(
            f"has {len(kept)} regions; an image may have {MAX_BOXES} boxes. Raise MergeDistance or MinimumDefectPixels"
        )
    found = tuple(Box(*map(int, box)) for box in kept)
    if any(box.width * box.height >= _NEARLY_ALL * png.width * png.height for box in found):
        remarks.append("has a box that covers nearly the whole picture; are black and white the wrong way round?")
    return Mask(png.width, png.height, found, len(boxes) - len(kept), tuple(remarks))


def regions_by_colour(data: bytes, *, least_pixels: int = 1, merge_distance: int = 0) -> dict[str, list[Box]]:
    """The boxes of every colour (`#rrggbb`) of a PNG that has but a few, as a mask has whose colours stand for labels.

    Empty for a photograph. A colour with more regions than an image may have boxes is left out.
    Raises PictureRefused when the file cannot be read.
    """
    image = _checked(data).image()
    image = image if image.mode == "RGB" else image.convert("RGB")
    # This ends at the first colour too many: a photograph is not counted.
    colours = image.getcolors(_MOST_COLOURS)
    pixels = np.asarray(image)
    found = {}
    for _, colour in cast("list[tuple[int, tuple[int, int, int]]]", colours or []):
        marked, left, top = cropped(np.all(pixels == colour, axis=2))
        boxes, counts = regions(marked, merge_distance)
        kept = boxes[counts >= least_pixels] + (left, top, 0, 0)
        if len(kept) <= MAX_BOXES:
            found["#" + bytes(colour).hex()] = [Box(*map(int, box)) for box in kept]
    return found


def _checked(data: bytes) -> Png:
    """A PNG file whose pixels fit into what a function has; not decoded yet."""
    png = read_png(data)
    if png.width * png.height * png.depth * png.channels > _MOST_BITS or png.width * png.height > _MOST_PIXELS:
        raise PictureRefused(
            f"is {png.width} x {png.height} px with {png.channels} x {png.depth} bits each, more than can be read: "
            "save it with one channel of 8 bits"
        )
    return png


def shade_of(png: Png) -> tuple[Pixels, int]:
    """One number a pixel that is 0 where it is black or transparent, (height, width); and how many others there are."""
    shade = _shade_of_16(png) if png.depth > 8 else _shade_of_8(png)
    seen = np.zeros(np.iinfo(shade.dtype).max + 1, np.bool_)
    # Row by row, for numbers that serve as an index take eight bytes each.
    for row in shade:
        seen[row] = True
    return shade, int(np.count_nonzero(seen[1:]))


def _shade_of_8(png: Png) -> Pixels:
    image = png.image()
    if image.mode in ("P", "PA"):
        # What a palette's numbers mean is in the palette.
        image = image.convert("RGBA")
    if image.mode == "1":
        image = image.convert("L")
    # Pillow stretches gray of less than eight bits over all of them.
    stretch = 255 // (2**png.depth - 1)
    key = [value * stretch for value in png.key_colour() or ()]
    return _marked(lambda number: np.asarray(image.getchannel(number)), image.getbands(), key)


def _shade_of_16(png: Png) -> Pixels:
    upper, lower = png.halves()

    def band(number: int) -> Pixels:
        values = np.array(upper.getchannel(number), np.uint16)
        values <<= 8
        values |= np.asarray(lower.getchannel(number))
        return values

    return _marked(band, upper.getbands(), png.key_colour() or ())


def _marked(band: Callable[[int], Pixels], names: Sequence[str], key: Sequence[int]) -> Pixels:
    """The brightest colour, 0 where the pixel is transparent: by its alpha, or because it has the colour `key`.

    One `band` after the other: all at once would take as much memory as a function has.
    """
    has_alpha = names[-1] == "A"
    shade = np.array(band(0))
    is_key = shade == key[0] if key else None
    for number in range(1, len(names) - has_alpha):
        values = band(number)
        if is_key is not None:
            is_key &= values == key[number]
        np.maximum(shade, values, out=shade)
    if has_alpha:
        shade[band(len(names) - 1) == 0] = 0
    if is_key is not None:
        shade[is_key] = 0
    return shade


def cropped(shade: Pixels) -> tuple[Pixels, int, int]:
    """Whether pixels are marked, cropped to the rows and columns that have any, and where the crop begins.

    One column more, which is clear, ends every row.
    """
    marked = shade != 0
    rows, columns = (np.flatnonzero(marked.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return np.zeros((0, 1), np.bool_), 0, 0
    top, left = int(rows[0]), int(columns[0])
    crop = marked[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    return np.pad(crop, ((0, 0), (0, 1))), left, top


def regions(pixels: Pixels, merge_distance: int = 0) -> tuple[Numbers, Numbers]:
    """Boxes (n, 4) as left, top, width, height, and pixel counts (n,); the last column of `pixels` is clear."""
    reach = merge_distance + 1
    rows, starts, ends, counts = _joined(*_runs(pixels), reach)
    if len(rows) * reach > _MAX_REACHED:
        raise PictureRefused(
            f"has {len(rows)} separate runs of marked pixels, too many for MergeDistance {merge_distance}: smooth it"
        )
    firsts, region = np.unique(_connected(rows, starts, ends, reach), return_inverse=True)
    right, bottom = np.zeros((2, len(firsts)), np.intp)
    left = np.full(len(firsts), pixels.shape[1])
    np.minimum.at(left, region, starts)
    np.maximum.at(right, region, ends)
    np.maximum.at(bottom, region, rows + 1)
    # Runs are numbered from the top, so a region's first run is its topmost.
    top = rows[firsts]
    sizes = np.bincount(region, counts).astype(np.intp)
    return np.stack([left, top, right - left, bottom - top], axis=1), sizes


def _runs(pixels: Pixels) -> tuple[Numbers, Numbers, Numbers]:
    """Row, first column and column after the last of every horizontal run of set pixels, from the top left.

    Raises PictureRefused when there are more than MAX_RUNS, before they take any memory.
    """
    width, line = pixels.shape[1], pixels.ravel()
    changes = line[1:] != line[:-1]
    begins_set = bool(line[:1].any())
    if (count := (np.count_nonzero(changes) + begins_set) // 2) > MAX_RUNS:
        raise PictureRefused(
            f"has {count} separate runs of marked pixels, as noise or dithering has; an image may have {MAX_BOXES} "
            "boxes. Save the mask in black and white, without noise"
        )
    edges = np.flatnonzero(changes) + 1
    if begins_set:
        edges = np.insert(edges, 0, 0)
    rows, starts = np.divmod(edges[::2], width)
    return rows, starts, edges[1::2] - rows * width


def _joined(rows: Numbers, starts: Numbers, ends: Numbers, reach: int) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Runs of which those of one row that are less than `reach` columns apart are one; and the set pixels of each."""
    begins = np.ones(len(rows), np.bool_)
    begins[1:] = (rows[1:] != rows[:-1]) | (starts[1:] - ends[:-1] >= reach)
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(rows)) - 1
    counts = np.add.reduceat(ends - starts, first) if len(first) else np.zeros(0, np.intp)
    return rows[first], starts[first], ends[last] if len(first) else ends, counts


def _connected(rows: Numbers, starts: Numbers, ends: Numbers, reach: int) -> Numbers:
    """For each run the number of the first run of its region; regions are at most `reach` rows and columns apart."""
    stride = int(ends.max(initial=0)) + 2 * reach
    first, last = rows * stride + starts, rows * stride + ends - 1
    smallest = np.arange(len(rows))
    for apart in range(reach + 1):
        # All neighbours of a run in one row are next to each other.
        low = np.searchsorted(last, first + (apart * stride - reach))
        high = np.searchsorted(first, last + (apart * stride + reach), side="right")
        count = np.maximum(high - low, 0)
        one = np.repeat(np.arange(len(rows)), count)
        other = np.arange(len(one)) + np.repeat(low - (np.cumsum(count) - count), count)
        _unite(smallest, one, other)
    return smallest


def _unite(smallest: Numbers, one: Numbers, other: Numbers) -> None:
    """Give both ends of every edge the smaller of their numbers, until nothing changes; `smallest` is changed."""
    while True:
        ends = smallest[one], smallest[other]
        if np.array_equal(*ends):
            return
        lower = np.minimum(*ends)
        for end in ends:
            np.minimum.at(smallest, end, lower)
        while not np.array_equal(shorter := smallest[smallest], smallest):
            smallest[:] = shorter
