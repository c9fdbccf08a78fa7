import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.config import Config
from PIL import Image

from tests.emulator.s3_server import s3_server

ROOT = Path(__file__).parents[2]
REGION = "eu-west-1"
COLORS = {"ok": (40, 160, 60), "scratch": (180, 60, 40), "dent": (40, 60, 180)}


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Return the first true value of `condition`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{condition} stayed {value!r} for {seconds} s"
        time.sleep(0.02)
    return value


@dataclass
class RunningService:
    """The service in a process of its own."""

    process: subprocess.Popen[str]
    url: str

    def client(self, region: str = REGION, access_key: str = "testing", **config: Any) -> Any:
        return boto3.client(
            "rekognition",
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key="testing",
            config=Config(**{"retries": {"total_max_attempts": 1}, **config}),
        )

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(20)
        self.process.stdout.close()
        return code


def start_service(s3_url: str, *switches: object, **environment: str) -> RunningService:
    command = [sys.executable, "-m", "local.rekognition", "--port", "0", "--s3-endpoint", s3_url]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    process = subprocess.Popen(
        [*command, *map(str, switches)],
        cwd=ROOT,
        env={**inherited, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    assert line.startswith("listening on http://"), line
    return RunningService(process, line.split()[-1])


QUICK = ("--engine", "tests.emulator.mean_color_engine", "--transition-seconds", "0.1")


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(scope="session")
def s3(s3_url: str) -> Any:
    client = boto3.client(
        "s3",
        endpoint_url=s3_url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    for bucket in ("parts", "outputs"):
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return client


@pytest.fixture
def launch(s3_url: str, s3: Any) -> Iterator[Callable[..., RunningService]]:
    """Start services with any switches; they are stopped after the test."""
    started: list[RunningService] = []

    def launch(*switches: object, **environment: str) -> RunningService:
        started.append(start_service(s3_url, *QUICK, *switches, **environment))
        return started[-1]

    yield launch
    for service in started:
        if service.process.poll() is None:
            service.stop()


@pytest.fixture(scope="session")
def service(s3_url: str, s3: Any) -> Iterator[RunningService]:
    """One service with roomy quotas for the tests that need no other."""
    running = start_service(s3_url, *QUICK, "--max-running-models", 20, "--max-trainings", 20)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def rekognition(service: RunningService) -> Any:
    return service.client()


def picture(label: str, seed: int, size: tuple[int, int] = (96, 80), form: str = "PNG") -> bytes:
    """Draw a noisy picture whose colour goes with its label."""
    noise = np.random.default_rng(seed).integers(-30, 30, (size[1], size[0], 3))
    pixels = np.clip(np.array(COLORS.get(label, (128, 128, 128))) + noise, 0, 255).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()
