"""A settled dataset becomes a run: labels, sides, manifests, and an account of what was refused."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, astuple, dataclass
from typing import Any

from aws_lambda_powertools import Logger

from mlops import stack
from mlops.aws import buckets, messages
from mlops.dataset import datasets
from mlops.dataset.annotations import annotate
from mlops.dataset.dataset_json import TASKS, SettingsInvalid, parse_settings
from mlops.dataset.datasets import Annotations, Dataset
from mlops.dataset.images import Image
from mlops.dataset.keys import SPLITS, annotations_key, dataset_of, run_key, settings_key, sides_key
from mlops.dataset.manifests import manifest_of
from mlops.dataset.splits import assign_sides, chosen_split, groups_apart, uses_folders
from mlops.pictures.look_alikes import look_alikes
from mlops.reading.overlays import write_overlays
from mlops.records import activity, runs
from mlops.records.activity import Contents
from mlops.records.images import records_of
from mlops.stage import StageRef
from mlops.stages import ingest
from mlops.words import counted, some

_RECHECK_SECONDS = 5
_NAMED = 5
# Attempts that only wait, all attempts, and how many objects one attempt looks at.
_PATIENCE, _MAX_RECHECKS, _LOOKED_AT = 3, 60, 50
# A large picture takes some ten seconds.
_PREPARED_AT_ONCE = 5
_CHUNK = 1 << 20

logger = Logger(child=True)


@dataclass(frozen=True)
class Selection:
    """What one task makes of a dataset: its images, with boxes for detection, and the files it leaves out."""

    images: tuple[Image, ...]
    refused: Mapping[str, str]


def settle(message: Mapping[str, Any]) -> None:
    """Start the runs of a dataset once nothing has come after this message and every object has been looked at."""
    dataset = str(message["dataset"])
    # Something came after this message was sent; the message that it sent will settle the dataset.
    if activity.of(dataset).generation != message["generation"]:
        return
    # What is no content is not recorded any more; it may have been by an earlier release of this stack.
    records = {row["sk"]: row for row in records_of(dataset) if dataset_of(row["sk"])}
    contents = Contents.of(dataset)
    present = contents.etags
    # The bucket is the truth, the records are what is known of it: no run starts while they differ.
    differing = {key for key in records.keys() | present.keys() if _etag(records.get(key)) != present.get(key)}
    # What S3 did not hand out may have been restored since, which no event tells.
    unread = {key for key, row in records.items() if row.get("is_unread")} if message["attempt"] == 0 else set()
    if differing | unread:
        _look_again(message, sorted(differing), sorted(unread))
        return
    if present.keys() - {settings_key(dataset), annotations_key(dataset)}:
        content = buckets.data_bucket().find(settings_key(dataset))
        if otherwise := _prepared_otherwise(records, content):
            _prepare_again(message, otherwise)
            return
        annotations = _annotations(dataset, records.keys())
        start_runs(datasets.read(dataset, list(records.values()), content, annotations))
    activity.note_settled(dataset, contents)


def _etag(record: Mapping[str, Any] | None) -> str | None:
    return record["etag"] if record else None


def _look_again(message: Mapping[str, Any], differing: Sequence[str], unread: Sequence[str]) -> None:
    """Wait for events that are under way; what still differs then is looked at without one, a bounded number a time.

    Raises TimeoutError when looking changes nothing.
    """
    attempt, before = int(message["attempt"]), int(message.get("differing", 0))
    if attempt >= _PATIENCE and len(differing) < before:
        attempt = _PATIENCE
    if attempt >= _MAX_RECHECKS:
        raise TimeoutError(
            f"dataset {message['dataset']}: the records differ from the bucket whatever is tried: {some(differing)}"
        )
    for key in (*unread, *(differing if attempt >= _PATIENCE else ()))[:_LOOKED_AT]:
        ingest.look_again(key)
    delay = min(_RECHECK_SECONDS, stack.here().settle_seconds) if differing else 0
    again = {**message, "attempt": attempt + 1, "differing": len(differing)}
    messages.send_message(stack.here().settle_queue, again, delay)


def _prepared_otherwise(records: Mapping[str, Mapping[str, Any]], content: bytes | None) -> dict[str, tuple[int, int]]:
    """The pictures of more than eight bits that another window than that of the dataset brought to eight, and which.

    One window serves all of a dataset: the one of dataset.json, or else all bits that any of its pictures uses.
    """
    deep = {key: row for key, row in records.items() if "bits" in row}
    if not deep:
        return {}
    try:
        window = parse_settings(content).window
    except SettingsInvalid:
        window = None
    window = window or (0, 2 ** max(int(row["bits"]) for row in deep.values()) - 1)
    return {key: window for key, row in deep.items() if tuple(map(int, row["window"])) != window}


def _prepare_again(message: Mapping[str, Any], otherwise: Mapping[str, tuple[int, int]]) -> None:
    """Prepare some pictures anew and come back; raises TimeoutError when that changes nothing."""
    attempt, before = int(message["attempt"]), int(message.get("otherwise", len(otherwise) + 1))
    if len(otherwise) >= before and attempt >= _MAX_RECHECKS:
        raise TimeoutError(f"dataset {message['dataset']}: pictures stay as they are: {some(otherwise)}")
    for key, window in sorted(otherwise.items())[:_PREPARED_AT_ONCE]:
        ingest.look_again(key, window)
    again = {**message, "attempt": attempt + 1 if len(otherwise) >= before else attempt, "otherwise": len(otherwise)}
    messages.send_message(stack.here().settle_queue, again, 0)


def _annotations(dataset: str, keys: Collection[str]) -> Annotations:
    """What the annotation manifest says; nothing where there is none."""
    found = buckets.data_bucket().get(annotations_key(dataset)) if annotations_key(dataset) in keys else None
    if found is None:
        return Annotations()
    with closing(found["Body"]) as body:
        return datasets.read_annotations(dataset, body.iter_chunks(_CHUNK), stack.here().data_bucket, keys)


def start_runs(dataset: Dataset) -> None:
    """Start a run for every task; what prevents one does not hold up the others."""
    faults = []
    for task in dataset.tasks:
        if not stack.here().trains(task):
            logger.info("this stack does not train it", dataset=dataset.name, task=task)
            continue
        try:
            start_run(dataset, task)
        # One task that cannot start must not take the other with it.
        except Exception as fault:  # raised again below, when every task had its turn
            faults.append(fault)
    if faults:
        raise ExceptionGroup(f"dataset {dataset.name}", faults)


def start_run(dataset: Dataset, task: str) -> None:
    """Write the artifacts of the run that this exact set of images is; the same set again changes nothing."""
    sides = _sides(dataset)
    selection = select(dataset, task, sides)
    digest = run_digest(task, dataset, selection, sides)
    run_id = f"{dataset.name}-{task}-{digest[:12]}"
    ref = StageRef(run_id, dataset.name, task, "ground_truth")
    artifact = run_key(run_id, "ground_truth.json")
    # Before anything is written: whatever happens now can be found under the dataset.
    runs.create(run_id, dataset.name, task)
    # The digest is the cause: the same set of images again has nothing to do.
    if not runs.begin(ref, digest):
        return
    reasons = _reasons(task, dataset, selection)
    _write_manifests(ref, selection.images, sides)
    account = _account(ref, dataset, selection, sides)
    with runs.timed(ref, "pictures"):
        overlays = write_overlays(ref, selection.images)
    outcome = {"digest": digest, "outcome": runs.FAILED if reasons else runs.COMPLETED, "reasons": reasons}
    buckets.artifacts_bucket().write_json(artifact, {**account, **outcome, "overlays": overlays})
    if reasons:
        runs.fail(ref, reasons, artifact)
    else:
        runs.complete(ref, artifact)


def select(dataset: Dataset, task: str, sides: Mapping[str, str]) -> Selection:
    """The images of a task. Detection trains on images with boxes, and keeps the clean ones that it is tested on."""
    if task == "classification":
        return Selection(dataset.images, dict(sorted(dataset.refused.items())))
    found = annotate(dataset.images, dataset.masks, dataset.refused_masks)
    clean = [image for image in found.images if image.is_clean]
    held_out = [image for image in clean if sides[image.key] == "holdout"]
    tested = held_out or [image for image in clean if sides[image.key] == "test"]
    images = sorted([i for i in found.images if i.boxes] + tested, key=lambda image: image.key)
    refused = {**dataset.refused, **dataset.refused_masks, **found.problems}
    return Selection(tuple(images), dict(sorted(refused.items())))


def run_digest(task: str, dataset: Dataset, selection: Selection, sides: Mapping[str, str]) -> str:
    """SHA-256 over what decides a training: every image with its side, the settings, and what is wrong with them."""
    images = [_what_is_trained_on(task, image, sides[image.key]) for image in selection.images]
    # What the others say is in the labels, the sides and the pictures; what mistakes cost is no matter of training.
    said = ("tasks", "normal", "groups", "window", "costs")
    settings = {name: value for name, value in dataset.settings.as_dict().items() if name not in said}
    content = [images, settings, dataset.problem, sorted(selection.refused) if not images else []]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _what_is_trained_on(task: str, image: Image, side: str) -> tuple[Any, ...]:
    """What decides about one image. That of a usual one, a file with one label, is that of earlier releases."""
    one = image.labels[0] if len(image.labels) == 1 else ""
    facts: tuple[Any, ...] = (image.key, image.digest, side, one or image.labels)
    if task == "detection":
        boxes = [astuple(b.box) if b.label == one else (b.label, *astuple(b.box)) for b in image.boxes]
        facts = (*facts, boxes)
    return (*facts, image.picture) if image.picture else facts


def _sides(dataset: Dataset) -> dict[str, str]:
    """Sides of all images. Those dealt by hash are remembered, so that an image never changes sides."""
    store, key = buckets.artifacts_bucket(), sides_key(dataset.name)
    known = json.loads(store.read_if_exists(key) or "{}")
    sides = assign_sides(dataset.images, dataset.settings, known)
    by_folder = uses_folders(dataset.images, dataset.settings)
    dealt = {image.key: sides[image.key] for image in dataset.images if not (by_folder and image.side)}
    # Written only when something new was dealt, so that two tasks of one dataset do not overwrite each other.
    if known | dealt != known:
        store.write_json(key, known | dealt)
    return sides


def _reasons(task: str, dataset: Dataset, selection: Selection) -> list[str]:
    if dataset.problem:
        return [dataset.problem]
    first = [f"{key}: {reason}" for key, reason in list(selection.refused.items())[:_NAMED]]
    if (more := len(selection.refused) - _NAMED) > 0:
        first.append(f"and {counted(more, 'refused file')} more: ground_truth.json names all")
    if not dataset.images:
        return ["no usable image: put pictures under train/<label>/ and test/<label>/", *first]
    if task == "detection" and not any(image.boxes for image in selection.images):
        unusable = len(selection.refused.keys() & {*dataset.refused_masks, *(mask.key for mask in dataset.masks)})
        why = f"{counted(unusable, 'mask')} cannot be used" if unusable else "there is no mask"
        return [
            f"no image has boxes, for {why}: put masks at ground_truth/<label>/<name of the image>_mask.png, "
            "or boxes into annotations.manifest",
            *first,
        ]
    return []


def _write_manifests(ref: StageRef, images: Sequence[Image], sides: Mapping[str, str]) -> None:
    store, bucket = buckets.artifacts_bucket(), stack.here().data_bucket
    for side in SPLITS:
        # The service ignores images without boxes, in training and in testing; the inference test asks about them.
        clean_too = ref.task == "classification" or side == "holdout"
        listed = [image for image in images if sides[image.key] == side and (clean_too or image.boxes)]
        manifest = manifest_of(ref.task, listed, bucket)
        store.write(run_key(ref.run_id, f"manifests/{side}.manifest"), manifest)
    lines = (json.dumps(image.as_row(sides[image.key]), ensure_ascii=False) for image in images)
    store.write(run_key(ref.run_id, "images.jsonl"), "".join(f"{line}\n" for line in lines))


def _remarks_on_sides(images: Sequence[Image], sides: Mapping[str, str]) -> list[str]:
    apart = groups_apart(images, sides)
    if not apart:
        return []
    return [f"{counted(len(apart), 'group')} of pictures of one part stand on several sides: {some(apart)}"]


def _account(ref: StageRef, dataset: Dataset, selection: Selection, sides: Mapping[str, str]) -> dict[str, Any]:
    images, alike = selection.images, look_alikes(selection.images, sides)
    counts = Counter((sides[image.key], label) for image in images for label in image.labels_in(ref.task))
    labels = sorted({label for _, label in counts})
    return {
        "run_id": ref.run_id,
        "dataset": ref.dataset,
        "task": ref.task,
        "settings": dataset.settings.as_dict(),
        "split": asdict(chosen_split(dataset.images, dataset.settings)),
        "label_names": dict(dataset.label_names),
        "remarks": [*dataset.remarks, *_remarks_on_sides(images, sides), *alike.remarks],
        "look_alikes": alike.as_dict(),
        "window": dataset.window,
        "prepared": dict(Counter(done for image in images for done in image.done)),
        "labels": labels,
        "counts": {side: {label: counts[side, label] for label in labels} for side in SPLITS},
        "images": len(images),
        "boxes": sum(len(image.boxes) for image in images),
        "left_out_tasks": [task for task in TASKS if task not in dataset.tasks],
        "refused": dict(selection.refused),
        "manifests": {side: run_key(ref.run_id, f"manifests/{side}.manifest") for side in SPLITS},
        "inventory": run_key(ref.run_id, "images.jsonl"),
    }
