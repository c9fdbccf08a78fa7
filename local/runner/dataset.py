"""Pictures for the demo, and their way into the data bucket."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
PARALLEL_UPLOADS = 8

Progress = Callable[[int, int], None]


class DatasetError(ValueError):
    """A folder that cannot be used as a dataset."""


def dataset_name(folder: Path) -> str:
    """The folder's name in the alphabet of dataset names, [a-z0-9-]."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    if not name:
        raise DatasetError(f"No dataset name can be made of {folder}: name the folder with letters a-z or digits.")
    return name


def images_in(folder: Path) -> list[Path]:
    """All images and masks below `folder`, sorted; raises DatasetError when there are none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not found:
        raise DatasetError(f"There are no {', '.join(IMAGE_SUFFIXES)} images below {folder}.")
    return found


def settings_of(folder: Path, tasks: Sequence[str] = ()) -> dict[str, Any]:
    """The folder's dataset.json, if it has one, with `tasks` in place of its own where some are named."""
    path = folder / "dataset.json"
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise DatasetError(f"{path} is not JSON: {error}") from error
    return {**settings, "tasks": list(tasks)} if tasks else settings


def tasks_of(folder: Path, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What will be trained: what the settings name, or else detection only where there are masks."""
    has_masks = any(path.name.lower().endswith("_mask.png") for path in (folder / "ground_truth").rglob("*"))
    return tuple(settings.get("tasks") or (("classification", "detection") if has_masks else ("classification",)))


def upload(s3: Any, folder: Path, bucket: str, name: str, settings: Mapping[str, Any], progress: Progress) -> None:
    """Upload `folder` as datasets/<name>/ in its own layout; dataset.json last, which starts the runs at once."""
    images, prefix = images_in(folder), f"datasets/{name}"

    def put(image: Path) -> None:
        s3.upload_file(str(image), bucket, f"{prefix}/{image.relative_to(folder).as_posix()}")

    with ThreadPoolExecutor(PARALLEL_UPLOADS) as pool:
        _report(pool.map(put, images), len(images), progress)
    s3.put_object(Bucket=bucket, Key=f"{prefix}/dataset.json", Body=json.dumps(settings).encode())


def download(s3: Any, bucket: str, prefix: str, folder: Path) -> int:
    """Copy every object below `prefix` into `folder`, with the same keys; return how many."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    for key in keys:
        target = folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(target))
    return len(keys)


def _report(results: Iterable[None], total: int, progress: Progress) -> None:
    for done, _ in enumerate(results, start=1):
        progress(done, total)
