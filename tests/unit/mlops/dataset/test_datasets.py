"""What the files of a dataset mean: labels, masks, settings, and what is asked before a training is paid for."""

import json
import unicodedata
from collections.abc import Iterator

import pytest

from mlops.dataset import datasets
from mlops.dataset.object_record import ACCEPTED, Record
from tests.unit.mlops.settling import Uploads, bucket_with_events, mask, picture


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    with bucket_with_events(monkeypatch) as uploads:
        yield uploads


NFC, NFD = (unicodedata.normalize(form, "größe_äußerlich") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("one", "other", "label"),
    [(NFC, NFD, NFC), ("scratch", "Scratch", "scratch"), ("cut", "cut ", "cut"), ("CUT LEAD", "Cut Lead", "Cut Lead")],
)
def test_names_that_look_alike_are_one_label_and_it_is_said(uploads: Uploads, one: str, other: str, label: str) -> None:
    uploads.usual("good", one)
    for index in range(6):
        uploads.put(f"train/{other}/other{index}.png", picture(500 + index))
    uploads.settle()

    (run,) = uploads.runs()
    assert run["labels"] == sorted([label, "normal"])
    _, warnings = uploads.prepared(run)
    assert any("it looks the same" in warning for warning in warnings)


@pytest.mark.parametrize("name", ["OK", "Pass", "free", "No_Defect"])
def test_usual_names_of_clean_parts_mean_normal(uploads: Uploads, name: str) -> None:
    uploads.usual(name, "NG")
    uploads.settle()

    (run,) = uploads.runs()
    assert run["labels"] == ["NG", "normal"]
    assert run["label_names"] == {name: "normal"}


def test_dataset_json_names_the_folders_of_clean_parts(uploads: Uploads) -> None:
    uploads.usual("MT_Free", "MT_Crack")
    uploads.put("dataset.json", b'{"normal": ["mt_free"]}')
    uploads.settle()

    (run,) = uploads.runs()
    assert run["labels"] == ["MT_Crack", "normal"]
    assert run["label_names"] == {"MT_Free": "normal"}


@pytest.mark.parametrize("name", ["MT_Free", "ok_2", "good parts", "no defects"])
def test_a_label_that_looks_clean_is_asked_about_before_a_training_is_paid_for(uploads: Uploads, name: str) -> None:
    uploads.usual(name, "crack")
    uploads.settle()

    ((kind, detail),) = uploads.events
    assert kind == "Pipeline Stage Failed"
    assert f'"normal": ["{name}"]' in detail["reasons"][0]


def test_who_says_that_no_label_means_no_defect_is_not_asked_again(uploads: Uploads) -> None:
    uploads.usual("MT_Free", "MT_Crack")
    uploads.settle()
    uploads.put("dataset.json", b'{"normal": []}')
    uploads.settle()

    kinds = [kind for kind, _ in uploads.events]
    assert kinds == ["Pipeline Stage Failed", "Pipeline Stage Completed"]


def test_normal_folders_that_do_not_exist_are_named(uploads: Uploads) -> None:
    uploads.usual("MT_Free", "MT_Crack")
    uploads.put("dataset.json", b'{"normal": ["MT_Fre"]}')
    uploads.settle()

    assert "'MT_Fre', but no folder or label is called so" in uploads.events[0][1]["reasons"][0]


@pytest.mark.parametrize(
    ("image", "marks"),
    [
        (f"train/cut/{unicodedata.normalize('NFD', 'Gerät ü 1')}.png", "ground_truth/cut/Gerät ü 1_mask.png"),
        ("train/cut/IMG_7.PNG", "ground_truth/cut/img_7_mask.png"),
        ("train/Cut/7.png", "ground_truth/cut/7_MASK.png"),
        ("Train/cut /7.png", "Ground_Truth/cut/7 _mask.png"),
    ],
)
def test_an_image_finds_its_mask_however_their_names_are_written(uploads: Uploads, image: str, marks: str) -> None:
    uploads.usual("good")
    uploads.put(image, picture(900))
    uploads.put(marks, mask())
    uploads.settle()

    (run,) = uploads.runs("detection")
    assert (run["boxes"], run["refused"]) == (1, {})


