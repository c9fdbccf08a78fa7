"""A dataset as its newest runs saw it: what is in it, and how it leaves again for other tools."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from cli.layouts import export
from cli.layouts.contents import Box, Labelled, LeftOut, Side
from cli.stack import CommandRefused, Stack
from cli.upload import PARALLEL
from mlops import codec
from mlops.dataset.dataset_json import TASKS
from mlops.dataset.images import Image, image_of
from mlops.dataset.keys import SPLITS, dataset_prefix, run_key
from mlops.dataset.learning import learning_of
from mlops.dataset.manifests import parse_lines
from mlops.records import documents
from mlops.records.documents import GroundTruth
from mlops.words import counted, some

Advance = Callable[[], object]


@dataclass(frozen=True)
class Seen:
    """What the newest run of a task made of a dataset: its account, and its images with their sides."""

    task: str
    truth: GroundTruth
    images: tuple[Image, ...]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Images by label and side, and how many of them the run names as look-alikes of others."""
        pairs = self.truth.look_alikes
        alike = {key for pair in (*pairs.on_different_sides, *pairs.with_different_labels) for key in pair}
        labels_of = learning_of(self.task).labels_of
        twins = Counter(label for image in self.images if image.key in alike for label in labels_of(image))
        for label in self.truth.labels:
            counts = {side: self.truth.counts[side][label] for side in SPLITS}
            yield {"task": self.task, "label": label, **counts, "look_alikes": twins[label]}

    def told(self) -> Iterator[str]:
        """What the table does not show."""
        if boxes := self.truth.boxes:
            yield f"{self.task}: {counted(boxes, 'box', 'boxes')}"
        if groups := {image.group for image in self.images if image.group}:
            yield f"{self.task}: {counted(len(groups), 'group')} of pictures of one part"
        for done, count in sorted(self.truth.prepared.items()):
            yield f"{self.task}: {counted(count, 'picture')} {done}"
        yield from (f"{self.task}: {remark}" for remark in self.truth.remarks)
        yield from (f"{self.task}: refused: {key}: {why}" for key, why in self.truth.refused.items())
        if (more := self.truth.refused_files - len(self.truth.refused)) > 0:
            yield f"{self.task}: {counted(more, 'refused file')} more: {self.truth.refused_in} in the artifacts bucket"


def seen(stack: Stack, dataset: str) -> list[Seen]:
    """What the newest run of every task saw. Raises CommandRefused when there is none."""
    newest = {run.task: run for run in stack.runs(dataset)}
    found = []
    for task in TASKS:
        if run := newest.get(task):
            truth = stack.artifact(documents.key_of(GroundTruth, run.run_id))
            rows = stack.artifact(run_key(run.run_id, "images.jsonl"))
            if truth and rows is not None:
                images = tuple(map(image_of, parse_lines(rows.decode())))
                found.append(Seen(task, codec.read(GroundTruth, json.loads(truth)), images))
    if not found:
        raise CommandRefused(f"No run of {dataset} says what is in it. `mlops runs` lists the runs.")
    return found


def images_of(found: list[Seen]) -> dict[str, Image]:
    """The images of all tasks by key: labels and sides from classification, boxes from detection."""
    images: dict[str, Image] = {}
    for of_task in sorted(found, key=lambda of_task: of_task.task != "detection"):
        for image in of_task.images:
            known = images.get(image.key)
            images[image.key] = replace(image, boxes=image.boxes or known.boxes) if known else image
    return images


def leave(stack: Stack, dataset: str, form: str, out: Path, advance: Advance = lambda: None) -> list[LeftOut]:
    """Write the pictures of a dataset as they came, with labels, boxes and sides, for another tool.

    Returns what the form cannot hold. Raises CommandRefused.
    """
    images = images_of(seen(stack, dataset))
    prefix, bucket, s3 = dataset_prefix(dataset), stack.outputs["DataBucketName"], stack.clients("s3")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)

        def fetch(key: str) -> None:
            path = folder / key.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            advance()

        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(fetch, images))
        try:
            return export.export([_labelled(image, prefix) for image in images.values()], folder, out, form)
        except export.ExportRefused as why:
            raise CommandRefused(str(why)) from None


def _labelled(image: Image, prefix: str) -> Labelled:
    """An image in pixels of its file."""
    mapping = image.mapping
    size = (mapping.stored_width, mapping.stored_height) if mapping else (image.width, image.height)
    boxes = []
    for labeled in image.boxes:
        box = mapping.back(labeled.box) if mapping else labeled.box
        boxes.append(Box(labeled.label, box.left, box.top, box.width, box.height))
    side: Side | None = image.side if image.side in SPLITS else None  # type: ignore[assignment]
    return Labelled(
        PurePosixPath(image.key.removeprefix(prefix)),
        *size,
        side=side,
        labels=image.labels,
        boxes=tuple(boxes),
        group=image.group or None,
    )


def told_of(left_out: list[LeftOut]) -> Iterator[str]:
    """What the form of an export cannot hold, in words."""
    by_reason: dict[str, list[str]] = {}
    for entry in left_out:
        by_reason.setdefault(entry.why, []).append(str(entry.path))
    for why, paths in sorted(by_reason.items()):
        yield f"{some(paths)}: {why}"
