"""Measure every stage that looks at a whole dataset, for datasets of growing size, beside what its function has.

    python benchmarks/scale.py --images 1000 10000 50000 250000 --labels 5 250

Each stage runs as it is in a process of its own, against a bucket and a table on loopback (`scale_cloud.py`), for both
tasks: two of five pictures have no defect, each of the others has a mask. Seconds are those of the processor, divided
by the share of one that the function has, and what AWS takes to answer (`LATENCIES`) where nothing is done meanwhile.
Memory is the most that the process ever had, with Python and all libraries. One core of this machine stands for one of
Lambda. Ends with 1 when a function does not keep within its memory, or half of its time.
"""

import argparse
import io
import json
import math
import os
import re
import resource
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "mlops")]

# Seconds until S3 and DynamoDB have answered, as they usually do within a Region.
LATENCIES = {
    "S3 ListObjectsV2": 0.07,
    "S3 GetObject": 0.03,
    "S3 PutObject": 0.04,
    "S3 CreateMultipartUpload": 0.03,
    "S3 UploadPart": 0.15,
    "S3 CompleteMultipartUpload": 0.1,
    "DynamoDB Query": 0.04,
    "DynamoDB GetItem": 0.004,
    "DynamoDB PutItem": 0.006,
    "DynamoDB UpdateItem": 0.006,
    "SQS SendMessage": 0.01,
    "EventBridge PutEvents": 0.01,
}
# US dollars for one, in eu-west-1. A request that is not listed costs as good as nothing.
PRICES = {
    **dict.fromkeys(("S3 ListObjectsV2", "S3 PutObject", "S3 CreateMultipartUpload", "S3 UploadPart"), 5e-6),
    "S3 CompleteMultipartUpload": 5e-6,
    "S3 GetObject": 4e-7,
    "read units": 1.4e-7,
    "DynamoDB PutItem": 2 * 7.1e-7,
    "SQS SendMessage": 4e-7,
    "EventBridge PutEvents": 1e-6,
}
GIGABYTE_SECOND, WHOLE_PROCESSOR = 1.66667e-5, 1769
SETTINGS = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_EC2_METADATA_DISABLED": "true",
    "POWERTOOLS_METRICS_DISABLED": "true",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
    "STACK_ID": "arn:aws:cloudformation:eu-west-1:111122223333:stack/s/1",
    "DATA_BUCKET": "data",
    "ARTIFACTS_BUCKET": "artifacts",
    "TABLE": "application",
    "TASKS": "both",
    "SETTLE_SECONDS": "60",
    "SETTLE_QUEUE_URL": "settle",
    "MINIMUM_DEFECT_PIXELS": "10",
    "MERGE_DISTANCE": "0",
    "GATES": json.dumps({task: {"f1": 0.8, "label_f1": 0.5, "labels": ""} for task in ("classification", "detection")}),
}


@dataclass(frozen=True)
class Function:
    """Memory in MB and time in seconds that a function has."""

    memory: int
    timeout: int

    @property
    def share(self) -> float:
        """The share of a processor that one thread gets."""
        return min(1.0, self.memory / WHOLE_PROCESSOR)


@dataclass(frozen=True)
class Measured:
    """What a stage took: seconds of the processor and of waiting for AWS, in its longest piece, too, peak memory in MB,
    and requests; with the rows that it leaves in the table."""

    processor: float
    waited: float
    longest: float
    memory: float
    asked: Mapping[str, int]
    rows: Any


def functions() -> dict[str, Function]:
    """What the template gives each function, or all of them."""
    text = (ROOT / "template.yaml").read_text()
    usual = Function(*(int(re.search(rf"^    {name}: (\d+)$", text, re.M)[1]) for name in ("MemorySize", "Timeout")))  # type: ignore[index]
    found = {}
    for part in re.split(r"^  (?=\w+Function:\n)", text, flags=re.M)[1:]:
        name = re.search(r"CodeUri: functions/(\w+)", part)
        own = [re.search(rf"^      {given}: (\d+)$", part, re.M) for given in ("MemorySize", "Timeout")]
        if name:
            memory, timeout = (int(o[1]) if o else u for o, u in zip(own, (usual.memory, usual.timeout), strict=True))
            found[name[1]] = Function(memory, timeout)
    return found


