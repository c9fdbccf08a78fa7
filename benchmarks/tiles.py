"""How many small defects a detector finds in whole pictures, and how many in tiles: the same pictures, the same engine.

    python benchmarks/tiles.py [--side 768] [--train 8] [--test 9] [--clean 1] [--seed 1] [--picture tiles.svg]

Sheets of 3000 x 2000 pixels with scratches three pixels wide (`local/pictures/sheet.py`). Both detectors are trained by
the engine of the local Custom Labels on the same sheets, as the manifests of a run would show them: whole, or the tiles
that have a box. Both are asked about the same new sheets, as the inference test asks: whole, or all tiles, of which the
boxes are put together. A scratch is found by a box that overlaps it by half and reaches the confidence of 0.5, which
the engine chooses by images of other folds. The engine looks at 768 pixels at most, the real service at 1280: a tile of
this side is not made smaller.
"""

import argparse
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "mlops")]

from local.pictures.sheet import HEIGHT, WIDTH, Sheet, sheet  # noqa: E402
from local.rekognition.engine import BoxedImage, DetectionModel, train_detector  # noqa: E402
from local.rekognition.engine import LabeledBox as Drawn  # noqa: E402
from mlops.dataset.boxes import Box, LabeledBox, match  # noqa: E402
from mlops.dataset.tiles import Tile, cut, merged, tiles_of  # noqa: E402
from mlops.judging.intervals import wilson  # noqa: E402
from mlops.pictures.pixels import open_picture  # noqa: E402
from mlops.pictures.tiling import tile_file  # noqa: E402

LABEL, CUT, LEAST_IOU = "scratch", 0.5, 0.5
THIRDS = ("smallest third", "middle third", "largest third")
METHODS = ("whole pictures", "tiles")


@dataclass(frozen=True)
class Result:
    """By method: of each scratch its size and whether it was found; how many boxes lie on none."""

    sizes: tuple[float, ...]
    found: tuple[bool, ...]
    false: int
    false_on_clean: int
    seconds: float

    def recall(self, third: Sequence[int]) -> tuple[int, int]:
        return sum(self.found[number] for number in third), len(third)


def as_png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG", compress_level=1)
    return data.getvalue()


def boxes_of(one: Sheet) -> list[LabeledBox]:
    return [LabeledBox(LABEL, Box(*box)) for box in one.scratches]


def examples(name: str, one: Sheet, side: int) -> list[BoxedImage]:
    """What a manifest shows of a sheet: the whole (`side` 0), or the tiles that have a box."""
    picture, found = open_picture(as_png(one.image)), []
    for tile in tiles_of(WIDTH, HEIGHT, side):
        if boxes := cut(boxes_of(one), tile, side) if side else boxes_of(one):
            drawn = tuple(Drawn(b.label, b.box.left, b.box.top, b.box.width, b.box.height) for b in boxes)
            data = tile_file(picture, tile) if side else as_png(one.image)
            found.append(BoxedImage(f"{name}-{tile.left}-{tile.top}", data, drawn))
    return found


def detected(model: DetectionModel, one: Sheet, side: int) -> list[LabeledBox]:
    """What a model finds in a sheet, as an inference test puts it together."""
    picture = open_picture(as_png(one.image))

    def found(tile: Tile) -> list[LabeledBox]:
        data = tile_file(picture, tile) if side else as_png(one.image)
        size = np.array([tile.width, tile.height])
        return [
            LabeledBox(box.label, Box(*(size * (box.left, box.top)), *(size * (box.width, box.height))), box.score)
            for box in model.predict([data])[0]
        ]

    return merged((tile, found(tile)) for tile in tiles_of(WIDTH, HEIGHT, side))


def measure(
    side: int, train: Sequence[Sheet], test: Sequence[Sheet], jobs: int, say: Callable[[str], object]
) -> Result:
    began = time.monotonic()
    shown = [image for number, one in enumerate(train) for image in examples(f"{number:03}", one, side)]
    model = train_detector(shown)
    trained = time.monotonic() - began
    say(f"trained on {len(shown)} images in {trained:.0f} s")
    sizes: list[float] = []
    hits: list[bool] = []
    false = false_on_clean = 0
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        said = list(pool.map(partial(detected, model, side=side), test))
    for one, everything in zip(test, said, strict=True):
        truth, found = boxes_of(one), [box for box in everything if box.confidence >= CUT]
        matched = match(truth, found, LEAST_IOU)
        sizes += [max(box.box.width, box.box.height) for box in truth]
        hits += [number in matched.values() for number in range(len(truth))]
        false += (len(found) - len(matched)) * bool(truth)
        false_on_clean += len(found) * (not truth)
    say(f"asked about {len(test)} sheets in {time.monotonic() - began - trained:.0f} s")
    return Result(tuple(sizes), tuple(hits), false, false_on_clean, time.monotonic() - began)


