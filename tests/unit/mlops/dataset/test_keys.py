import pytest

from mlops.dataset.keys import KeyRefused, Upload, dataset_of, parse_upload, run_key, run_of


def test_image_key_tells_dataset_side_and_label() -> None:
    key = "datasets/line-a/test/bent lead/w%41+ü 1.png"

    assert parse_upload(key) == Upload(key, "line-a", "image", "test", "bent lead")


@pytest.mark.parametrize(
    "folder",
    ["good", "normal", "Good", "OK", "ok ", "pass", "FREE", "no_defect", "No Defect", "defect-free", "DefectFree"],
)
def test_every_usual_name_of_the_clean_folder_means_normal(folder: str) -> None:
    assert parse_upload(f"datasets/d/train/{folder}/a.png").label == "normal"


@pytest.mark.parametrize("key", ["datasets/d/Train/cut/a.png", "datasets/d/TEST/cut/a.png"])
def test_sides_are_read_in_any_case(key: str) -> None:
    assert parse_upload(key).side == key.split("/")[2].lower()


@pytest.mark.parametrize("folder", ["images", "Labels", "ANNOTATIONS", "masks", "JPEGImages", "ground truth"])
@pytest.mark.parametrize("place", ["train", "test", "ground_truth", "ground_truth/test"])
def test_folders_that_sort_files_by_kind_are_no_labels(place: str, folder: str) -> None:
    with pytest.raises(KeyRefused, match="names no label"):
        parse_upload(f"datasets/d/{place}/{folder}/a_mask.png")


@pytest.mark.parametrize(
    "name",
    [
        *("train/.ipynb_checkpoints/a.png", "train/cut/.DS_Store", "train/cut/._a.png", "train/cut/Thumbs.db"),
        *("__MACOSX/train/cut/a.png", "train/cut/@eaDir/a.png", "train/cut/desktop.ini", "train/$RECYCLE.BIN/a.png"),
        *("readme.txt", "LICENSE.md"),
    ],
)
def test_what_systems_and_tools_leave_behind_belongs_to_no_dataset(name: str) -> None:
    assert dataset_of(f"datasets/d/{name}") is None


@pytest.mark.parametrize("name", ["ground_truth/cut/a_GT.png", "ground_truth/cut/a/b.png", "ground_truth/cut/a.bmp"])
def test_what_lies_below_ground_truth_is_refused_as_a_mask(name: str) -> None:
    with pytest.raises(KeyRefused) as raised:
        parse_upload(f"datasets/d/{name}")

    assert raised.value.kind == "mask"


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