# ---------------------------------------------------------------- stages
def _ingest(_: Any) -> list[Callable[[], None]]:
    from benchmarks.scale_cloud import Made
    from mlops.stages import ingest

    keys = Made(100, 5).keys[-25:]
    event = {"detail-type": "Object Created", "time": "2026-01-01T00:00:00Z"}
    events = [{**event, "detail": {"object": {"key": key, "sequencer": "1"}}} for key in keys]

    def batch() -> None:
        recorded = list(ingest.record_all(events))
        if faults := [outcome for outcome in recorded if isinstance(outcome, Exception)]:
            raise faults[0]
        ingest.announce(outcome for outcome in recorded if not isinstance(outcome, Exception))

    # The first one of an instance makes clients and loads what decodes.
    batch()
    return [batch]


def _ground_truth(sent: list[dict[str, Any]]) -> list[Callable[[], None]]:
    from mlops.records import activity
    from mlops.stages import ground_truth

    sent.append({"dataset": "parts", "generation": activity.of("parts").generation, "attempt": 0})

    def piece() -> None:
        ground_truth.settle(sent.pop(0))

    return [piece]


def _data_prepare(task: str) -> Callable[[Any], list[Callable[[], None]]]:
    def pieces(_: Any) -> list[Callable[[], None]]:
        from mlops.aws import buckets
        from mlops.stages import data_prepare

        found = [key for key, _ in buckets.artifacts_bucket().list("runs/") if key.endswith("/ground_truth.json")]
        (run_id,) = (key.split("/")[1] for key in found if f"-{task}-" in key)

        def prepare() -> None:
            data_prepare.prepare(run_id, "cause")
            written = buckets.artifacts_bucket().read_if_exists(f"runs/{run_id}/training_input.json")
            if not written:
                reasons = buckets.artifacts_bucket().read_json(f"runs/{run_id}/data_prepare.json")["reasons"]
                raise RuntimeError(f"{task}: {reasons[:3]}")

        return [prepare]

    return pieces


def _sweeper(_: Any) -> list[Callable[[], None]]:
    from mlops.records import overlooked

    def sweep() -> None:
        overlooked.sweep()

    return [sweep]


# Stage, its function, and what makes the calls that it consists of; whoever adds a stage adds a line.
STAGES: dict[str, tuple[str, Callable[[Any], list[Callable[[], None]]]]] = {
    "ingest, 25 files": ("ingest", _ingest),
    "ground_truth": ("ground_truth", _ground_truth),
    "data_prepare, classification": ("data_prepare", _data_prepare("classification")),
    "data_prepare, detection": ("data_prepare", _data_prepare("detection")),
    "model_sweeper": ("model_sweeper", _sweeper),
}

# How many answers of AWS a stage waits for at once, where it is more than one.
AT_ONCE = {"ingest, 25 files": 6}


def _asked_ahead(more: Any) -> str:
    """Which request it is that something is asked by."""
    if isinstance(more, dict):
        return "DynamoDB Query" if "ExclusiveStartKey" in more else "S3 ListObjectsV2"
    # A part that is sent is a number and its bytes; rows are looked up in a listing; an image is read.
    if isinstance(more, tuple):
        return "S3 UploadPart"
    return "S3 ListObjectsV2" if isinstance(more, list) else "S3 GetObject"


