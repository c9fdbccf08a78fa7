"""The grammar of the object keys: where uploads, artifacts and runs live."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from mlops.dataset.labels import as_written, label_of, likeness

SPLITS = ("train", "test", "holdout")
MASK_ENDING = "_mask.png"
_DATASETS, _RUNS, _PREPARED = "datasets", "runs", "prepared"
_INSPECT, _RESULTS, _REVIEWS, _REVIEWED = "inspect", "results", "reviews", "reviewed"
# Below it lie images whose labels are in the annotation manifest.
_PICTURES = "images"
DATASETS_PREFIX = f"{_DATASETS}/"
# What Rekognition takes in the name of a version, which begins with the dataset's.
_DATASET = re.compile(r"[A-Za-z0-9_.-]{1,100}")
# What operating systems and tools leave among files, beside everything that is hidden.
_LITTER = frozenset(
    {*("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "#recycle", "$recycle.bin", "icon\r")}
    | {*("system volume information", "lost+found", "__pycache__")}
)
# What data sets bring along beside their folders.
_COMPANIONS = (".txt", ".md", ".pdf")
# Tools sort files by what they are; these folders say nothing of what a picture shows.
_KINDS_OF_FILES = frozenset(
    {*("image", "images", "img", "imgs", "jpegimages", "picture", "pictures", "photo", "photos")}
    | {*("label", "labels", "labeltxt", "annotation", "annotations", "bbox", "bboxes", "boxes", "xml", "json")}
    | {*("mask", "masks", "ground_truth", "groundtruth", "gt", "segmentation", "segmentations", "segmentationclass")}
)


class KeyRefused(ValueError):  # noqa: N818  - a refusal is a result that is recorded, not a fault
    """The key does not follow the layout; the message says what to do, `kind` what it was meant to be."""

    def __init__(self, message: str, kind: str = "unknown") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Upload:
    """What a key below `datasets/` stands for: an `image`, a `mask`, the `settings` or the `annotations` of a dataset.

    `side` and `label` are those that the folders name; what lies below images/ has them in the annotations.
    """

    key: str
    dataset: str
    kind: str
    side: str = ""
    label: str = ""


def dataset_of(key: str) -> str | None:
    """The dataset a key belongs to; None outside `datasets/<dataset>/`, for folder markers and for what is no content:
    hidden files, what operating systems leave behind, and texts beside the folders of a dataset."""
    parts = key.split("/")
    if len(parts) < 3 or parts[0] != _DATASETS or not parts[1] or not parts[-1] or _is_litter(parts[2:]):
        return None
    return parts[1]


def _is_litter(names: Sequence[str]) -> bool:
    if len(names) == 1 and names[0].lower().endswith(_COMPANIONS):
        return True
    return any(name.startswith((".", "~$")) or name.lower() in _LITTER for name in names)


def parse_upload(key: str) -> Upload:
    """Read a key of the data bucket. Raises KeyRefused for anything that is not part of the layout."""
    dataset = dataset_of(key)
    if dataset is None:
        raise KeyRefused(f"not below {_DATASETS}/<dataset>/")
    first, *others = key.split("/")[2:]
    place = _place(first)
    kind = "mask" if place == "ground_truth" else "image" if place in (*SPLITS, _PICTURES) else "unknown"
    if not _DATASET.fullmatch(dataset):
        raise KeyRefused(
            f"rename the dataset {dataset!r}: up to 100 letters, digits, dots, dashes and underscores", kind
        )
    # A manifest has one line an image, and some readers divide at more than line feeds.
    if key.splitlines() != [key]:
        raise KeyRefused("rename it: names of folders and files must stay on one line", kind)
    match place, others:
        case _, [] if first == "dataset.json":
            return Upload(key, dataset, "settings")
        case _, [] if first == "annotations.manifest":
            return Upload(key, dataset, "annotations")
        case side, [*_, _] if side == _PICTURES:
            return Upload(key, dataset, "image")
        case "ground_truth", [label, name] if as_written(label):
            return _mask(Upload(key, dataset, "mask", label=_label(label, kind)), name)
        case "ground_truth", [side, label, name] if likeness(side) in SPLITS and as_written(label):
            return _mask(Upload(key, dataset, "mask", likeness(side), _label(label, kind)), name)
        case side, [label, _] if side in SPLITS and as_written(label):
            return Upload(key, dataset, "image", side, _label(label, kind))
    raise KeyRefused(
        "not part of the layout: put images under <train|test|holdout>/<label>/, masks under ground_truth/<label>/, "
        "and images that annotations.manifest names under images/",
        kind,
    )


@lru_cache(maxsize=64)
def _place(folder: str) -> str:
    return likeness(folder)


# A dataset has hundreds of thousands of keys, and some hundred folders.
@lru_cache(maxsize=1024)
def _label(folder: str, kind: str) -> str:
    if likeness(folder).replace(" ", "_") in _KINDS_OF_FILES:
        raise KeyRefused(f"a folder called {folder!r} names no label: name it after what its pictures show", kind)
    return label_of(folder)


def _mask(upload: Upload, name: str) -> Upload:
    if name.lower().endswith(MASK_ENDING) and len(name) > len(MASK_ENDING):
        return upload
    raise KeyRefused(
        f"masks are PNG files named after their image: <name of the image without ending>{MASK_ENDING}", upload.kind
    )


def folder_of(key: str) -> str:
    """The name of the folder that a file lies in, which is what its label was written as."""
    return key.split("/")[-2]


def stem_of(key: str, ending: str = "") -> str:
    """What an image and its mask have in common: the file's name without `ending`, or without what follows a dot."""
    name = key.rsplit("/", 1)[-1]
    return name[: -len(ending)] if ending else name.rpartition(".")[0] or name


