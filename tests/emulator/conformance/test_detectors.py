"""Detectors from manifest to answer, over the wire."""

import json
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.emulator.clients import (
    copy,
    describe,
    output,
    output_kinds,
    output_lines,
    settled,
    start,
    stop,
    train,
)
from tests.emulator.datasets import (
    boxed_picture,
    boxes_line,
    picture,
    put_boxed_pictures,
    put_pictures,
)
from tests.emulator.processes import RunningService
from tests.emulator.target import BUCKET

ALL_FILES = {
    "ManifestSummary",
    "TrainingManifestWithValidation",
    "TestingManifestWithValidation",
    "EvaluationResultSummary",
    "TrainingGroundTruth",
    "TestingGroundTruth",
}
SCENE = boxed_picture(("scratch", 12, 10, 30, 24), ("dent", 60, 40, 24, 20), seed=77)


@pytest.fixture(scope="session")
def boxed_lines(s3: Any) -> list[dict[str, Any]]:
    return put_boxed_pictures(s3, "boxed", {"scratch": 4, "dent": 4})


@pytest.fixture(scope="session")
def boxed_testing_lines(s3: Any) -> list[dict[str, Any]]:
    return put_boxed_pictures(s3, "boxed-test", {"scratch": 2, "dent": 2}, seed=50)


@pytest.fixture(scope="session")
def detector(rekognition: Any, s3: Any, boxed_lines: list[Any], boxed_testing_lines: list[Any]) -> dict[str, Any]:
    """A trained detector that no test may change."""
    return train(rekognition, s3, boxed_lines, boxed_testing_lines)


@pytest.fixture(scope="module")
def detect(rekognition: Any, detector: dict[str, Any]) -> Any:
    """Detect with a copy of the detector that runs for the whole module."""
    arn = settled(rekognition, copy(rekognition, detector))["ProjectVersionArn"]
    start(rekognition, arn, units=5)
    yield detecting(rekognition, arn)
    stop(rekognition, arn)


def detecting(rekognition: Any, arn: str) -> Callable[..., list[dict[str, Any]]]:
    def detect(image: bytes, **parameters: Any) -> list[dict[str, Any]]:
        answer = rekognition.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": image}, **parameters)
        return answer["CustomLabels"]

    return detect


def statistics(s3: Any, version: dict[str, Any], side: str = "training") -> dict[str, Any]:
    return json.loads(output(s3, version["ManifestSummary"]))["statistics"][side]


def counts(s3: Any, version: dict[str, Any], side: str = "training") -> dict[str, int]:
    found = statistics(s3, version, side)
    return {name: found[f"{name}_json_lines"] for name in ("total", "valid", "invalid", "ignored")}


def codes(entries: list[dict[str, str]]) -> list[str]:
    return [entry["code"] for entry in entries]


def summary_of(s3: Any, version: dict[str, Any]) -> dict[str, Any]:
    return json.loads(output(s3, version["EvaluationResult"]["Summary"]))


def test_boxes_train_a_detector(s3: Any, detector: dict[str, Any]) -> None:
    assert detector["Status"] == "TRAINING_COMPLETED", detector["StatusMessage"]
    assert detector["EvaluationResult"]["F1Score"] == 1.0
    assert output_kinds(s3, detector["ProjectVersionArn"].split("/")[3]) == ALL_FILES
    for side in ("training", "testing"):
        assert statistics(s3, detector, side)["use_case"] == "OBJECT_LOCALIZATION"


def test_summary_of_a_detector_has_mean_precision_and_recall_and_no_confusion_matrix(
    s3: Any, detector: dict[str, Any]
) -> None:
    summary = summary_of(s3, detector)

    assert set(summary["AggregatedEvaluationResults"]) == {
        "AveragePrecision",
        "AverageRecall",
        "F1Score",
        "Precision",
        "Recall",
    }
    assert summary["EvaluationDetails"]["NumberOfTrainingImages"] == 8
    assert summary["EvaluationDetails"]["ProjectVersionArn"] == detector["ProjectVersionArn"]
    assert {result["Label"] for result in summary["LabelEvaluationResults"]} == {"dent", "scratch"}


