"""Detection: the service's snapshot, real answers, and what is drawn of them."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlops.codec import object_of
from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.images import Image as Picture
from mlops.dataset.tiles import trained_tiles
from mlops.judging import inference, mistakes, snapshots
from mlops.judging.answers import Call, said_in
from mlops.judging.classification import Classification
from mlops.judging.detection import BoxAnswer, Detection
from mlops.judging.gate import Thresholds
from mlops.judging.inference import Limits
from mlops.judging.mistakes import Shown
from mlops.pictures import drawing
from mlops.pictures.drawing import Mark, draw
from mlops.stage import StageRef
from mlops.stages import eval_metric


def judge(*given: Any, **named: Any) -> dict[str, Any]:
    """The document that is written of a judgement."""
    task, of_service, text, *more = given
    return object_of(eval_metric.judge(task, of_service, task.snapshot(text.split("\n")), *more, **named))


def outcomes(text: str, thresholds: dict[str, float], least_iou: float = 0.5) -> list[Any]:
    """What became of everything in a snapshot at thresholds."""
    snapshot = Detection(least_iou).snapshot(text.split("\n"))
    return [outcome for _, found in snapshot.outcomes(thresholds) for outcome in found]


TASK = Detection(0.5)
TRUTH, ANSWER = "rekognition-custom-labels-training-0", "rekognition-custom-labels-evaluation"
Found = tuple[str, float, tuple[float, float, float, float]]


@pytest.fixture(autouse=True)
def _gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_ON", "value")


def attribute(boxes: list[Found]) -> tuple[dict[str, Any], dict[str, Any]]:
    labels = sorted({label for label, _, _ in boxes})
    sides = ("left", "top", "width", "height")
    value = {
        "image_size": [{"width": 100, "height": 100, "depth": 3}],
        "annotations": [
            {"class_id": labels.index(label), **dict(zip(sides, box, strict=True))} for label, _, box in boxes
        ],
    }
    details = {f"{ANSWER}-details": {"version": 1}}
    metadata = {
        "objects": [{"confidence": confidence, **details} for _, confidence, _ in boxes],
        "class-map": {str(number): label for number, label in enumerate(labels)},
        "type": "groundtruth/object-detection",
    }
    return value, metadata


def line(truth: list[Found], said: list[Found]) -> str:
    entry: dict[str, Any] = {"source-ref": "s3://b/a.png"}
    entry[TRUTH], entry[f"{TRUTH}-metadata"] = attribute(truth)
    entry[ANSWER], entry[f"{ANSWER}-metadata"] = attribute(said)
    return json.dumps(entry) + "\n"


AT, NEAR, FAR = (10, 10, 20, 20), (12, 10, 20, 20), (60, 60, 20, 20)
# bent: one found, one missed for its low confidence; cut: one false alarm, one found.
SNAPSHOT = (
    line([("bent", 1, AT)], [("bent", 0.9, NEAR), ("cut", 0.8, FAR)])
    + line([("bent", 1, AT)], [("bent", 0.3, AT)])
    + line([("cut", 1, FAR)], [("cut", 0.7, FAR), ("bent", 0.1, AT)])
)


def as_aws_has_it(snapshot: str) -> str:
    """The same with an object id, a confidence beside the boxes, and one number for a class on a line."""
    numbers = {"bent": 4, "cut": 9}
    entries = [json.loads(row) for row in snapshot.splitlines()]
    for place, entry in enumerate(entries, start=1):
        for key in (TRUTH, ANSWER):
            metadata = entry[f"{key}-metadata"]
            for box in entry[key]["annotations"]:
                box["class_id"] = numbers[metadata["class-map"][str(box["class_id"])]]
            metadata["class-map"] = {str(number): label for label, number in numbers.items()}
            metadata["creation-date"] = "2019-10-21T22:02:18.432644"
        entry[f"{ANSWER}-metadata"]["confidence"] = 0.95
        entry["rekognition-custom-labels-object-id"] = place
    return "".join(f"{json.dumps(entry)}\n" for entry in entries)


def summary(**aggregates: float) -> dict[str, Any]:
    metrics = {"Precision": 0.5, "Recall": 1.0, "F1Score": 2 / 3, "Threshold": 0.6}
    return {
        "AggregatedEvaluationResults": {"F1Score": 2 / 3, "Precision": 0.75, "Recall": 0.75, **aggregates},
        "LabelEvaluationResults": [
            {"Label": "bent", "Metrics": {**metrics, "Threshold": 0.5}, "NumberOfTestingImages": 2},
            {"Label": "cut", "Metrics": metrics, "NumberOfTestingImages": 1},
        ],
    }


def test_snapshot_is_judged_box_by_box_at_the_assumed_thresholds() -> None:
    judged = judge(TASK, summary(), SNAPSHOT, Thresholds(0.5, 0))

    assert judged["recomputed"]["per_label"] == {
        "bent": {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2},
        "cut": {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1},
    }
    assert judged["agrees"]
    assert judged["reasons"] == []


def test_a_snapshot_is_read_alike_with_all_that_aws_adds_and_without() -> None:
    plain, full = (judge(TASK, summary(), text, Thresholds(0.5, 0)) for text in (SNAPSHOT, as_aws_has_it(SNAPSHOT)))

    assert plain == full


def test_boxes_of_fractions_and_of_whole_pixels_are_read_alike() -> None:
    fractions = line([("bent", 1, (10, 10, 20, 20))], [("bent", 0.512345678, (10.4, 9.7, 20.2, 20.1))])
    pixels = line([("bent", 1, (10, 10, 20, 20))], [("bent", 0.51235, (10, 10, 20, 20))])

    assert outcomes(fractions, {"bent": 0.5}) == outcomes(pixels, {"bent": 0.5}) == [("bent", True, True)]


@pytest.mark.parametrize(
    ("confidence", "is_found"),
    [(0.612348, True), (0.612347, False), (0.61235, True), (0.61234, False)],
)
def test_a_confidence_of_five_digits_is_compared_with_as_many_of_its_threshold(
    confidence: float, is_found: bool
) -> None:
    snapshot = line([("bent", 1, AT)], [("bent", confidence, AT)])

    assert outcomes(snapshot, {"bent": 0.612348}) == [("bent", True, is_found)]


def test_average_precision_and_recall_are_kept_where_the_service_has_them() -> None:
    judged = judge(TASK, summary(AveragePrecision=0.6, AverageRecall=0.9), SNAPSHOT, Thresholds(0.5, 0))

    assert (judged["service"]["average_precision"], judged["service"]["average_recall"]) == (0.6, 0.9)


def test_a_label_below_its_threshold_is_named_with_its_boxes() -> None:
    judged = judge(TASK, summary(), SNAPSHOT, Thresholds(0.5, 0.7, {"cut": 0}))

    assert judged["reasons"][-1] == "at its operating points: F1 of bent is 0.667 on 2 boxes, below 0.700"


def test_a_stricter_overlap_makes_near_boxes_wrong() -> None:
    thresholds = {"bent": 0.5, "cut": 0.6}

    assert ("bent", True, True) in outcomes(SNAPSHOT, thresholds)
    assert ("bent", True, True) not in outcomes(SNAPSHOT, thresholds, 0.95)


def label(name: str, confidence: float, box: Box) -> dict[str, Any]:
    drawn = {"Left": box.left / 200, "Top": box.top / 100, "Width": box.width / 200, "Height": box.height / 100}
    return {"Name": name, "Confidence": confidence, "Geometry": {"BoundingBox": drawn}}


def call(key: str, truth: list[Box], *said: Mapping[str, Any], of: str = "bent", error: str = "") -> Call:
    boxes = tuple(LabeledBox(of, box) for box in truth)
    picture = Picture(f"datasets/d/{key}", "", (of,), "holdout", "", 200, 100, boxes=boxes)
    return Call(picture, said_in(list(said), picture), 10, error)


def answers_to(calls: list[Call]) -> list[BoxAnswer]:
    return [TASK.answer(call, {}) for call in calls]


def measured(calls: list[Call]) -> dict[str, Any]:
    return object_of(TASK.measure(answers_to(calls)))


BOX, OTHER = Box(20, 30, 40, 40), Box(120, 10, 60, 30)
HIT = call("hit.png", [BOX], label("bent", 90, BOX))
MISS = call("miss.png", [BOX, OTHER], label("bent", 80, OTHER))
WRONG_LABEL = call("wrong.png", [BOX], label("cut", 70, BOX))
CLEAN = call("clean.png", [], of="normal")
ALARM = call("alarm.png", [], label("cut", 60, BOX), label("bent", 55, OTHER), of="normal")


def test_scores_are_those_of_the_boxes_on_images_with_defects() -> None:
    found = measured([HIT, MISS, WRONG_LABEL, CLEAN, ALARM])

    assert found["per_label"]["bent"] == {
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
        "support": 4,
        "missed": 2,
        "false_alarms": 0,
        "false_alarms_on_clean_images": 1,
    }
    assert found["per_label"]["cut"]["false_alarms"] == 1
    # The mean is over the labels that occur in the truth.
    assert found["f1"] == pytest.approx(2 / 3)


def test_false_alarms_are_counted_per_clean_image() -> None:
    assert measured([HIT, CLEAN, ALARM])["false_alarm_rate"] == 1.0
    assert measured([HIT, MISS])["false_alarm_rate"] is None


def test_a_second_box_on_the_same_defect_is_a_false_alarm() -> None:
    (answer,) = answers_to([call("a.png", [BOX], label("bent", 90, BOX), label("bent", 80, BOX))])

    assert [box.outcome for box in answer.found] == ["right", "false_alarm"]


def test_too_many_false_alarms_fail_the_test_and_say_how_many() -> None:
    judged = object_of(inference.judge(TASK, [HIT, ALARM, CLEAN], Limits({"f1": 0.5, "false_alarm_rate": 0.5}))[0])

    assert judged["reasons"] == ["inference test: 1.000 false alarms per clean image are more than 0.500"]
    assert json.loads(json.dumps(judged, allow_nan=False)) == judged


def test_labels_without_a_box_are_not_found() -> None:
    found = measured([call("a.png", [BOX], {"Name": "bent", "Confidence": 99.0})])

    assert found["per_label"]["bent"]["missed"] == 1


def row(key: str, side: str, boxed: bool) -> dict[str, Any]:
    boxes = [{"left": 1, "top": 2, "width": 3, "height": 4}] if boxed else []
    size = {"width": 9, "height": 9}
    return {"key": key, "etag": "e", "side": side, "label": "bent" if boxed else "normal", **size, "boxes": boxes}


def test_held_out_images_are_asked_about_and_all_clean_ones() -> None:
    inventory = [row("a", "train", True), row("b", "test", True), row("c", "holdout", True), row("d", "test", False)]

    subjects, side = inference.choose(TASK, inventory, 50)

    assert ([subject.key for subject in subjects], side) == (["c", "d"], "holdout")


def test_without_held_out_boxes_the_test_images_are_asked_about() -> None:
    inventory = [row("a", "train", True), row("b", "test", True), row("d", "holdout", False)]

    subjects, side = inference.choose(TASK, inventory, 50)

    assert ([subject.key for subject in subjects], side) == (["b", "d"], "test")


def test_a_classifier_is_asked_about_one_side_only() -> None:
    inventory = [row("a", "holdout", False), row("b", "test", False), row("c", "holdout", True)]

    assert [subject.key for subject in inference.choose(Classification(), inventory, 50)[0]] == ["c", "a"]


def test_most_images_that_were_asked_about_are_asked_about_again_when_others_come() -> None:
    inventory = [row(f"{number:02}", "holdout", True) for number in range(40)]

    before, after = (
        {subject.key for subject in inference.choose(TASK, rows, 10)[0]} for rows in (inventory[:30], inventory)
    )

    assert len(before) == len(after) == 10
    assert len(before & after) >= 6


REF = StageRef("d-detection-0123456789ab", "d", "detection", "inference_test", "staging")


def test_gallery_shows_misses_first_then_false_alarms_then_what_is_right() -> None:
    answers = answers_to([CLEAN, HIT, ALARM, MISS, WRONG_LABEL])

    planned = mistakes.plan(REF, answers)

    assert [item.image.split("/")[-1] for item in planned] == [
        "wrong.png",
        "miss.png",
        "alarm.png",
        "hit.png",
        "clean.png",
    ]
    assert planned[0] == Shown(
        key="runs/d-detection-0123456789ab/staging/gallery/00-missed.jpg",
        image="datasets/d/wrong.png",
        caption="1 missed, 1 false alarm: wrong.png",
        is_wrong=True,
    )
    assert [item.key.split("/")[-1] for item in planned[2:]] == [
        "02-false-alarm.jpg",
        "03-found.jpg",
        "04-clean.jpg",
    ]
    assert [item.caption for item in planned[3:]] == ["all found: hit.png", "clean, nothing found: clean.png"]


def test_gallery_is_bounded_and_keeps_room_for_what_is_right() -> None:
    calls = [call(f"{number}.png", [BOX]) for number in range(40)] + [HIT] * 40

    planned = mistakes.plan(REF, answers_to(calls))

    assert len(planned) == 24
    assert sum(item.is_wrong for item in planned) == 18


def picture(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.full((size[1], size[0]), 90, np.uint8)).convert(mode)


@pytest.mark.parametrize("size", [(64, 64), (64, 1280), (512, 512), (4096, 300)])
def test_marks_are_drawn_where_the_boxes_are(size: tuple[int, int]) -> None:
    width, height = size
    box = Box(width / 4, height / 4, width / 2, height / 2)

    drawn = draw(picture(size), [Mark(box, "", drawing.TRUTH)], "caption")

    scale = max(drawn.width if width > 360 else 360, 1) / width if width >= height else (drawn.height - 26) / height
    pixels = np.asarray(drawn)
    green = np.all(np.abs(pixels.astype(int) - (0x2B, 0xD6, 0x5A)) < 12, axis=2)
    rows, columns = np.flatnonzero(green.any(1)), np.flatnonzero(green.any(0))
    assert columns[0] == pytest.approx(box.left * scale, abs=2)
    assert columns[-1] == pytest.approx((box.left + box.width) * scale, abs=2)
    assert rows[-1] == pytest.approx((box.top + box.height) * scale + 26, abs=2)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_images_of_every_mode_are_drawn_on(mode: str) -> None:
    assert draw(picture((100, 80), mode), [Mark(BOX, "bent", drawing.FOUND)], "x").mode == "RGB"


def test_sixteen_bit_images_are_not_blown_out() -> None:
    image = Image.fromarray(np.full((80, 100), 0x5A00, np.uint16))

    assert np.asarray(draw(image, [], ""))[60, 60].tolist() == [0x5A] * 3


def test_texts_of_neighbouring_marks_do_not_cover_each_other() -> None:
    places: list[drawing._Place] = []
    canvas = drawing.ImageDraw.Draw(Image.new("RGB", (500, 500)))
    for _ in range(6):
        places.append(drawing._label(canvas, Mark(BOX, "same place", "#ffffff"), 1.0, (500, 500), places))

    assert len(set(places)) == 6
    assert not any(drawing._overlaps(place, places[:number]) for number, place in enumerate(places))


def test_a_caption_that_is_too_long_is_cut() -> None:
    assert draw(picture((100, 100)), [], "very long " * 50).width == 360


def test_jpeg_of_the_same_drawing_is_the_same() -> None:
    first, second = (drawing.as_jpeg(draw(picture((100, 100)), [Mark(BOX, "x", "#ffffff")], "a")) for _ in range(2))

    assert first == second
    assert Image.open(io.BytesIO(first)).format == "JPEG"


def test_a_snapshot_of_tiles_becomes_one_of_pictures() -> None:
    """Two tiles of one picture share a box; the third one was not tested, for it has none."""
    long = Box(60, 10, 90, 20)
    whole = Picture("datasets/d/test/bent/1.png", "", ("bent",), "test", "d" * 64, 240, 100, 9, "PNG")
    whole = replace(whole, boxes=(LabeledBox("bent", long),))
    small = replace(whole, key="datasets/d/test/bent/2.png", width=100, boxes=(LabeledBox("bent", Box(*AT)),))
    other = replace(small, key="datasets/d/test/bent/3.png")
    parts = list(trained_tiles(whole, 100))
    assert len(parts) == 2
    said = [[("bent", 0.9, (60, 10, 40, 20))], [("bent", 0.8, (0, 10, 80, 20)), ("cut", 0.3, (50, 60, 9, 9))]]
    lines = [line([], found).replace("b/a.png", f"b/{part.picture}") for part, found in zip(parts, said, strict=True)]
    lines.append(line([], [("bent", 0.7, AT)]).replace("b/a.png", f"b/{small.key}"))

    first, second = snapshots.boxes_put_together(lines, [whole, small, other], 100)
    together = [LabeledBox("bent", long, 0.9), LabeledBox("cut", Box(120, 60, 9, 9), 0.3)]
    assert first == (whole.key, [LabeledBox("bent", long)], together)
    assert second == (small.key, [LabeledBox("bent", Box(*AT))], [LabeledBox("bent", Box(*AT), 0.7)])


def test_a_version_that_was_tested_on_tiles_is_judged_by_its_pictures() -> None:
    pictures = line([("bent", 1, AT)], [("bent", 0.9, AT)]) + line([("cut", 1, FAR)], [("cut", 0.7, FAR)])
    shown = TASK.snapshot(pictures.split("\n"))
    judged = judge(TASK, summary(), SNAPSHOT, Thresholds(0.5, 0), pictures=shown)

    assert (judged["at_points"]["f1"], judged["test_images"]) == (1.0, 2)
    # What the service says of tiles is compared with our own count of tiles.
    assert judged["recomputed"] == judge(TASK, summary(), SNAPSHOT, Thresholds(0.5, 0))["recomputed"]
