"""Small folders in every layout, and what a reader has to find in them: pictures of our own, drawn here."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 80, 64
SIZE = (WIDTH, HEIGHT)
Edges = tuple[int, int, int, int]
# Left, top, width and height of what is marked.
ONE: Edges = (10, 20, 30, 8)
TWO: Edges = (50, 40, 12, 14)


@dataclass(frozen=True)
class Expected:
    """Labels, boxes with their labels, side and group of one picture."""

    labels: tuple[str, ...]
    boxes: tuple[tuple[str, Edges], ...] = ()
    side: str | None = None
    group: str | None = None


NORMAL = ("normal",)
Sample = Callable[[Path], dict[str, Expected]]


def picture(folder: Path, name: str, size: tuple[int, int] = SIZE, mode: str = "RGB", shade: int = 120) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # Every picture is one of its own: of copies the stack takes one.
    noise = np.random.default_rng(list(name.encode())).integers(shade - 90, shade + 90, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(path)


def mask(folder: Path, name: str, *marked: Edges, shade: int = 255, size: tuple[int, int] = SIZE) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", size, 0)
    for left, top, width, height in marked:
        ImageDraw.Draw(image).rectangle((left, top, left + width - 1, top + height - 1), fill=shade)
    image.save(path)


def text(folder: Path, name: str, content: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def defect(label: str, *boxes: Edges, side: str | None = None, group: str | None = None) -> Expected:
    return Expected((label,), tuple((label, box) for box in boxes), side, group)


def good(side: str | None = None, group: str | None = None) -> Expected:
    return Expected(NORMAL, (), side, group)


def plain(folder: Path) -> dict[str, Expected]:
    picture(folder, "train/good/000.png")
    picture(folder, "test/scratch/000.png")
    picture(folder, "test/good/000.png")
    mask(folder, "ground_truth/scratch/000_mask.png", ONE, TWO)
    return {
        "train/good/000.png": good("train"),
        "test/good/000.png": good("test"),
        "test/scratch/000.png": defect("scratch", ONE, TWO, side="test"),
    }


def dataset(folder: Path) -> dict[str, Expected]:
    """As it lies in the bucket: some pictures are in folders of labels, of others the manifest tells."""
    found = plain(folder)
    for name in ("a", "b"):
        picture(folder, f"images/{name}.png")
    marked = {"source-ref": "images/a.png", **boxes_of((0, ONE), (1, TWO), names={"0": "dent", "1": "rust"})}
    clean = {"source-ref": "images/b.png", **class_of("good"), "side": "holdout", "group": "part 7"}
    text(folder, "annotations.manifest", "".join(f"{json.dumps(line)}\n" for line in (marked, clean)))
    return {
        **found,
        "images/a.png": Expected(("dent", "rust"), (("dent", ONE), ("rust", TWO))),
        "images/b.png": good("holdout", "part 7"),
    }


def label_folders(folder: Path) -> dict[str, Expected]:
    for name in ("OK/1", "OK/2", "NG/1", "NG/2"):
        picture(folder, f"{name}.bmp")
    text(folder, "dataset.json", "{}")
    text(folder, "readme.txt", "Station 4")
    return {
        "OK/1.bmp": good(),
        "OK/2.bmp": good(),
        "NG/1.bmp": defect("NG"),
        "NG/2.bmp": defect("NG"),
    }


def label_folders_below_a_product(folder: Path) -> dict[str, Expected]:
    for name in ("bottle/dent/1", "bottle/scratch/2"):
        picture(folder, f"{name}.gif")
    return {"bottle/dent/1.gif": defect("dent"), "bottle/scratch/2.gif": defect("scratch")}


def mvtec_ad(folder: Path) -> dict[str, Expected]:
    plain(folder / "bottle")
    return {
        "bottle/train/good/000.png": good("train"),
        "bottle/test/good/000.png": good("test"),
        "bottle/test/scratch/000.png": defect("scratch", ONE, TWO, side="test"),
    }


def mvtec_ad_2(folder: Path) -> dict[str, Expected]:
    for name in ("train/good/000_regular", "train/good/000_shift_1", "validation/good/001_regular"):
        picture(folder, f"{name}.png")
    for name in ("bad/000_regular", "bad/000_overexposed", "good/000_regular"):
        picture(folder, f"test_public/{name}.png")
    mask(folder, "test_public/ground_truth/bad/000_regular_mask.png", ONE)
    mask(folder, "test_public/ground_truth/bad/000_overexposed_mask.png", TWO)
    picture(folder, "test_private/000_regular.png")
    return {
        "train/good/000_regular.png": good("train", "train/good/000"),
        "train/good/000_shift_1.png": good("train", "train/good/000"),
        "validation/good/001_regular.png": good("train", "validation/good/001"),
        "test_public/bad/000_regular.png": defect("bad", ONE, side="test", group="test_public/bad/000"),
        "test_public/bad/000_overexposed.png": defect("bad", TWO, side="test", group="test_public/bad/000"),
        "test_public/good/000_regular.png": good("test", "test_public/good/000"),
    }


def mvtec_loco(folder: Path) -> dict[str, Expected]:
    picture(folder, "train/good/000.png")
    picture(folder, "validation/good/000.png")
    picture(folder, "test/logical_anomalies/000.png")
    mask(folder, "ground_truth/logical_anomalies/000/000.png", ONE, shade=254)
    mask(folder, "ground_truth/logical_anomalies/000/001.png", TWO, shade=253)
    text(folder, "defects_config.json", '[{"defect_name": "missing", "pixel_value": 254}]')
    return {
        "train/good/000.png": good("train"),
        "validation/good/000.png": good("train"),
        "test/logical_anomalies/000.png": defect("logical_anomalies", ONE, TWO, side="test"),
    }


def image_folders(folder: Path) -> dict[str, Expected]:
    for name in ("train/ok/1", "train/dent/2", "val/ok/3", "val/dent/4"):
        picture(folder, f"{name}.jpg")
    return {
        "train/ok/1.jpg": good("train"),
        "train/dent/2.jpg": defect("dent", side="train"),
        "val/ok/3.jpg": good("test"),
        "val/dent/4.jpg": defect("dent", side="test"),
    }


def visa_one_class(folder: Path) -> dict[str, Expected]:
    picture(folder, "candle/train/good/0000.JPG")
    picture(folder, "candle/test/bad/000.JPG")
    mask(folder, "candle/ground_truth/bad/000.png", ONE, shade=1)
    return {
        "candle/train/good/0000.JPG": good("train"),
        "candle/test/bad/000.JPG": defect("bad", ONE, side="test"),
    }


def btad(folder: Path) -> dict[str, Expected]:
    picture(folder, "01/train/ok/0000.bmp")
    picture(folder, "01/test/ok/0000.bmp")
    picture(folder, "01/test/ko/0000.bmp")
    mask(folder, "01/ground_truth/ko/0000.png", ONE)
    return {
        "01/train/ok/0000.bmp": good("train"),
        "01/test/ok/0000.bmp": good("test"),
        "01/test/ko/0000.bmp": defect("ko", ONE, side="test"),
    }


def visa(folder: Path) -> dict[str, Expected]:
    base = "candle/Data"
    for name in ("Normal/0000", "Anomaly/000", "Anomaly/001", "Anomaly/002"):
        picture(folder, f"{base}/Images/{name}.JPG")
    mask(folder, f"{base}/Masks/Anomaly/000.png", ONE, shade=1)
    mask(folder, f"{base}/Masks/Anomaly/001.png", TWO, shade=2)
    both = Image.new("L", SIZE, 0)
    for shade, (left, top, width, height) in ((1, ONE), (2, TWO)):
        ImageDraw.Draw(both).rectangle((left, top, left + width - 1, top + height - 1), fill=shade)
    both.save(folder / f"{base}/Masks/Anomaly/002.png")
    rows = [
        "image,label,mask",
        f"{base}/Images/Normal/0000.JPG,normal,",
        f"{base}/Images/Anomaly/000.JPG,melded wax,{base}/Masks/Anomaly/000.png",
        f"{base}/Images/Anomaly/001.JPG,stains,{base}/Masks/Anomaly/001.png",
        f'{base}/Images/Anomaly/002.JPG,"melded wax,stains",{base}/Masks/Anomaly/002.png',
    ]
    text(folder, "candle/image_anno.csv", "\n".join(rows))
    sides = ["object,split,image,label,mask", f"candle,train,{base}/Images/Normal/0000.JPG,normal,"]
    sides += [f"candle,test,{base}/Images/Anomaly/000.JPG,anomaly,{base}/Masks/Anomaly/000.png"]
    text(folder, "split_csv/1cls.csv", "\n".join(sides))
    return {
        f"{base}/Images/Normal/0000.JPG": good("train"),
        f"{base}/Images/Anomaly/000.JPG": defect("melded wax", ONE, side="test"),
        f"{base}/Images/Anomaly/001.JPG": defect("stains", TWO),
        f"{base}/Images/Anomaly/002.JPG": Expected(("melded wax", "stains"), (("melded wax", ONE), ("stains", TWO))),
    }


def kolektor_sdd(folder: Path) -> dict[str, Expected]:
    for name in ("kos01/Part0", "kos01/Part1", "kos02/Part0"):
        picture(folder, f"{name}.jpg")
        mask(folder, f"{name}_label.bmp", *([ONE] if name == "kos01/Part1" else []))
    return {
        "kos01/Part0.jpg": good(group="kos01"),
        "kos01/Part1.jpg": defect("defect", ONE, group="kos01"),
        "kos02/Part0.jpg": good(group="kos02"),
    }


def kolektor_sdd2(folder: Path) -> dict[str, Expected]:
    for name, marked in (("train/10000", []), ("train/10001", [ONE]), ("test/20000", [TWO])):
        picture(folder, f"{name}.png")
        mask(folder, f"{name}_GT.png", *marked)
    return {
        "train/10000.png": good("train"),
        "train/10001.png": defect("defect", ONE, side="train"),
        "test/20000.png": defect("defect", TWO, side="test"),
    }


def dagm_2007(folder: Path) -> dict[str, Expected]:
    for number in (1, 2):
        picture(folder, f"Class{number}/Train/0001.PNG", mode="L")
        picture(folder, f"Class{number}/Test/0002.PNG", mode="L")
        mask(folder, f"Class{number}/Test/Label/0002_label.PNG", ONE)
        text(folder, f"Class{number}/Test/Label/Labels.txt", "1\n2\t1\t0002.PNG\t0\t0002_label.PNG\n")
    return {
        f"Class{number}/{name}": expected
        for number in (1, 2)
        for name, expected in {
            "Train/0001.PNG": good("train"),
            "Test/0002.PNG": defect(f"Class{number}", ONE, side="test"),
        }.items()
    }


def magnetic_tile(folder: Path) -> dict[str, Expected]:
    for kind, marked in (("Blowhole", [ONE]), ("Free", [])):
        picture(folder, f"MT_{kind}/Imgs/exp1_num_1.jpg", mode="L")
        mask(folder, f"MT_{kind}/Imgs/exp1_num_1.png", *marked)
    return {
        "MT_Blowhole/Imgs/exp1_num_1.jpg": defect("Blowhole", ONE),
        "MT_Free/Imgs/exp1_num_1.jpg": good(),
    }


def runs_of(*marked: Edges) -> str:
    """Run lengths column by column from 1."""
    pairs = []
    for left, top, width, height in marked:
        pairs += [f"{(left + column) * HEIGHT + top + 1} {height}" for column in range(width)]
    return " ".join(pairs)


def severstal(folder: Path) -> dict[str, Expected]:
    for name in ("a", "b", "c"):
        picture(folder, f"train_images/{name}.jpg")
    picture(folder, "test_images/d.jpg")
    rows = ["ImageId,ClassId,EncodedPixels", f"a.jpg,1,{runs_of(ONE)}", f"a.jpg,3,{runs_of(TWO)}", "b.jpg,1,"]
    text(folder, "train.csv", "\n".join(rows))
    text(folder, "sample_submission.csv", "ImageId,EncodedPixels,ClassId\nd.jpg,1 1,1\n")
    return {
        "train_images/a.jpg": Expected(("class_1", "class_3"), (("class_1", ONE), ("class_3", TWO)), "train"),
        "train_images/b.jpg": good("train"),
        "train_images/c.jpg": good("train"),
    }


def voc(folder: Path, name: str, filename: str, *objects: tuple[str, Edges]) -> None:
    parts = [
        f"<object><name>{label}</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
        f"<xmax>{left + width}</xmax><ymax>{top + height}</ymax></bndbox></object>"
        for label, (left, top, width, height) in objects
    ]
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    text(folder, name, f"<annotation><filename>{filename}</filename>{size}{''.join(parts)}</annotation>")


def pascal_voc(folder: Path) -> dict[str, Expected]:
    for name in ("a", "b", "c"):
        picture(folder, f"JPEGImages/{name}.jpg")
    voc(folder, "Annotations/a.xml", "a.jpg", ("dent", ONE), ("scratch", TWO))
    voc(folder, "Annotations/b.xml", "b.jpg")
    voc(folder, "Annotations/c.xml", "c.jpg", ("dent", TWO))
    text(folder, "ImageSets/Main/train.txt", "a\nb\n")
    text(folder, "ImageSets/Main/val.txt", "c\n")
    return {
        "JPEGImages/a.jpg": Expected(("dent", "scratch"), (("dent", ONE), ("scratch", TWO)), "train"),
        "JPEGImages/b.jpg": good("train"),
        "JPEGImages/c.jpg": defect("dent", TWO, side="test"),
    }


def neu_det(folder: Path) -> dict[str, Expected]:
    picture(folder, "IMAGES/crazing_1.jpg", mode="L")
    voc(folder, "ANNOTATIONS/crazing_1.xml", "crazing_1.jpg", ("crazing", ONE), ("crazing", TWO))
    return {"IMAGES/crazing_1.jpg": defect("crazing", ONE, TWO)}


def neu_det_with_sides(folder: Path) -> dict[str, Expected]:
    for side, box in (("train", ONE), ("validation", TWO)):
        picture(folder, f"{side}/images/crazing/crazing_1.jpg", mode="L")
        voc(folder, f"{side}/annotations/crazing_1.xml", "crazing_1.jpg", ("crazing", box))
    return {
        "train/images/crazing/crazing_1.jpg": defect("crazing", ONE, side="train"),
        "validation/images/crazing/crazing_1.jpg": defect("crazing", TWO, side="test"),
    }


def hripcb(folder: Path) -> dict[str, Expected]:
    picture(folder, "images/Missing_hole/01_missing_hole_01.jpg")
    picture(folder, "PCB_USED/01.JPG")
    voc(folder, "Annotations/Missing_hole/01_missing_hole_01.xml", "01_missing_hole_01.jpg", ("missing_hole", ONE))
    return {
        "images/Missing_hole/01_missing_hole_01.jpg": defect("missing_hole", ONE),
        "PCB_USED/01.JPG": good(),
    }


def gc10_det(folder: Path) -> dict[str, Expected]:
    picture(folder, "01/img_01.jpg")
    picture(folder, "02/img_02.jpg")
    (folder / "03").mkdir()
    (folder / "03/img_02.jpg").write_bytes((folder / "02/img_02.jpg").read_bytes())
    voc(folder, "lable/img_01.xml", "img_01.jpg", ("1_chongkong", ONE))
    voc(folder, "lable/img_02.xml", "img_02.jpg", ("1_chongkong", ONE), ("2_hanfeng", TWO))
    return {
        "01/img_01.jpg": defect("1_chongkong", ONE),
        "02/img_02.jpg": Expected(("1_chongkong", "2_hanfeng"), (("1_chongkong", ONE), ("2_hanfeng", TWO))),
    }


def deeppcb(folder: Path) -> dict[str, Expected]:
    base = "group00041/00041"
    for name in ("00041000", "00041001"):
        picture(folder, f"{base}/{name}_test.jpg", mode="L")
        picture(folder, f"{base}/{name}_temp.jpg", mode="L")
    text(folder, f"{base}_not/00041000.txt", "10 20 40 28 1\n50 40 62 54 4\n")
    text(folder, f"{base}_not/00041001.txt", "10 20 40 28 4\n")
    text(folder, "trainval.txt", f"{base}/00041000.jpg {base}_not/00041000.txt\n")
    text(folder, "test.txt", f"{base}/00041001.jpg {base}_not/00041001.txt\n")
    one, two = f"{base}/00041000", f"{base}/00041001"
    return {
        f"{one}_test.jpg": Expected(("open", "spur"), (("open", ONE), ("spur", TWO)), "train", one),
        f"{one}_temp.jpg": good("train", one),
        f"{two}_test.jpg": defect("spur", ONE, side="test", group=two),
        f"{two}_temp.jpg": good("test", two),
    }


def real_iad(folder: Path) -> dict[str, Expected]:
    part, clean = "plug/NG/QS/S0001", "plug/OK/S0002"
    for view in (1, 2):
        picture(folder, f"{part}/plug_0001_NG_QS_C{view}.jpg")
        picture(folder, f"{clean}/plug_0002_OK_C{view}.jpg")
    mask(folder, f"{part}/plug_0001_NG_QS_C1_mask.png", ONE)
    return {
        f"{part}/plug_0001_NG_QS_C1.jpg": defect("QS", ONE, group=part),
        f"{part}/plug_0001_NG_QS_C2.jpg": good(group=part),
        f"{clean}/plug_0002_OK_C1.jpg": good(group=clean),
        f"{clean}/plug_0002_OK_C2.jpg": good(group=clean),
    }


def coco_of(images: Sequence[tuple[int, str]], annotations: Sequence[dict[str, Any]]) -> str:
    return json.dumps(
        {
            "images": [{"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT} for number, name in images],
            "annotations": [{"id": number, "iscrowd": 0, **entry} for number, entry in enumerate(annotations, 1)],
            "categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "scratch"}],
        }
    )


def coco(folder: Path) -> dict[str, Expected]:
    """As Roboflow exports it."""
    for name in ("train/a.jpg", "train/b.jpg", "valid/c.jpg", "test/d.jpg"):
        picture(folder, name)
    both = [
        {"image_id": 1, "category_id": 1, "bbox": list(ONE)},
        {"image_id": 1, "category_id": 2, "segmentation": [[50, 40, 62, 40, 62, 54, 50, 54]]},
    ]
    text(folder, "train/_annotations.coco.json", coco_of([(1, "a.jpg"), (2, "b.jpg")], both))
    one = [{"image_id": 7, "category_id": 1, "bbox": list(TWO)}]
    text(folder, "valid/_annotations.coco.json", coco_of([(7, "c.jpg")], one))
    text(folder, "test/_annotations.coco.json", coco_of([(7, "d.jpg")], one))
    return {
        "train/a.jpg": Expected(("dent", "scratch"), (("dent", ONE), ("scratch", TWO)), "train"),
        "train/b.jpg": good("train"),
        "valid/c.jpg": defect("dent", TWO, side="test"),
        "test/d.jpg": defect("dent", TWO, side="holdout"),
    }


def coco_of_cvat(folder: Path) -> dict[str, Expected]:
    """As CVAT exports it, with run lengths."""
    picture(folder, "images/default/a.jpg")
    left, top, width, height = ONE
    counts = [left * HEIGHT + top]
    for _ in range(width):
        counts += [height, HEIGHT - height]
    counts[-1] = WIDTH * HEIGHT - sum(counts[:-1])
    segmentation = {"size": [HEIGHT, WIDTH], "counts": counts}
    marked = [{"image_id": 1, "category_id": 1, "segmentation": segmentation}]
    text(folder, "annotations/instances_default.json", coco_of([(1, "a.jpg")], marked))
    return {"images/default/a.jpg": defect("dent", ONE)}


def yolo_line(number: int, box: Edges) -> str:
    left, top, width, height = box
    centre = ((left + width / 2) / WIDTH, (top + height / 2) / HEIGHT)
    return f"{number} {centre[0]:.6f} {centre[1]:.6f} {width / WIDTH:.6f} {height / HEIGHT:.6f}"


def yolo(folder: Path) -> dict[str, Expected]:
    for name in ("train/images/a.jpg", "train/images/b.jpg", "valid/images/c.jpg"):
        picture(folder, name)
    left, top, width, height = TWO
    corners = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
    polygon = " ".join(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in corners)
    text(folder, "train/labels/a.txt", f"{yolo_line(0, ONE)}\n1 {polygon}\n")
    text(folder, "valid/labels/c.txt", f"{yolo_line(1, ONE)}\n")
    text(folder, "data.yaml", "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: [dent, scratch]\n")
    return {
        "train/images/a.jpg": Expected(("dent", "scratch"), (("dent", ONE), ("scratch", TWO)), "train"),
        "train/images/b.jpg": good("train"),
        "valid/images/c.jpg": defect("scratch", ONE, side="test"),
    }


def yolo_of_ultralytics(folder: Path) -> dict[str, Expected]:
    picture(folder, "images/train/a.jpg")
    picture(folder, "images/val/b.jpg")
    text(folder, "labels/train/a.txt", yolo_line(0, ONE))
    text(folder, "labels/val/b.txt", "")
    text(folder, "data.yaml", "path: .\ntrain: images/train\nval: images/val\nnames:\n  0: dent\n")
    return {"images/train/a.jpg": defect("dent", ONE, side="train"), "images/val/b.jpg": good("test")}


def yolo_of_darknet(folder: Path) -> dict[str, Expected]:
    picture(folder, "a.jpg")
    text(folder, "a.txt", yolo_line(0, ONE))
    text(folder, "classes.txt", "dent\n")
    return {"a.jpg": defect("dent", ONE)}


def boxes_of(*marked: tuple[int, Edges], names: dict[str, str]) -> dict[str, Any]:
    entries = [
        {"class_id": number, "left": left, "top": top, "width": width, "height": height}
        for number, (left, top, width, height) in marked
    ]
    return {
        "bb": {"image_size": [{"width": WIDTH, "height": HEIGHT, "depth": 3}], "annotations": entries},
        "bb-metadata": {
            "objects": [{"confidence": 1}] * len(entries),
            "class-map": names,
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00",
        },
    }


def class_of(name: str, attribute: str = "kind") -> dict[str, Any]:
    metadata = {"class-name": name, "confidence": 1, "type": "groundtruth/image-classification"}
    return {attribute: 0, f"{attribute}-metadata": metadata}


def manifest(folder: Path) -> dict[str, Expected]:
    """As Ground Truth and Custom Labels write it, with pictures in a bucket."""
    for name in ("a", "b", "c"):
        picture(folder, f"pictures/{name}.jpg")
    lines = [
        {
            "source-ref": "s3://line/2026/pictures/a.jpg",
            **boxes_of((0, ONE), (1, TWO), names={"0": "dent", "1": "rust"}),
        },
        {"source-ref": "s3://line/2026/pictures/b.jpg", **class_of("good"), "side": "holdout", "group": "part 7"},
        {"source-ref": "s3://line/2026/pictures/c.jpg", **class_of("dent", "x"), **class_of("rust", "y")},
    ]
    text(folder, "output.manifest", "\n".join(map(json.dumps, lines)))
    return {
        "pictures/a.jpg": Expected(("dent", "rust"), (("dent", ONE), ("rust", TWO))),
        "pictures/b.jpg": good("holdout", "part 7"),
        "pictures/c.jpg": Expected(("dent", "rust")),
    }


def lookout(folder: Path) -> dict[str, Expected]:
    """As Lookout for Vision writes it: colours of a mask stand for kinds of anomalies."""
    picture(folder, "train/normal/a.jpg")
    picture(folder, "train/anomaly/b.jpg")
    drawn = Image.new("RGB", SIZE, "#ffffff")
    for colour, (left, top, width, height) in (("#2ca02c", ONE), ("#1f77b4", TWO)):
        ImageDraw.Draw(drawn).rectangle((left, top, left + width - 1, top + height - 1), fill=colour)
    (folder / "masks").mkdir()
    drawn.save(folder / "masks/b.png")

    def said(name: str) -> dict[str, Any]:
        return class_of(name, "anomaly-label")

    colours = {
        "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0.0},
        "1": {"class-name": "scratch", "hex-color": "#2ca02c", "confidence": 0.0},
        "2": {"class-name": "dent", "hex-color": "#1f77b4", "confidence": 0.0},
    }
    marked = {
        "anomaly-mask-ref": "s3://line/x/masks/b.png",
        "anomaly-mask-ref-metadata": {"internal-color-map": colours, "type": "groundtruth/semantic-segmentation"},
    }
    lines = [
        {"source-ref": "s3://line/x/train/normal/a.jpg", **said("normal")},
        {"source-ref": "s3://line/x/train/anomaly/b.jpg", **said("anomaly"), **marked},
    ]
    text(folder, "manifests/train.manifest", "\n".join(map(json.dumps, lines)))
    return {
        "train/normal/a.jpg": good("train"),
        "train/anomaly/b.jpg": Expected(("dent", "scratch"), (("scratch", ONE), ("dent", TWO)), "train"),
    }


# The name of the layout, and folders in it.
SAMPLES: dict[str, tuple[Sample, ...]] = {
    "plain": (plain,),
    "dataset": (dataset,),
    "label_folders": (label_folders, label_folders_below_a_product),
    "image_folders": (image_folders,),
    "mvtec_ad": (mvtec_ad,),
    "mvtec_ad_2": (mvtec_ad_2,),
    "mvtec_loco": (mvtec_loco,),
    "visa_one_class": (visa_one_class,),
    "btad": (btad,),
    "visa": (visa,),
    "kolektor_sdd": (kolektor_sdd,),
    "kolektor_sdd2": (kolektor_sdd2,),
    "dagm_2007": (dagm_2007,),
    "magnetic_tile": (magnetic_tile,),
    "severstal": (severstal,),
    "real_iad": (real_iad,),
    "deeppcb": (deeppcb,),
    "voc": (pascal_voc,),
    "neu_det": (neu_det, neu_det_with_sides),
    "gc10_det": (gc10_det,),
    "hripcb": (hripcb,),
    "coco": (coco, coco_of_cvat),
    "yolo": (yolo, yolo_of_ultralytics, yolo_of_darknet),
    "manifest": (manifest, lookout),
}
EVERY = [(name, sample) for name, samples in SAMPLES.items() for sample in samples]
