"""Every paginator at every boundary: pages are full, hold everything once and in order, and the last has no token."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.emulator.clients import begin_training, error_code, new_name, new_project, settled
from tests.emulator.datasets import line, put_manifest
from tests.emulator.processes import RunningService, wait_for
from tests.emulator.target import BUCKET

FIVE = 5


@dataclass(frozen=True)
class Listing:
    """A paginator with five things to list: how they are asked for, where they are in a page, and their names."""

    operation: str
    request: dict[str, Any]
    member: str
    name: Callable[[Any], str]
    expected: list[str]


def dataset(rekognition: Any, s3: Any, count: int) -> str:
    """A dataset of so many images, each with a label of its own."""
    lines = [line(f"{number:03}.png", f"label {number:03}") for number in range(count)]
    (asset,) = put_manifest(s3, f"pages/{count}.manifest", lines)["Assets"]
    request = {"ProjectArn": new_project(rekognition), "DatasetType": "TRAIN", "DatasetSource": asset}
    arn = rekognition.create_dataset(**request)["DatasetArn"]
    description = lambda: rekognition.describe_dataset(DatasetArn=arn)["DatasetDescription"]  # noqa: E731
    wait_for(lambda: description()["Status"] == "CREATE_COMPLETE")
    return str(arn)


def projects(rekognition: Any, s3: Any) -> Listing:
    names = [new_name() for _ in range(FIVE)]
    for name in names:
        rekognition.create_project(ProjectName=name)
    return Listing(
        "describe_projects",
        {"ProjectNames": names},
        "ProjectDescriptions",
        lambda found: found["ProjectArn"].split("/")[1],
        names[::-1],
    )


def versions(rekognition: Any, s3: Any) -> Listing:
    arn = new_project(rekognition)
    names = []
    for _ in range(FIVE):
        version = settled(rekognition, begin_training(rekognition, s3, ["{"], project=arn))
        names.append(version["ProjectVersionArn"])
    return Listing(
        "describe_project_versions",
        {"ProjectArn": arn},
        "ProjectVersionDescriptions",
        lambda found: found["ProjectVersionArn"],
        names[::-1],
    )


def entries(rekognition: Any, s3: Any) -> Listing:
    return Listing(
        "list_dataset_entries",
        {"DatasetArn": dataset(rekognition, s3, FIVE)},
        "DatasetEntries",
        lambda found: json.loads(found)["source-ref"],
        [f"s3://{BUCKET}/{number:03}.png" for number in range(FIVE)],
    )


def labels(rekognition: Any, s3: Any) -> Listing:
    return Listing(
        "list_dataset_labels",
        {"DatasetArn": dataset(rekognition, s3, FIVE)},
        "DatasetLabelDescriptions",
        lambda found: found["LabelName"],
        [f"label {number:03}" for number in range(FIVE)],
    )


def policies(rekognition: Any, s3: Any) -> Listing:
    arn = new_project(rekognition)
    resource = f"{arn.rpartition('/')[0]}/version/v/1772621000123"
    allowed = {"Principal": {"AWS": "111122223333"}, "Action": "rekognition:CopyProjectVersion"}
    statement = {"Effect": "Allow", **allowed, "Resource": resource}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    names = [f"policy-{number}" for number in range(FIVE)]
    for name in names:
        rekognition.put_project_policy(ProjectArn=arn, PolicyName=name, PolicyDocument=document)
    return Listing(
        "list_project_policies", {"ProjectArn": arn}, "ProjectPolicies", lambda found: found["PolicyName"], names
    )


LISTINGS = {builder.__name__: builder for builder in (projects, versions, entries, labels, policies)}
MOST = {"projects": 100, "versions": 100, "entries": 100, "labels": 100, "policies": 5}


@pytest.fixture(scope="module")
def listing(rekognition: Any, s3: Any) -> Callable[[str], Listing]:
    """Make what is to be listed when it is first asked for."""
    made: dict[str, Listing] = {}

    def listing(kind: str) -> Listing:
        if kind not in made:
            made[kind] = LISTINGS[kind](rekognition, s3)
        return made[kind]

    return listing


def pages(rekognition: Any, wanted: Listing, **paging: int) -> list[list[str]]:
    """List, and check that every page but the last has a token."""
    paginator = rekognition.get_paginator(wanted.operation)
    answers = list(paginator.paginate(**wanted.request, PaginationConfig=paging))
    assert [bool(answer.get("NextToken")) for answer in answers] == [True] * (len(answers) - 1) + [False]
    return [[wanted.name(found) for found in answer[wanted.member]] for answer in answers]


@pytest.mark.parametrize("size", [1, 2, 4, 5, 6, 100])
@pytest.mark.parametrize("kind", LISTINGS)
def test_pages_are_full_and_hold_everything_once_in_order(
    rekognition: Any, listing: Callable[[str], Listing], kind: str, size: int
) -> None:
    wanted, size = listing(kind), min(size, MOST[kind])
    found = pages(rekognition, wanted, PageSize=size)

    assert [name for page in found for name in page] == wanted.expected
    assert all(len(page) == size for page in found[:-1])
    assert len(found) == -(-FIVE // size)


@pytest.mark.parametrize("kind", LISTINGS)
def test_a_page_has_one_thing_at_least_and_no_more_than_is_allowed(
    rekognition: Any, listing: Callable[[str], Listing], kind: str
) -> None:
    wanted = listing(kind)
    ask = getattr(rekognition, wanted.operation)

    assert error_code(ask, **wanted.request, MaxResults=MOST[kind] + 1) == "ValidationException"
    assert len(ask(**wanted.request, MaxResults=1)[wanted.member]) == 1


@pytest.mark.parametrize("kind", LISTINGS)
def test_nothing_is_one_empty_page(rekognition: Any, s3: Any, listing: Callable[[str], Listing], kind: str) -> None:
    wanted = listing(kind)
    nothing = {"ProjectNames": [new_name()]} if kind == "projects" else {"ProjectArn": new_project(rekognition)}
    if kind in ("entries", "labels"):
        nothing = {"DatasetArn": dataset(rekognition, s3, 0)}
    paginator = rekognition.get_paginator(wanted.operation)

    assert [answer[wanted.member] for answer in paginator.paginate(**nothing)] == [[]]


@pytest.mark.parametrize("count", [99, 100, 101, 200, 201])
def test_a_page_holds_a_hundred_unless_asked_otherwise(rekognition: Any, s3: Any, count: int) -> None:
    asked = {"DatasetArn": dataset(rekognition, s3, count)}
    expected = [100] * (count // 100) + [count % 100] * (count % 100 > 0)

    for operation, member in LISTED.values():
        answers = rekognition.get_paginator(operation).paginate(**asked)
        assert [len(answer[member]) for answer in answers] == expected


LISTED = {
    "entries": ("list_dataset_entries", "DatasetEntries"),
    "labels": ("list_dataset_labels", "DatasetLabelDescriptions"),
}


def test_a_hundred_and_one_projects_are_two_pages(service: RunningService) -> None:
    client = service.client(access_key="101010101010")
    created = [new_project(client) for _ in range(101)]
    answers = list(client.get_paginator("describe_projects").paginate())

    assert [len(answer["ProjectDescriptions"]) for answer in answers] == [100, 1]
    assert [found["ProjectArn"] for answer in answers for found in answer["ProjectDescriptions"]] == created[::-1]


def test_what_comes_and_goes_between_two_pages_does_not_disturb_the_rest(service: RunningService) -> None:
    client = service.client(access_key="202020202020")
    created = [new_project(client) for _ in range(6)]
    first = client.describe_projects(MaxResults=3)
    client.delete_project(ProjectArn=created[3])
    new_project(client)
    wait_for(lambda: len(client.describe_projects()["ProjectDescriptions"]) == 6)
    second = client.describe_projects(MaxResults=3, NextToken=first["NextToken"])

    listed = [found["ProjectArn"] for answer in (first, second) for found in answer["ProjectDescriptions"]]
    assert listed == created[::-1]


def test_a_token_of_another_listing_is_refused(rekognition: Any, listing: Callable[[str], Listing]) -> None:
    wanted, other = listing("entries"), listing("labels")
    token = rekognition.list_dataset_labels(**other.request, MaxResults=1)["NextToken"]

    code = error_code(rekognition.list_dataset_entries, **wanted.request, NextToken=token)
    assert code == "InvalidPaginationTokenException"