def test_of_names_that_differ_by_case_the_one_that_is_spelled_alike_is_the_partner(uploads: Uploads) -> None:
    uploads.usual("good")
    for name in ("a", "A"):
        uploads.put(f"train/cut/{name}.png", picture(900 + ord(name)))
        uploads.put(f"ground_truth/cut/{name}_mask.png", mask())
    uploads.settle()

    (run,) = uploads.runs("detection")
    assert (run["boxes"], run["refused"]) == (2, {})


@pytest.mark.parametrize("name", ["{0}_mask.png", "{0}_GT.png", "{0}_label.png", "{0} seg.png"])
def test_masks_that_lie_among_pictures_are_no_pictures(uploads: Uploads, name: str) -> None:
    uploads.usual()
    for index in range(3):
        uploads.put(f"train/cut/{name.format(index)}", picture(700 + index))
    uploads.settle()

    (run,) = uploads.runs()
    assert run["images"] == 12
    assert len(run["refused"]) == 3
    assert all("put it at datasets/parts/ground_truth/cut/" in reason for reason in run["refused"].values())
    assert any("seem to be masks" in warning for warning in uploads.prepared(run)[1])


def test_a_folder_of_masks_beside_the_folder_of_pictures_is_no_label(uploads: Uploads) -> None:
    uploads.usual("good", "cut", "cut_masks")
    uploads.settle()

    assert uploads.runs()[0]["labels"] == ["cut", "normal"]


def test_a_name_that_only_sounds_like_a_mask_is_a_picture(uploads: Uploads) -> None:
    uploads.usual("good", "cut", "face_mask")
    uploads.put("train/cut/new_label.png", picture(800))
    uploads.settle()

    (run,) = uploads.runs()
    assert (run["labels"], run["images"]) == (["cut", "face_mask", "normal"], 19)


@pytest.mark.parametrize("name", ["{0}_GT.png", "{0}_mask.bmp", "{0}.png", "{0}/mask.png"])
def test_masks_that_cannot_be_used_are_counted_and_named(uploads: Uploads, name: str) -> None:
    uploads.usual()
    for index in range(6):
        uploads.put(f"ground_truth/cut/{name.format(index)}", mask())
    uploads.settle()

    ((_, detail),) = [event for event in uploads.events if event[1]["task"] == "detection"]
    assert detail["reasons"][0].startswith("no image has boxes, for 6 masks cannot be used")
    assert "ground_truth/cut/0" in detail["reasons"][1]


@pytest.mark.parametrize(
    ("label", "marks", "reason"),
    [
        ("cut", mask(box=(0, 0, 0, 0)), "is empty"),
        ("cut", mask(box=(1, 1, 3, 3)), "specks"),
        ("OK", mask(), "by its folder"),
    ],
)
def test_a_mask_that_contradicts_its_folder_is_named(uploads: Uploads, label: str, marks: bytes, reason: str) -> None:
    uploads.usual("OK", "cut")
    uploads.put(f"ground_truth/{label}/0_mask.png", marks)
    uploads.put("ground_truth/cut/1_mask.png", mask())
    uploads.settle()

    (run,) = uploads.runs("detection")
    assert reason in run["refused"][f"datasets/parts/ground_truth/{label}/0_mask.png"]


@pytest.mark.parametrize("key", ["train/images/0.png", "train/labels/0.txt", "train/annotations/0.xml"])
def test_folders_that_sort_files_by_kind_become_no_label(uploads: Uploads, key: str) -> None:
    uploads.usual()
    uploads.put(key, picture(3))
    uploads.settle()

    (run,) = uploads.runs()
    assert run["labels"] == ["cut", "normal"]
    assert "names no label" in run["refused"][f"datasets/parts/{key}"]


def test_what_was_accepted_by_an_earlier_layout_is_judged_by_todays(uploads: Uploads) -> None:
    record = Record("datasets/parts/train/images/0.png", "image", ACCEPTED)

    dataset = datasets.read("parts", datasets.Recorded.of([record]), None)
    assert "names no label" in dataset.refused["datasets/parts/train/images/0.png"]


