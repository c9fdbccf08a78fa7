"""Pictures that EXIF turns: boxes and masks are taken where somebody drew them, and what nobody can know is said."""

import json
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from cli.layouts.contents import Box, Labelled
from cli.layouts.export import export
from cli.layouts.files import Files
from cli.layouts.frame import Frame
from cli.layouts.registry import read
from mlops.dataset.mapping import PictureMapping
from mlops.pictures.preparing import prepare
from tests.unit.cli.layouts.samples import boxes_of, text, voc

TURNS = range(1, 9)
SWAPS = (5, 6, 7, 8)
# Left, top, width and height in the stored picture.
DRAWN = (10, 20, 30, 8)
KINDS = {"a.jpg": "JPEG", "a.png": "PNG", "a.tif": "TIFF", "a.webp": "WEBP"}


def turned(
    folder: Path, name: str, orientation: int, size: tuple[int, int] = (80, 64), box: tuple[int, ...] = DRAWN
) -> tuple[int, int, int, int]:
    """A picture with a bright spot on its stored pixels; returns where the spot is once the picture is upright."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", size, 20)
    left, top, width, height = box
    ImageDraw.Draw(image).rectangle((left, top, left + width - 1, top + height - 1), fill=250)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif, **({"quality": 95} if name.endswith(".jpg") else {}))
    spot = np.asarray(ImageOps.exif_transpose(_with(image, orientation))) > 128
    rows, columns = (np.flatnonzero(spot.any(axis=axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), len(columns), len(rows)


def _with(image: Image.Image, orientation: int) -> Image.Image:
    image.getexif()[0x0112] = orientation
    return image


def only_box(folder: Path, layout: str | None = None) -> tuple[float, ...]:
    (entry,) = read(folder, layout).pictures
    (box,) = entry.boxes
    return box.left, box.top, box.width, box.height


def doubts(folder: Path) -> list[str]:
    return [note for note in read(folder).notes if note.startswith("EXIF turns")]


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("name", KINDS)
def test_size_and_turn_are_those_that_the_stack_sees(tmp_path: Path, name: str, orientation: int) -> None:
    turned(tmp_path, name, orientation)

    seen = Files(tmp_path).frame(PurePosixPath(name))

    mapping = prepare((tmp_path / name).read_bytes()).mapping
    assert seen == Frame(mapping.stored_width, mapping.stored_height, mapping.orientation)
    assert seen == Frame(80, 64, orientation)


def test_a_png_whose_exif_comes_last_or_is_damaged_is_read_as_the_stack_reads_it(tmp_path: Path) -> None:
    turned(tmp_path, "a.png", 6)
    data = (tmp_path / "a.png").read_bytes()
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    chunk, rest = data[start:end], data[:start] + data[end:]
    (tmp_path / "last.png").write_bytes(rest[:-12] + chunk + rest[-12:])
    (tmp_path / "damaged.png").write_bytes(data[: end - 1] + b"?" + data[end:])

    for name, orientation in (("last.png", 6), ("damaged.png", 1)):
        assert Files(tmp_path).frame(PurePosixPath(name)).orientation == orientation
        assert prepare((tmp_path / name).read_bytes()).mapping.orientation == orientation


@given(
    orientation=st.integers(1, 8),
    left=st.integers(0, 70),
    top=st.integers(0, 50),
    width=st.integers(1, 10),
    height=st.integers(1, 14),
)
def test_edges_are_turned_as_the_stack_turns_boxes_and_back(
    orientation: int, left: int, top: int, width: int, height: int
) -> None:
    frame = Frame(80, 64, orientation)
    mapping = PictureMapping(80, 64, *frame.upright, orientation)
    edges = (left, top, left + width, top + height)

    seen = frame.as_seen(edges)

    box = mapping.box(left, top, width, height)
    assert seen == (box.left, box.top, box.left + box.width, box.top + box.height)
    assert frame.as_stored(seen) == edges


def yolo_of(folder: Path, box: tuple[int, ...], size: tuple[int, int]) -> None:
    left, top, width, height = box
    shares = ((left + width / 2) / size[0], (top + height / 2) / size[1], width / size[0], height / size[1])
    text(folder, "labels/a.txt", "0 " + " ".join(f"{share:.9f}" for share in shares))
    text(folder, "data.yaml", "names: [dent]\n")


@pytest.mark.parametrize("orientation", TURNS)
def test_yolo_counts_shares_of_the_upright_picture_and_says_so(tmp_path: Path, orientation: int) -> None:
    seen = turned(tmp_path, "images/a.jpg", orientation)
    yolo_of(tmp_path, seen, Frame(80, 64, orientation).upright)

    assert only_box(tmp_path) == pytest.approx(DRAWN)
    assert bool(doubts(tmp_path)) is (orientation != 1)
    assert all("on the upright picture, as tools" in note and "images/a.jpg" in note for note in doubts(tmp_path))


@pytest.mark.parametrize("orientation", TURNS)
def test_pascal_voc_without_a_size_is_taken_as_drawn_upright_and_says_so(tmp_path: Path, orientation: int) -> None:
    seen = turned(tmp_path, "a.jpg", orientation)
    voc(tmp_path, "a.xml", "a.jpg", ("dent", seen))
    content = (tmp_path / "a.xml").read_text()
    text(tmp_path, "a.xml", content[: content.index("<size>")] + content[content.index("</size>") + 7 :])

    assert only_box(tmp_path) == DRAWN
    assert bool(doubts(tmp_path)) is (orientation != 1)


def coco_with(folder: Path, size: tuple[int, int], box: tuple[int, ...]) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": size[0], "height": size[1]}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": list(box)}],
        "categories": [{"id": 1, "name": "dent"}],
    }
    text(folder, "a.json", json.dumps(content))


@pytest.mark.parametrize("orientation", TURNS)
def test_a_square_picture_of_coco_is_taken_as_drawn_upright_and_says_so(tmp_path: Path, orientation: int) -> None:
    coco_with(tmp_path, (72, 72), turned(tmp_path, "a.jpg", orientation, (72, 72)))

    assert only_box(tmp_path) == DRAWN
    assert bool(doubts(tmp_path)) is (orientation != 1)


@pytest.mark.parametrize("orientation", SWAPS)
def test_where_the_size_tells_nothing_is_assumed(tmp_path: Path, orientation: int) -> None:
    seen = turned(tmp_path, "a.jpg", orientation)
    coco_with(tmp_path, (64, 80), seen)
    assert only_box(tmp_path) == DRAWN

    coco_with(tmp_path, (80, 64), DRAWN)
    assert only_box(tmp_path) == DRAWN
    assert not doubts(tmp_path)


def test_a_manifest_is_taken_as_the_stack_takes_it_and_what_it_leaves_open_is_said(tmp_path: Path) -> None:
    turned(tmp_path, "a.jpg", 3)
    text(tmp_path, "x.manifest", json.dumps({"source-ref": "s3://x/a.jpg", **boxes_of((0, DRAWN), names={"0": "x"})}))

    assert only_box(tmp_path) == DRAWN
    assert doubts(tmp_path) == [
        "EXIF turns 1 picture, and nothing says whether boxes were drawn before or after that; they are taken as drawn "
        "on the pixels as the file has them: a.jpg"
    ]


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_mask_of_the_stored_or_of_the_upright_picture_marks_the_same_place(
    tmp_path: Path, name: str, orientation: int, ending: str
) -> None:
    seen = turned(tmp_path / "in", f"MT_dent/Imgs/{name}", orientation)
    picture = tmp_path / "in/MT_dent/Imgs" / name
    # Masks lie beside JPEG pictures in this layout; the file behind the name may be of any kind.
    picture.rename(picture.with_suffix(".bmp"))
    frame = Frame(80, 64, orientation)
    for size, box in ((frame.size, DRAWN), (frame.upright, seen)):
        mask = Image.new("L", size)
        mask.paste(255, (box[0], box[1], box[0] + box[2], box[1] + box[3]))
        # A file of another kind behind the name, as it happens.
        mask.save(tmp_path / "in/MT_dent/Imgs/a.png", {"png": "PNG", "tif": "TIFF"}[ending])
        if size == frame.size and size == frame.upright and box != DRAWN:
            continue  # nothing tells these two apart: the pixels as they are stored count

        assert only_box(tmp_path / "in") == DRAWN


def test_a_mask_that_is_turned_itself_is_read_as_its_file_has_the_pixels(tmp_path: Path) -> None:
    turned(tmp_path, "MT_dent/Imgs/a.bmp", 1)
    mask = Image.new("L", (80, 64))
    mask.paste(255, (10, 20, 40, 28))
    exif = Image.Exif()
    exif[0x0112] = 6
    mask.save(tmp_path / "MT_dent/Imgs/a.png", "TIFF", exif=exif)

    assert only_box(tmp_path) == DRAWN


@pytest.mark.parametrize("form", ["coco", "voc", "yolo"])
@pytest.mark.parametrize("orientation", TURNS)
def test_what_leaves_for_tools_that_turn_pictures_is_drawn_on_the_upright_one(
    tmp_path: Path, form: str, orientation: int
) -> None:
    for size in ((80, 64), (72, 72)):
        folder, out = tmp_path / f"in{size[0]}", tmp_path / f"out{size[0]}"
        seen = turned(folder, "a.jpg", orientation, size)
        labelled = Labelled(PurePosixPath("a.jpg"), *size, "train", ("dent",), (Box("dent", *DRAWN),))

        export([labelled], folder, out, form)

        if form == "coco":
            content = json.loads((out / "train/_annotations.coco.json").read_text())
            assert content["annotations"][0]["bbox"] == list(seen)
            image = content["images"][0]
            assert (image["width"], image["height"]) == Frame(*size, orientation).upright
        assert only_box(out) == pytest.approx(DRAWN, abs=0.001)


def test_what_leaves_as_a_manifest_is_drawn_on_the_stored_picture(tmp_path: Path) -> None:
    turned(tmp_path / "in", "a.jpg", 6)
    labelled = Labelled(PurePosixPath("a.jpg"), 80, 64, "train", ("dent",), (Box("dent", *DRAWN),))

    export([labelled], tmp_path / "in", tmp_path / "out", "manifest")

    (line,) = (tmp_path / "out/annotations.manifest").read_text().splitlines()
    assert json.loads(line)["bounding-box"]["annotations"] == [
        {"class_id": 0, "left": 10, "top": 20, "width": 30, "height": 8}
    ]
