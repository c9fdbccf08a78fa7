from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.clients import error_code, new_project
from tests.emulator.processes import RunningService, wait_for
from tests.emulator.target import BUCKET, OUTPUT

MANIFEST = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "a.manifest"}}}
INPUT = {"TrainingData": {"Assets": [MANIFEST]}, "TestingData": {"AutoCreate": True}}


def named(rekognition: Any, name: str) -> list[dict[str, Any]]:
    return rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"]


def test_new_project_can_be_described(rekognition: Any) -> None:
    arn = rekognition.create_project(ProjectName="described.1_a-B")["ProjectArn"]

    (found,) = named(rekognition, "described.1_a-B")
    assert found["ProjectArn"] == arn
    assert (found["Status"], found["Feature"], found["Datasets"]) == ("CREATED", "CUSTOM_LABELS", [])
    assert arn.endswith(f"/{round(found['CreationTimestamp'].timestamp() * 1000)}")


def test_project_name_is_taken_once(rekognition: Any) -> None:
    rekognition.create_project(ProjectName="taken")

    assert error_code(rekognition.create_project, ProjectName="taken") == "ResourceInUseException"


@pytest.mark.parametrize("adapter", [{"Feature": "CONTENT_MODERATION"}, {"AutoUpdate": "ENABLED"}])
def test_adapters_are_refused(rekognition: Any, adapter: dict[str, str]) -> None:
    code = error_code(rekognition.create_project, ProjectName="adapter", **adapter)

    assert code == "InvalidParameterException"


def test_deleted_project_is_seen_deleting_and_then_gone(launch: Callable[..., RunningService]) -> None:
    client = launch("--transition-seconds", 0.7).client()
    arn = client.create_project(ProjectName="deleted")["ProjectArn"]

    assert client.delete_project(ProjectArn=arn)["Status"] == "DELETING"
    assert [project["Status"] for project in named(client, "deleted")] == ["DELETING"]
    assert error_code(client.delete_project, ProjectArn=arn) == "ResourceInUseException"
    assert error_code(client.create_project, ProjectName="deleted") == "ResourceInUseException"
    request = {"VersionName": "late", "OutputConfig": {"S3Bucket": OUTPUT}, **INPUT}
    assert error_code(client.create_project_version, ProjectArn=arn, **request) == "ResourceInUseException"
    wait_for(lambda: not named(client, "deleted"))
    assert error_code(client.delete_project, ProjectArn=arn) == "ResourceNotFoundException"
    client.create_project(ProjectName="deleted")


def test_project_with_versions_is_not_deleted(rekognition: Any, trained: dict[str, Any]) -> None:
    project = trained["ProjectVersionArn"].split("/")[1]

    code = error_code(rekognition.delete_project, ProjectArn=named(rekognition, project)[0]["ProjectArn"])

    assert code == "ResourceInUseException"


def test_pages_list_every_project_once_newest_first(service: RunningService) -> None:
    client = service.client("ap-south-1")
    created = [new_project(client, "paged") for _ in range(5)]

    pages = list(client.get_paginator("describe_projects").paginate(PaginationConfig={"PageSize": 2}))

    assert [len(found["ProjectDescriptions"]) for found in pages] == [2, 2, 1]
    listed = [project["ProjectArn"] for found in pages for project in found["ProjectDescriptions"]]
    assert listed == created[::-1]


def test_made_up_page_token_is_refused(rekognition: Any) -> None:
    assert error_code(rekognition.describe_projects, NextToken="page two") == "InvalidPaginationTokenException"


def test_projects_of_other_features_are_not_listed(rekognition: Any) -> None:
    new_project(rekognition)

    assert rekognition.describe_projects(Features=["CONTENT_MODERATION"])["ProjectDescriptions"] == []


def test_project_quota(launch: Callable[..., RunningService]) -> None:
    client = launch("--max-projects", 2).client()
    new_project(client)
    new_project(client)

    assert error_code(client.create_project, ProjectName="third") == "LimitExceededException"


def test_tags_are_added_replaced_and_removed(rekognition: Any) -> None:
    arn = rekognition.create_project(ProjectName="tagged", Tags={"line": "a", "site": "x"})["ProjectArn"]

    rekognition.tag_resource(ResourceArn=arn, Tags={"line": "b", "owner": "me"})
    rekognition.untag_resource(ResourceArn=arn, TagKeys=["site", "absent"])

    assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"line": "b", "owner": "me"}


def test_tag_quota(rekognition: Any) -> None:
    arn = rekognition.create_project(ProjectName="many-tags", Tags={f"k{n}": "" for n in range(200)})["ProjectArn"]

    code = error_code(rekognition.tag_resource, ResourceArn=arn, Tags={"one": "more"})

    assert code == "ServiceQuotaExceededException"


def test_tags_of_unknown_resources_are_not_found(rekognition: Any) -> None:
    arn = "arn:aws:rekognition:eu-west-1:000000000000:project/none/1772621000123"

    assert error_code(rekognition.list_tags_for_resource, ResourceArn=arn) == "ResourceNotFoundException"
