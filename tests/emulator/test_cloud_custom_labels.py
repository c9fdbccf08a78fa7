"""Custom Labels as a service of the local cloud: in templates, behind its authentication and its IAM."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError

from local.cloud import LocalCloud
from local.launcher.custom_labels import rekognition_permissions
from tests.emulator.roles import assumed

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Name: {Type: String}
  PythonRuntime: {Type: String}
  Architecture: {Type: String}
Resources:
  Project:
    Type: AWS::Rekognition::Project
    Properties: {ProjectName: !Ref Name}
Outputs:
  Name: {Value: !Ref Project}
  Arn: {Value: !GetAtt Project.Arn}
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    folder: Path = tmp_path_factory.mktemp("cloud")
    (folder / "template.yaml").write_text(TEMPLATE)
    with LocalCloud(folder / "state", template=folder / "template.yaml") as cloud:
        cloud.sam_build()
        yield cloud


def living_projects(cloud: LocalCloud) -> list[str]:
    found = cloud.client("rekognition").describe_projects()["ProjectDescriptions"]
    return [project["ProjectArn"] for project in found if project["Status"] != "DELETING"]


def test_project_lives_and_dies_with_its_stack(cloud: LocalCloud) -> None:
    outputs = cloud.deploy("probe", {"Name": "line-a"})

    assert outputs["Name"] == "line-a"
    assert living_projects(cloud) == [outputs["Arn"]]

    renamed = cloud.deploy("probe", {"Name": "line-b"})
    assert renamed["Name"] == "line-b"
    assert living_projects(cloud) == [renamed["Arn"]]

    cloudformation = cloud.client("cloudformation")
    cloudformation.delete_stack(StackName="probe")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="probe", WaiterConfig={"Delay": 1})
    assert living_projects(cloud) == []


@contextmanager
def role(cloud: LocalCloud, name: str, *actions: str) -> Iterator[Any]:
    """A client of Custom Labels with a role that may do no more than these actions."""
    with assumed(cloud.client("iam"), cloud.client("sts"), name, *actions) as keys:
        yield boto3.client("rekognition", endpoint_url=cloud.endpoint, region_name="us-east-1", **keys)


def test_a_role_may_do_what_its_policies_say_and_no_more(cloud: LocalCloud) -> None:
    with role(cloud, "reader", "rekognition:DescribeProjects") as client:
        client.describe_projects()
        with pytest.raises(ClientError) as refused:
            client.create_project(ProjectName="mine")

    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    assert "role/reader" in refused.value.response["Error"]["Message"].replace("assumed-role/reader", "role/reader")
    assert "rekognition:CreateProject" in refused.value.response["Error"]["Message"]


def test_a_request_with_a_wrong_signature_is_refused(cloud: LocalCloud) -> None:
    with role(cloud, "signer", "rekognition:*") as client:
        client._request_signer._credentials.secret_key = "wrong"
        with pytest.raises(ClientError) as refused:
            client.describe_projects()

    assert "Signature" in refused.value.response["Error"]["Code"]


def test_training_reads_and_writes_with_the_rights_of_its_caller(cloud: LocalCloud) -> None:
    cloud.client("s3").create_bucket(Bucket="pictures")
    cloud.client("s3").put_object(Bucket="pictures", Key="train.manifest", Body=b"{}")
    manifest = {"GroundTruthManifest": {"S3Object": {"Bucket": "pictures", "Name": "train.manifest"}}}
    with role(cloud, "trainer", "rekognition:*", "s3:PutObject", "s3:ListBucket") as client:
        project = client.create_project(ProjectName="line")["ProjectArn"]
        client.create_project_version(
            ProjectArn=project,
            VersionName="v1",
            TrainingData={"Assets": [manifest]},
            TestingData={"AutoCreate": True},
            OutputConfig={"S3Bucket": "pictures", "S3KeyPrefix": "out"},
        )
        with pytest.raises(WaiterError, match="TRAINING_FAILED"):
            client.get_waiter("project_version_training_completed").wait(
                ProjectArn=project, VersionNames=["v1"], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
            )
        (version,) = client.describe_project_versions(ProjectArn=project)["ProjectVersionDescriptions"]

    assert version["StatusMessage"] == "The S3 bucket permissions are incorrect."


@pytest.mark.parametrize(
    ("operation", "request_", "needed"),
    [
        ("DescribeProjects", {}, [("rekognition:DescribeProjects", "*")]),
        ("StopProjectVersion", {"ProjectVersionArn": "v"}, [("rekognition:StopProjectVersion", "v")]),
        ("CreateProject", {"Tags": {"a": "b"}}, [("rekognition:CreateProject", "*"), ("rekognition:TagResource", "*")]),
        ("TagResource", {"ResourceArn": "v", "Tags": {}}, [("rekognition:TagResource", "v")]),
        (
            "CopyProjectVersion",
            {"SourceProjectArn": "p", "SourceProjectVersionArn": "v", "DestinationProjectArn": "d"},
            [("rekognition:CopyProjectVersion", arn) for arn in "pvd"] + [("rekognition:CreateProjectVersion", "d")],
        ),
        (
            "CreateDataset",
            {"ProjectArn": "p", "DatasetSource": {"DatasetArn": "s"}},
            [("rekognition:CreateDataset", "p"), ("rekognition:ListDatasetEntries", "s")],
        ),
    ],
)
def test_an_operation_needs_what_the_authorization_reference_lists(
    operation: str, request_: dict[str, Any], needed: list[tuple[str, str]]
) -> None:
    assert rekognition_permissions(operation, request_) == needed
