"""Pictures of any camera and labels of any tool: what a dataset makes of them, from the upload to the manifests."""

import html
import io
import json
from collections.abc import Iterator
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlops.dataset.manifests import parse_lines
from mlops.dataset.mapping import PictureMapping
from mlops.reading import evidence, mails
from mlops.reading.rendering import render
from mlops.stage import StageRef
from mlops.stages import ground_truth
from tests.unit.mlops.reading.test_rendering import evidence_of, known_of, shared
from tests.unit.mlops.settling import Uploads, bucket_with_events, mask, picture

SIZE = (80, 72)
PREFIX = "datasets/parts/"


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    with bucket_with_events(monkeypatch) as uploads:
        yield uploads


def line(name: str, labels: tuple[str, ...] = (), boxes: Any = None, **more: Any) -> dict[str, Any]:
    """A line of an annotation manifest; boxes are (label, left, top, width, height)."""
    entry: dict[str, Any] = {"source-ref": name, **more}
    for number, label in enumerate(labels):
        metadata = {"class-name": label, "type": "groundtruth/image-classification", "confidence": 1}
        entry |= {f"l{number}": number, f"l{number}-metadata": metadata}
    if boxes is not None:
        names = sorted({box[0] for box in boxes})
        sides = ("left", "top", "width", "height")
        drawn = [{"class_id": names.index(box[0]), **dict(zip(sides, box[1:], strict=True))} for box in boxes]
        metadata = {"class-map": {str(n): name for n, name in enumerate(names)}, "type": "groundtruth/object-detection"}
        entry |= {"boxes": {"annotations": drawn}, "boxes-metadata": metadata}
    return entry


def annotate(uploads: Uploads, *lines: dict[str, Any] | str) -> None:
    texts = (text if isinstance(text, str) else json.dumps(text) for text in lines)
    uploads.put("annotations.manifest", "".join(f"{text}\n" for text in texts).encode())


