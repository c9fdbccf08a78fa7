import pytest

from mlops.keys import KeyRefused, Upload, dataset_of, label_of, parse_upload, run_key, run_of


def test_image_key_tells_dataset_side_and_label() -> None:
    key = "datasets/line-a/test/bent lead/w%41+ü 1.png"

    assert parse_upload(key) == Upload(key, "line-a", "image", "test", "bent lead")


@pytest.mark.parametrize("folder", ["good", "normal"])
def test_both_names_of_the_clean_folder_mean_normal(folder: str) -> None:
    assert parse_upload(f"datasets/d/train/{folder}/a.png").label == "normal"


@pytest.mark.parametrize("folder", ["Good", "NORMAL", "goods"])
def test_labels_are_case_sensitive(folder: str) -> None:
    assert label_of(folder) == folder


def test_masks_may_name_their_side() -> None:
    assert parse_upload("datasets/d/ground_truth/cut/001_mask.png") == Upload(
        "datasets/d/ground_truth/cut/001_mask.png", "d", "mask", "", "cut"
    )
    assert parse_upload("datasets/d/ground_truth/test/cut/001_mask.png") == Upload(
        "datasets/d/ground_truth/test/cut/001_mask.png", "d", "mask", "test", "cut"
    )


def test_dataset_json_is_settings_only_at_the_top() -> None:
    assert parse_upload("datasets/d/dataset.json").kind == "settings"
    assert parse_upload("datasets/d/train/cut/dataset.json").kind == "image"


@pytest.mark.parametrize(
    "key",
    [
        "datasets/d/a.png",
        "datasets/d/validation/cut/a.png",
        "datasets/d/Train/cut/a.png",
        "datasets/d/train/a.png",
        "datasets/d/train//a.png",
        "datasets/d/train/cut/deeper/a.png",
        "datasets/d/ground_truth/a_mask.png",
        "datasets/d/ground_truth//a_mask.png",
        "datasets/d/ground_truth/x/y/cut/a_mask.png",
        "elsewhere/d/train/cut/a.png",
        "datasets/",
        "a.png",
    ],
)
def test_keys_outside_the_layout_are_refused(key: str) -> None:
    with pytest.raises(KeyRefused, match=r"layout|not below datasets/"):
        parse_upload(key)


@pytest.mark.parametrize("dataset", ["my parts", "größe", "a:b", "d" * 101])
def test_datasets_that_cannot_name_a_version_are_refused(dataset: str) -> None:
    with pytest.raises(KeyRefused, match="rename the dataset"):
        parse_upload(f"datasets/{dataset}/train/cut/a.png")


@pytest.mark.parametrize("separator", ["\n", "\r", "\x1c", "\x85", "\u2028"])
@pytest.mark.parametrize("key", ["datasets/d/train/cut{}/a.png", "datasets/d/train/cut/a.png{}"])
def test_names_of_more_than_one_line_are_refused(key: str, separator: str) -> None:
    with pytest.raises(KeyRefused, match="on one line"):
        parse_upload(key.format(separator))


@pytest.mark.parametrize("key", ["datasets/d/train/cut/", "datasets/d/", "datasets//train/cut/a.png", "runs/d/a", "a"])
def test_folder_markers_and_foreign_keys_belong_to_no_dataset(key: str) -> None:
    assert dataset_of(key) is None


def test_artifact_key_leads_back_to_its_run() -> None:
    assert run_of(run_key("d-classification-0123456789ab", "manifests/train.manifest")) == (
        "d-classification-0123456789ab"
    )