def test_snapshot_of_a_detector_lists_boxes_for_every_testing_image(
    s3: Any, detector: dict[str, Any], boxed_testing_lines: list[Any]
) -> None:
    rows = output_lines(s3, detector["TestingDataResult"]["Output"])

    assert [row["source-ref"] for row in rows] == [row["source-ref"] for row in boxed_testing_lines]
    for row, given in zip(rows, boxed_testing_lines, strict=True):
        assert boxes_of(row, "rekognition-custom-labels-training-0") == boxes_of(given, "boxes")
        (drawn,) = row["rekognition-custom-labels-evaluation"]["annotations"]
        (true,) = given["boxes"]["annotations"]
        assert [drawn[side] for side in ("left", "top", "width", "height")] == pytest.approx(
            [true[side] for side in ("left", "top", "width", "height")], abs=1
        )


def test_training_ground_truth_of_a_detector_holds_the_boxes_as_given_under_the_names_of_the_service(
    s3: Any, detector: dict[str, Any], boxed_lines: list[Any]
) -> None:
    rows = output_lines(s3, detector["TrainingDataResult"]["Output"])

    assert [row["source-ref"] for row in rows] == [row["source-ref"] for row in boxed_lines]
    assert [row["rekognition-custom-labels-object-id"] for row in rows] == list(range(1, len(rows) + 1))
    for row, given in zip(rows, boxed_lines, strict=True):
        assert boxes_of(row, "rekognition-custom-labels-training-0") == boxes_of(given, "boxes")


def boxes_of(row: dict[str, Any], key: str) -> list[tuple[str, dict[str, int]]]:
    names = row[f"{key}-metadata"]["class-map"]
    return [
        (names[str(box["class_id"])], {side: value for side, value in box.items() if side != "class_id"})
        for box in row[key]["annotations"]
    ]


def test_one_label_is_enough_for_a_detector(rekognition: Any, s3: Any) -> None:
    lines = put_boxed_pictures(s3, "one-label", {"dent": 4})

    version = train(rekognition, s3, lines[:3], lines[3:])

    assert version["Status"] == "TRAINING_COMPLETED", version["StatusMessage"]


def test_boxes_are_split_four_to_one(rekognition: Any, s3: Any) -> None:
    lines = put_boxed_pictures(s3, "boxed-split", {"dent": 5, "scratch": 5})

    version = train(rekognition, s3, lines)

    sizes = [len(output_lines(s3, version[side]["Output"])) for side in ("TrainingDataResult", "TestingDataResult")]
    assert sizes == [8, 2]


def test_label_with_one_boxed_image_cannot_be_split(rekognition: Any, s3: Any) -> None:
    lines = put_boxed_pictures(s3, "boxed-single", {"dent": 4, "scratch": 1})

    version = train(rekognition, s3, lines)

    assert codes(statistics(s3, version)["errors"]) == ["ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT"]


def test_boxed_labels_must_overlap(rekognition: Any, s3: Any) -> None:
    training = put_boxed_pictures(s3, "boxed-overlap", {"dent": 2, "scratch": 2, "ok": 2})
    testing = put_boxed_pictures(s3, "boxed-overlap-test", {"dent": 2})

    version = train(rekognition, s3, training, testing)

    errors = json.loads(output(s3, version["ManifestSummary"]))["errors"]
    assert codes(errors) == ["ERROR_INSUFFICIENT_LABEL_OVERLAP"]


def test_clean_pictures_are_ignored_in_both_sets_however_many(
    rekognition: Any, s3: Any, boxed_lines: list[Any], boxed_testing_lines: list[Any]
) -> None:
    clean = [boxes_line(f"clean/{number}.png") for number in range(10)]

    version = train(rekognition, s3, [*boxed_lines, *clean], [*boxed_testing_lines, *clean])

    assert version["Status"] == "TRAINING_COMPLETED", version["StatusMessage"]
    assert counts(s3, version) == {"total": 18, "valid": 8, "invalid": 0, "ignored": 10}
    assert counts(s3, version, "testing") == {"total": 14, "valid": 4, "invalid": 0, "ignored": 10}
    assert len(output_lines(s3, version["TestingDataResult"]["Output"])) == 4
    assert summary_of(s3, version)["EvaluationDetails"]["NumberOfTestingImages"] == 4
    shown = output_lines(s3, version["TestingDataResult"]["Validation"])[-1]
    assert codes(shown["warnings"]) == ["WARNING_NO_ANNOTATIONS"]
    assert codes(shown["boxes"]["warnings"]) == ["WARNING_NO_ATTRIBUTE_ANNOTATIONS"]


