"""Measure how much memory and time it takes to write the report of a run, beside what ReportFunction has.

    python benchmarks/reports.py [--labels 2 20 250] [--images 50]

A detection run with as many labels, each with a sheet of its boxes and so many images in the test; its files are on the
disk instead of in S3, its pictures are noise. Every report is written twice, as two events in a row do, in a process of
its own; memory is the most that the process ever had.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "mlops")]

RUN = "parts-detection-000000000001"
SHEET_BYTES, PICTURE_BYTES, PICTURES, WRONG = 3_000_000, 350_000, 24, 18
SETTINGS = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "ALWAYS_ON": "{}",
    "PRICES": '{"training": 1, "running": 4}',
    "TABLE": "none",
}
STAGE = {"stage": "inference_test", "environment": "development", "state": "COMPLETED", "artifact": "x"}
STAGE |= {"started_at": "2026-03-02T09:15:00.000+00:00", "finished_at": "2026-03-02T09:18:00.000+00:00"}


def write_files(folder: Path, labels: int, images: int) -> None:
    """What a run leaves behind that its report is written from."""
    names = [f"label_{number:03}" for number in range(labels)]
    overlays = {name: f"runs/{RUN}/overlays/{name}.jpg" for name in names}
    counts = {side: dict.fromkeys(names, images) for side in ("train", "test", "holdout")}
    truth = {"run_id": RUN, "images": 3 * labels * images, "digest": "0" * 64, "labels": names, "counts": counts}
    f1 = {"candidate": 0.9, "production": 0.8, "difference": 0.1}
    score = {"f1": 0.9, "precision": 0.9, "recall": 0.9, "support": images, "missed": 1}
    score |= {"false_alarms": 2, "false_alarms_on_clean_images": 0}
    gallery = [
        {"key": f"runs/{RUN}/gallery/{number:02}.jpg", "caption": "1 missed: a.png", "is_wrong": number < WRONG}
        for number in range(PICTURES)
    ]
    test = {
        "task": "detection",
        "images": labels * images,
        "images_from": "holdout",
        "clean_images": 0,
        "f1": 0.9,
        "match_iou": 0.5,
        "false_alarm_rate": None,
        "thresholds": {"f1": 0.5, "false_alarm_rate": 0.2},
        "comparison": {"note": "", "with": RUN, "images": 9, "f1": f1, "per_label": dict.fromkeys(names, f1)},
        "per_label": dict.fromkeys(names, score),
        "answers": [answer(name, number) for name in names for number in range(images)],
        "gallery": gallery,
        "version_arn": "arn",
        "tested_at": "2026-03-02T09:18:00.000+00:00",
    }
    judged = {"f1": 0.9, "per_label": dict.fromkeys(names, score)}
    gate = {"thresholds": {"f1": 0.5}, "service": judged, "recomputed": judged}
    documents = {"ground_truth": {**truth, "refused": {}, "manifests": {}, "overlays": overlays}, "eval_metric": gate}
    for name, document in {**documents, "development/inference_test": test}.items():
        path = folder / f"runs/{RUN}/{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, sort_keys=True))


def answer(label: str, number: int) -> dict[str, Any]:
    def box(outcome: str) -> dict[str, Any]:
        sides = {side: round(random.uniform(0, 999), 3) for side in ("left", "top", "width", "height")}
        return {"label": label, "confidence": random.random(), "box": sides, "outcome": outcome}

    key = f"datasets/parts/holdout/{label}/{number:04}.png"
    boxes = {"truth": [box("hit"), box("missed")], "found": [box("right"), box("false_alarm"), box("false_alarm")]}
    return {"key": key, "etag": f"{number:032x}", "label": label, "milliseconds": 200.5, **boxes}


def write_report(folder: Path) -> dict[str, float]:
    """Write the report of the files twice; returns its size, the most memory, and the seconds of each time."""
    os.environ.update(SETTINGS)
    from mlops.aws import buckets
    from mlops.records.table import Table
    from mlops.stages import report

    class Bucket(buckets.Bucket):
        size = 0

        def read_if_exists(self, key: str) -> str | None:
            path = folder / key
            return path.read_text() if path.exists() else None

        def list(self, prefix: str) -> Iterator[tuple[str, str]]:
            truth, test = (self.read_json(f"runs/{RUN}/{name}") for name in ("ground_truth.json", "drawn.json"))
            yield from ((key, "etag") for key in (*truth["overlays"].values(), *test))

        def read(self, key: str) -> str:
            return (folder / key).read_text()

        def read_bytes(self, key: str) -> bytes:
            return os.urandom(SHEET_BYTES if "/overlays/" in key else PICTURE_BYTES)

        def write(self, key: str, content: str | bytes, content_type: str = "") -> None:
            self.size = len(content)

    store = Bucket("artifacts")
    run = {"run_id": RUN, "dataset": "parts", "task": "detection", "created_at": STAGE["started_at"]}
    substitutes: dict[Any, dict[str, Any]] = {
        buckets: {"artifacts_bucket": lambda: store},
        Table: {"get": lambda *_: run, "query": lambda *key: [STAGE] if key[-1].startswith("STAGE") else []},
    }
    for module, names in substitutes.items():
        for name, substitute in names.items():
            setattr(module, name, substitute)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        report.write(RUN)
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return {"bytes": store.size, "megabytes": peak, "first": seconds[0], "second": seconds[1]}


def measure(labels: int, images: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        # In another process: a process begins with the memory of its parent as the most that it ever had.
        writer = get_context("spawn").Process(target=write_files, args=(Path(folder), labels, images))
        writer.start()
        writer.join()
        drawn = [f"runs/{RUN}/gallery/{number:02}.jpg" for number in range(PICTURES)]
        (Path(folder) / f"runs/{RUN}/drawn.json").write_text(json.dumps(drawn))
        command = [sys.executable, __file__, "--write", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def allowed() -> tuple[int, int]:
    """Megabytes and seconds that the template gives to ReportFunction."""
    from samtranslator.yaml_helper import yaml_parse

    template = yaml_parse((ROOT / "template.yaml").read_text())
    own = template["Globals"]["Function"] | template["Resources"]["ReportFunction"]["Properties"]
    return own["MemorySize"], own["Timeout"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure memory and time of reports.")
    parser.add_argument("--labels", type=int, nargs="+", default=[2, 20, 250], help="numbers of labels")
    parser.add_argument("--images", type=int, default=50, help="images of each label in the test")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        print(json.dumps(write_report(options.write)))
        return
    memory, timeout = allowed()
    print(f"ReportFunction has {memory} MB and {timeout} s")
    for labels in options.labels:
        found = measure(labels, options.images)
        print(
            f"{labels:4} labels: report.html {found['bytes'] / 1e6:5.1f} MB, peak {found['megabytes']:4.0f} MB, "
            f"{found['first']:.2f} s, again {found['second']:.2f} s"
        )


if __name__ == "__main__":
    main()
