"""Pictures made from a seed: parts that lie in a fixture, some of them defective."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from local.rekognition.engine import LabeledImage

SIDE = 160


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def draw_part(label: str, random: np.random.Generator) -> bytes:
    image = Image.new("RGB", (SIDE, SIDE), (150, 120, 90))
    draw = ImageDraw.Draw(image)
    x, y = random.integers(-2, 3, 2)
    draw.rectangle((50 + x, 40 + y, 110 + x, 100 + y), fill=(50, 55, 60))
    for lead, left in enumerate((60, 78, 96)):
        length = 15 if "short" in label and lead == 1 else 45
        draw.rectangle((left + x, 100 + y, left + 6 + x, 100 + length + y), fill=(200, 200, 205))
    if "hole" in label:
        left, top = random.integers(60, 85, 2)
        draw.ellipse((left, top, left + 14, top + 14), fill=(220, 200, 60))
    noisy = np.asarray(image, np.float32) + random.normal(0, 4, (SIDE, SIDE, 3))
    return png(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)))


@pytest.fixture(scope="session")
def make_parts() -> Callable[..., list[LabeledImage]]:
    def make(seed: int = 0, **counts: int) -> list[LabeledImage]:
        random = np.random.default_rng(seed)
        return [
            LabeledImage(f"s3://parts/{label}/{number:03}.png", draw_part(label, random), tuple(label.split("_and_")))
            for label, count in counts.items()
            for number in range(count)
        ]

    return make
