from typing import Any

from tests.emulator.clients import error, error_code, new_name, new_project
from tests.emulator.processes import RunningService


def named(rekognition: Any, name: str) -> list[dict[str, Any]]:
    return rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"]


def test_new_project_can_be_described(rekognition: Any) -> None:
    name = new_name("described.1_a-B")
    arn = rekognition.create_project(ProjectName=name)["ProjectArn"]

    (found,) = named(rekognition, name)
    assert found["ProjectArn"] == arn
    assert (found["Status"], found["Feature"], found["Datasets"]) == ("CREATED", "CUSTOM_LABELS", [])
    assert arn.endswith(f"/{round(found['CreationTimestamp'].timestamp() * 1000)}")


def test_adapters_are_refused_by_the_local_service(service: RunningService) -> None:
    refused = error(service.client().create_project, ProjectName="adapter", Feature="CONTENT_MODERATION")

    assert refused["Code"] == "InvalidParameterException"
    assert "adapters" in refused["Message"]


def test_project_with_versions_is_not_deleted(rekognition: Any, trained: dict[str, Any]) -> None:
    project = trained["ProjectVersionArn"].split("/")[1]

    code = error_code(rekognition.delete_project, ProjectArn=named(rekognition, project)[0]["ProjectArn"])

    assert code == "ResourceInUseException"


def test_projects_of_other_features_are_not_listed(rekognition: Any) -> None:
    new_project(rekognition)

    assert rekognition.describe_projects(Features=["CONTENT_MODERATION"])["ProjectDescriptions"] == []


def test_tags_are_added_replaced_and_removed(rekognition: Any) -> None:
    arn = rekognition.create_project(ProjectName=new_name("tagged"), Tags={"line": "a", "site": "x"})["ProjectArn"]

    rekognition.tag_resource(ResourceArn=arn, Tags={"line": "b", "owner": "me"})
    rekognition.untag_resource(ResourceArn=arn, TagKeys=["site", "absent"])

    assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"line": "b", "owner": "me"}
