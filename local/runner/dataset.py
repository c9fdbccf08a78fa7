"""Pictures for the demo, on the way that `mlops upload` takes."""

import itertools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cli import incoming
from cli.stack import CommandRefused
from cli.upload import MOST_NAMED, Plan, plan, send
from mlops.dataset.keys import settings_key
from mlops.pictures.looking import MaskRules

Progress = Callable[[int, int], None]


class DatasetError(ValueError):
    """A folder that cannot be used as a dataset."""


def dataset_name(folder: Path) -> str:
    """The folder's name in the alphabet of dataset names, [a-z0-9-]."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    if not name:
        raise DatasetError(f"No dataset name can be made of {folder}: name the folder with letters a-z or digits.")
    return name


def plan_of(
    folder: Path, tasks: Sequence[str], place: Path, say: Callable[[str], object] = lambda sentence: None
) -> Plan:
    """What there is to send of a folder in any layout that `mlops upload` recognises; what was recognised is told.

    Its dataset.json, even if it has none, and its annotation manifest are written below `place`. Raises DatasetError
    when there are no pictures.
    """
    name = dataset_name(folder)
    try:
        known = incoming.recognise(folder, name, None, MaskRules(), {})
    except CommandRefused as refused:
        raise DatasetError(str(refused)) from refused
    for sentence in itertools.islice(known.told(), MOST_NAMED) if known else ():
        say(sentence)
    found = known.plan(place) if known else plan(folder, name)
    if not found.has_pictures:
        raise DatasetError(f"There are no pictures below {folder}.")
    settings = place / "dataset.json"
    settings.write_text(json.dumps(settings_of(folder, tasks)), encoding="utf-8")
    return replace(found, files={**found.files, settings_key(found.dataset): settings})


def settings_of(folder: Path, tasks: Sequence[str] = ()) -> dict[str, Any]:
    """The folder's dataset.json, if it has one, with `tasks` in place of its own where some are named."""
    path = folder / "dataset.json"
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise DatasetError(f"{path} is not JSON: {error}") from error
    return {**settings, "tasks": list(tasks)} if tasks else settings


def upload(s3: Any, bucket: str, given: Plan, progress: Progress) -> None:
    """Send everything, also what is there; dataset.json last, which starts the runs at once."""
    number, total = itertools.count(1), len(given.files)
    send(s3, bucket, given, list(given.files), lambda: progress(next(number), total))


def download(s3: Any, bucket: str, prefix: str, folder: Path) -> int:
    """Copy every object below `prefix` into `folder`, with the same keys; return how many."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    for key in keys:
        target = folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(target))
    return len(keys)
