"""One local cloud with the real stack for all end-to-end tests."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from tests.e2e.system import System, started_system

COLOURS = {"good": (60, 140, 60), "scratch": (190, 60, 50), "stain": (50, 70, 190)}


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with started_system(tmp_path_factory.mktemp("cloud")) as system:
        yield system


def picture(colour: tuple[int, int, int], seed: int) -> bytes:
    """A PNG of 96 x 96 px in one colour with noise: easy to tell from another colour, never the same twice."""
    noise = np.random.default_rng(seed).normal(0, 12, (96, 96, 3))
    return as_png(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))


def separable(dataset: str, per_label: int = 10) -> dict[str, bytes]:
    """Objects of a dataset that any model learns."""
    return {
        f"datasets/{dataset}/train/{label}/{index:03}.png": picture(colour, 100 * position + index)
        for position, (label, colour) in enumerate(COLOURS.items())
        for index in range(per_label)
    }


SPOTS = {"scratch": (230, 40, 30), "stain": (40, 60, 230)}
SPOT_SIDE, FRAME = 36, 128


def spotted(label: str, seed: int) -> tuple[bytes, bytes]:
    """A PNG of a noisy plate with one coloured square, none on a good one, and its mask."""
    random = np.random.default_rng(seed)
    plate = np.array((120, 130, 120)) + random.normal(0, 8, (FRAME, FRAME, 3))
    mask = np.zeros((FRAME, FRAME), np.uint8)
    if label in SPOTS:
        left, top = random.integers(8, FRAME - SPOT_SIDE - 8, 2)
        where = slice(top, top + SPOT_SIDE), slice(left, left + SPOT_SIDE)
        plate[where] = np.array(SPOTS[label]) + random.normal(0, 8, (SPOT_SIDE, SPOT_SIDE, 3))
        mask[where] = 1
    return as_png(np.clip(plate, 0, 255).astype(np.uint8)), as_png(mask)


def as_png(pixels: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG", compress_level=1)
    return data.getvalue()


def marked(dataset: str, per_label: int = 10) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Images that any model learns to classify and to find spots in, and their masks."""
    images, masks = {}, {}
    for position, label in enumerate(("good", *SPOTS)):
        for index in range(per_label):
            image, mask = spotted(label, 100 * position + index)
            images[f"datasets/{dataset}/test/{label}/{index:03}.png"] = image
            if label in SPOTS:
                masks[f"datasets/{dataset}/ground_truth/{label}/{index:03}_mask.png"] = mask
    return images, masks


def inseparable(dataset: str, per_label: int = 12) -> dict[str, bytes]:
    """Objects of a dataset whose labels mean nothing."""
    return {
        f"datasets/{dataset}/train/{label}/{index:03}.png": picture((120, 120, 120), 1000 * position + index)
        for position, label in enumerate(COLOURS)
        for index in range(per_label)
    }
