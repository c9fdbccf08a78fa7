"""Measure memory and time of the worst masks that the limits of the service allow, beside what IngestFunction has.

    python benchmarks/worst_masks.py

Every mask is read in a process of its own; memory is the most that it ever had, less what it had before. One full core:
a function has less, as the table says.
"""

import io
import struct
import sys
import time
import zlib
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "mlops")]

SIDE = 4096
# One virtual processor comes with so much memory (AWS Lambda, "Configure memory").
MB_A_PROCESSOR = 1769


def as_png(pixels: np.ndarray, **options: object) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG", compress_level=1, **options)
    return data.getvalue()


def noise(share: float) -> bytes:
    return as_png(np.random.default_rng(1).random((SIDE, SIDE), np.float32) < share)


def grid() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.ogrid[:SIDE, :SIDE]
    return rows, columns


def stripes() -> bytes:
    return as_png(np.tile(np.array([True, False]), (SIDE, SIDE // 2)))


def checkerboard() -> bytes:
    rows, columns = grid()
    return as_png((rows + columns) % 2 == 0)


def comb() -> bytes:
    """As many runs as are taken, all of one region that only its last row shows."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:, ::44] = True
    mask[-1] = True
    return as_png(mask)


def spiral() -> bytes:
    """One region whose ends are far from each other."""
    rows, columns = grid()
    distance = np.maximum(abs(rows - SIDE // 2), abs(columns - SIDE // 2))
    mask = distance % 24 < 12
    mask[: SIDE // 2, SIDE // 2 - 6 : SIDE // 2] = True
    return as_png(mask)


def sixteen_bits(colour: int, channels: int) -> bytes:
    """Random numbers below 40 in a field, 16 bits a channel."""
    pixels = np.zeros((SIDE, SIDE, channels), ">u2")
    pixels[1000:3000, 1000:3000] = np.random.default_rng(1).integers(1, 40, (2000, 2000, channels))
    rows = np.concatenate([np.zeros((SIDE, 1), np.uint8), pixels.view(np.uint8).reshape(SIDE, -1)], axis=1)
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, colour, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 1)), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def palette() -> bytes:
    data = io.BytesIO()
    image = Image.fromarray(np.random.default_rng(1).integers(0, 40, (SIDE, SIDE)).astype(np.uint8))
    image.putpalette([0] * 3 * 10 + list(range(90)))
    image.save(data, "PNG", compress_level=1)
    return data.getvalue()


def camera() -> bytes:
    return as_png(np.clip(np.random.default_rng(1).normal(3, 3, (SIDE, SIDE)), 0, 255).astype(np.uint8))


WORST: dict[str, Callable[[], bytes]] = {
    "stripes": stripes,
    "checkerboard": checkerboard,
    "noise, 5 %": lambda: noise(0.05),
    "noise, 50 %": lambda: noise(0.5),
    "a dark camera picture": camera,
    "a comb": comb,
    "a spiral": spiral,
    "16 bits, gray and alpha": lambda: sixteen_bits(4, 2),
    "16 bits, RGBA": lambda: sixteen_bits(6, 4),
    "a palette with much black": palette,
}


def measure(name: str) -> tuple[int, float, float, str]:
    """Size of the file in bytes, seconds, memory in MB, and what became of the mask."""
    from mlops.pictures.masks import read_mask
    from mlops.pictures.png import PictureRefused

    data = WORST[name]()
    # From here on, the peak is that of reading.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    start = time.perf_counter()
    try:
        outcome = f"{len(read_mask(data, least_pixels=10).boxes)} boxes"
    except PictureRefused as refusal:
        outcome = f"refused: {refusal}"
    return len(data), time.perf_counter() - start, (peak() - before) / 1024, outcome


def peak() -> int:
    """The most memory that this process had since it was last asked to forget, in kB (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def main() -> None:
    from tests.infrastructure.template import resources

    function = resources()["IngestFunction"]["Properties"]
    memory, timeout = function["MemorySize"], function["Timeout"]
    share = min(1.0, memory / MB_A_PROCESSOR)
    print(f"{SIDE} x {SIDE} px. IngestFunction: {memory} MB, {timeout} s for 25 files, {share:.2f} of a processor\n")
    print(f"{'':28s} {'file, kB':>9s} {'seconds':>8s} {'there':>6s} {'MB':>5s}")
    for name in WORST:
        with get_context("spawn").Pool(1) as pool:
            size, seconds, used, outcome = pool.apply(measure, (name,))
        print(f"{name:28s} {size // 1024:9d} {seconds:8.2f} {seconds / share:6.1f} {used:5.0f}  {outcome[:60]}")


if __name__ == "__main__":
    main()
