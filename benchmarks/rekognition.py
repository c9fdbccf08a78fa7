"""Measure the local Custom Labels service: DetectCustomLabels, and training against the number of images.

    python benchmarks/rekognition.py [--images 50 100 500 1000 5000] [--calls 200] [--kinds classification detection]

Everything goes over HTTP: the service in a process of its own, S3 in the local cloud. Pictures are drawn: a mark on a
noisy ground. `growth` is the exponent between a row and the one above: 1 is linear, less is better. `engine alone` is
the same model called in this process, without HTTP, for comparison.
"""

import argparse
import io
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from botocore.config import Config
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local.cloud import LocalCloud
from local.rekognition.engine import ClassificationModel, DetectionModel

ROOT = Path(__file__).resolve().parents[1]
BUCKET, REGION = "benchmark", "us-east-1"
COLORS = {"scratch": (190, 60, 50), "dent": (50, 70, 190)}
SIDE, MARK = 320, 60
CLIENTS = (1, 2, 4, 8)
SIDES = (256, 512, 1024, 2048, 4096)
MODELS: dict[str, Any] = {"classification": ClassificationModel, "detection": DetectionModel}


def picture(label: str, seed: int, side: int = SIDE) -> tuple[bytes, tuple[int, int]]:
    """Draw a mark somewhere; return the JPEG file, and where the mark begins."""
    random = np.random.default_rng(seed)
    left, top = (int(place) for place in random.integers(0, side - MARK, 2))
    pixels = np.full((side, side, 3), 128) + random.integers(-20, 20, (side, side, 1))
    pixels[top : top + MARK, left : left + MARK] += np.array(COLORS[label]) - 128
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=40)
    return buffer.getvalue(), (left, top)


def line(kind: str, key: str, label: str, place: tuple[int, int]) -> dict[str, Any]:
    """Write a manifest line with the label, or with a box around the mark."""
    common = {"human-annotated": "yes", "creation-date": "2026-01-01T00:00:00"}
    source = {"source-ref": f"s3://{BUCKET}/{key}"}
    if kind == "classification":
        metadata = {"class-name": label, "confidence": 1, "type": "groundtruth/image-classification"}
        return source | {"label": 0, "label-metadata": metadata | common}
    box = {"class_id": 0, "left": place[0], "top": place[1], "width": MARK, "height": MARK}
    boxes = {"image_size": [{"width": SIDE, "height": SIDE, "depth": 3}], "annotations": [box]}
    metadata = {"objects": [{"confidence": 1}], "class-map": {"0": label}, "type": "groundtruth/object-detection"}
    return source | {"boxes": boxes, "boxes-metadata": metadata | common}


@contextmanager
def service(state: Path, s3_endpoint: str) -> Iterator[Any]:
    """Run the service; yield a client of it."""
    roomy = ["--tps-per-unit", "100000", "--max-running-models", "50", "--transition-seconds", "0"]
    command = [sys.executable, "-m", "local.rekognition", "--port", "0", "--state", str(state), *roomy]
    command += ["--s3-endpoint", s3_endpoint]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        try:
            yield boto3.client(
                "rekognition",
                endpoint_url=url,
                region_name=REGION,
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(max_pool_connections=max(CLIENTS), read_timeout=300, retries={"total_max_attempts": 1}),
            )
        finally:
            process.terminate()


def upload(s3: Any, number: int) -> list[tuple[str, str, tuple[int, int]]]:
    """Store pictures; return their keys, labels and places."""
    labels = list(COLORS)

    def put(index: int) -> tuple[str, str, tuple[int, int]]:
        label = labels[index % len(labels)]
        data, place = picture(label, index)
        s3.put_object(Bucket=BUCKET, Key=f"{index}.jpg", Body=data)
        return f"{index}.jpg", label, place

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(put, range(number)))


def train(client: Any, s3: Any, kind: str, pictures: Sequence[tuple[str, str, tuple[int, int]]]) -> tuple[str, float]:
    """Train on pictures, with a fifth of them for testing; return the version and the seconds."""
    name = f"{kind}-{len(pictures)}"
    text = "\n".join(json.dumps(line(kind, *found)) for found in pictures)
    s3.put_object(Bucket=BUCKET, Key=f"{name}.manifest", Body=text.encode())
    project = client.create_project(ProjectName=name)["ProjectArn"]
    manifest = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": f"{name}.manifest"}}}
    began = time.perf_counter()
    arn = client.create_project_version(
        ProjectArn=project,
        VersionName="v",
        OutputConfig={"S3Bucket": BUCKET, "S3KeyPrefix": name},
        TrainingData={"Assets": [manifest]},
        TestingData={"AutoCreate": True},
    )["ProjectVersionArn"]
    waiter = client.get_waiter("project_version_training_completed")
    waiter.wait(ProjectArn=project, WaiterConfig={"Delay": 0.2, "MaxAttempts": 100_000})
    return arn, time.perf_counter() - began


