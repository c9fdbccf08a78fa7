"""The folder of pictures: what to draw, where it goes, and drawing it on several processors."""

import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from local.pictures.appearance import draw_part
from local.pictures.board import draw_board
from local.pictures.camera import look, photograph
from local.pictures.defects import DEFECTS, Scene
from local.pictures.part import good_part
from local.pictures.raster import Grid, Region, coverage

KINDS = ("good", *DEFECTS)
SMALLEST = 64


@dataclass(frozen=True)
class Picture:
    """One picture to draw; `index` counts within its kind, paths are relative to the folder."""

    kind: str
    index: int
    image: Path
    mask: Path | None = None


def generate(
    out: Path,
    *,
    seed: int = 7,
    good: int = 60,
    per_defect: int = 14,
    size: int = 512,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write pictures of transistors and masks of their defects below `out`, in the layout of MVTec AD.

    `good` pictures have no defect, two thirds of them for training; every defect gets `per_defect` pictures of
    size x size pixels. Same arguments, same bytes, whatever the number of `jobs` (processes; default: one per
    processor). `progress(done, total)` is called after each picture.
    Raises ValueError for arguments that make no sense, FileExistsError when `out` holds pictures of another request.
    """
    check(seed=seed, good=good, per_defect=per_defect, size=size, jobs=jobs)
    pictures = list(plan(good, per_defect))
    prepare_folders(out, pictures)
    draw = partial(write_picture, out=out, seed=seed, size=size)
    for done, _ in enumerate(in_parallel(draw, pictures, jobs or os.cpu_count() or 1), start=1):
        if progress:
            progress(done, len(pictures))


def check(*, seed: int, good: int, per_defect: int, size: int, jobs: int | None) -> None:
    """Refuse arguments that make no sense, by name."""
    least = {"seed": (seed, 0), "good": (good, 0), "per_defect": (per_defect, 0), "size": (size, SMALLEST)}
    for name, (value, minimum) in {**least, "jobs": (1 if jobs is None else jobs, 1)}.items():
        if value < minimum:
            raise ValueError(f"{name} is {value}; it must be at least {minimum}")


def plan(good: int, per_defect: int) -> Iterator[Picture]:
    """List every picture."""
    for_training = round(good * 2 / 3)
    for index in range(good):
        split, number = ("train", index) if index < for_training else ("test", index - for_training)
        yield Picture("good", index, Path(split, "good", f"{number:03d}.png"))
    for defect in DEFECTS:
        for index in range(per_defect):
            mask = Path("ground_truth", defect, f"{index:03d}_mask.png")
            yield Picture(defect, index, Path("test", defect, f"{index:03d}.png"), mask)


def prepare_folders(out: Path, pictures: list[Picture]) -> None:
    """Make the folders, and refuse to mix with pictures that this request would not overwrite."""
    paths = {out / path for picture in pictures for path in (picture.image, picture.mask) if path}
    for folder in sorted({path.parent for path in paths}):
        folder.mkdir(parents=True, exist_ok=True)
        for found in sorted(folder.glob("*.png")):
            if found not in paths:
                raise FileExistsError(
                    f"{found} belongs to another set of pictures: choose an empty folder, or clear it"
                )


def in_parallel(work: Callable[[Picture], None], pictures: list[Picture], jobs: int) -> Iterator[None]:
    """Do the work on every picture, yielding after each."""
    if jobs == 1:
        yield from map(work, pictures)
        return
    # Spawned, not forked: the caller may have threads.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, pictures)


def write_picture(picture: Picture, *, out: Path, seed: int, size: int) -> None:
    """Draw one picture, with its mask where it has one. Its randomness comes from seed, kind and index alone."""
    rng = np.random.default_rng([seed, KINDS.index(picture.kind), picture.index])
    grid = look(size, rng)
    scene = compose(picture.kind, rng)
    image = draw_board(grid, rng)
    if scene.part:
        draw_part(image, grid, scene.part, rng)
    # Noise repeats nothing: without the search for what does, files are smaller, and written in two thirds of the time.
    photograph(image, rng).save(out / picture.image, compress_level=1, compress_type=zlib.Z_HUFFMAN_ONLY)
    if picture.mask and scene.defect:
        outline(scene.defect, grid).save(out / picture.mask)


def compose(kind: str, rng: np.random.Generator) -> Scene:
    """Put a part on the board, with the kind of defect asked for, at any severity."""
    part = good_part(rng)
    return Scene(part) if kind == "good" else DEFECTS[kind](part, rng.uniform(), rng)


def outline(defect: Region, grid: Grid) -> Image.Image:
    """The mask of a defect: 255 where at least half of the pixel belongs to it, else 0."""
    return Image.fromarray(np.where(coverage(grid, defect(grid)) >= 0.5, 255, 0).astype(np.uint8))