class Ahead:
    """Asks for the pages that are asked for ahead, and reckons how long they would have been waited for."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.waited = 0.0

    def submit(self, ask: Callable[[Any], Any], more: Any) -> Any:
        name = _asked_ahead(more)
        self.asked[name] += 1
        page = ask(more)
        ready = time.process_time() + self.waited + LATENCIES[name]

        def result() -> Any:
            self.waited += max(0.0, ready - time.process_time() - self.waited)
            return page

        return SimpleNamespace(result=result)


def measure(stage: str, port: int, rows: Any) -> Measured:  # noqa: C901  - the table is a class within
    """Run a stage to its end in this process; `rows` are those of the table that others have left."""
    for service in ("S3", "DYNAMODB"):
        os.environ[f"AWS_ENDPOINT_URL_{service}"] = f"http://127.0.0.1:{port}"
    os.environ.update(SETTINGS)
    # Metrics are lines that functions print.
    sys.stdout = io.StringIO()
    from botocore.config import Config

    from mlops.aws import ahead, clients, messages
    from mlops.records import table
    from tests.unit.mlops.memory_table import MemoryTable, key_of

    clients._S3 = clients._S3.merge(Config(s3={"addressing_style": "path"}))
    store, asked, sent = MemoryTable(), Counter[str](), list[dict[str, Any]]()
    store.restore(rows or {})
    wire = clients.table("application")

    class Rows:
        """Image records come over the wire, the few others lie in memory."""

        def query(self, **request: Any) -> Any:
            if str(key_of(request["KeyConditionExpression"])[1]).startswith("IMAGES#"):
                return wire.query(**request)
            return self._counted("Query", store.query, request)

        def put_item(self, **request: Any) -> Any:
            if request["Item"]["pk"].startswith("IMAGES#"):
                return wire.put_item(**request)
            return self._counted("PutItem", store.put_item, request)

        def get_item(self, **request: Any) -> Any:
            return self._counted("GetItem", store.get_item, request)

        def update_item(self, **request: Any) -> Any:
            return self._counted("UpdateItem", store.update_item, request)

        def _counted(self, name: str, act: Any, request: Any) -> Any:
            asked[f"DynamoDB {name}"] += 1
            return act(**request)

    def send_message(_: str, body: dict[str, Any], __: int = 0) -> None:
        asked["SQS SendMessage"] += 1
        sent.append(body)

    def put_event(_: Any) -> None:
        asked["EventBridge PutEvents"] += 1

    own, coming = Rows(), Ahead()
    ahead._POOL = coming  # type: ignore[assignment]
    table._table = lambda: own
    messages.send_message, messages.put_event = send_message, put_event  # type: ignore[assignment]
    (piece,) = STAGES[stage][1](sent)
    _asked(port)
    asked.clear()
    processor = waited = longest = 0.0
    requests: Counter[str] = Counter()
    while not processor or (stage == "ground_truth" and sent):
        start, coming.waited = time.process_time(), 0.0
        coming.asked.clear()
        asked.clear()
        piece()
        took, wire_asked = time.process_time() - start, Counter(_asked(port)) + asked
        at_once = AT_ONCE.get(stage, 1)
        waits = sum(LATENCIES.get(name, 0) * n for name, n in (wire_asked - coming.asked).items()) / at_once
        processor, waited = processor + took, waited + waits + coming.waited
        longest = max(longest, took + waits + coming.waited)
        requests += wire_asked
    return Measured(processor, waited, longest, peak(), dict(requests), store.snapshot())


def _asked(port: int) -> dict[str, int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/asked") as answer:
        return dict(json.load(answer))


def peak() -> float:
    """The most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def dollars(measured: Measured, seconds: float, function: Function) -> float:
    """What requests cost, and the function for so long."""
    money = sum(PRICES.get(name, 0) * count for name, count in measured.asked.items())
    return money + seconds * function.memory / 1024 * GIGABYTE_SECOND


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--labels", type=int, nargs="+", default=[5])
    options = parser.parse_args()
    has, is_good = functions(), True
    for labels in options.labels:
        seen: dict[str, list[tuple[int, float]]] = {stage: [] for stage in STAGES}
        print(f"\n{labels} labels, both tasks\n")
        print("| pictures | stage | seconds, of them waiting | longest piece, of | MB, of | requests | dollars |")
        print("|---|---|---|---|---|---|---|")
        for images in options.images:
            for stage, measured in lines(images, labels):
                function = has[STAGES[stage][0]]
                more = measured.processor * (1 / function.share - 1)
                seconds, longest = measured.processor + measured.waited + more, measured.longest + more
                seen[stage].append((images, seconds))
                fits = measured.memory <= function.memory and longest <= function.timeout / 2
                is_good &= fits
                requests = sum(count for name, count in measured.asked.items() if name != "read units")
                print(
                    f"| {images} | {stage} | {seconds:.1f}, {measured.waited:.1f} | {longest:.1f}, {function.timeout} "
                    f"| {measured.memory:.0f}, {function.memory} | {requests} "
                    f"| {dollars(measured, seconds, function):.5f} |{'' if fits else ' TOO MUCH'}",
                    flush=True,
                )
        print()
        for stage, points in seen.items():
            if len(points) > 1:
                (few, fast), (many, slow) = points[-2:]
                power = math.log(slow / fast, many / few)
                print(f"{stage}: seconds grow with the pictures to the power of {power:.2f}")
    sys.exit(0 if is_good else 1)


def lines(images: int, labels: int) -> Iterator[tuple[str, Measured]]:
    """Each stage with what it took, one after the other, on one dataset."""
    from benchmarks.scale_cloud import serve

    context = get_context("spawn")
    queue = context.Queue()
    cloud = context.Process(target=serve, args=(images, labels, queue), daemon=True)
    cloud.start()
    try:
        port, rows = queue.get(), None
        for stage in STAGES:
            # A process of its own, as a function has.
            with context.Pool(1) as pool:
                measured = pool.apply(measure, (stage, port, rows))
            rows = measured.rows
            yield stage, measured
    finally:
        cloud.terminate()
        cloud.join()


if __name__ == "__main__":
    main()
