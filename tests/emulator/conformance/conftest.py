"""The conformance suite: what boto3 can ask of Custom Labels, and what it must answer.

It runs against the local service. With CUSTOM_LABELS_BUCKET it runs against AWS instead: the account and Region of the
AWS configuration, where that empty bucket is. Tests that would cost money there, or need what no account has, are
skipped and say so.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.emulator.clients import remove_project
from tests.emulator.target import ON_AWS, RUN

# Answers that are about the request itself, before any operation sees it.
UNMODELLED = {"ValidationException", "SerializationException"}
TRAINED = {"trained", "training_lines", "boxed_lines"}
SWITCHED = {"launch", "launch_for_all", "service", "s3_url"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if ON_AWS and item.path.is_relative_to(Path(__file__).parent):
            skip_on_aws(item)


def skip_on_aws(item: pytest.Item) -> None:
    fixtures = set(getattr(item, "fixturenames", ()))
    if fixtures & TRAINED or item.get_closest_marker("costs"):
        item.add_marker(pytest.mark.skip(reason="costs money on AWS: trains or runs a model"))
    elif fixtures & SWITCHED:
        item.add_marker(pytest.mark.skip(reason="needs a local service that was started for it"))


@pytest.fixture(scope="session")
def rekognition(request: pytest.FixtureRequest) -> Any:
    """The client of whoever runs the suite; every error that it gets must be one that the operation models."""
    client = boto3.client("rekognition") if ON_AWS else request.getfixturevalue("service").client()
    client.meta.events.register("after-call.rekognition", check_modelled)
    return client


@pytest.fixture(scope="module", autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """An account has room for a hundred projects, and pays for what is forgotten."""
    yield
    if ON_AWS:
        client = request.getfixturevalue("rekognition")
        for page in client.get_paginator("describe_projects").paginate():
            for project in page["ProjectDescriptions"]:
                if f"-{RUN}-" in project["ProjectArn"] and project["Status"] != "DELETING":
                    remove_project(client, project)


def check_modelled(model: Any, parsed: dict[str, Any], **_: Any) -> None:
    code = parsed.get("Error", {}).get("Code")
    modelled = {shape.name for shape in model.error_shapes} | UNMODELLED
    assert code is None or code in modelled, f"{model.name} does not model {code}"


@pytest.fixture(scope="session")
def s3(request: pytest.FixtureRequest) -> Any:
    return boto3.client("s3") if ON_AWS else request.getfixturevalue("local_s3")
