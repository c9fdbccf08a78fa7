import json
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.emulator.clients import error, error_code, new_project
from tests.emulator.processes import RunningService

AUTHORIZATION = "AWS4-HMAC-SHA256 Credential={}/20260304/{}/rekognition/aws4_request, SignedHeaders=host, Signature=0"
PROJECT = "arn:aws:rekognition:eu-west-1:000000000000:project/none/1772621000123"
VERSION = "arn:aws:rekognition:eu-west-1:000000000000:project/none/version/none/1772621000123"


def post(service: RunningService, operation: str, body: Any, **headers: str) -> httpx.Response:
    defaults = {
        "x-amz-target": f"RekognitionService.{operation}",
        "content-type": "application/x-amz-json-1.1",
        "authorization": AUTHORIZATION.format("testing", "eu-west-1"),
    }
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(service.url, content=content, headers=defaults | headers)


def test_health_answers_json(service: RunningService) -> None:
    answer = httpx.get(f"{service.url}/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_success_is_amz_json_with_a_request_id(service: RunningService) -> None:
    answer = post(service, "DescribeProjects", {})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    assert len(answer.headers["x-amzn-requestid"]) == 36


def test_error_body_has_the_four_documented_fields(service: RunningService) -> None:
    answer = post(service, "DeleteProject", {"ProjectArn": PROJECT})

    body = answer.json()
    assert answer.status_code == 400
    assert set(body) == {"__type", "Code", "Logref", "Message"}
    assert body["__type"] == body["Code"] == "ResourceNotFoundException"
    assert answer.headers["x-amzn-requestid"]


def test_boto3_raises_the_modelled_exception(rekognition: Any) -> None:
    with pytest.raises(rekognition.exceptions.ResourceNotFoundException, match="does not exist"):
        rekognition.describe_project_versions(ProjectArn=PROJECT)


@pytest.mark.parametrize(
    ("operation", "body", "headers", "code"),
    [
        ("DescribeProjects", b"{", {}, "SerializationException"),
        ("DescribeProjects", b"[" * 100_000, {}, "SerializationException"),
        ("DescribeProjects", b"[]", {}, "SerializationException"),
        ("DescribeProjects", {"MaxResults": "1"}, {}, "SerializationException"),
        ("DescribeProjects", {"MaxResults": True}, {}, "SerializationException"),
        ("DescribeProjects", b'{"MaxResults": NaN}', {}, "SerializationException"),
        ("DetectCustomLabels", {"ProjectVersionArn": VERSION, "Image": {"Bytes": "*"}}, {}, "SerializationException"),
        ("DescribeProjects", {}, {"authorization": ""}, "MissingAuthenticationTokenException"),
        ("DescribeProjects", {}, {"x-amz-target": "S3.DescribeProjects"}, "UnknownOperationException"),
        ("MakeCoffee", {}, {}, "UnknownOperationException"),
        ("DetectFaces", {}, {}, "InvalidParameterException"),
        ("DescribeProjects", b" " * (8 * 1024 * 1024 + 1), {}, "RequestEntityTooLargeException"),
    ],
)
def test_malformed_requests_are_refused(
    service: RunningService, operation: str, body: Any, headers: dict[str, str], code: str
) -> None:
    answer = post(service, operation, body, **headers)

    assert answer.json()["Code"] == code
    assert 400 <= answer.status_code < 500


def test_unknown_members_and_nulls_are_ignored(service: RunningService) -> None:
    answer = post(service, "DescribeProjects", {"NextToken": None, "Surprise": 1})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("operation", "parameters", "said"),
    [
        (
            "create_project",
            {"ProjectName": "a b"},
            "at 'projectName' failed to satisfy constraint: Member must satisfy",
        ),
        ("create_project", {"ProjectName": "a" * 256}, "length less than or equal to 255"),
        (
            "create_project",
            {"ProjectName": "a", "Feature": "FACES"},
            "enum value set: [CONTENT_MODERATION, CUSTOM_LABELS]",
        ),
        ("create_project", {"ProjectName": "a", "Tags": {"aws:x": "1"}}, "regular expression pattern"),
        ("create_project", {"ProjectName": "a", "Tags": {"x": "*"}}, "'tags.x' failed to satisfy"),
        ("create_project", {"ProjectName": "a", "Tags": {f"k{n}": "" for n in range(201)}}, "equal to 200"),
        ("describe_projects", {"MaxResults": 101}, "Value '101' at 'maxResults'"),
        ("describe_projects", {"ProjectNames": ["a"] * 11}, "'projectNames' failed to satisfy"),
        ("describe_projects", {"ProjectNames": ["ok", "not ok"]}, "'projectNames.2.member'"),
        ("delete_project", {"ProjectArn": "arn:aws:s3:::a-bucket-name"}, "'projectArn' failed to satisfy"),
        (
            "detect_custom_labels",
            {"MinConfidence": 100.5, "ProjectVersionArn": VERSION, "Image": {}},
            "'minConfidence'",
        ),
        (
            "detect_custom_labels",
            {"ProjectVersionArn": VERSION, "Image": {"Bytes": bytes(5 * 1024 * 1024 + 1)}},
            "5242881 bytes",
        ),
    ],
)
def test_what_boto3_lets_through_is_validated(rekognition: Any, operation: str, parameters: Any, said: str) -> None:
    refusal = error(getattr(rekognition, operation), **parameters)

    assert refusal["Code"] == "ValidationException"
    assert said in refusal["Message"]


def test_every_broken_constraint_is_listed(service: RunningService) -> None:
    message = post(service, "CreateProjectVersion", {"VersionName": "?"}).json()["Message"]

    assert message.startswith("3 validation errors detected: ")
    assert "Value null at 'projectArn' failed to satisfy constraint: Member must not be null" in message


def test_tags_take_letters_of_any_script(rekognition: Any) -> None:
    arn = new_project(rekognition)

    rekognition.tag_resource(ResourceArn=arn, Tags={"Größe": "中 文-1"})

    assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"Größe": "中 文-1"}


def test_regions_and_accounts_do_not_see_each_other(service: RunningService) -> None:
    ours = service.client(access_key="111122223333")
    arn = new_project(ours, "scoped")
    name = arn.split("/")[1]

    assert arn.startswith("arn:aws:rekognition:eu-west-1:111122223333:project/scoped-")
    for other in (service.client("us-east-1", "111122223333"), service.client(access_key="444455556666")):
        assert error_code(other.delete_project, ProjectArn=arn) == "ResourceNotFoundException"
        assert other.describe_projects(ProjectNames=[name])["ProjectDescriptions"] == []
        other.create_project(ProjectName=name)


def test_request_ids_reach_the_client(rekognition: Any) -> None:
    with pytest.raises(ClientError) as raised:
        rekognition.delete_project(ProjectArn=PROJECT)

    assert raised.value.response["ResponseMetadata"]["RequestId"]
