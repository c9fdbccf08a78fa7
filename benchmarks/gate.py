"""Measure the gate on a large test: what `eval_metric` makes of the service's snapshot, beside what the function has.

    python benchmarks/gate.py [--images 25000] [--labels 250]

A line of a classifier's snapshot has a prediction for each of its labels, with all that the service writes about it; a
detector's has five boxes. The lines are made as they are read, from pieces made before; what that takes is measured by
itself and left out. Seconds are those of the processor, divided by the share of one that the function has, and what
reading takes at 75 MB a second. Memory is the most that the process ever had. Ends with 1 when the gate does not keep
within half of the memory and of the time.
"""

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "mlops"), str(ROOT / "benchmarks")]

TRUTH, ANSWER = "rekognition-custom-labels-training-0", "rekognition-custom-labels-evaluation"
BYTES_A_SECOND, CHUNK = 75e6, 1 << 20
_DETAILS = (
    *("is-true-positive", "is-true-negative", "is-false-positive", "is-false-negative", "is-present-in-ground-truth"),
)


def main() -> int:
    from benchmarks.scale import functions

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=25_000)
    parser.add_argument("--labels", type=int, default=250)
    arguments = parser.parse_args()
    function, fits = functions()["eval_metric"], True
    print(
        "| task | images | labels | MB of snapshot | seconds, of them reading | of | MB, of |",
        "|---|---|---|---|---|---|---|",
        sep="\n",
    )
    for task in ("classification", "detection"):
        with get_context("spawn").Pool(1) as pool:
            size, seconds, memory = pool.apply(measured, (task, arguments.images, arguments.labels))
        reading = size / BYTES_A_SECOND
        whole = seconds / function.share + reading
        fits &= whole <= function.timeout / 2 and memory <= function.memory / 2
        numbers = (
            f"{size / 1e6:.0f} | {whole:.1f}, {reading:.1f} | {function.timeout} | {memory:.0f}, {function.memory}"
        )
        print(f"| {task} | {arguments.images} | {arguments.labels} | {numbers} |", flush=True)
    return not fits


def measured(task_name: str, images: int, labels: int) -> tuple[int, float, float]:
    """Bytes of the snapshot, seconds of the processor, and megabytes."""
    from mlops.aws import buckets, clients
    from mlops.judging.gate import Thresholds
    from mlops.judging.tasks import task_of
    from mlops.stages import eval_metric

    names = [f"defect {number:03}" for number in range(labels)]
    lines = {"classification": classified, "detection": detected}[task_name](names, images)
    began = time.process_time()
    size = sum(len(chunk) for chunk in chunks(lines()))
    making = time.process_time() - began
    body = SimpleNamespace(iter_chunks=lambda _: chunks(lines()), close=lambda: None)
    s3 = SimpleNamespace(get_object=lambda **_: {"Body": body})
    task = task_of(task_name, 0.5)
    stack = SimpleNamespace(here=lambda: SimpleNamespace(gates_on_bound=True))
    began = time.process_time()
    with patch.object(clients, "client", lambda _: s3), patch.object(eval_metric, "stack", stack):
        snapshot = task.snapshot(buckets.Bucket("artifacts").lines("snapshot"))
        judged = eval_metric.judge(task, summary(names), snapshot, Thresholds(0.5, 0))
    assert judged.test_images == images
    seconds = time.process_time() - began - making
    return size, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def summary(names: list[str]) -> dict[str, Any]:
    metrics = {"Precision": 0.9, "Recall": 0.9, "F1Score": 0.9, "Threshold": 0.5}
    results = [{"Label": name, "Metrics": metrics, "NumberOfTestingImages": 100} for name in names]
    return {"AggregatedEvaluationResults": metrics, "LabelEvaluationResults": results}


def chunks(lines: Iterator[str]) -> Iterator[bytes]:
    held = bytearray()
    for line in lines:
        held += line.encode()
        while len(held) >= CHUNK:
            yield bytes(held[:CHUNK])
            del held[:CHUNK]
    yield bytes(held)


def classified(names: list[str], images: int) -> Callable[[], Iterator[str]]:
    """One label is true of every image; the model says it surely, and every other label at a low confidence."""
    chance = random.Random(1)
    unsure = [[_prediction(n, name, round(chance.random() ** 3, 5)) for _ in range(20)] for n, name in enumerate(names)]
    truth = [f'"{TRUTH}": {n}, "{TRUTH}-metadata": {json.dumps(_about(name, 1.0))}' for n, name in enumerate(names)]

    def lines() -> Iterator[str]:
        for image in range(images):
            said = [column[(image + place) % 20] for place, column in enumerate(unsure)]
            number = image % len(names)
            said[number] = _prediction(number, names[number], 0.5 + image % 49999 / 1e5)
            yield f'{{"source-ref": "s3://bucket/{image}.png", {truth[number]}, {", ".join(said)}}}\n'

    return lines


def detected(names: list[str], images: int) -> Callable[[], Iterator[str]]:
    """Two boxes are true of every image; both are found, and three more at lower confidences."""
    chance = random.Random(1)

    def lines() -> Iterator[str]:
        for image in range(images):
            first, second = image % len(names), (image + 7) % len(names)
            labels = {str(n): names[n] for n in {first, second}}
            boxes = [_box(first, 10), _box(second, 90)]
            wrong = [_box(first, 200), _box(second, 300), _box(first, 400)]
            sure = [{"confidence": round(chance.random(), 5)} for _ in (*boxes, *wrong)]
            entry = {
                "source-ref": f"s3://bucket/{image}.png",
                TRUTH: {"annotations": boxes},
                f"{TRUTH}-metadata": {"class-map": labels, "objects": [{"confidence": 1}] * 2},
                f"{ANSWER}-0": {"annotations": [*boxes, *wrong]},
                f"{ANSWER}-0-metadata": {"class-map": labels, "objects": sure},
            }
            yield f"{json.dumps(entry)}\n"

    return lines


def _box(number: int, left: int) -> dict[str, int]:
    return {"class_id": number, "left": left, "top": 10, "width": 50, "height": 40}


def _about(name: str, confidence: float) -> dict[str, Any]:
    kind = {"type": "groundtruth/image-classification", "human-annotated": "no"}
    made = {"job-name": f"{ANSWER}-job", "creation-date": "2026-01-01T00:00:00.000000"}
    return {"class-name": name, "confidence": confidence, **kind, **made}


def _prediction(number: int, name: str, confidence: float) -> str:
    details = {"version": 1, "ground-truth-labelling-jobs": [f"{TRUTH}-job"], **dict.fromkeys(_DETAILS, False)}
    about = _about(name, confidence) | {f"{ANSWER}-details": details}
    return f'"{ANSWER}-{number}": {number}, "{ANSWER}-{number}-metadata": {json.dumps(about)}'


if __name__ == "__main__":
    sys.exit(main())
