"""Folders of labelling tools come in through `mlops upload`, are looked into with `mlops dataset`, and leave again."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from PIL import Image as Picture

from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.images import Image
from mlops.dataset.keys import SPLITS
from mlops.dataset.manifests import parse_lines
from mlops.dataset.mapping import PictureMapping
from tests.unit.cli.test_commands import (  # noqa: F401
    answer,
    cloudformation,
    fill,
    keys,
    labels,
    mlops,
    noticed,
    outputs,
    png,
    put_run,
    replace_client,
)

COCO = {
    "images": [{"id": n, "file_name": f"{n}.png", "width": 80, "height": 72} for n in range(4)],
    "categories": [{"id": 1, "name": "scratch"}, {"id": 2, "name": "dent"}],
    "annotations": [
        {"id": 1, "image_id": 0, "category_id": 1, "bbox": [10, 10, 20, 10], "area": 200, "iscrowd": 0},
        {"id": 2, "image_id": 0, "category_id": 2, "bbox": [40, 30, 10, 10], "area": 100, "iscrowd": 0},
        {"id": 3, "image_id": 1, "category_id": 1, "bbox": [0, 0, 8, 8], "area": 64, "iscrowd": 0},
    ],
}


@pytest.fixture
def coco(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as Roboflow and CVAT export it."""
    monkeypatch.chdir(tmp_path)
    pictures = {f"train/{number}.png": png(10 + number) for number in range(4)}
    return fill(tmp_path / "boards", {**pictures, "train/_annotations.coco.json": json.dumps(COCO).encode()})


def sent(outputs: dict[str, str], key: str) -> bytes:  # noqa: F811
    return bytes(boto3.client("s3").get_object(Bucket=outputs["DataBucketName"], Key=key)["Body"].read())


def test_a_coco_export_is_recognised_shown_and_sent_with_a_manifest(
    mlops: Any,  # noqa: F811
    outputs: dict[str, str],  # noqa: F811
    coco: Path,
) -> None:
    result = mlops("--json", "upload", coco, "--yes")

    assert answer(result)[0]["sent"] == 5
    for said in (
        "is read as COCO: 4 pictures and 3 boxes",
        "scratch (2 pictures, 2 boxes)",
        "boards-contact-sheet.jpg",
    ):
        assert said in result.stderr
    with Picture.open("boards-contact-sheet.jpg") as sheet:
        assert sheet.size > (300, 300)
    prefix = "datasets/boards"
    assert keys(outputs["DataBucketName"]) == [
        f"{prefix}/annotations.manifest",
        *(f"{prefix}/images/train/{number}.png" for number in range(4)),
    ]
    lines = parse_lines(sent(outputs, f"{prefix}/annotations.manifest").decode())
    assert [line["source-ref"] for line in lines] == [f"images/train/{number}.png" for number in range(4)]
    assert lines[0]["bounding-box"]["annotations"] == [
        {"class_id": 1, "left": 10, "top": 10, "width": 20, "height": 10},
        {"class_id": 0, "left": 40, "top": 30, "width": 10, "height": 10},
    ]


def test_nothing_is_sent_unless_somebody_says_that_it_was_recognised_well(
    mlops: Any,  # noqa: F811
    outputs: dict[str, str],  # noqa: F811
    coco: Path,
) -> None:
    assert mlops("upload", coco, input="n\n").exit_code == 1
    assert keys(outputs["DataBucketName"]) == []
    assert mlops("upload", coco, input="y\n").exit_code == 0
    assert len(keys(outputs["DataBucketName"])) == 5


def test_a_dry_run_shows_and_asks_nothing(mlops: Any, outputs: dict[str, str], coco: Path) -> None:  # noqa: F811
    assert mlops("upload", coco, "--dry-run").exit_code == 0
    assert keys(outputs["DataBucketName"]) == []
    assert Path("boards-contact-sheet.jpg").exists()


def test_labels_are_renamed_and_those_that_mean_no_defect_lose_their_boxes(
    mlops: Any,  # noqa: F811
    outputs: dict[str, str],  # noqa: F811
    coco: Path,
) -> None:
    assert mlops("upload", coco, "--yes", "--labels", "scratch=Kratzer,dent=normal").exit_code == 0
    first = parse_lines(sent(outputs, "datasets/boards/annotations.manifest").decode())[1]

    assert first["bounding-box-metadata"]["class-map"] == {"0": "Kratzer"}


def lines_of(outputs: dict[str, str], dataset: str) -> dict[str, dict[str, Any]]:  # noqa: F811
    lines = parse_lines(sent(outputs, f"datasets/{dataset}/annotations.manifest").decode())
    return {line["source-ref"]: line for line in lines}


def label_of(line: dict[str, Any]) -> str:
    (metadata,) = (value for name, value in line.items() if name.startswith("label-") and name.endswith("-metadata"))
    return str(metadata["class-name"])


