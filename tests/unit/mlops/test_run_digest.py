from dataclasses import replace

from mlops.ground_truth import Dataset, run_digest
from mlops.settings import DatasetSettings
from mlops.splits import Image

IMAGES = tuple(
    Image(f"datasets/d/train/bent/{name}.png", f"etag-{name}", "bent", "train", f"digest-{name}") for name in "abc"
)
DATASET = Dataset("d", IMAGES, {}, DatasetSettings())
SIDES = {image.key: "train" for image in IMAGES}


def test_same_images_same_run_whatever_else_is_known_of_them() -> None:
    seen_later = tuple(replace(image, uploaded_at="2026-03-04T10:15:00.000Z") for image in IMAGES)

    assert run_digest(replace(DATASET, images=seen_later), SIDES) == run_digest(DATASET, dict(reversed(SIDES.items())))


def test_refused_files_beside_usable_ones_make_no_new_run() -> None:
    refused = replace(DATASET, refused={"datasets/d/train/bent/z.txt": "is not a picture"})

    assert run_digest(refused, SIDES) == run_digest(DATASET, SIDES)


def test_everything_that_decides_a_training_makes_a_new_run() -> None:
    first, *others = IMAGES
    digests = {
        run_digest(DATASET, SIDES),
        run_digest(replace(DATASET, images=(replace(first, etag="replaced"), *others)), SIDES),
        run_digest(replace(DATASET, images=tuple(others)), SIDES),
        run_digest(DATASET, SIDES | {first.key: "test"}),
        run_digest(replace(DATASET, settings=DatasetSettings(test_fraction=0.3)), SIDES),
        run_digest(replace(DATASET, problem="dataset.json is not valid JSON"), SIDES),
    }

    assert len(digests) == 6


def test_without_images_what_was_refused_tells_runs_apart() -> None:
    empty = replace(DATASET, images=())

    assert run_digest(replace(empty, refused={"a": "no picture"}), {}) != run_digest(empty, {})
