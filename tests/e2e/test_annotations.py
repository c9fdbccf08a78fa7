"""Pictures with several labels and boxes, as labelling tools describe them: both tasks, from manifest to page."""

import html
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image, ImageColor

from mlops.dataset.manifests import parse_lines
from mlops.pictures.drawing import FOUND, TRUTH
from mlops.records.runs import Run
from tests.e2e.conftest import SPOT_SIDE, SPOTS, as_png
from tests.e2e.system import System

pytestmark = pytest.mark.e2e

NAME = "panel"
TASKS = ("classification", "detection")
WIDTH, HEIGHT = 240, 64
# Gray, so that a camera without colours sees the same.
PLATE = (125, 125, 125)
# The engine of these tests knows mean colours only: what has no spot is darker all over.
CLEAN = (90, 90, 90)
COLOURS = {**SPOTS, "glue": (240, 240, 240)}
Box = tuple[str, int, int]
# Label, left, top, width and height.
Marked = tuple[str, int, int, int, int]
# Three labels and five boxes.
MANY = ("scratch", "stain", "scratch", "glue", "stain")
SHOWN = {**{label: (label,) for label in COLOURS}, "many": MANY, "clean": ()}
# Sides of a drawn picture, the line above it, and what lies between two on a sheet of three columns.
LEAST_SIDE, MOST_SIDE, STRIP, GAP, COLUMNS, TILES = 360, 640, 26, 8, 3, 6


def panel(seed: int, spots: tuple[str, ...]) -> tuple[bytes, list[Box]]:
    """A noisy plate with a coloured square for each label, in columns of their own."""
    random = np.random.default_rng(seed)
    plate = np.array(PLATE if spots else CLEAN) + random.normal(0, 8, (HEIGHT, WIDTH, 3))
    boxes = []
    for place, label in enumerate(spots):
        left, top = 6 + 47 * place, int(random.integers(4, HEIGHT - SPOT_SIDE - 4))
        plate[top : top + SPOT_SIDE, left : left + SPOT_SIDE] = COLOURS[label]
        boxes.append((label, left, top))
    return as_png(np.clip(plate, 0, 255).astype(np.uint8)), boxes


def line(name: str, boxes: list[Marked], size: tuple[int, int], side: str) -> str:
    names, edges = sorted({label for label, *_ in boxes}), ("left", "top", "width", "height")
    drawn = [{"class_id": names.index(label), **dict(zip(edges, box, strict=True))} for label, *box in boxes]
    metadata = {
        "class-map": {str(number): label for number, label in enumerate(names)},
        "type": "groundtruth/object-detection",
    }
    shape = [{"width": size[0], "height": size[1], "depth": 3}]
    entry = {"source-ref": f"images/{name}", "side": side, "defects": {"image_size": shape, "annotations": drawn}}
    return json.dumps({**entry, "defects-metadata": metadata})


@dataclass(frozen=True)
class Shot:
    """A picture as a camera wrote it: its file, and the spot in pixels of the file and of the upright picture."""

    label: str
    data: bytes
    size: tuple[int, int]
    stored: tuple[int, int, int, int]
    upright: tuple[int, int, int, int]


