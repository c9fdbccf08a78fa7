import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from mlops.dataset.images import Image, image_of
from mlops.dataset.limits import MAX_BYTES, BoxSizes, Verdict, check_manifests, image_faults
from mlops.dataset.manifests import manifest_of

SHAPE = {"width": 640, "height": 480, "size": 1000, "format": "PNG"}


def images(side: str, **counts: int) -> list[Image]:
    return [
        Image(f"datasets/d/{side}/{label}/{number}.png", "e", (label,), side, "x", uploaded_at="2026-03-04T10:15:00Z")
        for label, count in counts.items()
        for number in range(count)
    ]


def manifest(listed: list[Image]) -> str:
    return manifest_of("classification", listed, "bucket")


def checked(train: str, test: str, shapes: dict[str, dict[str, Any]], region: str = "") -> Verdict:
    faults = {key: image_faults(**shape) for key, shape in shapes.items()}
    lines = (text.removesuffix("\n").split("\n") if text else [] for text in (train, test))
    return check_manifests("classification", *lines, faults, region)


def check(train: list[Image], test: list[Image], **odd: dict[str, Any]) -> tuple[list[str], list[str]]:
    shapes = {image.key: SHAPE for image in train + test} | odd
    verdict = checked(manifest(train), manifest(test), shapes)
    return verdict.violations, verdict.warnings


def test_a_sound_dataset_has_nothing_against_it() -> None:
    assert check(images("train", normal=10, bent=10), images("test", normal=3, bent=3)) == ([], [])


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((63, 640, 10, "PNG"), "is 63 x 640 px; each side must have 64 to 4096 px"),
        ((640, 4097, 10, "PNG"), "is 640 x 4097 px"),
        ((64, 1281, 10, "JPEG"), "one side may be at most 20 times the other"),
        ((640, 480, MAX_BYTES + 1, "JPEG"), f"at most {MAX_BYTES} are allowed"),
        ((640, 480, 10, "GIF"), "is GIF; it must be PNG or JPEG"),
        ((640, 480, 10, ""), "of an unknown format"),
    ],
)
def test_an_image_beyond_a_limit_is_told_so(shape: tuple[int, int, int, str], said: str) -> None:
    [fault] = image_faults(*shape)

    assert said in fault


@pytest.mark.parametrize("shape", [(64, 64, 1, "PNG"), (4096, 4096, MAX_BYTES, "JPEG"), (64, 1280, 1, "PNG")])
def test_an_image_at_the_limit_is_taken(shape: tuple[int, int, int, str]) -> None:
    assert image_faults(*shape) == []


def test_a_fault_names_its_file() -> None:
    train = images("train", normal=10, bent=10)

    violations, _ = check(train, images("test", normal=1, bent=1), **{train[3].key: SHAPE | {"width": 30}})

    assert violations == [f"{train[3].key} is 30 x 480 px; each side must have 64 to 4096 px"]


def test_an_image_without_a_record_is_named() -> None:
    train, test = images("train", normal=10, bent=10), images("test", normal=1, bent=1)

    verdict = checked(manifest(train), manifest(test), {image.key: SHAPE for image in train})

    assert verdict.violations == [f"{image.key} is not in the inventory of the run" for image in reversed(test)]


def test_an_empty_side_is_named() -> None:
    violations, _ = check(images("train", normal=10, bent=10), [])

    assert any(violation.startswith("test has no images") for violation in violations)


@pytest.mark.parametrize("side", ["train", "test"])
def test_one_label_is_too_few_on_either_side(side: str) -> None:
    one, two = images(side, bent=12), images("other", bent=12, normal=12)
    violations, _ = check(*((one, two) if side == "train" else (two, one)))

    assert violations == [f"{side} has 1 label (bent); classification needs 2 to 250: add images of further labels"]


def test_too_many_labels_are_counted() -> None:
    counts = {f"l{number:03}": 1 for number in range(251)}

    violations, _ = check(images("train", **counts), images("test", **counts))

    assert [violation.split(" (")[0] for violation in violations] == ["train has 251 labels", "test has 251 labels"]
    assert "and 246 more" in violations[0]


def test_too_long_label_is_named() -> None:
    name = "x" * 256

    violations, _ = check(images("train", normal=10, **{name: 10}), images("test", normal=1, **{name: 1}))

    assert violations == [f"label name longer than 255 characters: {name}"]


def test_half_of_the_labels_must_be_tested() -> None:
    train = images("train", a=10, b=10, c=10, d=10, normal=10)

    violations, warnings = check(train, images("test", a=1, normal=1))

    [violation] = violations
    assert violation.startswith("only 2 of the 5 labels in train occur in test") and violation.endswith("b, c, d")
    assert [warning.split(" has")[0] for warning in warnings] == ["b", "c", "d"]


