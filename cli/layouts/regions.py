"""Masks of any kind of file become boxes, region by region as the stack makes them of PNG masks."""

import io
import warnings
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from cli.layouts.collecting import Found
from cli.layouts.files import FORMATS, MOST_PICTURE_BYTES, MOST_PIXELS, Files, Unreadable
from mlops.dataset.limits import MAX_BOXES
from mlops.pictures.looking import MaskRules
from mlops.pictures.masks import Pixels, cropped, regions, shade_of
from mlops.pictures.png import SIGNATURE, PictureRefused, read_png

# JPEG and smoothing leave shades around what was drawn in one.
_MOST_SHADES = MAX_BOXES


def shades(files: Files, path: PurePosixPath, size: tuple[int, int]) -> Pixels:
    """One number a pixel of a mask, (height, width), 0 where nothing is marked. Raises Unreadable.

    `size` is that of its picture: a mask of another size marks nobody knows what.
    """
    found = files.size(path)
    if found != size:
        raise Unreadable(f"is {found[0]} x {found[1]} px, its picture {size[0]} x {size[1]} px: draw it on the picture")
    if size[0] * size[1] > MOST_PIXELS:
        raise Unreadable(f"has more than {MOST_PIXELS} pixels: make picture and mask smaller")
    data = files.data(path, MOST_PICTURE_BYTES)
    try:
        if data.startswith(SIGNATURE):
            shade, count = shade_of(read_png(data))
        else:
            shade, count = _of_other(data)
    except PictureRefused as refusal:
        raise Unreadable(str(refusal)) from None
    except Exception as error:  # a hostile file may raise anything from a decoder
        raise Unreadable(f"cannot be read as a mask ({error}): it is damaged, or of a rare kind") from error
    if count > _MOST_SHADES:
        shade = (shade >= (int(shade.max()) + 1) // 2).astype(np.uint8)
    return shade


def _of_other(data: bytes) -> tuple[Pixels, int]:
    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        is_colour = image.mode not in ("1", "L", "I;16", "I", "F")
        pixels = np.asarray(image.convert("RGB") if is_colour else image.convert("L"))
    shade = pixels.max(axis=2) if is_colour else pixels
    return shade, int(np.count_nonzero(np.bincount(shade.ravel(), minlength=256)[1:]))


def boxes(label: str, marked: Pixels, rules: MaskRules) -> list[Found]:
    """A box for every connected region of pixels that are not 0; specks are none. Raises Unreadable."""
    try:
        pixels, left, top = cropped(marked)
        found, counts = regions(pixels, rules.merge_distance)
    except PictureRefused as refusal:
        raise Unreadable(str(refusal)) from None
    kept = found[counts >= rules.least_pixels] + (left, top, 0, 0)
    if len(kept) > MAX_BOXES:
        raise Unreadable(
            f"has {len(kept)} regions; a picture may have {MAX_BOXES} boxes. Raise MergeDistance or MinimumDefectPixels"
        )
    return [Found(label, x, y, x + width, y + height) for x, y, width, height in kept.tolist()]


def by_shade(marked: Pixels) -> Iterator[tuple[int, Pixels]]:
    """What every shade marks, where shades say which defect it is."""
    for shade in np.unique(marked[marked != 0]):
        yield int(shade), marked == shade


def colours(files: Files, path: PurePosixPath, size: tuple[int, int]) -> Pixels:
    """The colours of a mask, (height, width, 3), where colours say which defect it is. Raises Unreadable."""
    found = files.size(path)
    if found != size:
        raise Unreadable(f"has the mask {path} of {found[0]} x {found[1]} px, its picture has {size[0]} x {size[1]} px")
    if size[0] * size[1] > MOST_PIXELS:
        raise Unreadable(f"has a mask of more than {MOST_PIXELS} pixels: make picture and mask smaller")
    data = files.data(path, MOST_PICTURE_BYTES)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # a hostile file may raise anything from a decoder
        raise Unreadable(f"has the mask {path}, which cannot be read ({error}): it is damaged") from error
