"""Measure what annotation files of growing size take to read, as `mlops upload` reads them.

    python benchmarks/layouts.py --annotations 10000 100000 1000000

Every size and form is read in a process of its own. Memory is the most that the process ever had, less what it had
before it read.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import TextIO

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "mlops")]

PICTURES, SIZE = 1000, (640, 480)
POLYGON = [[number + 0.5 for number in range(16)]]


def write_coco(file: TextIO, annotations: int) -> None:
    width, height = SIZE
    images = [{"id": n, "file_name": f"{n}.png", "width": width, "height": height} for n in range(PICTURES)]
    file.write(f'{{"images": {json.dumps(images)}, "categories": [{{"id": 1, "name": "dent"}}], "annotations": [')
    for number in range(annotations):
        box = [number % 600, number % 400, 20, 20]
        entry = {"id": number, "image_id": number % PICTURES, "category_id": 1, "bbox": box, "segmentation": POLYGON}
        file.write(f"{',' if number else ''}{json.dumps(entry)}")
    file.write("]}")


def write_manifest(file: TextIO, annotations: int) -> None:
    metadata = {"class-map": {"0": "dent"}, "type": "groundtruth/object-detection"}
    for picture in range(PICTURES):
        drawn = [
            {"class_id": 0, "left": n % 600, "top": n % 400, "width": 20, "height": 20}
            for n in range(picture, annotations, PICTURES)
        ]
        entry = {"source-ref": f"{picture}.png", "x": {"annotations": drawn}, "x-metadata": metadata}
        file.write(f"{json.dumps(entry)}\n")


FORMS: dict[str, tuple[str, Callable[[TextIO, int], None]]] = {
    "coco": ("annotations.json", write_coco),
    "manifest": ("output.manifest", write_manifest),
}


def measured(form: str, annotations: int) -> tuple[int, float, float]:
    """Bytes of the file, seconds, and megabytes of memory."""
    from cli.layouts.registry import read

    name, write = FORMS[form]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        Image.new("1", SIZE).save(folder / "0.png")
        for number in range(1, PICTURES):
            (folder / f"{number}.png").write_bytes((folder / "0.png").read_bytes())
        with (folder / name).open("w") as file:
            write(file, annotations)
        before, started = _memory(), time.monotonic()
        found = read(folder, form)
        seconds = time.monotonic() - started
        assert sum(len(picture.boxes) for picture in found.pictures) == annotations
        return (folder / name).stat().st_size, seconds, _memory() - before


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows(sizes: list[int]) -> Iterator[str]:
    yield "| form | annotations | file | seconds | memory | bytes an annotation |\n|---|---|---|---|---|---|"
    for form in FORMS:
        for size in sizes:
            with get_context("spawn").Pool(1) as pool:
                written, seconds, memory = pool.apply(measured, (form, size))
            each = memory * 1024 * 1024 / size
            yield f"| {form} | {size} | {written / 1e6:.0f} MB | {seconds:.1f} | {memory:.0f} MB | {each:.0f} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    for row in rows(parser.parse_args().annotations):
        print(row, flush=True)