def test_more_than_1000_test_images_of_a_label_are_refused() -> None:
    violations, _ = check(images("train", normal=10, bent=10), images("test", normal=1001, bent=1000))

    assert violations == ["test has 1001 images of normal; at most 1000"]


def test_an_image_twice_or_on_both_sides_is_named() -> None:
    train, test = images("train", normal=10, bent=10), images("test", normal=2, bent=2)

    violations, _ = check([*train, train[0]], [*test, train[1]])

    assert violations == [
        f"train names an image twice: s3://bucket/{train[0].key}",
        f"in both train and test: s3://bucket/{train[1].key}; an image may stand on one side only",
    ]


def test_images_of_two_buckets_are_refused() -> None:
    train, test = images("train", normal=10, bent=10), images("test", normal=2, bent=2)
    text = manifest(train[:5]) + manifest_of("classification", train[5:], "other")

    verdict = checked(text, manifest(test), {image.key: SHAPE for image in train + test})

    assert verdict.violations == ["train has images from several buckets: bucket, other"]


def test_a_line_that_is_too_long_is_named() -> None:
    train, test = images("train", normal=10, bent=10), images("test", normal=2, bent=2)
    [first, *rest] = manifest(train).splitlines()
    padded = json.dumps(json.loads(first) | {"note": "x" * 100_000})

    verdict = checked("\n".join([padded, *rest]), manifest(test), {i.key: SHAPE for i in train + test})

    [violation] = verdict.violations
    assert violation.startswith("datasets/d/train/bent/0.png: its manifest line has 100")


def test_other_line_separators_in_a_key_do_not_break_a_line() -> None:
    train, test = images("train", normal=10, bent=10), images("test", normal=2, bent=2)
    odd = Image("datasets/d/train/bent/a\u2028b\x85c.png", "e", ("bent",), "train", "x")

    assert check([*train, odd], test) == ([], [])


@pytest.mark.parametrize(("region", "train", "test"), [("eu-west-2", 28_000, 7_000), ("eu-west-1", 250_000, 250_000)])
def test_some_regions_take_fewer_images(region: str, train: int, test: int) -> None:
    line = '{"source-ref":"s3://b/datasets/d/%d.png","l":0,"l-metadata":{"class-name":"%s"}}'

    def lines(count: int) -> Iterator[str]:
        return (line % (number, "cut" if number % 2 else "normal") for number in range(count))

    verdict = check_manifests("classification", lines(28_001), lines(7_001), defaultdict(list), region)

    told = [violation for violation in verdict.violations if "in this Region" in violation]
    assert told == [
        f"{side} has {most + 1} images; at most {most} are allowed in this Region"
        for side, most in (("train", train), ("test", test))
        if most < 250_000
    ]


def test_what_is_allowed_but_unwise_is_a_warning() -> None:
    violations, warnings = check(images("train", cut=9, bent=10), images("test", cut=1, bent=1, dent=1))

    assert violations == []
    assert warnings == [
        "dent occurs in test but not in train: it cannot be learned",
        "cut has 9 training images; at least 10 are advised",
        "no label 'normal': every image will be called a defect",
    ]


def row(width: int, height: int, *sides: int) -> dict[str, Any]:
    boxes = [{"left": 0, "top": 0, "width": side, "height": 50} for side in sides]
    return {"width": width, "height": height, "boxes": boxes}


@pytest.mark.parametrize(
    ("inventory", "said"),
    [
        ([], []),
        # Pictures that are not made smaller, and boxes that stay large enough.
        ([row(1280, 960, 8, 20)], []),
        ([row(2560, 1920, 16, 40)], []),
        # One of thirty is no share to speak of.
        ([row(2560, 1920, 12, *[40] * 29)], []),
        (
            [row(3000, 2000, 10, 40)],
            ["1 of 2 boxes are less than 8 px", "tiles of 1600 x 1600 px", "1 of them would be"],
        ),
        (
            [row(3000, 2000, 3, 10, 9)],
            ["3 of 3 boxes", "tiles of 1408 x 1408 px", "2 of them would be", "1 would stay too small"],
        ),
        ([row(3000, 2000, 3, 40)], ["as small in the pictures themselves"]),
        ([row(1400, 1400, 8)], ["tiles of 1280 x 1280 px"]),
    ],
)
def test_boxes_that_shrink_out_of_sight_are_told_with_a_tile_that_shows_them(
    inventory: list[dict[str, Any]], said: list[str]
) -> None:
    sizes = BoxSizes()
    for one in inventory:
        sizes.take(image_of({"key": "k", "side": "train", "label": "cut", **one}))
    told = sizes.told()

    assert len(told) == bool(said)
    assert all(part in told[0] for part in said)
