"""Pictures with several labels and boxes, as labelling tools describe them: both tasks, from manifest to page."""

import json

import numpy as np
import pytest

from tests.e2e.conftest import SPOT_SIDE, SPOTS, as_png
from tests.e2e.system import System

pytestmark = pytest.mark.e2e

NAME = "panel"
WIDTH, HEIGHT = 240, 120
Box = tuple[str, int, int]


def panel(seed: int, spots: tuple[str, ...]) -> tuple[bytes, list[Box]]:
    """A noisy plate with a coloured square for each label, in columns of their own."""
    random = np.random.default_rng(seed)
    plate = np.array((120, 130, 120)) + random.normal(0, 8, (HEIGHT, WIDTH, 3))
    boxes = []
    for place, label in enumerate(spots):
        left, top = 10 + 56 * place, int(random.integers(8, HEIGHT - SPOT_SIDE - 8))
        plate[top : top + SPOT_SIDE, left : left + SPOT_SIDE] = SPOTS[label]
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


SHOWN = {
    "scratch": ("scratch",),
    "stain": ("stain",),
    "both": ("scratch", "stain", "scratch", "stain"),
    "clean": (),
}


def test_pictures_with_several_labels_and_boxes_train_both_tasks_and_are_judged_and_drawn_right(system: System) -> None:
    objects, lines = {}, []
    for kind, spots in SHOWN.items():
        for number in range(8):
            name = f"{kind}{number}.png"
            data, boxes = panel(len(objects), spots)
            objects[f"datasets/{NAME}/images/{name}"] = data
            lines.append(line(name, boxes))
    system.drop({**objects, f"datasets/{NAME}/annotations.manifest": "\n".join(lines).encode()}, NAME)

    drawn = system.run_until(NAME, "inference_test", "development", "COMPLETED", "detection")
    result = system.artifact(drawn.run_id, "development/inference_test.json")
    both = [answer for answer in result["answers"] if "/both" in answer["key"]]
    assert both and all(sorted(box["label"] for box in answer["truth"]) == sorted(SHOWN["both"]) for answer in both)
    assert result["per_label"].keys() == {"scratch", "stain"}
    assert set(system.artifact(drawn.run_id, "ground_truth.json")["overlays"]) == {"scratch", "stain"}

    labelled = next(run for run in system.runs(NAME, "classification"))
    truth = system.artifact(labelled.run_id, "ground_truth.json")
    assert truth["labels"] == ["normal", "scratch", "stain"]
    first = system.artifact(labelled.run_id, "manifests/train.manifest").splitlines()
    assert any("label-1-metadata" in text for text in first)
