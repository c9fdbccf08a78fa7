"""What a picture looks like from afar."""

import io
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image, ImageFilter

from mlops.codec import read
from mlops.judging.appearance import Statistics
from mlops.pictures.statistics import measure, statistics_of

NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 255, (300, 200, 3), np.uint8))


def test_a_plain_picture_has_its_colour_and_nothing_else() -> None:
    plain = statistics_of(Image.new("RGB", (40, 30), (200, 100, 50)))

    assert (plain.red, plain.green, plain.blue) == (200, 100, 50)
    assert plain.brightness == pytest.approx(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert (plain.contrast, plain.sharpness, plain.width, plain.height) == (0, 0, 40, 30)


def test_light_does_not_change_sharpness_and_a_soft_lens_does() -> None:
    sharp = statistics_of(NOISE)
    dimmed = statistics_of(NOISE.point(lambda shade: shade // 2))
    soft = statistics_of(NOISE.filter(ImageFilter.GaussianBlur(1)))

    assert dimmed.sharpness == pytest.approx(sharp.sharpness, rel=0.01)
    assert dimmed.brightness == pytest.approx(sharp.brightness / 2, rel=0.02)
    assert soft.sharpness < 0.7 * sharp.sharpness


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA", "1"])
def test_every_mode_is_measured(mode: str) -> None:
    data = io.BytesIO()
    NOISE.convert(mode).save(data, "PNG")

    assert measure(data.getvalue()).is_known


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 900), (5000, 3)])
def test_odd_sizes_are_measured(size: tuple[int, int]) -> None:
    found = statistics_of(Image.new("L", size, 7))

    assert (found.width, found.height) == size


def test_it_is_read_back_from_numbers_of_any_kind() -> None:
    found = statistics_of(NOISE)

    assert read(Statistics, {name: str(value) for name, value in asdict(found).items()}) == found
    assert not read(Statistics, {}).is_known
