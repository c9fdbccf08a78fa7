"""The datasets of an existing Custom Labels project, such as the console makes, as a folder with a manifest."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from cli.stack import CommandRefused, Session
from cli.upload import PARALLEL

_SIDES = {"TRAIN": "train", "TEST": "test"}
Advance = Callable[[], object]


@dataclass(frozen=True)
class Entry:
    """A line of a project's dataset, the side that this is, and where the line's picture is."""

    line: dict[str, Any]
    side: str
    bucket: str
    key: str

    @property
    def reference(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def path(self) -> PurePosixPath:
        """Where its picture lies below the folder; names of several buckets do not meet."""
        # A key is no path: what would climb out of the folder stays a name.
        parts = ({".": "_", "..": "__"}.get(part, part) for part in self.key.split("/") if part)
        return PurePosixPath(self.bucket, *parts)


def is_project(name: str) -> bool:
    """Whether somebody named a project and not a folder."""
    return name.startswith("arn:") and ":project/" in name


def entries_of(session: Session, project: str) -> tuple[list[Entry], list[str]]:
    """Every line of the project's datasets, and why some of them are left out.

    Raises CommandRefused when it has no datasets.
    """
    rekognition = session.client("rekognition")
    name = project.split("/")[1]
    found = rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"]
    datasets = [dataset for description in found for dataset in description.get("Datasets", [])]
    if not datasets:
        raise CommandRefused(f"The project {name} has no datasets: it was trained from manifests, or not at all.")
    entries, left_out = list[Entry](), list[str]()
    for dataset in datasets:
        side = _SIDES[dataset["DatasetType"]]
        for number, text in enumerate(_lines(rekognition, dataset["DatasetArn"]), 1):
            if entry := _entry(text, side):
                entries.append(entry)
            else:
                left_out.append(f"line {number} of the {side} dataset has no source-ref like s3://bucket/key: mend it")
    return entries, left_out


def _lines(rekognition: Any, arn: str) -> Iterator[str]:
    for page in rekognition.get_paginator("list_dataset_entries").paginate(DatasetArn=arn):
        yield from page["DatasetEntries"]


def _entry(text: str, side: str) -> Entry | None:
    try:
        line = json.loads(text)
        bucket, _, key = line["source-ref"].removeprefix("s3://").partition("/")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Entry(line, side, bucket, key) if bucket and key.strip("/") else None


def fetch(session: Session, entries: Sequence[Entry], into: Path, advance: Advance = lambda: None) -> list[str]:
    """Write the pictures and a manifest that names them and their sides.

    Returns why some are left out. Raises CommandRefused when none can be read.
    """
    s3 = session.client("s3")

    def get(entry: Entry) -> str:
        place = into / entry.path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(s3.get_object(Bucket=entry.bucket, Key=entry.key)["Body"].read())
        except (ClientError, OSError) as error:
            return f"{entry.reference} cannot be read ({error}): mend your rights, or delete its line"
        finally:
            advance()
        return ""

    with ThreadPoolExecutor(PARALLEL) as pool:
        faults = list(pool.map(get, entries))
    there = [entry for entry, fault in zip(entries, faults, strict=True) if not fault]
    if not there:
        raise CommandRefused(f"No picture of the project can be read. {'; '.join(faults[:1])}")
    lines = [{**entry.line, "source-ref": str(entry.path), "side": entry.side} for entry in there]
    text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    into.joinpath("project.manifest").write_text(text, encoding="utf-8")
    return [fault for fault in faults if fault]
