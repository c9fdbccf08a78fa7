"""Which pictures are drawn for a person, however many labels there are and however large the pictures."""

import io
from collections.abc import Iterator

import pytest
from PIL import Image as Pillow

from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.images import Image
from mlops.pictures.pixels import open_picture
from mlops.reading import overlays
from mlops.stage import StageRef

REF = StageRef("parts-detection-1", "parts", "detection", "ground_truth")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Image]]:
    """What is read to be drawn."""
    found: list[Image] = []

    def tile(image: Image, _: bytes) -> Pillow.Image:
        found.append(image)
        return Pillow.new("RGB", (8, 8))

    monkeypatch.setattr(overlays, "_tile", tile)
    monkeypatch.setattr(overlays, "_read", lambda _: b"")
    monkeypatch.setattr("mlops.aws.buckets.Bucket.write", lambda *_: None)
    monkeypatch.setenv("ARTIFACTS_BUCKET", "artifacts")
    yield found


def pictures(label: str, count: int, side: int) -> list[Image]:
    boxes, size = (LabeledBox(label, Box(1, 1, 20, 20)),), (side, side, side * side)
    keys = [f"datasets/parts/train/{label}/{n}.png" for n in range(count)]
    return [Image(key, "e", (label,), "train", "d", *size, boxes=boxes) for key in keys]


def test_a_usual_label_shows_six_pictures_from_all_over_the_dataset(drawn: list[Image]) -> None:
    assert set(overlays.write_overlays(REF, pictures("cut", 60, 640))) == {"cut"}

    assert [image.key.rsplit("/", 1)[1] for image in drawn] == [f"{n}.png" for n in range(0, 60, 10)]


def test_what_is_drawn_is_bounded_whatever_the_number_of_labels_and_their_size(drawn: list[Image]) -> None:
    images = [image for n in range(250) for image in pictures(f"label{n:03}", 6, 4096)]

    written = overlays.write_overlays(REF, images)

    assert 0 < sum(image.width * image.height + image.size for image in drawn) <= 1_000_000_000
    assert len(written) == len(drawn)


def test_labels_with_large_pictures_take_nothing_from_those_with_small_ones(drawn: list[Image]) -> None:
    images = [image for n in range(200) for image in pictures(f"small{n:03}", 6, 640)]

    written = overlays.write_overlays(REF, [*images, *(i for n in range(50) for i in pictures(f"a{n}", 6, 4096))])

    assert {f"small{n:03}" for n in range(200)} <= set(written)


def test_a_jpeg_is_unpacked_no_larger_than_it_is_drawn() -> None:
    data = io.BytesIO()
    Pillow.new("RGB", (4000, 3000)).save(data, "JPEG")

    assert open_picture(data.getvalue(), 640).size == (1000, 750)
    assert open_picture(data.getvalue()).size == (4000, 3000)
