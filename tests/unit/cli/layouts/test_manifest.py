"""The annotation manifest has the form of SageMaker Ground Truth output that Custom Labels takes."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from cli.layouts.contents import Box, Labelled
from cli.layouts.manifest import line, rounded, write
from cli.layouts.registry import read
from tests.unit.cli.layouts.samples import plain


def picture(name: str = "a/b.jpg", **changes: Any) -> Labelled:
    facts = {
        "side": "train",
        "labels": ("dent", "rust"),
        "boxes": (Box("rust", 1.4, 2.5, 3, 4), Box("dent", 0, 0, 9, 9)),
    }
    return Labelled(PurePosixPath(name), 80, 64, **{**facts, **changes})


def test_boxes_are_an_attribute_of_object_detection() -> None:
    entry = json.loads(line(picture(group="part 7")))

    assert entry["source-ref"] == "a/b.jpg"
    assert (entry["side"], entry["group"]) == ("train", "part 7")
    assert entry["bounding-box"] == {
        "image_size": [{"width": 80, "height": 64, "depth": 3}],
        "annotations": [
            {"class_id": 1, "left": 1, "top": 3, "width": 3, "height": 4},
            {"class_id": 0, "left": 0, "top": 0, "width": 9, "height": 9},
        ],
    }
    assert entry["bounding-box-metadata"] == {
        "class-map": {"0": "dent", "1": "rust"},
        "objects": [{"confidence": 1}, {"confidence": 1}],
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": "2000-01-01T00:00:00",
        "job-name": "labeling-job/layouts",
    }


def test_every_label_is_an_attribute_of_image_classification() -> None:
    entry = json.loads(line(picture()))

    assert [entry[f"label-{number}-metadata"]["class-name"] for number in (0, 1)] == ["dent", "rust"]
    assert entry["label-0"] == 0
    assert entry["label-0-metadata"] == {
        "class-name": "dent",
        "confidence": 1.0,
        "type": "groundtruth/image-classification",
        "human-annotated": "yes",
        "creation-date": "2000-01-01T00:00:00",
        "job-name": "labeling-job/layouts",
    }


def test_a_good_part_has_an_empty_list_of_boxes_and_an_unmarked_defect_none() -> None:
    clean, unmarked = picture(labels=("normal",), boxes=()), picture(boxes=())

    assert json.loads(line(clean))["bounding-box"]["annotations"] == []
    assert "bounding-box" not in json.loads(line(unmarked))


def test_where_nobody_marked_anything_no_line_has_boxes() -> None:
    text = write([picture("a.jpg", boxes=()), picture("b.jpg", labels=("normal",), boxes=())])

    assert "bounding-box" not in text


def test_lines_are_sorted_and_compact() -> None:
    text = write([picture("b.jpg"), picture("a.jpg", side=None, labels=("傷",), boxes=())])

    first, second = text.splitlines()
    assert first.startswith('{"label-0":0,"label-0-metadata":{"class-name":"傷","confidence":1.0,')
    assert first.endswith('"source-ref":"a.jpg"}') and '"source-ref":"b.jpg"' in second
    assert text == write([picture("a.jpg", side=None, labels=("傷",), boxes=()), picture("b.jpg")])


def test_no_pictures_make_no_lines() -> None:
    assert write([]) == ""


@pytest.mark.parametrize(
    ("box", "whole"),
    [
        (Box("x", 1.5, 1.4, 1, 1), Box("x", 2, 1, 1, 1)),
        (Box("x", 1.4, 1.4, 0.05, 0.05), Box("x", 1, 1, 1, 1)),
        (Box("x", 79.9, 63.9, 0.05, 0.05), Box("x", 79, 63, 1, 1)),
        (Box("x", 0, 0, 80, 64), Box("x", 0, 0, 80, 64)),
    ],
)
def test_a_box_is_rounded_to_whole_pixels_of_its_picture(box: Box, whole: Box) -> None:
    assert rounded(box, 80, 64) == whole


def test_what_was_read_is_read_again_from_its_manifest(tmp_path: Path) -> None:
    plain(tmp_path)
    before = read(tmp_path)

    (tmp_path / "annotations.manifest").write_text(write(before.pictures))
    after = read(tmp_path)

    def told(entry: Labelled) -> tuple[Any, ...]:
        return (entry.path, entry.side, entry.labels, entry.boxes, entry.group)

    assert (before.layout, after.layout) == ("plain", "dataset")
    assert list(map(told, before.pictures)) == list(map(told, after.pictures))