def test_clean_pictures_alone_determine_no_kind_of_model(rekognition: Any, s3: Any) -> None:
    version = train(rekognition, s3, [boxes_line(f"clean/{number}.png") for number in range(4)])

    assert version["Status"] == "TRAINING_FAILED"
    found = statistics(s3, version)
    assert (found["use_case"], found["ignored_json_lines"]) == ("NOT_DETERMINED", 4)
    assert codes(found["errors"]) == ["ERROR_MANIFEST_TOO_FEW_LABELS"]


def test_dropped_box_is_reported_and_its_line_is_used(
    rekognition: Any, s3: Any, boxed_lines: list[Any], boxed_testing_lines: list[Any]
) -> None:
    box = ("scratch", 20, 10, 30, 24)
    reference = boxed_lines[0]["source-ref"].removeprefix(f"s3://{BUCKET}/")
    doubtful = boxes_line(reference, box, ("dent", 90, 10, 30, 24))

    version = train(rekognition, s3, [doubtful, *boxed_lines[1:]], boxed_testing_lines)

    assert counts(s3, version) == {"total": 8, "valid": 8, "invalid": 0, "ignored": 0}
    shown = output_lines(s3, version["TrainingDataResult"]["Validation"])[0]["boxes"]["annotations"]
    assert ["errors" in entry for entry in shown] == [False, True]
    assert codes(shown[1]["errors"]) == ["ERROR_INVALID_BOUNDING_BOX"]
    assert version["EvaluationResult"]["F1Score"] == 1.0


def test_lines_with_bad_boxes_count_as_invalid(
    rekognition: Any, s3: Any, boxed_lines: list[Any], boxed_testing_lines: list[Any]
) -> None:
    bad = [boxes_line(f"bad/{number}.png", ("dent", -1, 0, 9, 9)) for number in range(3)]

    version = train(rekognition, s3, [*boxed_lines, *bad], boxed_testing_lines)

    assert codes(statistics(s3, version)["errors"]) == ["ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST"]
    assert statistics(s3, version)["error_json_line_indices"] == [9, 10, 11]


DIMENSIONS = {
    "other size than the boxes say": (picture("ok", 1, (96, 81)), (96, 80)),
    "short side": (picture("ok", 1, (96, 63)), (96, 63)),
    "long side": (picture("ok", 1, (4097, 300)), (4097, 300)),
    "one side over twenty times the other": (picture("ok", 1, (64 * 20 + 1, 64)), (64 * 20 + 1, 64)),
}


@pytest.mark.parametrize(("image", "size"), DIMENSIONS.values(), ids=DIMENSIONS.keys())
def test_size_of_a_boxed_picture_is_reported_on_its_line(
    rekognition: Any,
    s3: Any,
    boxed_lines: list[Any],
    boxed_testing_lines: list[Any],
    image: bytes,
    size: tuple[int, int],
) -> None:
    s3.put_object(Bucket=BUCKET, Key="boxed/sized.png", Body=image)
    line = boxes_line("boxed/sized.png", ("dent", 10, 10, 20, 20), size=size)

    version = train(rekognition, s3, [*boxed_lines, line], boxed_testing_lines)

    shown = output_lines(s3, version["TrainingDataResult"]["Validation"])[-1]
    assert codes(shown["errors"]) == ["ERROR_INVALID_IMAGE_DIMENSION"]
    assert counts(s3, version) == {"total": 9, "valid": 8, "invalid": 1, "ignored": 0}


def test_unreadable_boxed_picture_is_an_invalid_image(
    rekognition: Any, s3: Any, boxed_lines: list[Any], boxed_testing_lines: list[Any]
) -> None:
    missing = boxes_line("boxed/missing.png", ("dent", 10, 10, 20, 20))

    version = train(rekognition, s3, [*boxed_lines, missing], boxed_testing_lines)

    shown = output_lines(s3, version["TrainingDataResult"]["Validation"])[-1]
    assert codes(shown["errors"]) == ["ERROR_INVALID_IMAGE"]