def thirds(sizes: Sequence[float]) -> list[list[int]]:
    """The numbers of the scratches, from the smallest to the largest, in three parts."""
    order = sorted(range(len(sizes)), key=lambda number: sizes[number])
    return [list(map(int, part)) for part in np.array_split(order, 3)]


def drawn(results: dict[str, Result], side: int) -> str:
    """Recall by size, as an SVG picture."""
    width, height, left, top, bottom = 720, 300, 56, 54, 54
    colours = dict(zip(METHODS, ("#7a8694", "#1565a8"), strict=True))
    sizes = next(iter(results.values())).sizes
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="system-ui, sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{left}" y="22" font-weight="600">Scratches found, 3 px wide, on {WIDTH} x {HEIGHT} px</text>',
    ]
    scale = height - top - bottom
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = top + scale * (1 - share)
        parts.append(f'<path d="M{left} {y}H{width - 20}" stroke="#dde2e7"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end" fill="#555">{share:.0%}</text>')
    step = (width - 20 - left) / 3
    for number, third in enumerate(thirds(sizes)):
        middle = left + step * (number + 0.5)
        low, high = (round(pick(sizes[n] for n in third)) for pick in (min, max))
        text = f"{THIRDS[number]}: {low} to {high} px long"
        parts.append(f'<text x="{middle}" y="{height - 30}" text-anchor="middle">{text}</text>')
        for place, (name, result) in enumerate(results.items()):
            hit, of = result.recall(third)
            interval = wilson(hit, of)
            x, y = middle - 62 + 66 * place, top + scale * (1 - hit / of)
            ends = [top + scale * (1 - end) for end in (interval.low, interval.high)]
            parts.append(f'<rect x="{x}" y="{y}" width="58" height="{top + scale - y}" fill="{colours[name]}"/>')
            parts.append(f'<path d="M{x + 29} {ends[0]}V{ends[1]}" stroke="#222" stroke-width="1.5"/>')
            parts.append(
                f'<text x="{x + 29}" y="{ends[1] - 5}" text-anchor="middle" font-weight="600">{hit}/{of}</text>'
            )
    for place, name in enumerate(results):
        x, called = left + 150 * place, name if name != "tiles" else f"tiles of {side} px"
        parts.append(f'<rect x="{x}" y="{height - 20}" width="12" height="12" fill="{colours[name]}"/>')
        parts.append(f'<text x="{x + 18}" y="{height - 9}">{called}</text>')
    parts.append(
        f'<text x="{left + 300}" y="{height - 9}" fill="#555">lines: in 95 of 100 tests the truth lies there</text>'
    )
    return "\n".join([*parts, "</svg>", ""])


def told(name: str, text: str) -> None:
    print(f"{name}: {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=768, help="of a tile, in pixels")
    parser.add_argument("--train", type=int, default=8, help="sheets with scratches to learn from")
    parser.add_argument("--test", type=int, default=9, help="sheets with scratches to be asked about")
    parser.add_argument("--clean", type=int, default=1, help="good sheets to be asked about")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that ask")
    parser.add_argument("--picture", type=Path, help="where to draw it, as SVG")
    options = parser.parse_args()

    def sheets(first: int, count: int, scratches: Callable[[np.random.Generator], int]) -> list[Sheet]:
        chances = [np.random.default_rng([options.seed, first + number]) for number in range(count)]
        return [sheet(chance, scratches(chance)) for chance in chances]

    def some(chance: np.random.Generator) -> int:
        return int(chance.integers(4, 9))

    train = sheets(0, options.train, some)
    test = sheets(1000, options.test, some) + sheets(2000, options.clean, lambda chance: 0)
    results = {}
    for name, side in zip(METHODS, (0, options.side), strict=True):
        results[name] = measure(side, train, test, options.jobs, partial(told, name))
    groups = thirds(results[METHODS[0]].sizes)
    print(f"\n{'':<16}" + "".join(f"{name:>18}" for name in THIRDS) + f"{'false boxes':>14}{'on clean':>10}")
    for name, result in results.items():
        shares = [result.recall(third) for third in groups]
        cells = "".join(f"{f'{hit}/{of} = {hit / of:.2f}':>18}" for hit, of in shares)
        print(f"{name:<16}{cells}{result.false:>14}{result.false_on_clean:>10}")
    if options.picture:
        options.picture.write_text(drawn(results, options.side))


if __name__ == "__main__":
    main()
