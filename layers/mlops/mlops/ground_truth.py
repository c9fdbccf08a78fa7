"""A settled dataset becomes a run: labels, sides, manifests, and an account of what was refused."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

from aws_lambda_powertools import Logger

from mlops import aws, runs, table
from mlops.annotations import MaskRecord, annotate
from mlops.boxes import Box
from mlops.image_records import records_of
from mlops.keys import SPLITS, dataset_prefix, run_key, settings_key, sides_key
from mlops.manifests import manifest_of
from mlops.overlays import write_overlays
from mlops.runs import StageRef
from mlops.settings import TASKS, DatasetSettings, SettingsInvalid, parse_settings
from mlops.splits import Image, assign_sides, find_duplicates, uses_folders

# Value of the setting TASKS of a stack that trains whatever its datasets ask for.
EVERY_TASK = "both"
_RECHECK_SECONDS = 5
_MAX_RECHECKS = 60

logger = Logger(child=True)


@dataclass(frozen=True)
class Dataset:
    """Everything that is known about a dataset at one moment; `refused` says why files cannot be used, by key."""

    name: str
    images: tuple[Image, ...]
    refused: Mapping[str, str]
    settings: DatasetSettings
    problem: str = ""
    masks: tuple[MaskRecord, ...] = ()
    refused_masks: Mapping[str, str] = field(default_factory=dict)

    @property
    def tasks(self) -> tuple[str, ...]:
        """What is trained: as the settings say, or else detection only where there are masks."""
        has_masks = bool(self.masks or self.refused_masks)
        return self.settings.tasks or (TASKS if has_masks else ("classification",))


@dataclass(frozen=True)
class Selection:
    """What one task makes of a dataset: its images, with boxes for detection, and the files it leaves out."""

    images: tuple[Image, ...]
    refused: Mapping[str, str]


def settle(message: Mapping[str, Any]) -> None:
    """Start the runs of a dataset once nothing has come after this message and every object has been looked at."""
    dataset = str(message["dataset"])
    activity = table.get(f"DATASET#{dataset}", "ACTIVITY") or {"generation": 0}
    if not message["urgent"] and activity["generation"] != message["generation"]:
        return
    records = list(records_of(dataset))
    recorded = {row["sk"]: row["etag"] for row in records}
    present = {key: etag for key, etag in aws.data_bucket().list(dataset_prefix(dataset)) if not key.endswith("/")}
    if recorded != present:
        _look_again(message)
        return
    if present.keys() - {settings_key(dataset)}:
        start_runs(_read_dataset(dataset, records))


def start_runs(dataset: Dataset) -> None:
    """Start a run for every task; what prevents one does not hold up the others."""
    faults = []
    for task in dataset.tasks:
        if aws.setting("TASKS") not in (EVERY_TASK, task):
            logger.info("this stack does not train it", dataset=dataset.name, task=task)
            continue
        try:
            start_run(dataset, task)
        except Exception as fault:  # raised again below, when every task had its turn
            faults.append(fault)
    if faults:
        raise ExceptionGroup(f"dataset {dataset.name}", faults)


def _look_again(message: Mapping[str, Any]) -> None:
    if message["attempt"] >= _MAX_RECHECKS:
        raise TimeoutError(f"dataset {message['dataset']}: the records still differ from the objects in the bucket")
    delay = min(_RECHECK_SECONDS, int(aws.setting("SETTLE_SECONDS")))
    aws.send_message(aws.setting("SETTLE_QUEUE_URL"), {**message, "attempt": message["attempt"] + 1}, delay)


def _read_dataset(name: str, records: Sequence[Mapping[str, Any]]) -> Dataset:
    problem, settings = "", DatasetSettings()
    try:
        settings = parse_settings(aws.data_bucket().read_if_exists(settings_key(name)))
    except SettingsInvalid as error:
        problem = str(error)
    except UnicodeDecodeError:
        problem = "dataset.json is not text: save it as UTF-8"
    accepted = [_image(row) for row in records if row["kind"] == "image" and row["state"] == "ACCEPTED"]
    masks = [_mask(row) for row in records if row["kind"] == "mask" and row["state"] == "ACCEPTED"]
    refused = _refused(records, lambda kind: kind != "mask") | find_duplicates(accepted)
    images = tuple(sorted((i for i in accepted if i.key not in refused), key=lambda image: image.key))
    refused_masks = _refused(records, lambda kind: kind == "mask")
    return Dataset(name, images, refused, settings, problem, tuple(masks), refused_masks)


def _refused(records: Sequence[Mapping[str, Any]], of: Callable[[str], bool]) -> dict[str, str]:
    return {row["sk"]: row["reason"] for row in records if row["state"] == "REFUSED" and of(row["kind"])}


def _image(row: Mapping[str, Any]) -> Image:
    numbers = {name: int(row[name]) for name in ("width", "height", "size")}
    texts = {name: row[name] for name in ("etag", "label", "folder", "digest", "format", "uploaded_at")}
    return Image(**{"key": row["sk"], **texts, **numbers})


def _mask(row: Mapping[str, Any]) -> MaskRecord:
    boxes = tuple(Box(*map(int, box)) for box in row["boxes"])
    return MaskRecord(row["sk"], row["folder"], row["label"], int(row["width"]), int(row["height"]), boxes)


def start_run(dataset: Dataset, task: str) -> None:
    """Write the artifacts of the run that this exact set of images is; the same set again changes nothing."""
    sides = _sides(dataset)
    selection = select(dataset, task, sides)
    digest = run_digest(task, dataset, selection, sides)
    run_id = f"{dataset.name}-{task}-{digest[:12]}"
    ref = StageRef(run_id, dataset.name, task, "ground_truth")
    artifact = run_key(run_id, "ground_truth.json")
    runs.create(run_id, dataset.name, task)
    if not runs.begin(ref, digest):
        return
    reasons = _reasons(task, dataset, selection)
    _write_manifests(ref, selection.images, sides)
    account = _account(ref, dataset, selection, sides)
    with runs.timed(ref, "pictures"):
        overlays = write_overlays(ref, selection.images)
    outcome = {"digest": digest, "outcome": runs.FAILED if reasons else runs.COMPLETED, "reasons": reasons}
    aws.artifacts_bucket().write_json(artifact, {**account, **outcome, "overlays": overlays})
    if reasons:
        runs.fail(ref, reasons, artifact)
    else:
        runs.complete(ref, artifact)


def select(dataset: Dataset, task: str, sides: Mapping[str, str]) -> Selection:
    """The images of a task. Detection trains on images with boxes, and keeps the clean ones that it is tested on."""
    if task == "classification":
        return Selection(dataset.images, dict(sorted(dataset.refused.items())))
    found = annotate(dataset.images, dataset.masks, dataset.refused_masks)
    clean = [image for image in found.images if not image.boxes]
    held_out = [image for image in clean if sides[image.key] == "holdout"]
    tested = held_out or [image for image in clean if sides[image.key] == "test"]
    images = sorted([i for i in found.images if i.boxes] + tested, key=lambda image: image.key)
    refused = {**dataset.refused, **dataset.refused_masks, **found.problems}
    return Selection(tuple(images), dict(sorted(refused.items())))


def run_digest(task: str, dataset: Dataset, selection: Selection, sides: Mapping[str, str]) -> str:
    """SHA-256 over what decides a training: every image with its side, the settings, and what is wrong with them."""
    images: list[tuple[Any, ...]] = [(image.key, image.etag, sides[image.key]) for image in selection.images]
    if task == "detection":
        boxes = ([astuple(box) for box in image.boxes] for image in selection.images)
        images = [(*image, drawn) for image, drawn in zip(images, boxes, strict=True)]
    settings = {name: value for name, value in dataset.settings.as_dict().items() if name != "tasks"}
    content = [images, settings, dataset.problem, sorted(selection.refused) if not images else []]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _sides(dataset: Dataset) -> dict[str, str]:
    """Sides of all images. Those dealt by hash are remembered, so that an image never changes sides."""
    store, key = aws.artifacts_bucket(), sides_key(dataset.name)
    known = json.loads(store.read_if_exists(key) or "{}")
    sides = assign_sides(dataset.images, dataset.settings, known)
    if not uses_folders(dataset.images, dataset.settings) and known | sides != known:
        store.write_json(key, known | sides)
    return sides


def _reasons(task: str, dataset: Dataset, selection: Selection) -> list[str]:
    if dataset.problem:
        return [dataset.problem]
    some = [f"{key}: {reason}" for key, reason in list(selection.refused.items())[:5]]
    if not dataset.images:
        return ["no usable image: put PNG or JPEG files under train/<label>/ and test/<label>/", *some]
    if task == "detection" and not any(image.boxes for image in selection.images):
        return ["no image has boxes: put masks under ground_truth/<label>/<name of the image>_mask.png", *some]
    return []


def _write_manifests(ref: StageRef, images: Sequence[Image], sides: Mapping[str, str]) -> None:
    store, bucket = aws.artifacts_bucket(), aws.setting("DATA_BUCKET")
    for side in SPLITS:
        # The service ignores images without boxes, in training and in testing; the inference test asks about them.
        clean_too = ref.task == "classification" or side == "holdout"
        listed = [image for image in images if sides[image.key] == side and (clean_too or image.boxes)]
        manifest = manifest_of(ref.task, listed, bucket)
        store.write(run_key(ref.run_id, f"manifests/{side}.manifest"), manifest, "application/jsonlines")
    lines = (json.dumps({**asdict(image), "side": sides[image.key]}, ensure_ascii=False) for image in images)
    store.write(run_key(ref.run_id, "images.jsonl"), "".join(f"{line}\n" for line in lines), "application/jsonlines")


def _account(ref: StageRef, dataset: Dataset, selection: Selection, sides: Mapping[str, str]) -> dict[str, Any]:
    images = selection.images
    counts = Counter((sides[image.key], image.label) for image in images)
    labels = sorted({image.label for image in images})
    return {
        "run_id": ref.run_id,
        "dataset": ref.dataset,
        "task": ref.task,
        "settings": dataset.settings.as_dict(),
        "labels": labels,
        "counts": {side: {label: counts[side, label] for label in labels} for side in SPLITS},
        "images": len(images),
        "boxes": sum(len(image.boxes) for image in images),
        "left_out_tasks": [task for task in TASKS if task not in dataset.tasks],
        "refused": dict(selection.refused),
        "manifests": {side: run_key(ref.run_id, f"manifests/{side}.manifest") for side in SPLITS},
        "inventory": run_key(ref.run_id, "images.jsonl"),
    }