def test_most_lines_of_the_training_set_decide_what_is_trained(
    rekognition: Any, s3: Any, boxed_lines: list[Any], boxed_testing_lines: list[Any]
) -> None:
    labelled = put_pictures(s3, "few-labels", {"ok": 4, "scratch": 3})

    version = train(rekognition, s3, [*labelled, *boxed_lines], [*boxed_testing_lines, *labelled])

    assert version["Status"] == "TRAINING_COMPLETED", version["StatusMessage"]
    for side, valid in (("training", 8), ("testing", 4)):
        assert statistics(s3, version, side)["use_case"] == "OBJECT_LOCALIZATION"
        assert counts(s3, version, side) == {"total": valid + 7, "valid": valid, "invalid": 0, "ignored": 7}
    assert len(output_lines(s3, version["TrainingDataResult"]["Output"])) == 8


def test_as_many_labels_as_boxes_make_a_classifier(
    rekognition: Any, s3: Any, boxed_lines: list[Any], testing_lines: list[Any]
) -> None:
    labelled = put_pictures(s3, "as-many", {"ok": 4, "scratch": 4})

    version = train(rekognition, s3, [*boxed_lines, *labelled], testing_lines)

    assert statistics(s3, version)["use_case"] == "IMAGE_LEVEL_LABELS"
    assert counts(s3, version) == {"total": 16, "valid": 8, "invalid": 0, "ignored": 8}
    assert "ConfusionMatrix" in summary_of(s3, version)["AggregatedEvaluationResults"]


def test_testing_set_of_the_other_kind_has_no_labels(
    rekognition: Any, s3: Any, boxed_lines: list[Any], testing_lines: list[Any]
) -> None:
    version = train(rekognition, s3, boxed_lines, testing_lines)

    assert version["Status"] == "TRAINING_FAILED"
    assert codes(statistics(s3, version, "testing")["errors"]) == ["ERROR_MANIFEST_TOO_FEW_LABELS"]
    assert statistics(s3, version, "testing")["use_case"] == "NOT_DETERMINED"
    assert statistics(s3, version)["use_case"] == "OBJECT_LOCALIZATION"


def test_detector_answers_where_each_object_is(detect: Any) -> None:
    found = {label["Name"]: label["Geometry"]["BoundingBox"] for label in detect(SCENE)}

    assert found == {
        "scratch": pytest.approx({"Left": 12 / 96, "Top": 10 / 80, "Width": 30 / 96, "Height": 24 / 80}),
        "dent": pytest.approx({"Left": 60 / 96, "Top": 40 / 80, "Width": 24 / 96, "Height": 20 / 80}),
    }


def test_answers_of_a_detector_are_float32_ratios_with_nothing_else(detect: Any) -> None:
    for label in detect(SCENE, MinConfidence=0):
        assert set(label) == {"Name", "Confidence", "Geometry"}
        assert set(label["Geometry"]) == {"BoundingBox"}
        box = label["Geometry"]["BoundingBox"]
        for number in (label["Confidence"], *box.values()):
            assert number == float(np.float32(number))
        assert 0 <= box["Left"] <= box["Left"] + box["Width"] <= 1
        assert 0 <= box["Top"] <= box["Top"] + box["Height"] <= 1


def test_every_object_of_a_label_is_answered_most_confident_first(detect: Any) -> None:
    scene = boxed_picture(("dent", 5, 5, 20, 20), ("dent", 35, 40, 20, 20), ("dent", 65, 10, 20, 20), seed=5)

    found = detect(scene, MinConfidence=50)

    assert [label["Name"] for label in found] == ["dent"] * 3
    confidences = [label["Confidence"] for label in found]
    assert confidences == sorted(confidences, reverse=True)


def test_weak_boxes_are_answered_when_every_confidence_is_asked_for(detect: Any) -> None:
    assert len(detect(SCENE)) == 2
    assert len(detect(SCENE, MinConfidence=0)) == 4


def test_number_of_boxes_is_bounded_as_asked(detect: Any) -> None:
    every = detect(SCENE, MinConfidence=0)

    assert detect(SCENE, MinConfidence=0, MaxResults=1) == every[:1]


