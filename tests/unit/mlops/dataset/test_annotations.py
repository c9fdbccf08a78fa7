from dataclasses import replace
from itertools import permutations

import pytest

from mlops.dataset.annotations import Annotations, MaskRecord, annotate
from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.images import Image

BOX = Box(10, 20, 30, 40)


def image(path: str, **changes: object) -> Image:
    folder, label, _ = path.split("/")
    label = "normal" if label == "good" else label
    plain = Image(f"datasets/d/{path}", "etag", (label,), folder, f"digest of {path}", 200, 100)
    return replace(plain, **changes)


def mask(path: str, **changes: object) -> MaskRecord:
    *split, label, _ = path.split("/")
    plain = MaskRecord(f"datasets/d/ground_truth/{path}", "".join(split), label, 200, 100, (BOX,))
    return replace(plain, **changes)


def boxed(found: Annotations) -> dict[str, tuple[Box, ...]]:
    return {image.key.removeprefix("datasets/d/"): tuple(b.box for b in image.boxes) for image in found.images}


def problems(found: Annotations) -> dict[str, str]:
    return {key.removeprefix("datasets/d/"): reason for key, reason in found.problems.items()}


def test_a_mask_belongs_to_the_image_with_its_label_and_stem() -> None:
    images = [image("test/bent/000.jpg"), image("test/cut/000.png"), image("test/bent/0.0.png")]
    masks = [mask("cut/000_mask.png", boxes=(Box(1, 2, 3, 4),)), mask("bent/000_mask.png"), mask("bent/0.0_mask.png")]

    found = annotate(images, masks, {})

    assert found.problems == {}
    assert boxed(found) == {
        "test/bent/000.jpg": (BOX,),
        "test/cut/000.png": (Box(1, 2, 3, 4),),
        "test/bent/0.0.png": (BOX,),
    }


@pytest.mark.parametrize("stem", ["00", "000_mask", "0000", "000.png", "O00"])
def test_a_name_that_is_only_similar_is_another_name(stem: str) -> None:
    found = annotate([image("test/bent/000.png")], [mask(f"bent/{stem}_mask.png")], {})

    assert set(problems(found)) == {"test/bent/000.png", f"ground_truth/bent/{stem}_mask.png"}
    assert "no usable image" in problems(found)[f"ground_truth/bent/{stem}_mask.png"]


def test_an_image_of_a_defect_without_mask_is_named_with_the_mask_it_lacks() -> None:
    [reason] = annotate([image("test/bent/000.png")], [], {}).problems.values()

    assert reason == "has no mask datasets/d/ground_truth/bent/000_mask.png: not used for detection"


def test_an_image_whose_mask_was_refused_is_named_with_it() -> None:
    refused = {"datasets/d/ground_truth/test/bent/000_mask.png": "is empty"}

    [reason] = annotate([image("test/bent/000.png")], [], refused).problems.values()

    assert reason == "its mask datasets/d/ground_truth/test/bent/000_mask.png cannot be used: not used for detection"


def test_another_size_names_both_and_both_sizes() -> None:
    found = annotate([image("test/bent/000.png")], [mask("bent/000_mask.png", width=100, height=200)], {})

    assert found.images == []
    assert problems(found) == {
        "ground_truth/bent/000_mask.png": "is 100 x 200 px, its image datasets/d/test/bent/000.png 200 x 100 px: "
        "draw it on the image as it is",
        "test/bent/000.png": "its mask datasets/d/ground_truth/bent/000_mask.png has another size: "
        "not used for detection",
    }


def test_a_mask_that_names_its_side_is_for_that_side() -> None:
    images = [image("train/bent/000.png"), image("test/bent/000.png")]
    other = (Box(1, 1, 5, 5),)

    found = annotate(images, [mask("test/bent/000_mask.png", boxes=other), mask("bent/000_mask.png")], {})

    assert found.problems == {}
    assert boxed(found) == {"train/bent/000.png": (BOX,), "test/bent/000.png": other}


def test_a_mask_that_fits_several_images_fits_none() -> None:
    found = annotate([image("train/bent/000.png"), image("test/bent/000.jpg")], [mask("bent/000_mask.png")], {})

    reason = problems(found)["ground_truth/bent/000_mask.png"]
    assert reason.startswith("fits several images: datasets/d/test/bent/000.jpg, datasets/d/train/bent/000.png; put it")
    assert found.images == []


def test_a_second_mask_of_an_image_is_named() -> None:
    masks = [mask("test/bent/000_mask.png"), mask("bent/000_mask.png")]

    found = annotate([image("test/bent/000.png")], masks, {})

    assert boxed(found) == {"test/bent/000.png": (BOX,)}
    assert problems(found) == {
        "ground_truth/bent/000_mask.png": "a second mask of datasets/d/test/bent/000.png: delete one of them"
    }


def test_clean_images_need_no_mask_and_may_have_an_empty_one() -> None:
    images = [image("train/good/000.png"), image("train/good/001.png")]

    found = annotate(images, [replace(mask("good/001_mask.png", boxes=()), label="normal")], {})

    assert found.problems == {}
    assert boxed(found) == {"train/good/000.png": (), "train/good/001.png": ()}


def test_boxes_are_grown_to_what_the_service_takes() -> None:
    large = image("test/bent/000.png", width=4096, height=100)
    thin = mask("bent/000_mask.png", width=4096, height=100, boxes=(Box(4095, 50, 1, 30),))

    [found] = annotate([large], [thin], {}).images

    # 4096 px become 1280: four pixels stay larger than one.
    assert found.boxes == (LabeledBox("bent", Box(4092, 50, 4, 30)),)


def test_the_order_of_images_and_masks_does_not_matter() -> None:
    images = [image("train/bent/000.png"), image("test/bent/000.png"), image("train/good/000.png")]
    masks = [mask("bent/000_mask.png"), mask("test/bent/000_mask.png"), mask("bent/001_mask.png")]
    expected = annotate(images, masks, {})

    for some_images in permutations(images):
        for some_masks in permutations(masks):
            found = annotate(some_images, some_masks, {})
            assert (boxed(found), found.problems) == (boxed(expected), expected.problems)
