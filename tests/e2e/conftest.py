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
    data = io.BytesIO()
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(data, "PNG")
    return data.getvalue()


def separable(dataset: str, per_label: int = 10) -> dict[str, bytes]:
    """Objects of a dataset that any model learns."""
    return {
        f"datasets/{dataset}/train/{label}/{index:03}.png": picture(colour, 100 * position + index)
        for position, (label, colour) in enumerate(COLOURS.items())
        for index in range(per_label)
    }


def inseparable(dataset: str, per_label: int = 12) -> dict[str, bytes]:
    """Objects of a dataset whose labels mean nothing."""
    return {
        f"datasets/{dataset}/train/{label}/{index:03}.png": picture((120, 120, 120), 1000 * position + index)
        for position, label in enumerate(COLOURS)
        for index in range(per_label)
    }