def test_pictures_of_one_name_inside_and_outside_of_images_keep_keys_and_labels_of_their_own(
    mlops: Any,  # noqa: F811
    outputs: dict[str, str],  # noqa: F811
    tmp_path: Path,
) -> None:
    lines = [{**entry_of(0, "good"), "source-ref": "a.png"}, {**entry_of(1, "dent"), "source-ref": "images/a.png"}]
    content = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    folder = fill(tmp_path / "twins", {"a.png": png(1), "images/a.png": png(2), "x.manifest": content})

    assert mlops("upload", folder, "--yes").exit_code == 0
    assert {name: label_of(line) for name, line in lines_of(outputs, "twins").items()} == {
        "images/a.png": "normal",
        "images/images/a.png": "dent",
    }
    for name, data in (("images/a.png", png(1)), ("images/images/a.png", png(2))):
        assert sent(outputs, f"datasets/twins/{name}") == data


PLAIN = {
    f"train/{label}/{number}.png": png(20 * place + number)
    for place, label in enumerate(("Free", "Blowhole"))
    for number in range(2)
}


def test_folders_of_this_system_are_told_shown_and_asked_about_and_sent_as_they_are(
    mlops: Any,  # noqa: F811
    outputs: dict[str, str],  # noqa: F811
    tmp_path: Path,
) -> None:
    folder = fill(tmp_path / "tiles", PLAIN)

    refused = mlops("upload", folder, input="n\n")
    assert (refused.exit_code, keys(outputs["DataBucketName"])) == (1, [])
    for said in (
        "is read as folders of this system: 4 pictures.",
        "Labels: Blowhole (2); normal (2).",
        "Sides: train (4).",
        'Means "no defect": Free.',
        "tiles-contact-sheet.jpg",
    ):
        assert said in refused.output
    assert mlops("upload", folder, input="y\n").exit_code == 0
    assert keys(outputs["DataBucketName"]) == sorted(f"datasets/tiles/{name}" for name in PLAIN)


@pytest.mark.parametrize(
    ("renamed", "called"),
    [
        ("Blowhole=hole", {"Free": "normal", "Blowhole": "hole"}),
        ("blowhole=hole", {"Free": "normal", "Blowhole": "hole"}),
        ("Free=gap", {"Free": "gap", "Blowhole": "Blowhole"}),
        ("Blowhole=ok", {"Free": "normal", "Blowhole": "normal"}),
        ("Free=gap,Blowhole=normal", {"Free": "gap", "Blowhole": "normal"}),
        ("Free=Blowhole,Blowhole=Free", {"Free": "Blowhole", "Blowhole": "normal"}),
    ],
)
def test_labels_are_renamed_as_the_folder_writes_them(
    mlops: Any,  # noqa: F811
    outputs: dict[str, str],  # noqa: F811
    tmp_path: Path,
    renamed: str,
    called: dict[str, str],
) -> None:
    result = mlops("upload", fill(tmp_path / "tiles", PLAIN), "--yes", "--labels", renamed)

    assert result.exit_code == 0, result.output
    found = {name.split("/")[2]: label_of(line) for name, line in lines_of(outputs, "tiles").items()}
    assert found == called


def test_what_dataset_json_calls_normal_is_not_asked_about(mlops: Any, tmp_path: Path) -> None:  # noqa: F811
    folder = fill(tmp_path / "tiles", {"train/MT_Free/1.png": png(1), "train/dent/2.png": png(2)})

    assert "'MT_Free' is taken for a defect" in mlops("upload", folder, "--dry-run").output
    fill(folder, {"dataset.json": b'{"normal": ["MT_Free"]}'})
    assert "Labels: dent (1); normal (1)." in mlops("upload", folder, "--dry-run").output


def test_a_dataset_of_this_system_is_sent_as_it_is(mlops: Any, outputs: dict[str, str], tmp_path: Path) -> None:  # noqa: F811
    line = {**entry_of(1, "dent"), "source-ref": "images/a.png"}
    files = {"images/a.png": png(1), "train/good/b.png": png(2), "annotations.manifest": json.dumps(line).encode()}
    result = mlops("upload", fill(tmp_path / "own", files), "--yes")

    assert "is read as a dataset of this system: 2 pictures." in result.output
    assert {key: sent(outputs, key) for key in keys(outputs["DataBucketName"])} == {
        f"datasets/own/{name}": data for name, data in files.items()
    }


PROJECT = "arn:aws:rekognition:eu-west-1:123456789012:project/old/1"


