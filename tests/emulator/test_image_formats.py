"""Pictures of every form that people have, with the shipped engine: modes, sizes, orientations, several labels."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from local.rekognition.boxes import Box, overlap
from tests.emulator.clients import output_lines, start, train
from tests.emulator.conformance.test_detectors import counts, summary_of
from tests.emulator.datasets import (
    COLORS,
    PNG_SIGNATURE,
    boxed_picture,
    boxes_line,
    line,
    png_chunk,
    put_boxed_pictures,
)
from tests.emulator.processes import RunningService
from tests.emulator.target import BUCKET

PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
JPEG_MODES = ("L", "RGB", "CMYK", "YCbCr")
ORIENTATIONS = range(1, 9)
# How a picture is turned to be stored so that its orientation turns it back.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
SCENE = (("scratch", 12, 10, 30, 24), ("dent", 90, 60, 28, 24))
SIZE = (144, 112)


@pytest.fixture(scope="module")
def client(launch_for_all: Callable[..., RunningService]) -> Any:
    return launch_for_all(
        "--engine", "local.rekognition.engine", "--tps-per-unit", 1000, "--max-running-models", 3
    ).client()


def shade(label: str, seed: int, size: tuple[int, int] = (96, 80)) -> Image.Image:
    """A noisy picture that is dark or bright, which every mode can show."""
    level = {"dark": 60, "bright": 190}[label]
    width, height = size
    noise = np.random.default_rng(seed).integers(-40, 40, (80, 96, 3))
    tiled = np.tile(noise, (-(-height // 80), -(-width // 96), 1))[:height, :width]
    return Image.fromarray((level + tiled).astype(np.uint8))


def saved(image: Image.Image, mode: str, form: str, **options: Any) -> bytes:
    buffer = BytesIO()
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png_of_48_bits(pixels: np.ndarray) -> bytes:
    """A PNG file with 16 bits for each of red, green and blue, which Pillow reads and does not write."""
    height, width, _ = pixels.shape
    rows = (pixels.astype(">u2") * 257).astype(">u2").reshape(height, -1)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return PNG_SIGNATURE + header + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def every_form(label: str, seed: int) -> dict[str, bytes]:
    """The same picture in every mode of both formats, by name."""
    image = shade(label, seed)
    forms = {f"{mode}.png".replace(";", "-"): saved(image, mode, "PNG") for mode in PNG_MODES}
    forms |= {f"{mode}.jpg": saved(image, mode, "JPEG") for mode in JPEG_MODES}
    forms["48 bits.png"] = png_of_48_bits(np.asarray(image))
    forms["palette with transparency.png"] = saved(image, "P", "PNG", transparency=0)
    forms["progressive.jpg"] = saved(image, "RGB", "JPEG", progressive=True)
    forms["interlaced.png"] = saved(image, "RGB", "PNG", interlace=1)
    return forms


LARGE = {"4096 x 4096": (4096, 4096), "4096 x 205": (4096, 205), "64 x 64": (64, 64), "64 x 1280": (64, 1280)}
FORMS = sorted(every_form("dark", 0))


@pytest.fixture(scope="module")
def shades(client: Any, s3: Any) -> dict[str, Any]:
    """A classifier that was trained on pictures of every form and size."""
    lines = []
    for label in ("dark", "bright"):
        pictures = every_form(label, 1) | (every_size(label) if label == "bright" else {})
        for name, data in pictures.items():
            s3.put_object(Bucket=BUCKET, Key=f"forms/{label}/{name}", Body=data)
            lines.append(line(f"forms/{label}/{name}", label))
    version = train(client, s3, lines, lines)
    start(client, version["ProjectVersionArn"])
    return version


def every_size(label: str) -> dict[str, bytes]:
    return {f"{name}.jpg": saved(shade(label, 2, size), "RGB", "JPEG") for name, size in LARGE.items()}


def names(client: Any, version: dict[str, Any], image: dict[str, Any]) -> list[str]:
    answer = client.detect_custom_labels(ProjectVersionArn=version["ProjectVersionArn"], Image=image)
    return [label["Name"] for label in answer["CustomLabels"]]


def test_pictures_of_every_form_are_trained_on(s3: Any, shades: dict[str, Any]) -> None:
    number = 2 * len(FORMS) + len(LARGE)

    assert shades["Status"] == "TRAINING_COMPLETED", shades["StatusMessage"]
    assert counts(s3, shades) == {"total": number, "valid": number, "invalid": 0, "ignored": 0}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("label", ["dark", "bright"])
def test_a_picture_of_any_form_is_labelled(client: Any, shades: dict[str, Any], label: str, form: str) -> None:
    assert names(client, shades, {"Bytes": every_form(label, 9)[form]}) == [label]


@pytest.mark.parametrize("size", LARGE)
def test_a_picture_of_any_size_is_labelled(client: Any, shades: dict[str, Any], size: str) -> None:
    image = {"S3Object": {"Bucket": BUCKET, "Name": f"forms/bright/{size}.jpg"}}

    assert names(client, shades, image) == ["bright"]


# Orientation


def oriented(orientation: int) -> bytes:
    """The scene as a camera that was turned stores it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(BytesIO(boxed_picture(*SCENE, seed=77, size=SIZE))) as upright:
        stored = upright.transpose(STORED[orientation]) if orientation in STORED else upright
        return saved(stored, "RGB", "JPEG", exif=exif.tobytes(), quality=95)


