"""Measure what datasets of growing size take in the stages that look at a whole dataset, beside what those have.

    python benchmarks/scale.py --images 1000 10000 50000 --labels 5

The stages run as they are, each size in a process of its own, on records and a bucket that are held in memory: what AWS
itself takes for listing, reading and writing comes on top. Memory is the most that the process ever had, less what the
records and the bucket take before. One full core, which a function with more than 1769 MB has, too.
"""

import argparse
import hashlib
import json
import math
import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "mlops")]

STAGES = ("ground_truth", "data_prepare")
MEGABYTES, SECONDS = 3008, 300
SETTINGS = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "POWERTOOLS_METRICS_DISABLED": "true",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
    "STACK_ID": "arn:aws:cloudformation:eu-west-1:111122223333:stack/s/1",
    "DATA_BUCKET": "data",
    "ARTIFACTS_BUCKET": "artifacts",
    "TABLE": "t",
    "TASKS": "both",
    "SETTLE_SECONDS": "60",
    "SETTLE_QUEUE_URL": "settle",
    "GATES": json.dumps({task: {"f1": 0.8, "label_f1": 0.5, "labels": ""} for task in ("classification", "detection")}),
}


def record(number: int, labels: int) -> dict[str, Any]:
    """What the table holds of one picture."""
    side, label = ("test" if number % 5 == 0 else "train"), f"label{number % labels:03}"
    key = f"datasets/parts/{side}/{label}/{number:07}.png"
    digest = hashlib.sha256(key.encode()).hexdigest()
    facts = {"etag": digest[:32], "digest": digest, "looks": digest[:16], "version_id": digest[:32], "format": "PNG"}
    size = {"width": 640, "height": 480, "size": 100_000}
    place = {"sk": key, "kind": "image", "folder": side, "label": label, "state": "ACCEPTED"}
    return {**place, **facts, **size, "uploaded_at": "2026-01-01T00:00:00.000Z"}


def measure(images: int, labels: int) -> dict[str, tuple[float, float]]:
    """Seconds and megabytes of each stage for a dataset of so many pictures."""
    os.environ.update(SETTINGS)
    from mlops.aws import buckets, messages
    from mlops.records import table
    from mlops.stages import data_prepare, ground_truth
    from tests.unit.mlops.memory_table import MemoryTable

    records = [record(number, labels) for number in range(images)]
    written: dict[str, bytes] = {}
    at = datetime(2026, 1, 1, tzinfo=UTC)

    class Bucket(buckets.Bucket):
        def entries(self, prefix: str) -> Iterator[Mapping[str, Any]]:
            for row in records:
                yield {"Key": row["sk"], "ETag": f'"{row["etag"]}"', "LastModified": at}

        def find(self, key: str) -> bytes | None:
            return written.get(key)

        def read_bytes(self, key: str) -> bytes:
            return written[key]

        def write(self, key: str, content: str | bytes, content_type: str = "") -> None:
            written[key] = content.encode() if isinstance(content, str) else content

    store = MemoryTable()
    substitutes: dict[Any, dict[str, Any]] = {
        buckets: {"data_bucket": lambda: Bucket("data"), "artifacts_bucket": lambda: Bucket("artifacts")},
        table: {"_table": lambda: store},
        messages: {"send_message": lambda *_: None, "put_event": lambda *_: None},
        ground_truth: {"records_of": lambda _: (dict(row) for row in records)},
    }
    for module, names in substitutes.items():
        for name, substitute in names.items():
            setattr(module, name, substitute)
    before, found = peak(), {}
    for stage in STAGES:
        start = time.perf_counter()
        if stage == "ground_truth":
            ground_truth.settle({"dataset": "parts", "generation": 0, "attempt": 0})
        else:
            (run_id,) = {key.split("/")[1] for key in written if key.endswith("/ground_truth.json")}
            data_prepare.prepare(run_id, "cause")
        found[stage] = (time.perf_counter() - start, peak() - before)
    return found


def peak() -> float:
    """The most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000, 50_000])
    parser.add_argument("--labels", type=int, default=5)
    options = parser.parse_args()
    print(f"{'images':>8} {'stage':<14} {'seconds':>8} {'MB':>6}   of {SECONDS} s and {MEGABYTES} MB; one task")
    seen: dict[str, list[tuple[int, float]]] = {stage: [] for stage in STAGES}
    for images in options.images:
        # A process of its own, so that one size leaves nothing to the next.
        with get_context("spawn").Pool(1) as pool:
            for stage, (seconds, megabytes) in pool.apply(measure, (images, options.labels)).items():
                seen[stage].append((images, seconds))
                print(f"{images:>8} {stage:<14} {seconds:>8.1f} {megabytes:>6.0f}")
    for stage, points in seen.items():
        if len(points) > 1:
            (few, fast), (many, slow) = points[-2:]
            print(f"{stage}: seconds grow with the images to the power of {math.log(slow / fast, many / few):.2f}")


if __name__ == "__main__":
    main()