def project_with(datasets: dict[str, list[dict[str, Any]]]) -> Any:
    """A client of Custom Labels that knows one project with these lines, by type of the dataset."""
    described = [{"DatasetType": kind, "DatasetArn": kind} for kind in datasets]
    paginate = lambda DatasetArn: [{"DatasetEntries": list(map(json.dumps, datasets[DatasetArn]))}]  # noqa: E731, N803
    return SimpleNamespace(
        describe_projects=lambda **_: {"ProjectDescriptions": [{"Datasets": described}]},
        get_paginator=lambda _: SimpleNamespace(paginate=paginate),
    )


def entry_of(number: int, label: str) -> dict[str, Any]:
    metadata = {"class-name": label, "confidence": 1, "type": "groundtruth/image-classification"}
    key = "../up.png" if number == 3 else f"console/{number}.png"
    return {"source-ref": f"s3://parts-data/{key}", "label": number % 2, "label-metadata": metadata}


def test_the_datasets_of_a_project_come_in_with_their_sides(
    mlops: Any,  # noqa: F811
    outputs: dict[str, str],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [entry_of(number, ("good", "scratch")[number % 2]) for number in range(4)]
    for number, line in enumerate(lines):
        key = line["source-ref"].removeprefix("s3://parts-data/")
        boto3.client("s3").put_object(Bucket="parts-data", Key=key, Body=png(50 + number))
    replace_client(monkeypatch, "rekognition", project_with({"TRAIN": lines[:2], "TEST": lines[2:]}))

    assert mlops("upload", PROJECT, "old", "--yes").exit_code == 0
    written = parse_lines(sent(outputs, "datasets/old/annotations.manifest").decode())
    assert {line["source-ref"]: line["side"] for line in written} == {
        "images/parts-data/console/0.png": "train",
        "images/parts-data/console/1.png": "train",
        "images/parts-data/console/2.png": "test",
        "images/parts-data/__/up.png": "test",
    }


def test_a_line_without_picture_and_a_picture_that_is_gone_are_named_and_the_others_come_in(
    mlops: Any,  # noqa: F811
    outputs: dict[str, str],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [entry_of(number, ("good", "scratch")[number % 2]) for number in range(3)]
    boto3.client("s3").put_object(Bucket="parts-data", Key="console/0.png", Body=png(50))
    boto3.client("s3").put_object(Bucket="parts-data", Key="console/1.png", Body=png(51))
    odd: list[Any] = [{"label": 1}, {"source-ref": 7}, {"source-ref": "s3://bucket"}, [], *lines]
    replace_client(monkeypatch, "rekognition", project_with({"TRAIN": odd}))

    result = mlops("upload", PROJECT, "old", "--yes")
    assert result.exit_code == 0
    for number in range(1, 5):
        assert f"Left out: line {number} of the train dataset has no source-ref like s3://bucket/key" in result.output
    assert "Left out: s3://parts-data/console/2.png cannot be read (" in result.output
    assert set(lines_of(outputs, "old")) == {f"images/parts-data/console/{number}.png" for number in range(2)}


def test_a_project_none_of_whose_pictures_can_be_read_is_refused(mlops: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    replace_client(monkeypatch, "rekognition", project_with({"TRAIN": [entry_of(0, "good")]}))
    result = mlops("upload", PROJECT, "old", "--yes")

    assert result.exit_code == 1
    assert "No picture of the project can be read. s3://parts-data/console/0.png cannot be read" in result.output


def test_a_project_without_datasets_is_refused(mlops: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    replace_client(monkeypatch, "rekognition", project_with({}))
    result = mlops("upload", PROJECT, "old")

    assert result.exit_code == 1
    assert "has no datasets" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--labels", "scrach=x"), "--labels: no label is called 'scrach'; the labels are: dent, normal, scratch"),
        (("--labels", "scratch"), "write old=new"),
        (("--as", "excel"), "'excel' is no layout; known are coco, yolo"),
    ],
)
def test_what_cannot_be_meant_is_refused(mlops: Any, coco: Path, words: tuple[str, ...], said: str) -> None:  # noqa: F811
    result = mlops("upload", coco, "--yes", *words)

    assert result.exit_code == 1
    assert said in result.output


@pytest.fixture
def ran(outputs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """A dataset of two pictures, of which one was turned upright, and the run that it made."""
    monkeypatch.chdir(tmp_path)
    run_id, s3 = put_run(outputs), boto3.client("s3")
    box = LabeledBox("scratch", Box(62, 10, 8, 20))
    mapping = PictureMapping(80, 72, 72, 80, 6)
    turned = Image(
        *("datasets/parts/images/t.png", "e", ("scratch",), "train", "d", 72, 80),
        **{"boxes": (box,), "picture": "prepared/parts/x.png", "mapping": mapping, "group": "7"},
    )
    plain = Image("datasets/parts/train/good/a.png", "e", ("normal",), "test", "d", 80, 72)
    rows = "".join(f"{json.dumps(image.as_row(side))}\n" for image, side in ((turned, "train"), (plain, "test")))
    counts = {side: {"normal": int(side == "test"), "scratch": int(side == "train")} for side in SPLITS}
    truth = {"labels": ["normal", "scratch"], "counts": counts, "boxes": 1, "prepared": {"turned upright": 1}}
    truth |= {"look_alikes": {"on_different_sides": [[turned.key, plain.key]], "with_different_labels": []}}
    truth |= {"refused": {"datasets/parts/train/x": "not part of the layout"}, "remarks": ["look at it"]}
    truth |= {"refused_files": 3, "refused_list": f"runs/{run_id}/refused.jsonl"}
    for name, body in {"ground_truth.json": json.dumps(truth), "images.jsonl": rows}.items():
        s3.put_object(Bucket=outputs["ArtifactsBucketName"], Key=f"runs/{run_id}/{name}", Body=body.encode())
    for key in (turned.key, plain.key):
        s3.put_object(Bucket=outputs["DataBucketName"], Key=key, Body=png(9))


def test_a_dataset_is_shown_as_its_newest_run_saw_it(mlops: Any, ran: None) -> None:  # noqa: F811
    result = mlops("--json", "dataset", "parts")

    counts = {"train": 1, "test": 0, "holdout": 0, "look_alikes": 1}
    assert answer(result)[1] == {"task": "classification", "label": "scratch", **counts}
    for said in ("1 group of pictures of one part", "1 picture turned upright", "refused: datasets/parts/train/x: not"):
        assert said in result.stderr
    assert "2 refused files more: runs/parts-classification-0123456789ab/refused.jsonl" in result.stderr


def test_what_came_in_leaves_with_sides_labels_and_boxes_of_the_original(mlops: Any, ran: None) -> None:  # noqa: F811
    assert mlops("export", "parts", "--as", "manifest", "--out", "out").exit_code == 0
    (manifest,) = Path("out").rglob("*.manifest")
    lines = {line["source-ref"]: line for line in parse_lines(manifest.read_text())}
    turned = next(line for name, line in lines.items() if name.endswith("t.png"))

    assert (turned["side"], turned["group"]) == ("train", "7")
    # Upright the box was at the right edge; as the file has the pixels, it is at the top.
    assert turned["bounding-box"]["annotations"] == [{"class_id": 0, "left": 10, "top": 2, "width": 20, "height": 8}]
    with Picture.open(Path("out/images/t.png")) as picture:
        assert picture.size == (80, 72)


def test_what_left_as_a_manifest_comes_back_to_the_same_keys(mlops: Any, ran: None) -> None:  # noqa: F811
    """Also where a picture in images/ has the path of one in a folder of labels."""
    twin = "datasets/parts/images/train/good/a.png"
    for number, own in enumerate((twin, "datasets/parts/images/t.png")):
        boto3.client("s3").put_object(Bucket="parts-data", Key=own, Body=png(10 + number))
    s3, key = boto3.client("s3"), "runs/parts-classification-0123456789ab/images.jsonl"
    rows = s3.get_object(Bucket="parts-artifacts", Key=key)["Body"].read().decode()
    boxes = (LabeledBox("scratch", Box(10, 10, 20, 10)),)
    other = Image(twin, "e", ("scratch",), "test", "d2", 80, 72, boxes=boxes)
    s3.put_object(Bucket="parts-artifacts", Key=key, Body=f"{rows}{json.dumps(other.as_row('test'))}\n".encode())

    assert mlops("export", "parts", "--as", "manifest", "--out", "parts").exit_code == 0
    before = {key: sent({"DataBucketName": "parts-data"}, key) for key in keys("parts-data")}
    assert sorted(path.as_posix() for path in Path("parts").rglob("*.png")) == [
        "parts/images/t.png",
        "parts/images/train/good/a.png",
        "parts/train/good/a.png",
    ]
    result = mlops("--json", "upload", "parts", "--yes")
    assert answer(result)[0]["sent"] == 1, result.output
    after = {key: sent({"DataBucketName": "parts-data"}, key) for key in keys("parts-data")}
    assert after.keys() - before.keys() == {"datasets/parts/annotations.manifest"}
    assert {key: after[key] for key in before} == before


@pytest.mark.parametrize("form", ["coco", "voc", "yolo"])
def test_every_form_holds_both_pictures(mlops: Any, ran: None, form: str) -> None:  # noqa: F811
    result = mlops("export", "parts", "--as", form)

    assert result.exit_code == 0, result.output
    assert len(list(Path(f"parts-{form}").rglob("*.png"))) == 2


def test_a_dataset_without_a_run_cannot_be_exported(mlops: Any, outputs: dict[str, str]) -> None:  # noqa: F811
    result = mlops("export", "nothing", "--as", "coco")

    assert result.exit_code == 1
    assert "No run of nothing" in result.output
