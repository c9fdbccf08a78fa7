"""Whatever a folder holds: what is wrong is named by file and line, good neighbours go on, nothing outside is read."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cli.layouts.contents import Recognised
from cli.layouts.registry import NotRecognised, read
from tests.unit.cli.layouts.samples import (
    HEIGHT,
    ONE,
    TWO,
    WIDTH,
    boxes_of,
    class_of,
    coco_of,
    magnetic_tile,
    mask,
    picture,
    plain,
    severstal,
    text,
    visa,
    voc,
    yolo_line,
)

_opened: list[str] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        _opened.append(os.fsdecode(arguments[0]))


sys.addaudithook(_hear)


@contextmanager
def nothing_read_in(folder: Path) -> Iterator[None]:
    """Fails when any file below a folder is opened."""
    _opened.clear()
    yield
    assert not [path for path in _opened if Path(path).is_relative_to(folder)]


def whys(found: Recognised) -> list[tuple[str, int | None, str]]:
    return [(str(entry.path), entry.line, entry.why) for entry in found.left_out]


def taken(found: Recognised) -> dict[str, list[tuple[float, float, float, float]]]:
    return {
        str(entry.path): [(box.left, box.top, box.width, box.height) for box in entry.boxes] for entry in found.pictures
    }


def annotation(**changes: Any) -> dict[str, Any]:
    return {"image_id": 1, "category_id": 1, "bbox": list(ONE), **changes}


def coco(
    folder: Path, *annotations: dict[str, Any], images: tuple[tuple[int, str], ...] = ((1, "a.jpg"),)
) -> Recognised:
    """A folder with good neighbours: picture n.jpg with one box."""
    for name in ("a.jpg", "n.jpg"):
        picture(folder, name)
    good = annotation(image_id=99)
    text(folder, "_annotations.coco.json", coco_of([*images, (99, "n.jpg")], [*annotations, good]))
    found = read(folder)
    assert taken(found)["n.jpg"] == [ONE]
    return found


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"bbox": [200, 20, 30, 8]}, "annotation 1 of a.jpg lies outside the picture of 80 x 64 px: draw it again"),
        ({"bbox": [-30, -10, 20, 8]}, "annotation 1 of a.jpg lies outside the picture of 80 x 64 px: draw it again"),
        ({"bbox": [10, 20, -5, 8]}, "annotation 1 of a.jpg has no area: draw it again"),
        ({"bbox": [10, 20, 0, 8]}, "annotation 1 of a.jpg has no area: draw it again"),
        (
            {"bbox": [float("nan"), 20, 5, 8]},
            "annotation 1 of a.jpg has an edge that is no finite number: draw it again",
        ),
        (
            {"bbox": [10, 20, float("inf"), 8]},
            "annotation 1 of a.jpg has an edge that is no finite number: draw it again",
        ),
        ({"bbox": [10**400, 20, 5, 8]}, "annotation 1 of a.jpg has an edge that is no finite number: draw it again"),
        (
            {"bbox": ["10", 20, 5, 8]},
            "annotation 1 has no bbox of four numbers, and no segmentation that can be read: draw it again",
        ),
        ({"image_id": 5}, "annotation 1 is of image 5, which the file does not list: add the image, or delete it"),
        ({"image_id": [5]}, "annotation 1 is of image [5], which the file does not list: add the image, or delete it"),
        ({"category_id": 8}, "annotation 1 is of category 8, which the file does not list: add the category"),
        ({"iscrowd": 1}, "annotation 1 is a crowd, which marks no single defect: mark each one"),
    ],
)
def test_a_wrong_annotation_of_coco_is_named(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    found = coco(tmp_path, annotation(**changes), annotation(bbox=list(TWO)))

    assert whys(found) == [("_annotations.coco.json", None, why)]
    assert taken(found)["a.jpg"] == [TWO]


def test_a_picture_whose_only_annotation_is_wrong_is_no_good_part(tmp_path: Path) -> None:
    found = coco(tmp_path, annotation(category_id=8))

    assert "a.jpg" not in taken(found)
    assert ("a.jpg", None, "no annotation of it in _annotations.coco.json can be used: mend that file") in whys(found)


def test_a_picture_whose_only_box_lies_outside_keeps_its_label(tmp_path: Path) -> None:
    found = coco(tmp_path, annotation(bbox=[200, 200, 5, 5]))

    (entry,) = (entry for entry in found.pictures if entry.path.name == "a.jpg")
    assert (entry.labels, entry.boxes) == (("dent",), ())
    assert "a defect, but no box says where, so not used for detection: a.jpg" in found.notes


def test_a_box_partly_outside_is_cut_and_said(tmp_path: Path) -> None:
    found = coco(tmp_path, annotation(bbox=[-5, 60, 20, 100]))

    assert taken(found)["a.jpg"] == [(0, 60, 15, 4)]
    assert "boxes of 1 picture reached beyond their picture and were cut: a.jpg" in found.notes
    assert not found.left_out


def packed(lengths: list[int]) -> str:
    """As COCO packs run lengths."""
    signs = []
    for number, length in enumerate(lengths):
        value = length - lengths[number - 2] if number > 2 else length
        while True:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            signs.append(chr((bits | 32 if more else bits) + 48))
            if not more:
                break
    return "".join(signs)


def test_run_lengths_become_the_box_around_them(tmp_path: Path) -> None:
    left, top, width, height = ONE
    lengths = [left * HEIGHT + top, *[height, HEIGHT - height] * width]
    lengths[-1] = WIDTH * HEIGHT - sum(lengths[:-1])
    segmentation = {"size": [HEIGHT, WIDTH], "counts": packed(lengths)}

    found = coco(tmp_path, annotation(bbox=None, segmentation=segmentation))

    assert taken(found)["a.jpg"] == [ONE]
    assert not found.left_out


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [HEIGHT, WIDTH], "counts": "~~~~~~~~~~~~~~~~~~~~~~~~"},
        {"size": [HEIGHT, WIDTH], "counts": "o" * 1000},
        {"size": [HEIGHT, WIDTH], "counts": [5, 10**12]},
        {"size": [HEIGHT, WIDTH], "counts": [5, -3]},
        {"size": [-1, WIDTH], "counts": [5, 3]},
        {"size": "big", "counts": [5, 3]},
        {"counts": [5, 3]},
        [[1, 2, 3]],
        [[1, 2, 3, 4, 5, None]],
        [[1, 2, 3, 4, 5, float("nan")]],
        ["abcdef"],
        7,
    ],
)
def test_a_segmentation_that_cannot_be_read_is_named(tmp_path: Path, segmentation: Any) -> None:
    found = coco(tmp_path, annotation(bbox=[], segmentation=segmentation), annotation())

    (why,) = whys(found)
    assert why[2] == "annotation 1 has no bbox of four numbers, and no segmentation that can be read: draw it again"


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/../secret.jpg", "..\\secret.jpg", "images/../../secret.jpg"])
def test_a_path_that_climbs_out_of_the_folder_is_not_followed(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "outside", "secret.jpg")
    picture(tmp_path, "secret.jpg")

    with nothing_read_in(tmp_path / "outside"):
        found = coco(tmp_path / "in", annotation(image_id=3), images=((1, "a.jpg"), (3, name)))

    (entry,) = (entry for entry in found.left_out)
    assert entry.why.startswith("image 3 names ") and "climbs out of the folder" in entry.why


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "outside"
    picture(outside, "secret.jpg")
    plain(outside)
    inside.mkdir()
    (inside / "linked.jpg").symlink_to(outside / "secret.jpg")
    (inside / "train").symlink_to(outside / "train")
    (inside / "loop").symlink_to(inside / "loop")
    (inside / "nowhere.jpg").symlink_to(inside / "absent.jpg")

    with nothing_read_in(outside):
        found = coco(inside, images=((1, "a.jpg"), (3, "linked.jpg")))

    assert {entry[0] for entry in whys(found)} == {
        "linked.jpg", "train", "loop", "nowhere.jpg", "_annotations.coco.json"
    }  # fmt: skip
    assert sorted(taken(found)) == ["a.jpg", "n.jpg"]


def test_a_link_inside_the_folder_is_a_file_like_any_other(tmp_path: Path) -> None:
    plain(tmp_path)
    (tmp_path / "train/good/001.png").symlink_to(tmp_path / "train/good/000.png")

    assert len(read(tmp_path).pictures) == 4


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain(tmp_path)
    (tmp_path / "train/closed").mkdir()
    look = os.scandir

    def scandir(place: Any) -> Any:
        if str(place).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(place))
        return look(place)

    monkeypatch.setattr(os, "scandir", scandir)

    why = "is a folder that cannot be read: mend its rights, or move it away"
    assert whys(read(tmp_path)) == [("train/closed", None, why)]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    plain(tmp_path)
    os.mkfifo(tmp_path / "train/good/pipe.png")

    assert len(read(tmp_path).pictures) == 3


def test_a_name_that_is_no_text_is_named(tmp_path: Path) -> None:
    plain(tmp_path)
    try:
        (tmp_path / os.fsdecode(b"train/good/\xff.png")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes no such names")

    (entry,) = read(tmp_path).left_out

    assert entry.path.name == "?.png" and "is not written in UTF-8" in entry.why


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"images": [], "annotations": [], "categories"', "is not valid JSON"),
        (b'{"images": 1, "annotations": [], "categories": []}', "has no list called 'images'"),
        (b'["images", "annotations", "categories"]', "is not one JSON object"),
        (b'{"images": [], "annotations": [], "categories": [], "x": "\xe4"}', "is not text in UTF-8"),
        (b'{"images": [], "annotations": [], "categories": ' + b"[" * 200_000, "is not valid JSON"),
    ],
)
def test_a_file_that_is_not_what_it_seems_is_named_and_others_go_on(tmp_path: Path, content: bytes, why: str) -> None:
    tmp_path.joinpath("broken.json").write_bytes(content)

    (entry,) = coco(tmp_path).left_out

    assert entry.path.name == "broken.json" and entry.why.startswith(why)


def test_text_in_utf_16_with_its_mark_is_read(tmp_path: Path) -> None:
    picture(tmp_path, "a.jpg")
    picture(tmp_path, "images/b.jpg")
    text(tmp_path, "labels/b.txt", "")
    (tmp_path / "labels/b.txt").write_bytes(yolo_line(0, ONE).encode("utf-16"))

    assert taken(read(tmp_path))["images/b.jpg"] == [ONE]


def test_two_files_that_say_different_things_of_a_picture_are_named(tmp_path: Path) -> None:
    picture(tmp_path, "a.jpg")
    text(tmp_path, "one.json", coco_of([(1, "a.jpg")], [annotation()]))
    text(tmp_path, "two.json", coco_of([(1, "a.jpg")], [annotation(bbox=list(TWO))]))

    found = read(tmp_path)

    assert whys(found) == [
        ("a.jpg", None, "one.json image 1 and two.json image 1 say different things about it: keep one of them")
    ]
    assert not found.pictures


def test_two_lines_of_one_manifest_that_say_different_things_are_named(tmp_path: Path) -> None:
    picture(tmp_path, "a.jpg")
    lines = [{"source-ref": "a.jpg", **class_of(name)} for name in ("dent", "dent", "rust")]
    text(tmp_path, "x.manifest", "\n".join(map(json.dumps, lines)))

    why = "x.manifest line 1 and x.manifest line 3 say different things about it: keep one of them"
    assert whys(read(tmp_path)) == [("a.jpg", None, why)]


def test_two_images_of_one_coco_file_that_are_one_picture_are_named(tmp_path: Path) -> None:
    picture(tmp_path, "a.jpg")
    text(tmp_path, "x.json", coco_of([(1, "a.jpg"), (7, "a.jpg")], [annotation()]))

    why = "x.json image 1 and x.json image 7 say different things about it: keep one of them"
    assert whys(read(tmp_path)) == [("a.jpg", None, why)]


def test_a_label_of_a_line_that_cannot_be_used_is_named_with_its_line(tmp_path: Path) -> None:
    picture(tmp_path, "a.jpg")
    text(tmp_path, "x.manifest", "\n" + json.dumps({"source-ref": "a.jpg", **class_of("x" * 300)}))

    assert whys(read(tmp_path)) == [
        ("a.jpg", None, "x.manifest line 2 gives it no label that can be used: mend that file"),
        ("x.manifest", 2, f"the label '{'x' * 40}' cannot be used: 1 to 255 characters on one line"),
    ]


def test_a_folder_and_a_table_that_disagree_are_named_with_the_line(tmp_path: Path) -> None:
    visa(tmp_path)
    table = tmp_path / "candle/image_anno.csv"
    table.write_text(table.read_text().replace("Normal/0000.JPG,normal", "Normal/0000.JPG,stains"))

    why = "lies in Normal, but candle/image_anno.csv line 2 calls it stains: mend one"
    assert ("candle/Data/Images/Normal/0000.JPG", None, why) in whys(read(tmp_path))


def test_two_files_that_say_the_same_are_no_problem(tmp_path: Path) -> None:
    picture(tmp_path, "a.jpg")
    for name in ("one.json", "two.json"):
        text(tmp_path, name, coco_of([(1, "a.jpg")], [annotation()]))

    assert not read(tmp_path).left_out


def test_a_size_that_is_not_that_of_the_picture_is_named(tmp_path: Path) -> None:
    found = coco(tmp_path)
    picture(tmp_path, "a.jpg", (40, 32))

    found = read(tmp_path)

    why = "is 40 x 32 px, but _annotations.coco.json says 80 x 64 px: label the picture as it is"
    assert whys(found) == [("a.jpg", None, why)]


@pytest.mark.parametrize(
    ("orientation", "box"), [(5, (30, 40, 10, 4)), (6, (30, 20, 10, 4)), (7, (40, 20, 10, 4)), (8, (40, 40, 10, 4))]
)
def test_boxes_drawn_on_the_upright_picture_become_those_of_the_stored_one(
    tmp_path: Path, orientation: int, box: tuple[int, int, int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (HEIGHT + 16, WIDTH - 16)).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.jpg")
    Image.new("RGB", (80, 64)).save(tmp_path / "a.jpg", exif=exif)
    said = coco_of([(1, "a.jpg")], [annotation(bbox=[40, 30, 4, 10])]).replace(
        '"width": 80, "height": 64', '"width": 64, "height": 80'
    )
    text(tmp_path, "a.json", said)

    assert taken(read(tmp_path))["a.jpg"] == [box]


def test_so_many_faults_of_one_file_are_counted_not_listed(tmp_path: Path) -> None:
    found = coco(tmp_path, *(annotation(category_id=8) for _ in range(5000)))

    assert len(found.left_out) == 102
    assert whys(found)[100] == ("_annotations.coco.json", None, "and 4900 more of this file")


def test_many_annotations_of_one_picture_are_all_taken_and_said(tmp_path: Path) -> None:
    found = coco(tmp_path, *(annotation() for _ in range(20_000)))

    assert len(taken(found)["a.jpg"]) == 20_000
    assert "more than 50 boxes, which Rekognition does not take: a.jpg" in found.notes


BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><annotation>&c;</annotation>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation><filename>&b;</filename></annotation>'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (BOMB, "declares a document type or entities, which annotations do not need: remove them"),
        (OUTSIDE, "declares a document type or entities, which annotations do not need: remove them"),
        ("<annotation><filename>a.jpg", "is not valid XML"),
        ("<?xml version='1.0' encoding='klingon'?><annotation/>", "is not valid XML"),
        ("<annotations/>", "is about <annotations>, not an <annotation> of Pascal VOC: move it away"),
        ("<annotation><filename>../n.jpg</filename></annotation>", "names '../n.jpg', which climbs out of the folder"),
        (
            "<annotation><filename>b.jpg</filename></annotation>",
            "is about the picture 'b.jpg', which is not in the folder",
        ),
    ],
)
def test_a_wrong_file_of_pascal_voc_is_named(tmp_path: Path, content: str, why: str) -> None:
    picture(tmp_path, "n.jpg")
    voc(tmp_path, "n.xml", "n.jpg", ("dent", ONE))
    text(tmp_path, "x.xml", content)

    found = read(tmp_path)

    (entry,) = found.left_out
    assert entry.path.name == "x.xml" and entry.why.startswith(why)
    assert taken(found) == {"n.jpg": [ONE]}


def test_a_wrong_object_of_pascal_voc_is_named(tmp_path: Path) -> None:
    picture(tmp_path, "n.jpg")
    voc(tmp_path, "n.xml", "n.jpg", ("dent", ONE), ("", TWO), ("dent", (200, 200, 5, 5)))
    content = (tmp_path / "n.xml").read_text().replace("<object>", "\n<object>")
    text(tmp_path, "n.xml", content.replace("</annotation>", "<object><name>dent</name></object></annotation>"))

    assert whys(read(tmp_path)) == [
        ("n.xml", 4, "object 4 has no bndbox of four numbers: draw it again"),
        ("n.xml", 3, "the label '' cannot be used: 1 to 255 characters on one line"),
        ("n.xml", 4, "object 3 of n.jpg lies outside the picture of 80 x 64 px: draw it again"),
    ]


def test_an_annotation_that_is_called_like_one_picture_and_names_another_is_named(tmp_path: Path) -> None:
    picture(tmp_path, "a.jpg")
    picture(tmp_path, "n.jpg")
    voc(tmp_path, "a.xml", "n.jpg", ("dent", ONE))

    assert ("a.xml", None, "is called like a.jpg, but names n.jpg: rename it, or mend <filename>") in whys(
        read(tmp_path)
    )


def test_a_list_of_sides_that_is_no_text_is_named_and_the_pictures_go_on(tmp_path: Path) -> None:
    picture(tmp_path, "JPEGImages/a.jpg")
    voc(tmp_path, "Annotations/a.xml", "a.jpg", ("dent", ONE))
    text(tmp_path, "ImageSets/Main/train.txt", "")
    (tmp_path / "ImageSets/Main/train.txt").write_bytes(b"gr\xf6\xdfe\n")

    found = read(tmp_path)

    assert whys(found) == [("ImageSets/Main/train.txt", None, "is not text in UTF-8: save it in that encoding")]
    assert taken(found) == {"JPEGImages/a.jpg": [ONE]}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("7 0.5 0.5 0.1 0.1", "has class 7, which data.yaml does not name: add its name"),
        ("-1 0.5 0.5 0.1 0.1", "has class -1, which data.yaml does not name: add its name"),
        ("0 nan 0.5 0.1 0.1", "has no whole class, or an edge that is no finite number: draw it again"),
        ("0.5 0.5 0.5 0.1 0.1", "has no whole class, or an edge that is no finite number: draw it again"),
        ("0 a 0.5 0.1 0.1", "has something that is no number: draw it again"),
        ("0 0.5 0.5 0.1", "has 4 numbers; a box has 5, a polygon 7 or more: draw it again"),
        ("0 0.5 0.5 0.1 0.1 0.9", "has six numbers, as a prediction with its confidence has"),
        ("0 3.5 0.5 0.1 0.1", "a box of a.jpg lies outside the picture"),
        ("0 0.5 0.5 0 0.1", "a box of a.jpg has no area: draw it again"),
    ],
)
def test_a_wrong_line_of_yolo_is_named(tmp_path: Path, line: str, why: str) -> None:
    picture(tmp_path, "images/a.jpg")
    text(tmp_path, "labels/a.txt", f"{yolo_line(0, ONE)}\n\n{line}\n")
    text(tmp_path, "data.yaml", "names: [dent]\n")

    found = read(tmp_path)

    (entry,) = found.left_out
    assert (str(entry.path), entry.line) == ("labels/a.txt", 3) and entry.why.startswith(why)
    assert taken(found) == {"images/a.jpg": [ONE]}


@pytest.mark.parametrize(
    "content",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nnames: [*b, *b]\n",
        "names: !!python/object/apply:os.system ['true']\n",
        "names: " + "[" * 5000,
        "names: dent\n",
        "[names]\n",
    ],
)
def test_a_hostile_data_yaml_is_named_and_classes_go_by_number(tmp_path: Path, content: str) -> None:
    picture(tmp_path, "images/a.jpg")
    text(tmp_path, "labels/a.txt", yolo_line(3, ONE))
    text(tmp_path, "data.yaml", content)

    found = read(tmp_path)

    assert [entry.path.name for entry in found.left_out] == ["data.yaml"]
    assert found.pictures[0].labels == ("class_3",)


def test_labels_that_fit_no_picture_or_two_are_named(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png"):
        picture(tmp_path, f"images/{name}")
    text(tmp_path, "labels/a.txt", yolo_line(0, ONE))
    text(tmp_path, "labels/b.txt", yolo_line(0, ONE))

    assert whys(read(tmp_path)) == [
        ("images/a.png", None, "labels/a.txt belongs to images/a.jpg, too: rename one of the two pictures"),
        ("labels/b.txt", None, "has no picture of the same name in the folder images: add it, or delete this"),
    ]


def test_lists_of_pictures_are_the_sides_of_yolo(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path, f"images/{name}.jpg")
        text(tmp_path, f"labels/{name}.txt", yolo_line(0, ONE))
    text(tmp_path, "data.yaml", "path: .\ntrain: train.txt\nval: lists/val.txt\ntest: gone.txt\nnames: [dent]\n")
    text(tmp_path, "train.txt", "./images/a.jpg\n\n/home/ada/set/images/b.jpg\nimages/x.jpg\n../images/c.jpg\n")
    text(tmp_path, "lists/val.txt", "images/c.jpg\n")

    found = read(tmp_path)

    assert {entry.path.stem: entry.side for entry in found.pictures} == {"a": "train", "b": "train", "c": "test"}
    assert whys(found) == [
        ("data.yaml", None, "names the list 'gone.txt', which is not in the folder: add it"),
        ("train.txt", 4, "names the picture 'images/x.jpg', which is not in the folder: add it, or delete this"),
        ("train.txt", 5, "names '../images/c.jpg', which climbs out of the folder: name a picture of this folder"),
    ]


def test_a_list_of_pictures_that_is_no_text_is_named_and_the_classes_keep_their_names(tmp_path: Path) -> None:
    picture(tmp_path, "images/a.jpg")
    text(tmp_path, "labels/a.txt", yolo_line(0, ONE))
    text(tmp_path, "data.yaml", "train: train.txt\nnames: [dent]\n")
    (tmp_path / "train.txt").write_bytes(b"\xff\xfe\xfd")

    found = read(tmp_path)

    assert whys(found) == [("train.txt", None, "is not text in UTF-8: save it in that encoding")]
    assert found.pictures[0].labels == ("dent",)


def test_lists_beside_the_names_of_darknet_are_sides_unless_they_are_labels(tmp_path: Path) -> None:
    for name in ("obj_train_data/a", "obj_train_data/b", "test"):
        picture(tmp_path, f"{name}.jpg")
        text(tmp_path, f"{name}.txt", yolo_line(0, ONE))
    text(tmp_path, "obj.names", "dent\n")
    text(tmp_path, "train.txt", "data/obj_train_data/a.jpg\n")
    text(tmp_path, "valid.txt", "data/obj_train_data/b.jpg\n")

    found = read(tmp_path)

    assert {entry.path.stem: entry.side for entry in found.pictures} == {"a": "train", "b": "test", "test": None}
    assert not found.left_out


def line(**changes: Any) -> str:
    return json.dumps({"source-ref": "s3://x/a.jpg", **class_of("dent"), **changes})


def several(value: Any) -> dict[str, Any]:
    kind = {"type": "groundtruth/image-classification-multilabel", "class-map": {"0": "dent"}}
    return {"x": value, "x-metadata": kind}


def coloured(colour: Any) -> dict[str, Any]:
    colours = {"0": {"class-name": "dent", "hex-color": colour}}
    kind = {"type": "groundtruth/semantic-segmentation", "internal-color-map": colours}
    return {"x": "s3://x/n.jpg", "x-metadata": kind}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"source-ref": ', "is not valid JSON"),
        ("[1]", "is not a JSON object: one JSON object a line"),
        (line(**{"source-ref": None}), "has no source-ref: name the picture"),
        (line(**{"source-ref": "s3://x/b.jpg"}), "names the picture 'b.jpg', which is not in the folder"),
        (line(**{"source-ref": "s3://x/../a.jpg"}), "names '../a.jpg', which climbs out of the folder"),
        (line(side="left"), "has the side 'left'; it must be train, test or holdout: mend it"),
        (line(**boxes_of((9, ONE), names={"0": "x"})), "box 1 has class 9, which class-map of 'bb' does not name"),
        (line(x=1, **{"x-metadata": {"type": "groundtruth/text"}}), "has 'x' of the type 'groundtruth/text'"),
        (line(x=1, **{"x-metadata": {"type": "groundtruth/object-detection"}}), "has no list of annotations in 'x'"),
        (line(**several(5)), "has no list of class numbers in 'x'"),
        (line(**several("01")), "has no list of class numbers in 'x'"),
        (line(**several(None)), "has no list of class numbers in 'x'"),
        (line(**several([0, 7])), "has class 7, which class-map of 'x' does not name"),
        (line(**several([[0]])), "has class [0], which class-map of 'x' does not name"),
        (line(**coloured("red")), "has no hex-color like #1f77b4 for 'dent': mend it"),
        (line(**coloured(7)), "has no hex-color like #1f77b4 for 'dent': mend it"),
    ],
)
def test_a_wrong_line_of_a_manifest_is_named(tmp_path: Path, content: str, why: str) -> None:
    picture(tmp_path, "a.jpg")
    picture(tmp_path, "n.jpg")
    neighbour = json.dumps({"source-ref": "s3://x/n.jpg", **boxes_of((0, ONE), names={"0": "dent"})})
    text(tmp_path, "x.manifest", f"{neighbour}\n{content}\n")

    found = read(tmp_path)

    (entry,) = (entry for entry in found.left_out if entry.line)
    assert (str(entry.path), entry.line) == ("x.manifest", 2) and entry.why.startswith(why)
    assert taken(found)["n.jpg"] == [ONE]


def test_a_line_without_any_label_says_nothing_of_its_picture(tmp_path: Path) -> None:
    picture(tmp_path, "a.jpg")
    text(tmp_path, "x.manifest", '{"source-ref": "s3://x/a.jpg"}')

    assert whys(read(tmp_path)) == [("a.jpg", None, "line 1 of x.manifest has no label that can be used: label it")]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:60]), "is cut off"),
        (lambda path: mask(path.parent, path.name), "marks nothing that is large enough"),
        (lambda path: mask(path.parent, path.name, (5, 5, 2, 2)), "marks nothing that is large enough"),
        (lambda path: mask(path.parent, path.name, ONE, size=(90, 64)), "is 90 x 64 px, its picture 80 x 64 px"),
        (lambda path: path.write_text("no picture"), "is no picture of a known kind"),
        (
            lambda path: mask(path.parent, path.name, *((x * 7, y * 7, 4, 4) for x in range(8) for y in range(8))),
            "has 64 regions; a picture may have 50 boxes",
        ),
    ],
)
def test_a_mask_that_cannot_be_used_is_named_and_its_picture_keeps_the_label(
    tmp_path: Path, spoil: Any, why: str
) -> None:
    magnetic_tile(tmp_path)
    spoil(tmp_path / "MT_Blowhole/Imgs/exp1_num_1.png")

    found = read(tmp_path)

    (entry,) = found.left_out
    assert str(entry.path) == "MT_Blowhole/Imgs/exp1_num_1.png" and entry.why.startswith(why)
    assert [picture.labels for picture in found.pictures] == [("Blowhole",), ("normal",)]
    assert not found.pictures[0].boxes


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("zz.jpg,1,1 5", "names the picture 'zz.jpg', which is not in the folder"),
        ("a.jpg,1", "has 2 fields instead of 3: mend it"),
        ("a.jpg,1,1 5 9", "has run lengths that are no pairs of first pixel and length: mend it"),
        ("a.jpg,1,0 5", "has run lengths that are no pairs of first pixel and length: mend it"),
        ("a.jpg,1,1 -5", "has run lengths that are no pairs of first pixel and length: mend it"),
        ("a.jpg,1,1 99999999", "has run lengths beyond its picture of 80 x 64 px: mend it"),
        (f"a.jpg,1,{2**63 - 1} 5", "has run lengths beyond its picture of 80 x 64 px: mend it"),
        (f"a.jpg,1,{10**30} 5", "has run lengths that are no whole numbers: mend it"),
        ("a.jpg,1,one two", "has run lengths that are no whole numbers: mend it"),
        ("../a.jpg,1,1 5", "names '../a.jpg', which climbs out of the folder"),
    ],
)
def test_a_wrong_line_of_run_lengths_is_named(tmp_path: Path, row: str, why: str) -> None:
    severstal(tmp_path)
    with (tmp_path / "train.csv").open("a") as file:
        file.write(f"\n{row}\n")

    found = read(tmp_path)

    (entry,) = (entry for entry in found.left_out if entry.line)
    assert (entry.path.name, entry.line) == ("train.csv", 5) and entry.why.startswith(why)
    assert taken(found)["train_images/a.jpg"] == [ONE, TWO]


def test_a_picture_that_is_none_is_named(tmp_path: Path) -> None:
    plain(tmp_path)
    text(tmp_path, "train/good/x.png", "no picture")

    why = "is no picture of a known kind, whatever its name says: save it anew"
    assert whys(read(tmp_path)) == [("train/good/x.png", None, why)]


def test_a_folder_without_files_is_in_no_layout(tmp_path: Path) -> None:
    with pytest.raises(NotRecognised):
        read(tmp_path)