def measure_training(client: Any, s3: Any, kind: str, sizes: Sequence[int]) -> str:
    """Print training times; return the version of the smallest training."""
    print(f"\ntraining, {kind}: 4/5 of the images to train, 1/5 to test\n")
    print(f"{'images':>8} {'seconds':>9} {'ms/image':>9} {'growth':>7}")
    pictures, first, before = upload(s3, max(sizes)), "", None
    for size in sorted(sizes):
        arn, seconds = train(client, s3, kind, pictures[:size])
        growth = f"{math.log(seconds / before[1]) / math.log(size / before[0]):.2f}" if before else ""
        print(f"{size:>8} {seconds:>9.1f} {1000 * seconds / size:>9.1f} {growth:>7}", flush=True)
        first, before = first or arn, (size, seconds)
    return first


def measure_detection(client: Any, kind: str, arn: str, model_file: Path, calls: int) -> None:
    """Print throughput and latency of DetectCustomLabels, by callers and by size of picture."""
    client.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    name = arn.split("/")[1]
    project = client.describe_projects(ProjectNames=[name])["ProjectDescriptions"][0]["ProjectArn"]
    client.get_waiter("project_version_running").wait(ProjectArn=project, WaiterConfig={"Delay": 0.1})

    def detect(data: bytes) -> float:
        began = time.perf_counter()
        client.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": data})
        return 1000 * (time.perf_counter() - began)

    model = MODELS[kind].load(model_file)

    def alone(data: bytes) -> float:
        began = time.perf_counter()
        model.predict([data])
        return 1000 * (time.perf_counter() - began)

    data = [picture("dent", 10**6 + index)[0] for index in range(calls)]
    detect(data[0]), alone(data[0])
    engine = statistics.median(map(alone, data))
    print(f"\nDetectCustomLabels, {kind}, {SIDE} x {SIDE} pixels; engine alone: {engine:.1f} ms\n")
    print(f"{'callers':>8} {'calls/s':>9} {'median ms':>10} {'95 % ms':>9} {'1 caller / engine alone':>24}")
    for callers in CLIENTS:
        began = time.perf_counter()
        with ThreadPoolExecutor(callers) as pool:
            spent = sorted(pool.map(detect, data))
        rate = calls / (time.perf_counter() - began)
        ratio = f"{statistics.median(spent) / engine:.2f}" if callers == 1 else ""
        late = spent[int(0.95 * (calls - 1))]
        print(f"{callers:>8} {rate:>9.1f} {statistics.median(spent):>10.1f} {late:>9.1f} {ratio:>24}", flush=True)
    measure_sizes(kind, detect)


def measure_sizes(kind: str, detect: Any) -> None:
    """Print the latency of one caller against the number of pixels."""
    print(f"\nDetectCustomLabels, {kind}, one caller\n")
    print(f"{'pixels':>12} {'median ms':>10} {'growth':>7}")
    before = None
    for side in SIDES:
        data = picture("dent", 1, side)[0]
        spent = statistics.median(detect(data) for _ in range(9))
        growth = f"{math.log(spent / before) / math.log(4):.2f}" if before else ""
        print(f"{f'{side} x {side}':>12} {spent:>10.1f} {growth:>7}", flush=True)
        before = spent


def main() -> None:
    """Measure as told on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[50, 100, 500, 1000, 5000])
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--kinds", nargs="+", choices=MODELS, default=list(MODELS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        with LocalCloud(Path(folder) / "cloud", custom_labels=None) as cloud, service(state, cloud.endpoint) as client:
            s3 = cloud.client("s3")
            s3.create_bucket(Bucket=BUCKET)
            for kind in options.kinds:
                arn = measure_training(client, s3, kind, options.images)
                model_file = state / "models" / arn.rpartition("/")[2] / "model"
                measure_detection(client, kind, arn, model_file, options.calls)


if __name__ == "__main__":
    main()