def mask_key(image_key: str, name: str) -> str:
    """The key of the mask `name` ([<side>/]<label>/<stem>) in the dataset of an image."""
    return f"{dataset_prefix(image_key.split('/')[1])}ground_truth/{name}{MASK_ENDING}"


def path_of(key: str) -> str:
    """The name of a file below its dataset, or of a new picture below `inspect/<dataset>/`."""
    return key.split("/", 2)[-1]


def dataset_prefix(dataset: str) -> str:
    """Where everything of a dataset lies in the data bucket."""
    return f"{_DATASETS}/{dataset}/"


def settings_key(dataset: str) -> str:
    """Where the settings of a dataset lie."""
    return f"{dataset_prefix(dataset)}dataset.json"


def annotations_key(dataset: str) -> str:
    """The annotation manifest: labels and boxes, several an image."""
    return f"{dataset_prefix(dataset)}annotations.manifest"


def prepared_key(dataset: str, digest: str, extension: str) -> str:
    """Where the copy of a picture lies that the service takes; `digest` is the SHA-256 of the copy."""
    return f"{_PREPARED}/{dataset}/{digest}.{extension}"


def tile_key(dataset: str, digest: str, place: str, extension: str) -> str:
    """Where the copy of a part of a picture lies; `digest` is that of what the service would get of all of it."""
    return f"{tiles_prefix(dataset)}{digest}/{place}.{extension}"


def tiles_prefix(dataset: str) -> str:
    """Where the copies of parts of a dataset's pictures lie."""
    return f"{_PREPARED}/{dataset}/tiles/"


def run_key(run_id: str, name: str) -> str:
    """Where an artifact of a run lies."""
    return f"{_RUNS}/{run_id}/{name}"


def run_of(key: str) -> str:
    """The run an artifact key belongs to."""
    return key.split("/")[1]


def review_key(dataset: str, digest: str, extension: str) -> str:
    """Where the artifacts bucket has a picture that a person is asked about, as the models were shown it."""
    return f"{_REVIEWS}/{dataset}/{digest}.{extension}"


def small_review_key(dataset: str, digest: str) -> str:
    """Where the artifacts bucket has a small copy of that picture, which a telephone loads fast."""
    return f"{_REVIEWS}/{dataset}/{digest}-small.jpg"


def reviewed_reference(digest: str, extension: str) -> str:
    """Where a picture that a person answered lies, relative to its dataset."""
    return f"{_PICTURES}/{_REVIEWED}/{digest}.{extension}"


def is_reviewed(key: str) -> bool:
    """Whether the picture of a dataset came from a review: its line in the annotation manifest gave it its side."""
    return key.split("/")[2:4] == [_PICTURES, _REVIEWED]


def looks_key(dataset: str) -> str:
    """Where a dataset keeps what its pictures look like, for what is inspected to be compared with."""
    return f"{_DATASETS}/{dataset}/looks.json"


def drift_key(dataset: str) -> str:
    """Where a dataset keeps how its inspected pictures compared with it last."""
    return f"{_DATASETS}/{dataset}/drift.json"


def drift_picture_key(dataset: str) -> str:
    """Where a dataset keeps the pictures that differed most, beside those that they should look like."""
    return f"{_DATASETS}/{dataset}/drift.jpg"


def sides_key(dataset: str) -> str:
    """Where earlier releases of a stack kept which image stands on which side of its split."""
    return f"{_DATASETS}/{dataset}/sides.json"


def sides_piece_key(dataset: str, number: int) -> str:
    """Where a dataset keeps which image stands on which side of its split, in pieces that are counted from 0."""
    return f"{_DATASETS}/{dataset}/sides/{number:04}.json"


def inspected_dataset(key: str) -> str | None:
    """The dataset that a new picture is to be judged for; None outside `inspect/<dataset>/`, and for what is no picture
    at all: folder markers, hidden files and what operating systems leave behind. Raises KeyRefused."""
    parts = key.split("/")
    if len(parts) < 3 or parts[0] != _INSPECT or not parts[1] or not parts[-1] or _is_litter(parts[2:]):
        return None
    if not _DATASET.fullmatch(parts[1]):
        raise KeyRefused(f"there is no dataset {parts[1]!r}: a name has letters, digits, dots, dashes and underscores")
    return parts[1]


def inspect_key(dataset: str, path: str) -> str:
    """Where a new picture is put to be judged."""
    return f"{_INSPECT}/{dataset}/{path}"


def result_key(inspect_key: str, ending: str = ".json") -> str:
    """Where the answer about a picture is: beside its name, with an ending of its own."""
    return f"{_RESULTS}/{inspect_key.split('/', 1)[1]}{ending}"


def day_key(dataset: str, day: str, ending: str = ".jsonl") -> str:
    """Where all answers of a day are, one a line; with another ending, what belongs to them."""
    return f"{_RESULTS}/{dataset}/{day}{ending}"
