"""A settled dataset becomes a run: labels, sides, manifests, and an account of what was refused."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mlops import aws, runs, table
from mlops.image_records import records_of
from mlops.keys import SPLITS, dataset_prefix, run_key, settings_key, sides_key
from mlops.manifests import classification_manifest
from mlops.runs import StageRef
from mlops.settings import DatasetSettings, SettingsInvalid, parse_settings
from mlops.splits import Image, assign_sides, find_duplicates, uses_folders

_RECHECK_SECONDS = 5
_MAX_RECHECKS = 60


@dataclass(frozen=True)
class Dataset:
    """Everything that is known about a dataset at one moment."""

    name: str
    images: tuple[Image, ...]
    refused: Mapping[str, str]
    settings: DatasetSettings
    problem: str = ""


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
        found = _read_dataset(dataset, records)
        for task in aws.projects():
            start_run(found, task)


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
    refused = {row["sk"]: row["reason"] for row in records if row["state"] == "REFUSED"} | find_duplicates(accepted)
    images = tuple(sorted((i for i in accepted if i.key not in refused), key=lambda image: image.key))
    return Dataset(name, images, dict(sorted(refused.items())), settings, problem)


def _image(row: Mapping[str, Any]) -> Image:
    numbers = {name: int(row[name]) for name in ("width", "height", "size")}
    texts = {name: row[name] for name in ("etag", "label", "folder", "digest", "format", "uploaded_at")}
    return Image(**{"key": row["sk"], **texts, **numbers})


def start_run(dataset: Dataset, task: str) -> None:
    """Write the artifacts of the run that this exact set of images is; the same set again changes nothing."""
    sides = _sides(dataset)
    digest = run_digest(dataset, sides)
    run_id = f"{dataset.name}-{task}-{digest[:12]}"
    ref = StageRef(run_id, dataset.name, task, "ground_truth")
    artifact = run_key(run_id, "ground_truth.json")
    runs.create(run_id, dataset.name, task)
    if not runs.begin(ref, digest):
        return
    reasons = _reasons(dataset)
    _write_manifests(run_id, dataset.images, sides)
    aws.artifacts_bucket().write_json(artifact, _account(ref, dataset, sides, digest, reasons))
    if reasons:
        runs.fail(ref, reasons, artifact)
    else:
        runs.complete(ref, artifact)


def run_digest(dataset: Dataset, sides: Mapping[str, str]) -> str:
    """SHA-256 over what decides a training: every image with its side, the settings, and what is wrong with them."""
    images = [(image.key, image.etag, sides[image.key]) for image in dataset.images]
    content = [images, dataset.settings.as_dict(), dataset.problem, sorted(dataset.refused) if not images else []]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _sides(dataset: Dataset) -> dict[str, str]:
    """Sides of all images. Those dealt by hash are remembered, so that an image never changes sides."""
    store, key = aws.artifacts_bucket(), sides_key(dataset.name)
    known = json.loads(store.read_if_exists(key) or "{}")
    sides = assign_sides(dataset.images, dataset.settings, known)
    if not uses_folders(dataset.images, dataset.settings) and known | sides != known:
        store.write_json(key, known | sides)
    return sides


def _reasons(dataset: Dataset) -> list[str]:
    if dataset.problem:
        return [dataset.problem]
    if not dataset.images:
        some = [f"{key}: {reason}" for key, reason in list(dataset.refused.items())[:5]]
        return ["no usable image: put PNG or JPEG files under train/<label>/ and test/<label>/", *some]
    return []


def _write_manifests(run_id: str, images: Sequence[Image], sides: Mapping[str, str]) -> None:
    store, bucket = aws.artifacts_bucket(), aws.setting("DATA_BUCKET")
    for side in SPLITS:
        manifest = classification_manifest((image for image in images if sides[image.key] == side), bucket)
        store.write(run_key(run_id, f"manifests/{side}.manifest"), manifest, "application/jsonlines")
    lines = (json.dumps({**asdict(image), "side": sides[image.key]}, ensure_ascii=False) for image in images)
    store.write(run_key(run_id, "images.jsonl"), "".join(f"{line}\n" for line in lines), "application/jsonlines")


def _account(
    ref: StageRef, dataset: Dataset, sides: Mapping[str, str], digest: str, reasons: Sequence[str]
) -> dict[str, Any]:
    counts = Counter((sides[image.key], image.label) for image in dataset.images)
    labels = sorted({image.label for image in dataset.images})
    manifests = {side: run_key(ref.run_id, f"manifests/{side}.manifest") for side in SPLITS}
    return {
        "run_id": ref.run_id,
        "dataset": ref.dataset,
        "task": ref.task,
        "digest": digest,
        "outcome": runs.FAILED if reasons else runs.COMPLETED,
        "reasons": list(reasons),
        "settings": dataset.settings.as_dict(),
        "labels": labels,
        "counts": {side: {label: counts[side, label] for label in labels} for side in SPLITS},
        "images": len(dataset.images),
        "refused": dict(dataset.refused),
        "manifests": manifests,
        "inventory": run_key(ref.run_id, "images.jsonl"),
    }
