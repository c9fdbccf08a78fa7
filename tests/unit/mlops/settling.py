"""Uploads and what becomes of them, in one process: moto's S3 with versions, events made by hand, no waiting."""

import io
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlops.aws import clients
from mlops.records import table
from mlops.stages import data_prepare, ground_truth, ingest
from tests.unit.mlops.memory_s3 import MemoryS3
from tests.unit.mlops.memory_table import MemoryTable
from tests.unit.mlops.world import SETTINGS, set_clock

OWN_SETTINGS = {
    "SETTLE_SECONDS": "60",
    "MINIMUM_DEFECT_PIXELS": "10",
    "MERGE_DISTANCE": "0",
    "GATES": json.dumps({task: {"f1": 0.8, "label_f1": 0.5, "labels": ""} for task in ("classification", "detection")}),
}


def picture(seed: int, size: tuple[int, int] = (80, 72)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    return as_png(Image.fromarray(pixels))


def mask(size: tuple[int, int] = (80, 72), box: tuple[int, int, int, int] = (20, 10, 50, 40)) -> bytes:
    image = Image.new("L", size)
    image.paste(255, box)
    return as_png(image)


def as_png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


@dataclass
class Uploads:
    """A data bucket whose events reach `ingest`, unless they are lost, and the messages that ask about datasets."""

    s3: Any
    messages: list[tuple[dict[str, Any], int]] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    now: float = field(default_factory=time.time)
    _count: int = 0

    def put(self, key: str, data: bytes, *, is_told: bool = True, **options: Any) -> None:
        self.s3.put_object(Bucket="data", Key=f"datasets/parts/{key}", Body=data, **options)
        if is_told:
            self.tell("Object Created", key)

    def put_in_parts(self, key: str, data: bytes) -> None:
        """The same bytes with the etag of an upload in parts."""
        where = {"Bucket": "data", "Key": f"datasets/parts/{key}"}
        upload = where | {"UploadId": self.s3.create_multipart_upload(**where)["UploadId"]}
        part = self.s3.upload_part(**upload, PartNumber=1, Body=data)
        done = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        self.s3.complete_multipart_upload(**upload, MultipartUpload=done)
        self.tell("Object Created", key)

    def delete(self, key: str, *, is_told: bool = True, **version: str) -> None:
        self.s3.delete_object(Bucket="data", Key=f"datasets/parts/{key}", **version)
        if is_told:
            self.tell("Object Deleted", key)

    def versions(self, key: str, kind: str = "Versions") -> list[str]:
        found = self.s3.list_object_versions(Bucket="data", Prefix=f"datasets/parts/{key}")
        return [entry["VersionId"] for entry in found[kind]]

    def tell(self, kind: str, *keys: str) -> None:
        """Deliver events of one batch."""
        arrivals = []
        for key in keys:
            self._count += 1
            # What an event says of the object may be out of date; only its key and its order count.
            written = {"key": f"datasets/parts/{key}", "etag": "-", "size": 0, "sequencer": f"{self._count:016X}"}
            arrivals.append(ingest.record({"detail-type": kind, "detail": {"object": written}}))
        ingest.announce(arrivals)

    def settle(self) -> None:
        while self.messages:
            message, delay = self.messages.pop(0)
            self.now += delay
            ground_truth.settle(message)

    def usual(self, *labels: str, side: str = "train", count: int = 6) -> None:
        for position, label in enumerate(labels or ("good", "cut")):
            for index in range(count):
                self.put(f"{side}/{label}/{index}.png", picture(100 * position + index))

    def runs(self, task: str = "classification") -> list[dict[str, Any]]:
        """The accounts of all runs of a task."""
        found = self.s3.list_objects_v2(Bucket="artifacts", Prefix=f"runs/parts-{task}").get("Contents", ())
        keys = [entry["Key"] for entry in found if entry["Key"].endswith("/ground_truth.json")]
        return [json.loads(self.s3.get_object(Bucket="artifacts", Key=key)["Body"].read()) for key in keys]

    def prepared(self, run: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        """Reasons against training a run, and its warnings."""
        data_prepare.prepare(run["run_id"], "cause")
        failed = [
            detail for kind, detail in self.events if kind.endswith("Failed") and detail["run_id"] == run["run_id"]
        ]
        if failed:
            return failed[-1]["reasons"], []
        key = f"runs/{run['run_id']}/training_input.json"
        return [], json.loads(self.s3.get_object(Bucket="artifacts", Key=key)["Body"].read())["warnings"]

    def _clients(self) -> Mapping[str, Any]:
        def send_message(MessageBody: str, DelaySeconds: int, **_: Any) -> None:  # noqa: N803
            self.messages.append((json.loads(MessageBody), DelaySeconds))

        def put_events(Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
            self.events += [(entry["DetailType"], json.loads(entry["Detail"])) for entry in Entries]
            return {"FailedEntryCount": 0}

        sqs, events = SimpleNamespace(send_message=send_message), SimpleNamespace(put_events=put_events)
        return {"s3": self.s3, "sqs": sqs, "events": events}


@contextmanager
def bucket_with_events(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    for name, value in {**SETTINGS, **OWN_SETTINGS}.items():
        monkeypatch.setenv(name, value)
    uploads = Uploads(MemoryS3())
    set_clock(monkeypatch, time=lambda: uploads.now)
    monkeypatch.setattr(clients, "client", uploads._clients().__getitem__)
    store = MemoryTable()
    monkeypatch.setattr(table, "_table", lambda: store)
    yield uploads
