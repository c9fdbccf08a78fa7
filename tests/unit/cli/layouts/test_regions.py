"""Masks of any file and size become the boxes that the stack makes of PNG masks."""

import io
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cli.layouts.files import Files, Unreadable
from cli.layouts.frame import Frame
from cli.layouts.regions import boxes, shades
from mlops.pictures.looking import MaskRules
from mlops.pictures.masks import read_mask
from tests.unit.cli.layouts.samples import ONE, mask


def edges(folder: Path, name: str, size: tuple[int, int], rules: MaskRules | None = None) -> list[tuple[float, ...]]:
    found = boxes("x", shades(Files(folder), PurePosixPath(name), Frame(*size)), rules or MaskRules())
    return [(box.left, box.top, box.right - box.left, box.bottom - box.top) for box in found]


@given(seed=st.integers(0, 2**32 - 1), least=st.integers(1, 12), merge=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_boxes_are_those_of_the_stack(
    tmp_path_factory: pytest.TempPathFactory, seed: int, least: int, merge: int
) -> None:
    folder = tmp_path_factory.mktemp("mask")
    small = np.random.default_rng(seed).random((8, 10)) < 0.1
    image = Image.fromarray(np.kron(small, np.ones((8, 8))).astype(np.uint8) * 255)
    image.save(folder / "a.png")
    content = io.BytesIO()
    image.save(content, "PNG")

    expected = read_mask(content.getvalue(), least_pixels=least, merge_distance=merge)

    found = edges(folder, "a.png", (80, 64), MaskRules(least, merge))
    assert found == [(box.left, box.top, box.width, box.height) for box in expected.boxes]


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "a.jpg"])
def test_any_kind_of_file_is_read(tmp_path: Path, name: str) -> None:
    # JPEG keeps edges at multiples of eight.
    mask(tmp_path, name, (8, 16, 32, 8))

    assert edges(tmp_path, name, (80, 64)) == [(8, 16, 32, 8)]


@pytest.mark.parametrize("size", [(45, 30), (4224, 1056)])
def test_masks_that_the_service_would_not_take_as_pictures_are_read(tmp_path: Path, size: tuple[int, int]) -> None:
    mask(tmp_path, "a.png", ONE, size=size)

    assert edges(tmp_path, "a.png", size) == [ONE]


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "LA", "I;16"])
def test_any_mode_is_read(tmp_path: Path, mode: str) -> None:
    drawn = np.zeros((64, 80), np.uint8)
    drawn[20:28, 10:40] = 255
    image = Image.fromarray(drawn)
    (Image.fromarray(drawn.astype(np.uint16)) if mode == "I;16" else image.convert(mode)).save(tmp_path / "a.png")

    assert edges(tmp_path, "a.png", (80, 64)) == [ONE]


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    mask(tmp_path, "a.png", ONE)

    with pytest.raises(Unreadable, match="is 80 x 64 px, its picture 64 x 80 px: draw it on the picture"):
        edges(tmp_path, "a.png", (64, 80))


def test_noise_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(7).random((600, 800)) < 0.5
    Image.fromarray(noise.astype(np.uint8) * 255).save(tmp_path / "a.png")

    with pytest.raises(Unreadable, match="regions; a picture may have 50 boxes"):
        edges(tmp_path, "a.png", (800, 600), MaskRules(1, 0))
