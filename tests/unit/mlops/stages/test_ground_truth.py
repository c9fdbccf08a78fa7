from collections.abc import Mapping
from dataclasses import replace

import pytest

from mlops.dataset.annotations import MaskRecord
from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.dataset_json import DatasetSettings
from mlops.dataset.images import Image
from mlops.dataset.keys import SPLITS
from mlops.dataset.learning import learning_of
from mlops.stages.ground_truth import Dataset, run_digest, start_runs

IMAGES = tuple(
    Image(f"datasets/d/train/bent/{name}.png", f"etag-{name}", ("bent",), "train", f"digest-{name}", 99, 99)
    for name in "abc"
)
DATASET = Dataset("d", IMAGES, {}, DatasetSettings())
SIDES = {image.key: "train" for image in IMAGES}


def digest(dataset: Dataset, sides: Mapping[str, str], task: str = "classification") -> str:
    learning = learning_of(task)
    return run_digest(learning, dataset, learning.select(dataset, sides), sides)


def test_same_images_same_run_whatever_else_is_known_of_them() -> None:
    seen_later = tuple(
        replace(image, uploaded_at="2026-03-04T10:15:00.000Z", etag="in-parts-2", version_id="v2") for image in IMAGES
    )

    assert digest(replace(DATASET, images=seen_later), SIDES) == digest(DATASET, dict(reversed(SIDES.items())))


def test_refused_files_beside_usable_ones_make_no_new_run() -> None:
    refused = replace(DATASET, refused={"datasets/d/train/bent/z.txt": "is not a picture"})

    assert digest(refused, SIDES) == digest(DATASET, SIDES)


def test_everything_that_decides_a_training_makes_a_new_run() -> None:
    first, *others = IMAGES
    digests = {
        digest(DATASET, SIDES),
        digest(replace(DATASET, images=(replace(first, digest="replaced"), *others)), SIDES),
        digest(replace(DATASET, images=tuple(others)), SIDES),
        digest(DATASET, SIDES | {first.key: "test"}),
        digest(replace(DATASET, images=(replace(first, labels=("cut",)), *others)), SIDES),
        digest(replace(DATASET, settings=DatasetSettings(test_fraction=0.3)), SIDES),
        digest(replace(DATASET, problem="dataset.json is not valid JSON"), SIDES),
    }

    assert len(digests) == 7


def test_without_images_what_was_refused_tells_runs_apart() -> None:
    empty = replace(DATASET, images=())

    assert digest(replace(empty, refused={"a": "no picture"}), {}) != digest(empty, {})


BENT, CLEAN = (
    IMAGES[0],
    tuple(
        Image(f"datasets/d/train/good/{name}.png", f"e-{name}", ("normal",), "train", f"clean-{name}") for name in "xyz"
    ),
)
MASK = MaskRecord("datasets/d/ground_truth/bent/a_mask.png", "", "bent", 99, 99, (Box(1, 2, 30, 40),))
BOXES = tuple(LabeledBox("bent", box) for box in MASK.boxes)
MARKED = Dataset("d", (BENT, *CLEAN), {}, DatasetSettings(), masks=(MASK,))
MARKED_SIDES = {BENT.key: "train", **{image.key: side for image, side in zip(CLEAN, SPLITS, strict=True)}}


def test_masks_decide_detection_and_leave_classification_alone() -> None:
    moved = replace(MARKED, masks=(replace(MASK, boxes=(Box(1, 2, 30, 41),)),))

    assert digest(MARKED, MARKED_SIDES) == digest(moved, MARKED_SIDES)
    assert digest(MARKED, MARKED_SIDES, "detection") != digest(moved, MARKED_SIDES, "detection")


def test_clean_images_on_the_training_side_are_nothing_to_detection() -> None:
    fewer = replace(MARKED, images=(BENT, *CLEAN[1:]))

    assert digest(MARKED, MARKED_SIDES, "detection") == digest(fewer, MARKED_SIDES, "detection")
    assert digest(MARKED, MARKED_SIDES) != digest(fewer, MARKED_SIDES)


def test_the_tasks_that_are_asked_for_change_no_run() -> None:
    one_task = replace(MARKED, settings=DatasetSettings(tasks=("classification",)))

    assert digest(one_task, MARKED_SIDES) == digest(MARKED, MARKED_SIDES)


def test_detection_keeps_the_clean_images_that_are_held_out() -> None:
    assert learning_of("detection").select(MARKED, MARKED_SIDES).images == (replace(BENT, boxes=BOXES), CLEAN[2])


def test_without_held_out_clean_images_those_of_the_test_side_are_kept() -> None:
    sides = MARKED_SIDES | {CLEAN[2].key: "train"}

    assert learning_of("detection").select(MARKED, sides).images == (replace(BENT, boxes=BOXES), CLEAN[1])


def test_tasks_follow_the_masks_unless_the_settings_name_them() -> None:
    assert MARKED.tasks == ("classification", "detection")
    assert DATASET.tasks == ("classification",)
    assert replace(DATASET, refused_masks={"m": "is empty"}).tasks == ("classification", "detection")
    assert replace(DATASET, settings=DatasetSettings(tasks=("detection",))).tasks == ("detection",)


def test_the_tasks_that_come_after_one_that_fails_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def start(dataset: Dataset, task: str) -> None:
        begun.append(task)
        if task == "classification":
            raise TimeoutError("busy")

    monkeypatch.setenv("TASKS", "both")
    monkeypatch.setattr("mlops.stages.ground_truth.start_run", start)
    with pytest.raises(ExceptionGroup, match="dataset d"):
        start_runs(MARKED)

    assert begun == ["classification", "detection"]


@pytest.mark.parametrize(
    ("served", "begun"),
    [
        ("both", ["classification", "detection"]),
        ("classification", ["classification"]),
        ("detection", ["detection"]),
    ],
)
def test_a_stack_trains_only_what_it_serves(monkeypatch: pytest.MonkeyPatch, served: str, begun: list[str]) -> None:
    started: list[str] = []
    monkeypatch.setenv("TASKS", served)
    monkeypatch.setattr("mlops.stages.ground_truth.start_run", lambda dataset, task: started.append(task))
    start_runs(MARKED)

    assert started == begun