@pytest.fixture(scope="module")
def detector(client: Any, s3: Any) -> dict[str, Any]:
    """A detector, trained on upright pictures and on turned ones whose boxes are those of the upright ones."""
    lines = put_boxed_pictures(s3, "oriented/upright", {"scratch": 6, "dent": 6})
    for orientation in ORIENTATIONS:
        key = f"oriented/{orientation}.jpg"
        s3.put_object(Bucket=BUCKET, Key=key, Body=oriented(orientation))
        lines.append(boxes_line(key, *SCENE, size=SIZE))
    version = train(client, s3, lines, lines)
    start(client, version["ProjectVersionArn"])
    return version


def test_turned_pictures_are_trained_on_as_they_are_seen(s3: Any, detector: dict[str, Any]) -> None:
    assert detector["Status"] == "TRAINING_COMPLETED", detector["StatusMessage"]
    assert counts(s3, detector)["invalid"] == 0
    assert detector["EvaluationResult"]["F1Score"] > 0.8


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_boxes_are_those_of_the_upright_picture(client: Any, detector: dict[str, Any], orientation: int) -> None:
    image = {"Bytes": oriented(orientation)}
    answer = client.detect_custom_labels(ProjectVersionArn=detector["ProjectVersionArn"], Image=image)
    found = {label["Name"]: label["Geometry"]["BoundingBox"] for label in reversed(answer["CustomLabels"])}

    for label, *sides in SCENE:
        shares = found[label]
        box = Box(*(shares[side] * SIZE[n % 2] for n, side in enumerate(("Left", "Top", "Width", "Height"))))
        assert overlap(box, Box(*map(float, sides))) >= 0.5


# Several labels on one picture


def marked(*labels: str, seed: int) -> bytes:
    """A grey picture with a mark in the colour of each label."""
    places = {"scratch": (10, 10), "dent": (60, 30), "ok": (30, 50)}
    return boxed_picture(*((label, *places[label], 28, 24) for label in labels if label in COLORS), seed=seed)


SETS = (("scratch",), ("dent",), ("scratch", "dent"), ("ok",), ("ok", "scratch"), ("ok", "dent"))


@pytest.fixture(scope="module")
def several(client: Any, s3: Any) -> dict[str, Any]:
    """A classifier of pictures that have one label or two."""
    sides = []
    for side, number in (("train", 5), ("test", 2)):
        lines = []
        for labels in SETS:
            for index in range(number):
                key = f"several/{side}/{'-'.join(labels)}-{index}.png"
                s3.put_object(Bucket=BUCKET, Key=key, Body=marked(*labels, seed=len(lines) + 1000 * number))
                lines.append(line(key, *labels))
        sides.append(lines)
    version = train(client, s3, *sides)
    start(client, version["ProjectVersionArn"])
    return version


def test_every_label_of_a_picture_is_learned_and_judged(s3: Any, several: dict[str, Any]) -> None:
    assert several["Status"] == "TRAINING_COMPLETED", several["StatusMessage"]
    assert several["EvaluationResult"]["F1Score"] > 0.9
    results = summary_of(s3, several)["LabelEvaluationResults"]
    assert {result["Label"]: result["NumberOfTestingImages"] for result in results} == dict.fromkeys(COLORS, 6)
    (row, *_) = output_lines(s3, several["TestingDataResult"]["Output"])
    predicted = {row[f"rekognition-custom-labels-evaluation-{n}-metadata"]["class-name"] for n in range(3)}
    assert predicted == set(COLORS)


@pytest.mark.parametrize("labels", SETS, ids="-".join)
def test_every_label_of_a_picture_is_answered(client: Any, several: dict[str, Any], labels: tuple[str, ...]) -> None:
    assert set(names(client, several, {"Bytes": marked(*labels, seed=7)})) == set(labels)
