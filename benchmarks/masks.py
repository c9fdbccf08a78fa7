"""Measure how many masks a second become boxes, beside scikit-image and beside nothing but decoding the PNG.

    python benchmarks/masks.py [--size 1024] [--masks 40] [--rounds 9]

One thread. The masks are outlines of drawn defects, and the same with a thousand specks. In every round each method
takes all masks, one method after the other; printed is the median round.
"""

import argparse
import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from skimage.measure import label, regionprops

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "layers" / "mlops"))

from local.pictures.camera import look
from local.pictures.dataset import compose, outline
from local.pictures.defects import DEFECTS
from mlops.pictures.masks import read_mask

Box = tuple[int, int, int, int]
LEAST_PIXELS = 10
SPECKS = 1000


def decode(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def ours(data: bytes) -> list[Box]:
    boxes = read_mask(data, least_pixels=LEAST_PIXELS).boxes
    return sorted((int(b.left), int(b.top), int(b.width), int(b.height)) for b in boxes)


def scikit_image(data: bytes) -> list[Box]:
    regions = regionprops(label(np.asarray(decode(data)) > 0, connectivity=2))
    corners = [region.bbox for region in regions if region.area >= LEAST_PIXELS]
    return sorted((left, top, right - left, bottom - top) for top, left, bottom, right in corners)


METHODS: dict[str, Callable[[bytes], object]] = {
    "bare PNG decoding (Pillow)": decode,
    "ours (mlops.masks)": ours,
    "scikit-image label + regionprops": scikit_image,
}


def drawn_masks(count: int, size: int) -> Iterator[np.ndarray]:
    """Outlines of drawn defects, 0 and 255."""
    for number in range(count):
        rng = np.random.default_rng(number)
        scene = compose(sorted(DEFECTS)[number % len(DEFECTS)], rng)
        assert scene.defect is not None
        yield np.asarray(outline(scene.defect, look(size, rng)))


def with_specks(mask: np.ndarray) -> np.ndarray:
    """The mask with single pixels all over it."""
    rng = np.random.default_rng(0)
    speckled = mask.copy()
    speckled.flat[rng.choice(mask.size, SPECKS, replace=False)] = 255
    return speckled


def as_png(mask: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(mask).save(data, "PNG")
    return data.getvalue()


def seconds(method: Callable[[bytes], object], masks: Sequence[bytes]) -> float:
    start = time.perf_counter()
    for mask in masks:
        method(mask)
    return (time.perf_counter() - start) / len(masks)


def report(name: str, masks: Sequence[bytes], rounds: int) -> None:
    assert all(ours(mask) == scikit_image(mask) for mask in masks), "the two disagree"
    timed: dict[str, list[float]] = {method: [] for method in METHODS}
    for _ in range(rounds):
        for method, run in METHODS.items():
            timed[method].append(seconds(run, masks))
    bare = timed[next(iter(METHODS))]
    print(f"\n{name}: {len(masks)} masks")
    for method, values in timed.items():
        ratio = median(value / base for value, base in zip(values, bare, strict=True))
        print(f"  {method:34s} {1 / median(values):7.0f} masks/s   {ratio:5.2f} x bare decoding")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure masks to boxes.")
    parser.add_argument("--size", type=int, default=1024, help="width and height in pixels")
    parser.add_argument("--masks", type=int, default=40, help="number of masks")
    parser.add_argument("--rounds", type=int, default=9, help="how often everything is measured")
    options = parser.parse_args()
    drawn = list(drawn_masks(options.masks, options.size))
    print(f"{options.size} x {options.size} px")
    report("drawn defects", [as_png(mask) for mask in drawn], options.rounds)
    report(f"drawn defects and {SPECKS} specks", [as_png(with_specks(mask)) for mask in drawn], options.rounds)


if __name__ == "__main__":
    main()
