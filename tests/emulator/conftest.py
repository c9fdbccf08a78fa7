from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest

from tests.emulator.clients import copy, settled, train
from tests.emulator.datasets import put_pictures
from tests.emulator.processes import QUICK, REGION, RunningService, fork_service, start_service
from tests.emulator.s3_server import s3_server
from tests.emulator.target import BUCKET, OUTPUT


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(scope="session")
def local_s3(s3_url: str) -> Any:
    client = boto3.client(
        "s3",
        endpoint_url=s3_url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    for bucket in (BUCKET, OUTPUT):
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return client


@pytest.fixture(scope="session")
def s3(local_s3: Any) -> Any:
    return local_s3


@contextmanager
def launching(
    s3_url: str, begin: Callable[..., RunningService] = fork_service
) -> Iterator[Callable[..., RunningService]]:
    started: list[RunningService] = []

    def launch(*switches: object, **environment: str) -> RunningService:
        # What a new interpreter reads from its environment needs a new interpreter.
        way = start_service if "PYTHONPATH" in environment else begin
        started.append(way(s3_url, *QUICK, *switches, **environment))
        return started[-1]

    yield launch
    for service in started:
        if service.process.poll() is None:
            service.stop()


@pytest.fixture
def launch(s3_url: str, local_s3: Any) -> Iterator[Callable[..., RunningService]]:
    """Start services with any switches; they are stopped after the test."""
    with launching(s3_url) as launch:
        yield launch


@pytest.fixture
def launch_by_command(s3_url: str, local_s3: Any) -> Iterator[Callable[..., RunningService]]:
    """Start services by the command that users give; what they say on their standard error is ours."""
    with launching(s3_url, start_service) as launch:
        yield launch


@pytest.fixture(scope="module")
def launch_for_all(s3_url: str, local_s3: Any) -> Iterator[Callable[..., RunningService]]:
    """Start services that all tests of a file share."""
    with launching(s3_url) as launch:
        yield launch


@pytest.fixture(scope="session")
def service(s3_url: str, local_s3: Any) -> Iterator[RunningService]:
    """One service with roomy quotas for the tests that need no other."""
    running = fork_service(s3_url, *QUICK, "--max-running-models", 20, "--max-trainings", 20, "--max-projects", 1000)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def rekognition(service: RunningService) -> Any:
    return service.client()


@pytest.fixture(scope="session")
def training_lines(s3: Any) -> list[dict[str, Any]]:
    """Pictures of two labels that are easy to tell apart."""
    return put_pictures(s3, "train", {"ok": 6, "scratch": 5})


@pytest.fixture(scope="session")
def testing_lines(s3: Any) -> list[dict[str, Any]]:
    return put_pictures(s3, "test", {"ok": 3, "scratch": 2}, seed=100)


@pytest.fixture(scope="session")
def trained(rekognition: Any, s3: Any, training_lines: list[Any], testing_lines: list[Any]) -> dict[str, Any]:
    """A trained version that no test may change; copy it to get one to play with."""
    return train(rekognition, s3, training_lines, testing_lines)


@pytest.fixture
def copied(rekognition: Any, trained: dict[str, Any]) -> str:
    """A copy of the trained version, in a project of its own."""
    return settled(rekognition, copy(rekognition, trained))["ProjectVersionArn"]
