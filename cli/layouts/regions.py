"""Masks of any kind of file become boxes, region by region as the stack makes them of PNG masks."""

import io
import warnings
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from cli.layouts.collecting import Found
from cli.layouts.files import FORMATS, MOST_PICTURE_BYTES, MOST_PIXELS, Files, Unreadable
from cli.layouts.frame import Frame
from mlops.dataset.limits import MAX_BOXES
from mlops.pictures.looking import MaskRules
from mlops.pictures.masks import Pixels, cropped, regions, shade_of
from mlops.pictures.png import SIGNATURE, PictureRefused, read_png

# JPEG and smoothing leave shades around what was drawn in one.
_MOST_SHADES = MAX_BOXES


def shades(files: Files, path: PurePosixPath, picture: Frame) -> Pixels:
    """One number a pixel of a mask in the order of its picture's file, (height, width), 0 where nothing is marked.

    Raises Unreadable: a mask of another size than its picture, stored or upright, marks nobody knows what.
    """
    own = files.frame(path)
    if own.size not in (picture.size, picture.upright):
        raise Unreadable(
            f"is {own.width} x {own.height} px, its picture {picture.width} x {picture.height} px: draw it on the "
            "picture"
        )
    if picture.width * picture.height > MOST_PIXELS:
        raise Unreadable(f"has more than {MOST_PIXELS} pixels: make picture and mask smaller")
    data = files.data(path, MOST_PICTURE_BYTES)
    try:
        if data.startswith(SIGNATURE):
            shade, count = shade_of(read_png(data))
        else:
            shade, count = _of_other(data, own)
    except PictureRefused as refusal:
        raise Unreadable(str(refusal)) from None
    except Exception as error:  # a hostile file may raise anything from a decoder
        raise Unreadable(f"cannot be read as a mask ({error}): it is damaged, or of a rare kind") from error
    if count > _MOST_SHADES:
        shade = (shade >= (int(shade.max()) + 1) // 2).astype(np.uint8)
    return _in_order_of(picture, own, shade)


def _in_order_of(picture: Frame, own: Frame, pixels: Pixels) -> Pixels:
    """The pixels of a mask as its file has them in the order of its picture's file."""
    return pixels if own.size == picture.size else picture.pixels_as_stored(pixels)


def _stored(image: Image.Image, own: Frame, mode: str) -> Pixels:
    """The pixels as the file has them: Pillow turns a TIFF upright when it is loaded."""
    is_turned = image.format == "TIFF"
    pixels = np.asarray(image.convert(mode))
    return own.pixels_as_stored(pixels) if is_turned else pixels


def _of_other(data: bytes, own: Frame) -> tuple[Pixels, int]:
    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        is_colour = image.mode not in ("1", "L", "I;16", "I", "F")
        pixels = _stored(image, own, "RGB" if is_colour else "L")
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


def colours(files: Files, path: PurePosixPath, picture: Frame) -> Pixels:
    """The colours of a mask, (height, width, 3), where colours say which defect it is. Raises Unreadable."""
    own = files.frame(path)
    if own.size not in (picture.size, picture.upright):
        raise Unreadable(
            f"has the mask {path} of {own.width} x {own.height} px, its picture has {picture.width} x {picture.height}"
        )
    if picture.width * picture.height > MOST_PIXELS:
        raise Unreadable(f"has a mask of more than {MOST_PIXELS} pixels: make picture and mask smaller")
    data = files.data(path, MOST_PICTURE_BYTES)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _in_order_of(picture, own, _stored(image, own, "RGB"))
    except Exception as error:  # a hostile file may raise anything from a decoder
        raise Unreadable(f"has the mask {path}, which cannot be read ({error}): it is damaged") from error