def file_of(image: Image.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def inventory(uploads: Uploads, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    body = uploads.s3.get_object(Bucket="artifacts", Key=run["inventory"])["Body"].read().decode()
    return {row["key"].removeprefix(PREFIX): row for row in parse_lines(body)}


def manifest_lines(uploads: Uploads, run: dict[str, Any]) -> list[dict[str, Any]]:
    keys = run["manifests"].values()
    bodies = (uploads.s3.get_object(Bucket="artifacts", Key=key)["Body"].read().decode() for key in keys)
    return [entry for body in bodies for entry in parse_lines(body)]


def simple(uploads: Uploads) -> list[dict[str, Any]]:
    """Twelve pictures with one label each, and their lines."""
    lines = []
    for number in range(12):
        name = f"images/{number}.png"
        uploads.put(name, picture(number))
        lines.append(line(name, ("cut",), [("cut", 1, 2, 30, 20)]) if number % 2 else line(name, ("good",)))
    return lines


def test_a_picture_with_three_labels_and_five_boxes_stands_in_the_manifests_of_both_tasks(uploads: Uploads) -> None:
    lines = simple(uploads)
    uploads.put("images/board/many.png", picture(99))
    boxes = [("cut", 0, 0, 10, 10), ("cut", 20, 0, 10, 10), ("bent", 0, 20, 12, 9), ("dirt", 40, 40, 8, 8)]
    annotate(uploads, *lines, line("images/board/many.png", (), [*boxes, ("dirt", 60, 50, 15, 20)]))
    uploads.settle()
    (labels,), (drawn,) = uploads.runs(), uploads.runs("detection")

    assert labels["labels"] == ["bent", "cut", "dirt", "normal"]
    assert drawn["labels"] == ["bent", "cut", "dirt", "normal"] and drawn["boxes"] == 6 + 5
    many = next(e for e in manifest_lines(uploads, labels) if e["source-ref"].endswith("many.png"))
    assert [many[f"{name}-metadata"]["class-name"] for name in ("label", "label-1", "label-2")] == [
        *("bent", "cut", "dirt"),
    ]
    row = inventory(uploads, drawn)["images/board/many.png"]
    assert sorted((b["label"], b["left"], b["top"], b["width"], b["height"]) for b in row["boxes"]) == sorted(
        [*boxes, ("dirt", 60, 50, 15, 20)]
    )


def test_a_manifest_that_names_the_bucket_is_taken_as_it_is(uploads: Uploads) -> None:
    lines = [{**entry, "source-ref": f"s3://data/{PREFIX}{entry['source-ref']}"} for entry in simple(uploads)]
    annotate(uploads, *lines)
    uploads.settle()
    (run,) = uploads.runs()

    assert (run["images"], run["refused"]) == (12, {})


def test_what_is_wrong_is_named_with_its_line_and_good_neighbours_go_on(uploads: Uploads) -> None:
    lines = simple(uploads)
    uploads.put("images/nobody.png", picture(50))
    uploads.put("images/both.png", picture(51))
    annotate(uploads, *lines, "{", line("images/gone.png", ("cut",)), line("images/both.png", ("good", "cut")))
    uploads.settle()
    (run,) = uploads.runs()
    refused = run["refused"]

    assert run["images"] == 12
    assert "is not valid JSON" in refused[f"{PREFIX}annotations.manifest line 13"]
    assert "images/gone.png, which is not in the dataset" in refused[f"{PREFIX}annotations.manifest line 14"]
    assert "no line of annotations.manifest names it" in refused[f"{PREFIX}images/nobody.png"]
    assert "says that it has no defect, and that it shows 'cut'" in refused[f"{PREFIX}images/both.png"]


def test_boxes_that_were_drawn_on_another_size_refuse_their_picture(uploads: Uploads) -> None:
    lines = simple(uploads)
    lines[1]["boxes"]["image_size"] = [{"width": 640, "height": 480, "depth": 3}]
    annotate(uploads, *lines)
    uploads.settle()

    assert "were drawn on 640 x 480 px, and it has 80 x 72" in uploads.runs()[0]["refused"][f"{PREFIX}images/1.png"]


def test_lines_name_sides_and_what_names_none_is_dealt(uploads: Uploads) -> None:
    lines = simple(uploads)
    for number, entry in enumerate(lines[:10]):
        entry["side"] = "test" if number < 4 else "train"
    annotate(uploads, *lines)
    uploads.settle()
    sides = {key: row["side"] for key, row in inventory(uploads, uploads.runs()[0]).items()}

    assert [sides[f"images/{number}.png"] for number in range(10)] == ["test"] * 4 + ["train"] * 6
    assert {sides[f"images/{number}.png"] for number in (10, 11)} <= {"train", "test", "holdout"}


def test_pictures_of_one_part_stand_on_one_side(uploads: Uploads) -> None:
    for part in range(8):
        for view in range(3):
            label = ("good", "cut")[part % 2]
            uploads.put(f"train/{label}/part{part}-view{view}.png", picture(10 * part + view))
    uploads.put("dataset.json", json.dumps({"groups": "(part[0-9]+)-", "split": "pool"}).encode())
    uploads.settle()
    rows = inventory(uploads, uploads.runs()[0]).values()
    sides: dict[str, set[str]] = {}
    for row in rows:
        sides.setdefault(row["group"], set()).add(row["side"])

    assert len(sides) == 8
    assert all(len(of_part) == 1 for of_part in sides.values())
    assert set().union(*sides.values()) == {"train", "test", "holdout"}


def turned(image: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return file_of(image, "JPEG", quality=95, exif=exif)


def test_every_usual_kind_of_picture_is_trained_on_upright_and_in_eight_bits(uploads: Uploads) -> None:
    uploads.usual()
    # No two alike: what becomes the same copy counts once.
    one, two, three, four, five, six = (Image.new("RGB", (100, 70), (10, 200, 30 * number)) for number in range(1, 7))
    files = {
        "a.bmp": file_of(one, "BMP"),
        "b.tif": file_of(two, "TIFF", save_all=True, append_images=[two.rotate(90)]),
        "c.jpg": file_of(three.convert("CMYK"), "JPEG"),
        "d.jpg": turned(four, 6),
        "e.png": file_of(Image.fromarray(np.full((70, 100), 4000, np.uint16)), "PNG"),
        "f.gif": file_of(five, "GIF"),
        "g.png": file_of(six.convert("RGBA"), "PNG"),
    }
    for name, data in files.items():
        uploads.put(f"train/cut/{name}", data)
    uploads.settle()
    (run,) = uploads.runs()
    rows = inventory(uploads, run)

    assert run["refused"] == {}
    assert {rows[f"train/cut/{name}"]["format"] for name in files} == {"PNG", "JPEG"}
    assert (rows["train/cut/d.jpg"]["width"], rows["train/cut/d.jpg"]["height"]) == (70, 100)
    references = {entry["source-ref"] for entry in manifest_lines(uploads, run)}
    for name in files:
        key = rows[f"train/cut/{name}"]["picture"]
        assert f"s3://data/{key}" in references
        shown = Image.open(io.BytesIO(uploads.s3.get_object(Bucket="data", Key=key)["Body"].read()))
        assert shown.mode in ("L", "RGB") and key.startswith("prepared/parts/")
    assert "turned upright (its EXIF orientation was 6)" in run["prepared"]


def test_one_picture_as_files_of_two_kinds_is_trained_on_once(uploads: Uploads) -> None:
    uploads.usual(count=8)
    for name, kind in (("a.bmp", "BMP"), ("b.tif", "TIFF")):
        uploads.put(f"train/cut/{name}", file_of(texture(), kind))
    uploads.settle()
    (run,) = uploads.runs()

    assert run["refused"] == {
        f"{PREFIX}train/cut/b.tif": f"byte-identical to {PREFIX}train/cut/a.bmp: an image may stand on one side only"
    }
    assert uploads.prepared(run)[0] == []


def test_of_many_refused_files_the_account_names_the_first_and_a_list_names_all(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ground_truth, "_MOST_REFUSED", 2)
    uploads.usual()
    for number in range(4):
        uploads.put(f"train/cut/{number}.txt", b"no picture")
    uploads.settle()
    (run,) = uploads.runs()
    body = uploads.s3.get_object(Bucket="artifacts", Key=run["refused_list"])["Body"].read()
    listed = {line["key"]: line["reason"] for line in parse_lines(body.decode())}

    assert [*listed] == [f"{PREFIX}train/cut/{number}.txt" for number in range(4)]
    assert run["refused"] == dict([*listed.items()][:2])
    assert run["refused_files"] == 4


def test_a_mask_on_a_turned_picture_marks_the_same_place_on_the_prepared_one(uploads: Uploads) -> None:
    uploads.usual()
    for number in range(6):
        stored = Image.new("RGB", (100, 70), (40 + number, 40, 40))
        stored.paste((250, 20, 20), (10, 20, 40, 30))
        uploads.put(f"train/cut/turned{number}.jpg", turned(stored, 6))
        uploads.put(f"ground_truth/cut/turned{number}_mask.png", mask((100, 70), (10, 20, 40, 30)))
    uploads.settle()
    rows = inventory(uploads, uploads.runs("detection")[0])
    row = rows["train/cut/turned0.jpg"]
    (box,) = row["boxes"]
    data = uploads.s3.get_object(Bucket="data", Key=row["picture"])["Body"].read()
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)

    inside = pixels[box["top"] : box["top"] + box["height"], box["left"] : box["left"] + box["width"]]
    assert (box["width"], box["height"]) == (10, 30)
    assert (inside[..., 0] > 150).all()
    assert int((pixels[..., 0] > 150).sum()) == 300


def test_a_large_picture_and_its_mask_are_scaled_alike(uploads: Uploads) -> None:
    uploads.usual("good", "cut")
    for number in range(2):
        large = Image.new("L", (6000, 4000), 30 + number)
        large.paste(255, (600, 400, 1800, 1600))
        uploads.put(f"train/cut/large{number}.png", file_of(large, "PNG", compress_level=1))
        uploads.put(f"ground_truth/cut/large{number}_mask.png", mask((6000, 4000), (600, 400, 1800, 1600)))
    uploads.settle()
    row = inventory(uploads, uploads.runs("detection")[0])["train/cut/large0.png"]

    assert (row["width"], row["height"]) == (4096, 2731)
    (box,) = row["boxes"]
    assert [box[side] for side in ("left", "top", "width", "height")] == [409, 273, 820, 820]


def deep(largest: int, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, largest, (72, 80)).astype(np.uint16)
    pixels[0, 0] = largest
    return file_of(Image.fromarray(pixels), "PNG")


def test_one_window_serves_all_deep_pictures_of_a_dataset(uploads: Uploads) -> None:
    for number in range(6):
        uploads.put(f"train/good/{number}.png", deep(1000, number))
        uploads.put(f"train/cut/{number}.png", deep(4000, 10 + number))
    uploads.settle()
    (run,) = uploads.runs()

    assert run["images"] == 12
    assert [done for done in run["prepared"] if "1023" in done] == []
    assert sum(count for done, count in run["prepared"].items() if "0 to 4095" in done) == 12
    assert run["window"] == [0, 4095]


def test_the_window_of_dataset_json_counts_whenever_it_comes(uploads: Uploads) -> None:
    for number in range(6):
        uploads.put(f"train/good/{number}.png", deep(1000, number))
        uploads.put(f"train/cut/{number}.png", deep(4000, 10 + number))
    uploads.put("dataset.json", b'{"window": [100, 2000]}')
    uploads.settle()

    (run,) = uploads.runs()
    assert sum(count for done, count in run["prepared"].items() if "100 to 2000" in done) == 12
    assert run["window"] == [100, 2000]


def test_a_run_of_usual_pictures_tells_no_window(uploads: Uploads) -> None:
    uploads.put("dataset.json", b'{"window": [100, 2000]}')
    uploads.usual(count=8)
    uploads.settle()

    assert uploads.runs()[0]["window"] is None


def texture() -> Image.Image:
    return Image.fromarray(np.add.outer(np.arange(72) ** 2 % 97, np.arange(80) ** 2 % 89).astype(np.uint8))


def test_look_alikes_on_different_sides_and_with_different_labels_are_named_wherever_somebody_decides(
    uploads: Uploads,
) -> None:
    for side in ("train", "test"):
        for label in ("good", "cut"):
            for number in range(6):
                seed = 1000 * len(side) + 100 * len(label) + number
                uploads.put(f"{side}/{label}/{number}.png", picture(seed))
    uploads.put("train/good/one.png", file_of(texture(), "PNG"))
    uploads.put("train/cut/other.jpg", file_of(texture(), "JPEG", quality=95))
    uploads.put("train/cut/here.png", file_of(texture().transpose(Image.Transpose.ROTATE_180), "PNG"))
    uploads.put("test/cut/there.jpg", file_of(texture().transpose(Image.Transpose.ROTATE_180), "JPEG", quality=95))
    uploads.settle()
    (run,) = uploads.runs()

    assert run["look_alikes"] == {
        "on_different_sides": [[f"{PREFIX}test/cut/there.jpg", f"{PREFIX}train/cut/here.png"]],
        "with_different_labels": [[f"{PREFIX}train/cut/other.jpg", f"{PREFIX}train/good/one.png"]],
    }
    uploads.prepared(run)
    known = {**known_of("cut"), "warnings": evidence.load(run["run_id"], "development").warnings}
    ref = StageRef(run["run_id"], "parts", "classification", "approve2staging", "staging")
    terms = {"link": "https://x", "source": "development", "target": "staging", "confirmation": "1b7d25"}
    _, mail = mails.approval_mail(ref, evidence_of(known), **terms, expires="tomorrow", stays_running=False)
    form = {"source": "development", "token": "t", "problem": "", "expires": "tomorrow", "confirmation": "1b7d25"}
    page = render("approval.html", **{**shared("cut", known=known), **form})
    for text in (" ".join(mail.split()), html.unescape(page)):
        for kind, one, other in (
            ("on different sides", "test/cut/there.jpg", "train/cut/here.png"),
            ("with different labels", "train/cut/other.jpg", "train/good/one.png"),
        ):
            said = f"1 pair of pictures {kind} look alike: {PREFIX}{one} and {PREFIX}{other}"
            assert said in text


def test_under_a_fixed_camera_look_alikes_are_not_listed_and_that_is_said(uploads: Uploads) -> None:
    for number in range(12):
        image = texture()
        image.putpixel((number, 0), 255)
        uploads.put(f"train/{('good', 'cut')[number % 2]}/{number}.png", file_of(image, "PNG"))
    uploads.settle()
    (run,) = uploads.runs()

    assert run["look_alikes"] == {"on_different_sides": [], "with_different_labels": []}
    (remark,) = (remark for remark in run["remarks"] if "fixed camera" in remark)
    assert " of 12 pictures look like another one, as they do under a fixed camera" in remark


COLOURS = {"BACKGROUND": "#ffffff", "scratch": "#2ca02c", "dent": "#1f77b4"}


def with_mask(name: str, mask: str, labels: tuple[str, ...] = ("anomaly",), prefix: str = "") -> dict[str, Any]:
    """A line as Lookout for Vision writes it."""
    colours = {str(n): {"class-name": kind, "hex-color": hexa} for n, (kind, hexa) in enumerate(COLOURS.items())}
    metadata = {"internal-color-map": colours, "type": "groundtruth/semantic-segmentation"}
    return {
        **line(f"{prefix}{name}", labels),
        "anomaly-mask-ref": f"{prefix}{mask}",
        "anomaly-mask-ref-metadata": metadata,
    }


def coloured(*marked: tuple[str, tuple[int, int, int, int]], size: tuple[int, int] = SIZE, kind: str = "PNG") -> bytes:
    image = Image.new("RGB", size, COLOURS["BACKGROUND"])
    for label, place in marked:
        image.paste(COLOURS[label], place)
    return file_of(image.quantize(4), kind)


BOTH = (
    ("scratch", (10, 20, 40, 28)),
    ("dent", (50, 40, 62, 54)),
    ("dent", (5, 5, 10, 10)),
    ("scratch", (70, 2, 72, 4)),
)


@pytest.mark.parametrize("prefix", ["", f"s3://data/{PREFIX}"])
def test_masks_that_lines_of_lookout_for_vision_name_become_boxes_of_the_kinds_of_their_colours(
    uploads: Uploads, prefix: str
) -> None:
    lines = []
    for number in range(6):
        uploads.put(f"images/{number}.png", picture(number))
        uploads.put(f"images/clean{number}.png", picture(50 + number))
        uploads.put(f"images/masks/{number}.png", coloured(*BOTH))
        lines += [with_mask(f"images/{number}.png", f"images/masks/{number}.png", prefix=prefix)]
        lines += [line(f"{prefix}images/clean{number}.png", ("normal",))]
    annotate(uploads, *lines)
    uploads.settle()
    (labels,), (drawn,) = uploads.runs(), uploads.runs("detection")

    assert (labels["labels"], labels["images"], labels["refused"]) == (["dent", "normal", "scratch"], 12, {})
    assert drawn["refused"] == {} and drawn["labels"][0] == "dent" and drawn["boxes"] == 18
    boxes = inventory(uploads, drawn)["images/0.png"]["boxes"]
    assert sorted((box["label"], box["left"], box["top"], box["width"], box["height"]) for box in boxes) == [
        ("dent", 5, 5, 5, 5),
        ("dent", 50, 40, 12, 14),
        # The fourth is a speck.
        ("scratch", 10, 20, 30, 8),
    ]


def test_a_mask_on_a_picture_that_is_turned_and_scaled_marks_the_same_place(uploads: Uploads) -> None:
    lines = simple(uploads)
    uploads.put("images/turned.jpg", turned(Image.new("RGB", (6000, 200), (40, 40, 40)), 6))
    uploads.put("images/turned_colours.png", coloured(("dent", (600, 20, 1200, 80)), size=(6000, 200)))
    annotate(uploads, *lines, with_mask("images/turned.jpg", "images/turned_colours.png"))
    uploads.settle()
    row = inventory(uploads, uploads.runs("detection")[0])["images/turned.jpg"]

    assert (row["labels"], row["width"], row["height"]) == (["dent"], 200, 4000)
    (box,) = row["boxes"]
    mapping = PictureMapping(6000, 200, 200, 4000, 6).box(600, 20, 600, 60)
    assert (box["left"], box["top"], box["width"], box["height"]) == astuple(mapping)


def test_a_line_whose_mask_alone_labels_its_picture_is_about_what_the_mask_marks(uploads: Uploads) -> None:
    lines = simple(uploads)
    for name, marked in (("marked", BOTH[:1]), ("clean", ())):
        uploads.put(f"images/{name}.png", picture(len(name) + 70))
        uploads.put(f"images/{name}.mask.png", coloured(*marked))
        lines.append(with_mask(f"images/{name}.png", f"images/{name}.mask.png", labels=()))
    annotate(uploads, *lines)
    uploads.settle()
    rows = inventory(uploads, uploads.runs()[0])

    assert [rows[f"images/{name}.png"]["labels"] for name in ("marked", "clean")] == [["scratch"], ["normal"]]


@pytest.mark.parametrize(
    ("mask_name", "data", "why"),
    [
        ("images/gone.png", None, "its mask is not in the dataset: copy it below images/ and name it there"),
        ("s3://other/masks/m.png", None, "its mask is not in the dataset: copy it below images/ and name it there"),
        ("images/m.png", coloured(*BOTH, size=(90, 72)), "its mask has another size than the picture"),
        ("images/m.png", picture(7), "its mask is no PNG of a few colours that can be read"),
        ("images/m.bmp", coloured(*BOTH, kind="BMP"), "its mask is no PNG of a few colours that can be read"),
        ("images/m.png", coloured(), "its mask marks nothing that is large enough in a colour that the line names"),
    ],
)
def test_a_mask_of_a_line_that_cannot_be_used_is_told_and_its_picture_keeps_its_label(
    uploads: Uploads, mask_name: str, data: bytes | None, why: str
) -> None:
    lines = simple(uploads)
    uploads.put("images/odd.png", picture(60))
    if data:
        uploads.put(mask_name, data)
    annotate(uploads, *lines, with_mask("images/odd.png", mask_name))
    uploads.settle()
    (run,) = uploads.runs()

    assert any(f"line 13 of annotations.manifest: {why}" in remark for remark in run["remarks"])
    assert inventory(uploads, run)["images/odd.png"]["labels"] == ["anomaly"]
    assert (run["images"], run["refused"]) == (13, {})
