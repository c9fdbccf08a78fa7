import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from local.rekognition.engine import BoxedImage, DetectionModel, FoundBox, LabeledBox, decode_image, train_detector
from local.rekognition.engine.boxes import mirror, overlaps
from local.rekognition.engine.proposals import outstanding
from local.rekognition.engine.regions import Head, choose, fit_labels
from local.rekognition.engine.thresholds import Finds, best_cut, fit_scores, hits
from tests.unit.engine.worn_tray import draw_trays

CUT = 0.5


@pytest.fixture(scope="module")
def trays() -> list[BoxedImage]:
    return draw_trays(60, seed=0)


@pytest.fixture(scope="module")
def model(trays: list[BoxedImage]) -> DetectionModel:
    return train_detector(trays)


@pytest.fixture(scope="module")
def few() -> list[BoxedImage]:
    return draw_trays(8, seed=3)


def corners(boxes: list) -> np.ndarray:
    return np.array([(b.left, b.top, b.left + b.width, b.top + b.height) for b in boxes]).reshape(-1, 4)


def f1(found: list[list[FoundBox]], images: list[BoxedImage], label: str) -> float:
    hit = total = 0
    for boxes, image in zip(found, images, strict=True):
        own = [box for box in boxes if box.label == label and box.score >= CUT]
        true = [box for box in image.boxes if box.label == label]
        width, height = decode_image(image.data).size
        scaled = corners(own) * (width, height, width, height)
        hit += hits(scaled, np.array([box.score for box in own]), corners(true)).sum()
        total += len(own) + len(true)
    return 2 * hit / total


def encode(image: Image.Image, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def test_finds_parts_that_lie_anywhere(model: DetectionModel) -> None:
    unseen = draw_trays(30, seed=1)

    found = model.predict([image.data for image in unseen])

    assert np.mean([f1(found, unseen, label) for label in model.labels]) >= 0.9


def test_finds_little_on_empty_trays(model: DetectionModel) -> None:
    empty = draw_trays(15, seed=2, least=0, most=0)

    found = model.predict([image.data for image in empty])

    assert sum(box.score >= CUT for boxes in found for box in boxes) <= 3


def test_own_cut_of_every_label_is_one_half(model: DetectionModel) -> None:
    assert model.own_cuts == {"nut": CUT, "screw": CUT, "washer": CUT}


def test_training_without_a_hit_in_unseen_images_leaves_no_own_cut(model: DetectionModel) -> None:
    _, cuts = fit_scores(Finds(np.array([1.0, -1.0]), np.zeros(2, bool), np.array([0, 2]), np.ones(3, int)))

    assert replace(model, cuts=cuts).own_cuts == {}


def test_found_boxes_are_inside_the_frame_best_first(model: DetectionModel, trays: list[BoxedImage]) -> None:
    for boxes in model.predict([image.data for image in trays[:5]]):
        edges, scores = corners(boxes), [box.score for box in boxes]
        assert edges.min() >= 0
        assert edges.max() <= 1 + 1e-9
        assert (edges[:, 2:] > edges[:, :2]).all()
        assert scores == sorted(scores, reverse=True)
        assert 0.02 <= scores[-1] <= scores[0] <= 1
        assert len(boxes) <= 50


def test_no_images_give_no_boxes(model: DetectionModel) -> None:
    assert model.predict([]) == []


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA"])
def test_images_of_every_mode_are_searched(model: DetectionModel, trays: list[BoxedImage], mode: str) -> None:
    image = decode_image(trays[0].data).convert(mode)

    assert len(model.predict([encode(image)])) == 1


@pytest.mark.parametrize("size", [(64, 64), (1280, 64), (64, 900), (1000, 700)])
def test_images_of_every_size_are_searched(model: DetectionModel, size: tuple[int, int]) -> None:
    (boxes,) = model.predict([encode(Image.new("RGB", size, "grey"), "JPEG")])

    assert all(box.left + box.width <= 1 + 1e-9 and box.top + box.height <= 1 + 1e-9 for box in boxes)


def test_same_images_in_any_order_give_the_same_model(few: list[BoxedImage], tmp_path: Path) -> None:
    shuffled = [replace(few[index], boxes=few[index].boxes[::-1]) for index in np.random.default_rng(3).permutation(8)]

    train_detector(few).save(tmp_path / "first")
    train_detector(shuffled).save(tmp_path / "second")

    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_saved_model_finds_the_same(model: DetectionModel, trays: list[BoxedImage], tmp_path: Path) -> None:
    model.save(tmp_path / "model")

    loaded = DetectionModel.load(tmp_path / "model")

    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert loaded.labels == model.labels == ("nut", "screw", "washer")
    files = [image.data for image in trays[:3]]
    assert loaded.predict(files) == model.predict(files)


def test_file_of_another_kind_is_not_loaded(tmp_path: Path) -> None:
    with (tmp_path / "other").open("wb") as file:
        np.savez(file, values=np.zeros(3))

    with pytest.raises(ValueError, match="not a detection model"):
        DetectionModel.load(tmp_path / "other")


def test_one_image_with_one_label_is_enough(few: list[BoxedImage]) -> None:
    box = few[0].boxes[0]

    model = train_detector([replace(few[0], boxes=(box,))])

    (boxes,) = model.predict([few[0].data])
    width, height = decode_image(few[0].data).size
    assert model.labels == (box.label,)
    assert overlaps(corners(boxes) * (width, height, width, height), corners([box])).max() >= 0.5


def test_box_that_fills_the_image_is_learned(few: list[BoxedImage]) -> None:
    filled = [replace(one, boxes=(replace(one.boxes[0], left=0, top=0, width=320, height=320),)) for one in few[:3]]

    assert len(train_detector(filled).predict([few[0].data])) == 1


def test_image_that_cannot_be_decoded_is_named(few: list[BoxedImage]) -> None:
    broken = BoxedImage("s3://trays/broken.png", b"broken", few[0].boxes)

    with pytest.raises(ValueError, match=r"s3://trays/broken\.png: not a PNG or JPEG"):
        train_detector([few[0], broken])


def test_image_without_a_box_is_named(few: list[BoxedImage]) -> None:
    with pytest.raises(ValueError, match=r"tray/000\.png has no box"):
        train_detector([replace(few[0], boxes=()), few[1]])


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        train_detector([])


def test_image_that_cannot_be_searched_is_counted_out(model: DetectionModel, trays: list[BoxedImage]) -> None:
    with pytest.raises(ValueError, match="image 1: not a PNG or JPEG"):
        model.predict([trays[0].data, b"broken"])


def arrow(name: str, points_left: bool, random: np.random.Generator) -> BoxedImage:
    """A plate with one arrow, which points to the left or to the right."""
    picture = Image.fromarray(random.normal(128, 12, (240, 320, 3)).clip(0, 255).astype(np.uint8))
    left, top = random.integers(40, 180), random.integers(40, 150)
    width, height = (int(side) for side in random.integers((70, 30), (95, 45)))
    middle, tip = top + height / 2, left if points_left else left + width
    neck = left + width / 2
    ImageDraw.Draw(picture).polygon([(neck, top), (tip, middle), (neck, top + height)], fill=(230, 220, 60))
    shaft = (neck, middle - 5, left + width, middle + 5) if points_left else (left, middle - 5, neck, middle + 5)
    ImageDraw.Draw(picture).rectangle(shaft, fill=(230, 220, 60))
    label = "to_the_left" if points_left else "to_the_right"
    return BoxedImage(name, encode(picture), (LabeledBox(label, left, top, width, height),))


def test_few_images_are_not_mirrored_where_a_label_says_a_side() -> None:
    random = np.random.default_rng(5)
    arrows = [arrow(f"{number:02}.png", number % 2 == 0, random) for number in range(24)]

    found = train_detector(arrows[:14]).predict([image.data for image in arrows[14:]])

    assert [boxes[0].label for boxes in found] == [image.boxes[0].label for image in arrows[14:]]


def test_a_mirrored_box_lies_as_far_from_the_other_edge() -> None:
    assert mirror(np.array([[1.0, 2.0, 4.0, 8.0]]), 10).tolist() == [[6.0, 2.0, 9.0, 8.0]]


def test_boxes_that_lie_almost_together_vote_on_where_the_object_lies() -> None:
    boxes = np.array([[10.0, 10, 30, 30], [14, 10, 34, 30], [60, 60, 80, 80]])
    odds = np.array([[3.0], [3.0], [1.0]])

    chosen, labels, scores = choose((boxes, odds), 1.0)

    # Two of the same odds share 16 of 24 columns: each counts itself whole, and the other by two thirds.
    assert chosen.tolist() == [pytest.approx([11.6, 10, 31.6, 30]), [60, 60, 80, 80]]
    assert (labels.tolist(), scores.tolist()) == ([0, 0], [3.0, 1.0])


def test_how_good_finds_are_is_the_mean_over_the_labels_at_the_best_cut_of_each() -> None:
    odds, hit = np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, False, True, False])

    # The first label: both found, with one false alarm in between. The second: nothing is there but one miss.
    finds = Finds(odds, hit, np.array([0, 0, 0, 1]), np.array([2, 1]))

    assert finds.f1() == pytest.approx((2 * 2 / (3 + 2) + 0) / 2)