def test_nothing_is_found_on_a_clean_picture(detect: Any) -> None:
    assert detect(boxed_picture(seed=9)) == []


def test_assumed_thresholds_count_label_by_label(
    launch: Callable[..., RunningService], s3: Any, tmp_path: Path
) -> None:
    training = put_boxed_pictures(s3, "thresholds", {"scratch": 3, "dent": 3})
    service = launch("--state", tmp_path)
    version = train(service.client(), s3, training, training)
    service.stop()
    edit_versions(tmp_path, lambda body: body | {"thresholds": {"scratch": 0.5, "dent": 0.999999}})
    client = launch("--state", tmp_path).client()
    start(client, version["ProjectVersionArn"])

    found = detecting(client, version["ProjectVersionArn"])(SCENE)

    assert [label["Name"] for label in found] == ["scratch"]


def edit_versions(state: Path, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change what a stopped service remembers of its versions."""
    with closing(sqlite3.connect(state / "state.sqlite3")) as database, database:
        rows = database.execute("SELECT arn, body FROM records WHERE kind = 'ProjectVersion'").fetchall()
        for arn, body in rows:
            changed = json.dumps(edit(json.loads(body)))
            database.execute("UPDATE records SET body = ? WHERE arn = ?", (changed, arn))


def test_copy_of_a_detector_is_a_detector_with_the_same_files(
    rekognition: Any, s3: Any, detector: dict[str, Any]
) -> None:
    version = settled(rekognition, copy(rekognition, detector))
    arn = version["ProjectVersionArn"]

    assert version["Status"] == "COPYING_COMPLETED"
    assert summary_of(s3, version) == summary_of(s3, detector)
    start(rekognition, arn)
    assert all("Geometry" in label for label in detecting(rekognition, arn)(SCENE))
    stop(rekognition, arn)


def test_both_kinds_of_model_run_again_after_a_restart(
    launch: Callable[..., RunningService], s3: Any, tmp_path: Path, boxed_lines: list[Any], training_lines: list[Any]
) -> None:
    service = launch("--state", tmp_path)
    client = service.client()
    versions = [train(client, s3, lines)["ProjectVersionArn"] for lines in (boxed_lines, training_lines)]
    for arn in versions:
        start(client, arn)
    service.stop()

    client = launch("--state", tmp_path).client()

    boxes, labels = (detecting(client, arn)(SCENE, MinConfidence=0) for arn in versions)
    assert [describe(client, arn)["Status"] for arn in versions] == ["RUNNING", "RUNNING"]
    assert all("Geometry" in label for label in boxes)
    assert not any("Geometry" in label for label in labels)


def test_calls_that_wait_for_one_model_do_not_hold_up_another(
    launch: Callable[..., RunningService], s3: Any, tmp_path: Path, boxed_lines: list[Any], training_lines: list[Any]
) -> None:
    gate = tmp_path / "gate"
    service = launch("--state", tmp_path, "--tps-per-unit", 100, CLASSIFICATION_GATE=str(gate))
    client = service.client(max_pool_connections=20, read_timeout=20)
    detector, classifier = (train(client, s3, rows)["ProjectVersionArn"] for rows in (boxed_lines, training_lines))
    start(client, detector)
    start(client, classifier)
    os.mkfifo(gate)

    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(detecting(client, classifier), picture("ok", 1)) for _ in range(8)]
        with gate.open("wb"):
            try:
                found = detecting(client, detector)(SCENE)
            finally:
                gate.unlink()

    assert len(found) == 2
    assert [call.result()[0]["Name"] for call in waiting] == ["ok"] * 8


def test_state_from_before_there_were_detectors_still_loads(
    launch: Callable[..., RunningService], s3: Any, tmp_path: Path, training_lines: list[Any]
) -> None:
    service = launch("--state", tmp_path)
    arn = train(service.client(), s3, training_lines)["ProjectVersionArn"]
    start(service.client(), arn)
    service.stop()
    edit_versions(tmp_path, lambda body: {name: value for name, value in body.items() if name != "use_case"})

    client = launch("--state", tmp_path).client()

    found = detecting(client, arn)(picture("ok", 1))
    assert [(label["Name"], "Geometry" in label) for label in found] == [("ok", False)]
