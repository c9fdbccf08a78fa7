"""The datasets of an existing Custom Labels project, such as the console makes, as a folder with a manifest."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from cli.stack import CommandRefused, Session
from cli.upload import PARALLEL

_SIDES = {"TRAIN": "train", "TEST": "test"}
Advance = Callable[[], object]
# Line, side, and where its picture is: bucket and key.
_Entry = tuple[dict[str, Any], str, str, str]


def is_project(name: str) -> bool:
    """Whether somebody named a project and not a folder."""
    return name.startswith("arn:") and ":project/" in name


def entries_of(session: Session, project: str) -> list[_Entry]:
    """Every line of the project's datasets. Raises CommandRefused when it has none."""
    rekognition = session.client("rekognition")
    name = project.split("/")[1]
    found = rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"]
    datasets = [dataset for description in found for dataset in description.get("Datasets", [])]
    if not datasets:
        raise CommandRefused(f"The project {name} has no datasets: it was trained from manifests, or not at all.")
    entries = []
    for dataset in datasets:
        pages = rekognition.get_paginator("list_dataset_entries").paginate(DatasetArn=dataset["DatasetArn"])
        for text in (text for page in pages for text in page["DatasetEntries"]):
            line = json.loads(text)
            bucket, _, key = str(line["source-ref"]).removeprefix("s3://").partition("/")
            entries.append((line, _SIDES[dataset["DatasetType"]], bucket, key))
    return entries


def fetch(session: Session, entries: list[_Entry], into: Path, advance: Advance = lambda: None) -> None:
    """Write the pictures and a manifest that names them and their sides. Raises CommandRefused."""
    s3 = session.client("s3")

    def get(entry: _Entry) -> str:
        line, side, bucket, key = entry
        path = _path_of(bucket, key)
        place = into / path
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            place.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            raise CommandRefused(f"s3://{bucket}/{key} cannot be read: {error}") from error
        advance()
        return json.dumps({**line, "source-ref": str(path), "side": side}, ensure_ascii=False)

    with ThreadPoolExecutor(PARALLEL) as pool:
        lines = list(pool.map(get, entries))
    into.joinpath("project.manifest").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _path_of(bucket: str, key: str) -> PurePosixPath:
    """Where a picture lies below the folder; names of several buckets do not meet."""
    return PurePosixPath(bucket, *_parts(key))


def _parts(key: str) -> Iterator[str]:
    # A key is no path: what would climb out of the folder stays a name.
    for part in key.split("/"):
        if part:
            yield {".": "_", "..": "__"}.get(part, part)
