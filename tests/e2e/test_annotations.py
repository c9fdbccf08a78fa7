"""Pictures with several labels and boxes, as labelling tools describe them: both tasks, from manifest to page."""

import html
import json
from collections.abc import Iterable, Mapping
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
COLOURS = {**SPOTS, "glue": (240, 240, 240)}
Box = tuple[str, int, int]
# Three labels and five boxes.
MANY = ("scratch", "stain", "scratch", "glue", "stain")
SHOWN = {**{label: (label,) for label in COLOURS}, "many": MANY, "clean": ()}
# How a drawn picture is enlarged, the line above it, and what lies between two on a sheet of three columns.
SCALE, STRIP, GAP, COLUMNS, TILES = 1.5, 26, 8, 3, 6


def panel(seed: int, spots: tuple[str, ...]) -> tuple[bytes, list[Box]]:
    """A noisy plate with a coloured square for each label, in columns of their own."""
    random = np.random.default_rng(seed)
    plate = np.array((120, 130, 120)) + random.normal(0, 8, (HEIGHT, WIDTH, 3))
    boxes = []
    for place, label in enumerate(spots):
        left, top = 6 + 47 * place, int(random.integers(4, HEIGHT - SPOT_SIDE - 4))
        plate[top : top + SPOT_SIDE, left : left + SPOT_SIDE] = COLOURS[label]
        boxes.append((label, left, top))
    return as_png(np.clip(plate, 0, 255).astype(np.uint8)), boxes


def line(name: str, boxes: list[Box]) -> str:
    names = sorted({label for label, _, _ in boxes})
    size = {"width": SPOT_SIDE, "height": SPOT_SIDE}
    drawn = [{"class_id": names.index(label), "left": left, "top": top, **size} for label, left, top in boxes]
    metadata = {
        "class-map": {str(number): label for number, label in enumerate(names)},
        "type": "groundtruth/object-detection",
    }
    shape = [{"width": WIDTH, "height": HEIGHT, "depth": 3}]
    entry = {"source-ref": f"images/{name}", "defects": {"image_size": shape, "annotations": drawn}}
    return json.dumps({**entry, "defects-metadata": metadata})


@pytest.fixture(scope="module")
def runs(system: System) -> dict[str, Run]:
    """The run of each task, once it was tested."""
    objects, lines = {}, []
    for kind, spots in SHOWN.items():
        for number in range(8):
            name = f"{kind}{number}.png"
            data, boxes = panel(len(objects), spots)
            objects[f"datasets/{NAME}/images/{name}"] = data
            lines.append(line(name, boxes))
    system.drop({**objects, f"datasets/{NAME}/annotations.manifest": "\n".join(lines).encode()}, NAME)
    return {task: system.run_until(NAME, "inference_test", "development", "COMPLETED", task) for task in TASKS}


def answers_about_many(system: System, run: Run) -> list[dict[str, Any]]:
    result = system.artifact(run.run_id, "development/inference_test.json")
    return [answer for answer in result["answers"] if "/many" in answer["key"]]


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
    tile = WIDTH * SCALE + GAP, HEIGHT * SCALE + STRIP + GAP
    for label in overlays:
        sheet = system.artifact(run_id, f"overlays/{label}.jpg")
        own = [row for row in rows if label in {box["label"] for box in row["boxes"]}]
        drawn = own[:: -(-len(own) // TILES)]
        for place, row in enumerate(drawn):
            corner = place % COLUMNS * tile[0], place // COLUMNS * tile[1] + STRIP
            assert all(is_outlined(sheet, box, corner, TRUTH) for box in row["boxes"]), row["key"]
        assert any(len(row["boxes"]) == len(MANY) for row in drawn)


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
        assert all(is_outlined(drawn, box, (0, STRIP), FOUND) for box in found)
    page = html.unescape(httpx.get(system.link(run_id)).text)
    for label in COLOURS:
        assert f"/runs/{run_id}/overlays/{label}.jpg" in page
    assert all(picture["key"] in page for picture in shown)
    labels = html.unescape(httpx.get(system.link(runs["classification"].run_id)).text)
    assert all(f'<th scope="row">{label}' in labels or f">{label}<" in labels for label in COLOURS)


def is_outlined(drawn: Image.Image, box: Mapping[str, float], corner: tuple[float, float], colour: str) -> bool:
    """Whether the middles of three edges of a box have a colour: what is written may cover the fourth."""
    left, top = corner[0] + box["left"] * SCALE, corner[1] + box["top"] * SCALE
    right, bottom = left + box["width"] * SCALE - 1, top + box["height"] * SCALE - 1
    across, down = (left + right) / 2, (top + bottom) / 2
    middles = [(left + 1, down), (right - 1, down), (across, top + 1), (across, bottom - 1)]
    return sum(is_like(drawn, place, colour) for place in middles) >= 3


def is_like(drawn: Image.Image, place: Iterable[float], colour: str) -> bool:
    x, y = (round(value) for value in place)
    pixel = np.asarray(drawn.convert("RGB").getpixel((x, y)), dtype=int)
    return bool(np.abs(pixel - ImageColor.getrgb(colour)).max() < 60)