def test_a_label_that_some_folds_have_not_seen_is_judged_by_those_that_have() -> None:
    random = np.random.default_rng(0)

    def rows(*labels: int) -> tuple:
        shown = np.eye(3, dtype=np.float32)[list(labels)] + random.normal(0, 0.1, (len(labels), 3))
        return shown, np.array(labels), np.zeros((len(labels), 4)), np.ones(len(labels))

    seen, unseen = (Head(fit_labels([rows(*labels)], 2), np.zeros((4, 4))) for labels in ((0, 1, 2) * 9, (0, 1) * 9))

    both = Head.mean([seen, unseen]).labels.log_probabilities(np.eye(3, dtype=np.float32))

    assert both.argmax(1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("box", [(4, 6, 9, 26), (20, 3, 34, 17)])
def test_what_stands_out_is_proposed_as_large_as_it_is(box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    strangeness = np.random.default_rng(1).uniform(0, 1, (30, 40)).astype(np.float32)
    strangeness[top:bottom, left:right] += 3
    found = outstanding(strangeness)
    assert overlaps(found, np.array([box], float)).max() > 0.6


def test_nothing_stands_out_of_what_is_alike_everywhere() -> None:
    assert outstanding(np.ones((10, 12), np.float32)).shape == (0, 4)


def test_a_cut_is_the_middle_of_those_that_are_as_good() -> None:
    # One of two true boxes found and nothing wrong, or both and two wrong ones: F1 is two thirds either way.
    odds, hit = np.array([5.0, 4.0, 3.0, 2.0]), np.array([True, False, False, True])

    assert best_cut(odds, hit, 2) == pytest.approx(3.5)
