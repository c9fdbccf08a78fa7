"""The service in a process of its own, as its users start it."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.prepared import ForkedProcess, Prepared
from tests.emulator.target import PATIENCE_SECONDS, POLL_SECONDS

ROOT = Path(__file__).parents[2]
REGION = "eu-west-1"
_CLIENTS = ROOT / ".venvs" / "clients"
QUICK = ("--engine", "tests.emulator.mean_color_engine", "--transition-seconds", "0.1")


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Return the first true value of `condition`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{condition} stayed {value!r} for {seconds} s"
        time.sleep(POLL_SECONDS)
    return value


class ServiceNotStartedError(Exception):
    """The service ended before it was ready."""


@dataclass
class RunningService:
    """The service in a process of its own."""

    process: subprocess.Popen[str] | ForkedProcess
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
        for stream in filter(None, (self.process.stdin, self.process.stdout)):
            stream.close()
        return code


def start_service(s3_url: str, *switches: object, **environment: str) -> RunningService:
    """Start the service by the command that its users give."""
    command = [sys.executable, "-m", "local.rekognition", *_switches(s3_url, switches)]
    return _ready(
        subprocess.Popen(command, cwd=ROOT, env=_inherited() | environment, stdout=subprocess.PIPE, text=True)
    )


def fork_service(s3_url: str, *switches: object, **environment: str) -> RunningService:
    """Start the service as a fork of a process that has imported it: many tests need one of their own."""
    program = str(ROOT / "local" / "rekognition" / "__main__.py")
    options: Any = {"folder": str(ROOT), "environment": _inherited() | environment, "captures": 1}
    return _ready(_prepared().start(program, *_switches(s3_url, switches), **options))


@cache
def _prepared() -> Prepared:
    prepared = Prepared(["local.rekognition.__main__"], [], _inherited() | {"PYTHONPATH": str(ROOT)})
    atexit.register(prepared.end)
    return prepared


def _switches(s3_url: str, switches: Iterable[object]) -> list[str]:
    return ["--port", "0", "--s3-endpoint", s3_url, *map(str, switches)]


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def _ready(process: Any) -> RunningService:
    line = process.stdout.readline()
    if not line.startswith("listening on http://"):
        code = process.wait()
        for stream in filter(None, (process.stdin, process.stdout)):
            stream.close()
        raise ServiceNotStartedError(f"exit code {code}")
    return RunningService(process, line.split()[-1])


def with_clients() -> dict[str, str]:
    """Environment variables with which the AWS CLI, Node.js and its packages are found."""
    path = f"{_CLIENTS / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "NODE_PATH": str(_CLIENTS / "javascript" / "node_modules")}


def lose_model(state: Path, version_arn: str) -> None:
    """Take the files of a model out of the state of a service, so that it cannot start."""
    shutil.rmtree(state / "models" / version_arn.rpartition("/")[2])
