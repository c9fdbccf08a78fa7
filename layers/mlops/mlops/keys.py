"""The grammar of the object keys: where uploads, artifacts and runs live."""

import re
from dataclasses import dataclass

NORMAL = "normal"
SPLITS = ("train", "test", "holdout")
MASK_ENDING = "_mask.png"
_DATASETS, _RUNS = "datasets", "runs"
# What Rekognition takes in the name of a version, which begins with the dataset's.
_DATASET = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class KeyRefused(ValueError):  # noqa: N818  - a refusal is a result that is recorded, not a fault
    """The key does not follow the layout; the message says what to do."""


@dataclass(frozen=True)
class Upload:
    """What a key below `datasets/` stands for: an `image`, a `mask` or the `settings` of a dataset."""

    key: str
    dataset: str
    kind: str
    split: str = ""
    label: str = ""


def dataset_of(key: str) -> str | None:
    """The dataset a key belongs to; None for keys outside `datasets/<dataset>/` and for folder markers."""
    parts = key.split("/")
    return parts[1] if len(parts) > 2 and parts[0] == _DATASETS and parts[1] and parts[-1] else None


def parse_upload(key: str) -> Upload:
    """Read a key of the data bucket. Raises KeyRefused for anything that is not part of the layout."""
    dataset = dataset_of(key)
    if dataset is None:
        raise KeyRefused(f"not below {_DATASETS}/<dataset>/")
    if not _DATASET.fullmatch(dataset):
        raise KeyRefused(f"rename the dataset {dataset!r}: up to 100 letters, digits, dots, dashes and underscores")
    if key.splitlines() != [key]:
        raise KeyRefused("rename it: names of folders and files must stay on one line")
    match key.split("/")[2:]:
        case ["dataset.json"]:
            return Upload(key, dataset, "settings")
        case ["ground_truth", label, name] if label:
            return _mask(Upload(key, dataset, "mask", label=label_of(label)), name)
        case ["ground_truth", split, label, name] if split in SPLITS and label:
            return _mask(Upload(key, dataset, "mask", split, label_of(label)), name)
        case [split, label, _] if split in SPLITS and label:
            return Upload(key, dataset, "image", split, label_of(label))
    raise KeyRefused(
        "not part of the layout: put images under <train|test|holdout>/<label>/, masks under ground_truth/<label>/"
    )


def _mask(upload: Upload, name: str) -> Upload:
    if name.lower().endswith(MASK_ENDING) and len(name) > len(MASK_ENDING):
        return upload
    raise KeyRefused(f"masks are PNG files named after their image: <name of the image without ending>{MASK_ENDING}")


def label_of(folder: str) -> str:
    """The label a folder name stands for: `good` and `normal` both mean "no defect"."""
    return NORMAL if folder in ("good", NORMAL) else folder


def stem_of(key: str, ending: str = "") -> str:
    """What an image and its mask have in common: the file's name without `ending`, or without what follows a dot."""
    name = key.rsplit("/", 1)[-1]
    return name[: -len(ending)] if ending else name.rpartition(".")[0] or name


def mask_key(image_key: str, name: str) -> str:
    """The key of the mask `name` ([<side>/]<label>/<stem>) in the dataset of an image."""
    return f"{dataset_prefix(image_key.split('/')[1])}ground_truth/{name}{MASK_ENDING}"


def dataset_prefix(dataset: str) -> str:
    return f"{_DATASETS}/{dataset}/"


def settings_key(dataset: str) -> str:
    return f"{dataset_prefix(dataset)}dataset.json"


def run_key(run_id: str, name: str) -> str:
    return f"{_RUNS}/{run_id}/{name}"


def run_of(key: str) -> str:
    """The run an artifact key belongs to."""
    return key.split("/")[1]


def sides_key(dataset: str) -> str:
    """Where a dataset keeps which image stands on which side of its split."""
    return f"{_DATASETS}/{dataset}/sides.json"
