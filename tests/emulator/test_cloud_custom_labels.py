"""`AWS::Rekognition::Project` in a template is a project of the Custom Labels service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud import LocalCloud

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


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[LocalCloud]:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    with LocalCloud(tmp_path / "state", template=tmp_path / "template.yaml") as cloud:
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
