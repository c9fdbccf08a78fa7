"""Every layout is recognised as itself, and read whole: labels, boxes to the pixel, side and group."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.layouts.contents import Labelled, Recognised
from cli.layouts.files import Files
from cli.layouts.registry import LAYOUTS, NotRecognised, read, recognised_by
from tests.unit.cli.layouts.samples import (
    EVERY,
    ONE,
    SAMPLES,
    TWO,
    Expected,
    Sample,
    coco,
    manifest,
    picture,
    plain,
    text,
    voc,
    yolo,
)

# What layouts have beside what can be taught.
LEFT_OUT = ("is kept private by its makers", "is a test picture without labels", "is a copy of 02/img_02.jpg")
NAMES = [sample.__name__ for _, sample in EVERY]


def as_expected(found: Labelled) -> Expected:
    boxes = tuple((box.label, (box.left, box.top, box.width, box.height)) for box in found.boxes)
    return Expected(found.labels, tuple(sorted(boxes)), found.side, found.group)


def contents(found: Recognised) -> dict[str, Expected]:
    return {str(entry.path): as_expected(entry) for entry in found.pictures}


@pytest.mark.parametrize(("name", "sample"), EVERY, ids=NAMES)
def test_a_folder_is_read_whole(tmp_path: Path, name: str, sample: Sample) -> None:
    expected = sample(tmp_path)

    found = read(tmp_path)

    assert found.layout == name
    assert contents(found) == {
        path: Expected(entry.labels, tuple(sorted(entry.boxes)), entry.side, entry.group)
        for path, entry in expected.items()
    }
    assert not [entry for entry in found.left_out if not any(part in entry.why for part in LEFT_OUT)]


@pytest.mark.parametrize(("name", "sample"), EVERY, ids=NAMES)
def test_a_layout_is_recognised_as_no_other(tmp_path: Path, name: str, sample: Sample) -> None:
    sample(tmp_path)

    files = Files(tmp_path)
    # Manifests of Lookout for Vision lie beside folders that could be taken as they are, too.
    assert {layout.name for layout in LAYOUTS if layout.recognises(files)} - {"plain"} == {name} - {"plain"}
    assert recognised_by(tmp_path) == [name]


def test_annotation_files_say_more_than_the_folders_that_they_lie_in(tmp_path: Path) -> None:
    plain(tmp_path)
    coco(tmp_path)
    assert recognised_by(tmp_path) == ["coco"]

    manifest(tmp_path)
    assert recognised_by(tmp_path) == ["manifest"]


def test_every_layout_has_a_sample() -> None:
    assert SAMPLES.keys() == {layout.name for layout in LAYOUTS}


def test_no_defect_is_always_called_normal_and_said(tmp_path: Path) -> None:
    for name in ("good", "normal", "ok", "OK", "Free", "defect_free", "pass", "NG", "ko", "bad"):
        picture(tmp_path, f"train/{name} /{name}.png")

    found = read(tmp_path)

    defects = {entry.labels for entry in found.pictures} - {("normal",)}
    assert defects == {("NG",), ("ko",), ("bad",)}
    assert set(found.normal_labels) == {"good", "ok", "OK", "Free", "defect_free", "pass"}


def test_a_label_that_reads_like_no_defect_is_asked_about_and_can_be_said_to_be(tmp_path: Path) -> None:
    picture(tmp_path, "train/MT_Free/a.png")
    picture(tmp_path, "train/dent/b.png")

    asked, told = read(tmp_path), read(tmp_path, names={"mt_free": "normal"})

    assert asked.notes == ("'MT_Free' is taken for a defect: if it means \"no defect\", call it normal",)
    assert [entry.labels for entry in asked.pictures] == [("MT_Free",), ("dent",)]
    assert (told.notes, told.normal_labels) == (('MT_Free is written "normal": no defect',), ("MT_Free",))
    assert [entry.labels for entry in told.pictures] == [("normal",), ("dent",)]


def test_boxes_around_good_parts_mark_no_defect(tmp_path: Path) -> None:
    picture(tmp_path, "a.jpg")
    voc(tmp_path, "a.xml", "a.jpg", ("OK", ONE))

    (entry,) = read(tmp_path).pictures

    assert (entry.labels, entry.boxes) == (("normal",), ())


def test_every_part_may_have_pictures_of_the_same_names(tmp_path: Path) -> None:
    for part in range(3):
        picture(tmp_path, f"part{part}/images/0.jpg")
        voc(tmp_path, f"part{part}/xml/0.xml", "0.jpg", (f"dent {part}", ONE))

    found = read(tmp_path)

    assert not found.left_out
    assert {str(entry.path): entry.labels for entry in found.pictures} == {
        f"part{part}/images/0.jpg": (f"dent {part}",) for part in range(3)
    }


def test_labels_that_look_alike_are_one(tmp_path: Path) -> None:
    picture(tmp_path, "a.jpg")
    voc(tmp_path, "a.xml", "a.jpg", ("Dent ", ONE), ("dent", TWO))

    found = read(tmp_path)

    assert found.pictures[0].labels == ("dent",)
    assert found.notes == ("'Dent ' is taken for 'dent': it looks the same",)


def test_a_picture_that_is_missing_on_its_side_is_not_taken_from_another(tmp_path: Path) -> None:
    coco(tmp_path)
    (tmp_path / "train/a.jpg").rename(tmp_path / "valid/a.jpg")

    found = read(tmp_path)

    assert [(str(entry.path), entry.why) for entry in found.left_out] == [
        (
            "train/_annotations.coco.json",
            "image 1 names the picture 'a.jpg', which is not in the folder: add it, or delete this",
        ),
        ("valid/a.jpg", "nothing says what it shows: label it, or move it away"),
    ]


def test_a_folder_in_no_layout_is_told_what_to_do(tmp_path: Path) -> None:
    picture(tmp_path, "a.jpg")

    with pytest.raises(NotRecognised, match="is in no known layout: put pictures under"):
        read(tmp_path)


def test_a_folder_in_two_layouts_is_read_in_the_one_that_is_named(tmp_path: Path) -> None:
    yolo(tmp_path)
    coco(tmp_path)

    with pytest.raises(NotRecognised, match="can be read as coco and as yolo: say which"):
        read(tmp_path)
    assert read(tmp_path, "yolo").layout == "yolo"


def test_a_layout_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotRecognised, match="'excel' is no layout; known are coco"):
        read(tmp_path, "excel")


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotRecognised, match="is no folder"):
        read(tmp_path / "absent")


def test_a_picture_that_nothing_labels_is_named(tmp_path: Path) -> None:
    plain(tmp_path)
    picture(tmp_path, "more/stray.png")

    (entry,) = read(tmp_path).left_out

    assert (str(entry.path), entry.why) == ("more/stray.png", "nothing says what it shows: label it, or move it away")


def test_hidden_files_and_what_systems_leave_behind_are_no_content(tmp_path: Path) -> None:
    plain(tmp_path)
    picture(tmp_path, "train/good/.hidden.png")
    picture(tmp_path, "__MACOSX/train/good/a.png")
    text(tmp_path, ".git/config", "x")

    assert len(read(tmp_path).pictures) == 3


def test_reading_needs_no_cloud() -> None:
    code = "import sys, cli.layouts.registry, cli.layouts.export; sys.exit('boto3' in sys.modules)"
    place = os.pathsep.join([".", "layers/mlops"])

    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": place}, check=True)