def as_file(image: Image.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def shots(seed: int) -> dict[str, Shot]:
    """Plates as five cameras would write them."""
    exif = Image.Exif()
    exif[0x0112] = 6
    second = Image.new("RGB", (WIDTH, HEIGHT), COLOURS["stain"])

    def shot(number: int, label: str, write: Callable[[Image.Image], bytes]) -> Shot:
        data, ((_, left, top),) = panel(seed + number, (label,))
        spot = (left, top, SPOT_SIDE, SPOT_SIDE)
        return Shot(label, write(Image.open(io.BytesIO(data))), (WIDTH, HEIGHT), spot, spot)

    def lying(plate: Image.Image) -> bytes:
        return as_file(plate.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)

    def deep(plate: Image.Image) -> bytes:
        # 12 of 16 bits are used: most programs show it as black.
        return as_file(Image.fromarray(np.asarray(plate.convert("L")).astype(np.uint16) * 16), "PNG")

    turned = shot(0, "scratch", lying)
    left, top, *sides = turned.upright
    return {
        "turned.jpg": replace(turned, size=(HEIGHT, WIDTH), stored=(top, WIDTH - left - SPOT_SIDE, *sides)),
        "plain.bmp": shot(1, "scratch", lambda plate: as_file(plate, "BMP")),
        "pages.tif": shot(2, "scratch", lambda plate: as_file(plate, "TIFF", save_all=True, append_images=[second])),
        "print.jpg": shot(3, "scratch", lambda plate: as_file(plate.convert("CMYK"), "JPEG", quality=95)),
        "deep.png": shot(4, "glue", deep),
    }


LARGE, LARGE_SPOT = (6000, 4000), (1200, 800, 1423, 1423)
# What the service gets of it, and where the spot is there.
FITTED, FITTED_SPOT = (4096, 2731), (819, 546, 972, 972)


def large(number: int) -> tuple[bytes, bytes]:
    """A plate of 24 megapixels, and its mask."""
    left, top, width, height = LARGE_SPOT
    place = (left, top, left + width, top + height)
    # As dark as the noise of the others leaves them on average.
    plate, mask = Image.new("RGB", LARGE, (PLATE[0], PLATE[1] - 1, PLATE[2] - 1 + number)), Image.new("1", LARGE)
    plate.paste(SPOTS["scratch"], place)
    mask.paste(1, place)
    return as_file(plate, "PNG", compress_level=1), as_file(mask, "PNG")


CAMERAS = ("turned.jpg", "plain.bmp", "pages.tif", "print.jpg", "deep.png", "large.png")
SIDES = ("train",) * 5 + ("test",) * 2 + ("holdout",)


def of_cameras() -> tuple[dict[str, bytes], list[str]]:
    """Files of every camera to train on and to be held out, and the lines of those that have no mask."""
    files, lines = {}, []
    for number, side in enumerate(("train", "holdout")):
        for name, shot in shots(9000 + 10 * number).items():
            files[f"images/{side}/{name}"] = shot.data
            boxes = [(shot.label, *shot.stored)]
            lines.append(line(f"{side}/{name}", boxes, shot.size, side))
        files[f"{side}/scratch/large.png"], mask = large(number)
        files[f"ground_truth/{side}/scratch/large_mask.png"] = mask
    return files, lines


@pytest.fixture(scope="module")
def runs(system: System) -> dict[str, Run]:
    """The run of each task, once it was tested."""
    objects, lines = {}, []
    for kind, spots in SHOWN.items():
        for number in range(8):
            name = f"{kind}{number}.png"
            data, boxes = panel(len(objects), spots)
            objects[f"images/{name}"] = data
            marked = [(label, *place, SPOT_SIDE, SPOT_SIDE) for label, *place in boxes]
            lines.append(line(name, marked, (WIDTH, HEIGHT), SIDES[number]))
    files, more = of_cameras()
    objects |= files | {"annotations.manifest": "\n".join([*lines, *more]).encode()}
    system.upload({f"datasets/{NAME}/{name}": data for name, data in objects.items()})
    system.upload({f"datasets/{NAME}/dataset.json": b'{"split": "folders"}'})
    return {task: system.run_until(NAME, "inference_test", "development", "COMPLETED", task) for task in TASKS}


def answers_about_many(system: System, run: Run) -> list[dict[str, Any]]:
    return [answer for answer in system.answers(run.run_id, "development") if "/many" in answer["key"]]


def test_a_picture_with_three_labels_is_trained_on_and_called_by_all_three(
    system: System, runs: Mapping[str, Run]
) -> None:
    run = runs["classification"]
    truth = system.artifact(run.run_id, "ground_truth.json")
    trained = parse_lines(system.artifact(run.run_id, "manifests/train.manifest"))
    many = [entry for entry in trained if "/many" in entry["source-ref"]]

    assert truth["labels"] == ["glue", "normal", "scratch", "stain"]
    assert many
    for entry in many:
        names = [entry[f"{name}-metadata"]["class-name"] for name in ("label", "label-1", "label-2")]
        assert names == ["glue", "scratch", "stain"]
    asked = answers_about_many(system, run)
    assert asked
    for answer in asked:
        assert sorted(answer["labels"]) == answer["truths"] == ["glue", "scratch", "stain"]


def test_a_picture_with_five_boxes_is_trained_on_and_all_five_are_found(
    system: System, runs: Mapping[str, Run]
) -> None:
    run = runs["detection"]
    result = system.artifact(run.run_id, "development/inference_test.json")
    asked = answers_about_many(system, run)

    assert result["per_label"].keys() == set(COLOURS)
    assert asked
    for answer in asked:
        for boxes, outcome in ((answer["truth"], "hit"), (answer["found"], "right")):
            assert sorted(box["label"] for box in boxes) == sorted(MANY)
            assert {box["outcome"] for box in boxes} == {outcome}


def test_five_boxes_of_three_labels_are_drawn_where_they_are(system: System, runs: Mapping[str, Run]) -> None:
    run_id = runs["detection"].run_id
    rows = sorted(parse_lines(system.artifact(run_id, "images.jsonl")), key=lambda row: row["key"])
    overlays = system.artifact(run_id, "ground_truth.json")["overlays"]

    assert overlays.keys() == set(COLOURS)
    checked = set()
    for label in overlays:
        sheet = system.artifact(run_id, f"overlays/{label}.jpg")
        own = [row for row in rows if label in {box["label"] for box in row["boxes"]}]
        for row, corner in places(own[:: -(-len(own) // TILES)]):
            assert all(is_outlined(sheet, box, corner, TRUTH, scale_of(row)) for box in row["boxes"]), row["key"]
            checked.add(tuple(sorted(box["label"] for box in row["boxes"])))
    assert tuple(sorted(MANY)) in checked


def test_what_was_found_is_drawn_and_the_page_shows_it(system: System, runs: Mapping[str, Run]) -> None:
    run_id = runs["detection"].run_id
    gallery = system.artifact(run_id, "development/inference_test.json")["gallery"]
    answers = {answer["key"]: answer for answer in answers_about_many(system, runs["detection"])}
    shown = [picture for picture in gallery if picture["image"] in answers]

    assert shown
    for picture in shown:
        drawn = system.artifact(run_id, picture["key"].removeprefix(f"runs/{run_id}/"))
        found = [box["box"] for box in answers[picture["image"]]["found"]]
        assert len(found) == len(MANY)
        scale = LEAST_SIDE / WIDTH
        assert all(is_outlined(drawn, box, (0, STRIP), FOUND, scale) for box in found)
    page = html.unescape(httpx.get(system.link(run_id)).text)
    for label in COLOURS:
        assert f"/runs/{run_id}/overlays/{label}.jpg" in page
    assert all(picture["key"] in page for picture in shown)
    labels = html.unescape(httpx.get(system.link(runs["classification"].run_id)).text)
    assert all(f'<th scope="row">{label}</th>' in text for label in COLOURS for text in (page, labels))


def key_of(name: str, side: str) -> str:
    place = f"{side}/scratch" if name == "large.png" else f"images/{side}"
    return f"datasets/{NAME}/{place}/{name}"


@pytest.mark.parametrize("name", CAMERAS)
def test_a_picture_of_any_camera_is_trained_on_and_asked_about_as_a_person_sees_it(
    system: System, runs: Mapping[str, Run], name: str
) -> None:
    s3, bucket = system.cloud.client("s3"), system.outputs["DataBucketName"]
    for task, run in runs.items():
        rows = {row["key"]: row for row in parse_lines(system.artifact(run.run_id, "images.jsonl"))}
        copies = {side: rows[key_of(name, side)]["picture"] for side in ("train", "holdout")}
        assert all(copy.startswith(f"prepared/{NAME}/") for copy in copies.values())
        trained = {
            entry["source-ref"] for entry in parse_lines(system.artifact(run.run_id, "manifests/train.manifest"))
        }
        assert f"s3://{bucket}/{copies['train']}" in trained
        answers = system.answers(run.run_id, "development")
        (asked,) = (answer for answer in answers if answer["key"] == key_of(name, "holdout"))
        assert asked["picture"] == copies["holdout"]
        if task == "classification":
            assert asked["labels"] == asked["truths"]
            continue
        assert [box["outcome"] for box in (*asked["truth"], *asked["found"])] == ["hit", "right"]
        for number, (side, copy) in enumerate(copies.items()):
            shot = shots(9000 + 10 * number).get(name)
            (box,) = rows[key_of(name, side)]["boxes"]
            place = tuple(box[edge] for edge in ("left", "top", "width", "height"))
            assert place == (shot.upright if shot else FITTED_SPOT)
            shown = Image.open(io.BytesIO(s3.get_object(Bucket=bucket, Key=copy)["Body"].read())).convert("RGB")
            assert shown.size == ((WIDTH, HEIGHT) if shot else FITTED)
            assert is_on_spot(np.asarray(shown).astype(int), place, COLOURS[box["label"]])


def is_on_spot(pixels: np.ndarray, place: tuple[int, ...], colour: tuple[int, int, int]) -> bool:
    """Whether a box has the colour of the defect up to its edges, and what is around it has not."""
    left, top, width, height = place
    near = np.abs(pixels - colour).max(axis=2) < 50
    inside = near[top + 1 : top + height - 1, left + 1 : left + width - 1]
    return bool(inside.mean() > 0.97 and near.sum() - inside.sum() < 0.15 * inside.size)


def scale_of(row: Mapping[str, Any]) -> float:
    longest = max(row["width"], row["height"])
    return min(MOST_SIDE / longest, max(1.0, LEAST_SIDE / longest))


def places(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], tuple[int, int]]]:
    """Where the pictures of a sheet have their upper left corners."""
    top = 0
    for first in range(0, len(rows), COLUMNS):
        left, height = 0, 0
        for row in rows[first : first + COLUMNS]:
            yield row, (left, top + STRIP)
            wide, tall = (round(row[side] * scale_of(row)) for side in ("width", "height"))
            left, height = left + max(wide, LEAST_SIDE) + GAP, max(height, tall + STRIP)
        top += height + GAP


def is_outlined(
    drawn: Image.Image, box: Mapping[str, float], corner: tuple[float, float], colour: str, scale: float
) -> bool:
    """Whether a box is drawn in a colour: names of boxes may cover some of its edges, and fill one at most."""
    left, top = corner[0] + box["left"] * scale, corner[1] + box["top"] * scale
    right, bottom = left + box["width"] * scale - 1, top + box["height"] * scale - 1
    # The line is three pixels wide, from the edge inwards.
    steps = np.linspace(0.1, 0.9, 9)
    points = [(x, y) for x in left + steps * (right - left) for y in (top + 1, bottom - 1)]
    points += [(x, y) for y in top + steps * (bottom - top) for x in (left + 1, right - 1)]
    return sum(is_like(drawn, point, colour) for point in points) > 0.4 * len(points)


def is_like(drawn: Image.Image, place: Iterable[float], colour: str) -> bool:
    x, y = (round(value) for value in place)
    pixel = np.asarray(drawn.convert("RGB").getpixel((x, y)), dtype=int)
    return bool(np.abs(pixel - ImageColor.getrgb(colour)).max() < 60)