@pytest.mark.parametrize("folder", ["\u200b", " ", "\ufeff "])
def test_a_folder_whose_name_nobody_sees_is_no_label(uploads: Uploads, folder: str) -> None:
    uploads.usual()
    uploads.put(f"train/{folder}/0.png", picture(3))
    uploads.settle()

    (run,) = uploads.runs()
    assert (run["images"], len(run["refused"])) == (12, 1)


@pytest.mark.parametrize("key", ["train/cut/.DS_Store", "train/cut/Thumbs.db", "train/.cache/0.png", "readme.txt"])
def test_what_systems_leave_behind_is_not_even_refused(uploads: Uploads, key: str) -> None:
    uploads.usual()
    uploads.put(key, picture(3))
    uploads.settle()

    (run,) = uploads.runs()
    assert (run["images"], run["refused"]) == (12, {})


def test_it_is_said_why_the_folders_do_not_decide(uploads: Uploads) -> None:
    uploads.usual("good", "cut", "dent")
    uploads.put("test/cut/stray.png", picture(999))
    uploads.settle()

    (run,) = uploads.runs()
    assert run["split"] == {"by": "pool", "why": "test/ has nothing but cut"}
    assert "the system deals the sides, not the folders: test/ has nothing but cut" in uploads.prepared(run)[1]


@pytest.mark.parametrize(
    ("labels", "said"),
    [("cut:0.9", "'cut:0.9'"), ("cut=90", "'cut=90'"), ("cut=0,9", "'9'"), ("cut=0.9;good=0.9", "'cut=0.9;good=0.9'")],
)
def test_thresholds_that_cannot_be_read_are_named_before_training(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch, labels: str, said: str
) -> None:
    monkeypatch.setenv("GATES", json.dumps({"classification": {"f1": 0.8, "label_f1": 0.5, "labels": labels}}))
    uploads.usual()
    uploads.settle()

    (reason,), _ = uploads.prepared(uploads.runs()[0])
    assert said in reason


def test_thresholds_of_other_datasets_are_a_remark(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATES", json.dumps({"classification": {"f1": 0.8, "label_f1": 0.5, "labels": "cutt=0.9"}}))
    uploads.usual()
    uploads.settle()

    reasons, warnings = uploads.prepared(uploads.runs()[0])
    assert reasons == []
    assert "'cutt' has a threshold, but is no label of this dataset; did you mean 'cut'?" in warnings


def test_a_threshold_that_no_test_image_can_show_is_a_reason(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATES", json.dumps({"classification": {"f1": 0.8, "label_f1": 0.5, "labels": "dent=0.9"}}))
    uploads.usual("good", "cut")
    uploads.put("train/dent/0.png", picture(990))
    uploads.settle()

    (reason,), _ = uploads.prepared(uploads.runs()[0])
    assert "'dent' has a threshold, but no image in test" in reason


MULTILABEL = "groundtruth/image-classification-multilabel"


def opinion(number: int, label: str, of: str) -> dict[str, object]:
    metadata = {"class-map": {"0": label}, "type": MULTILABEL}
    return {"source-ref": f"images/reviewed/d{number}.png", "labels": [0], "labels-metadata": metadata, "same-as": of}


def test_what_a_reviewer_says_of_a_picture_of_the_dataset_is_told_and_changes_nothing(uploads: Uploads) -> None:
    uploads.usual("good", "cut")
    for place, name in enumerate(("good/0", "good/1", "cut/0", "cut/1")):
        uploads.put(f"test/{name}.png", picture(700 + place))
    lines = [opinion(1, "Scratch", "test/cut/0.png"), opinion(2, "CUT", "test/cut/1.png"), opinion(3, "a", "gone.png")]
    uploads.put("annotations.manifest", "\n".join(map(json.dumps, lines)).encode())
    uploads.settle()

    (run,) = uploads.runs()
    assert (run["counts"]["test"], run["refused"]) == ({"cut": 2, "normal": 2}, {})
    (remark,) = run["remarks"]
    assert "test/cut/0.png is labelled 'cut', and a reviewer says 'Scratch'" in remark
