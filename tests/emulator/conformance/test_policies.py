import json
from typing import Any

import pytest

from tests.emulator.clients import copy, error, error_code, new_project, project_of, settled
from tests.emulator.processes import RunningService
from tests.emulator.target import OUTPUT

OTHER, THIRD = "222222222222", "333333333333"
DENIED = "AccessDeniedException"


@pytest.fixture
def other(service: RunningService) -> Any:
    """A client of another account."""
    return service.client(access_key=OTHER)


def statement(version_arn: str, **changes: Any) -> dict[str, Any]:
    plain = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "rekognition:CopyProjectVersion"}
    return {**plain, "Resource": version_arn} | changes


def put(rekognition: Any, version_arn: str, *statements: dict[str, Any], name: str = "share", **options: Any) -> str:
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements) or [statement(version_arn)]})
    project = project_of(rekognition, version_arn)
    answer = rekognition.put_project_policy(ProjectArn=project, PolicyName=name, PolicyDocument=document, **options)
    return str(answer["PolicyRevisionId"])


def copy_elsewhere(rekognition: Any, client: Any, version_arn: str) -> str:
    """Copy into a new project of the client's account."""
    return client.copy_project_version(
        SourceProjectArn=project_of(rekognition, version_arn),
        SourceProjectVersionArn=version_arn,
        DestinationProjectArn=new_project(client),
        VersionName="copy",
        OutputConfig={"S3Bucket": OUTPUT},
    )["ProjectVersionArn"]


def test_a_policy_lets_another_account_copy_the_version_it_names(rekognition: Any, other: Any, copied: str) -> None:
    put(rekognition, copied)
    arn = copy_elsewhere(rekognition, other, copied)

    assert settled(other, arn)["Status"] == "COPYING_COMPLETED"
    assert arn.split(":")[4] == OTHER
    assert settled(other, arn)["SourceProjectVersionArn"] == copied


@pytest.mark.parametrize(
    "changes",
    [
        {"Principal": {"AWS": THIRD}},
        {"Principal": {"AWS": f"arn:aws:iam::{OTHER}:role/somebody-else"}},
        {"Effect": "Deny"},
    ],
    ids=["another account", "another role", "a denial"],
)
def test_a_policy_lets_nobody_else_copy(rekognition: Any, other: Any, copied: str, changes: dict[str, Any]) -> None:
    put(rekognition, copied, statement(copied, **changes))

    with pytest.raises(other.exceptions.AccessDeniedException):
        copy_elsewhere(rekognition, other, copied)


def test_without_a_policy_another_account_does_not_even_learn_what_exists(
    rekognition: Any, other: Any, copied: str
) -> None:
    with pytest.raises(other.exceptions.AccessDeniedException):
        copy_elsewhere(rekognition, other, copied)
    with pytest.raises(other.exceptions.AccessDeniedException):
        copy_elsewhere(rekognition, other, f"{copied[:-1]}{(int(copied[-1]) + 1) % 10}")


def test_a_denial_wins_over_a_grant_also_within_the_account(rekognition: Any, copied: str) -> None:
    denial = statement(copied, Effect="Deny", Principal="*")
    put(rekognition, copied, statement(copied, Principal="*"), denial)

    with pytest.raises(rekognition.exceptions.AccessDeniedException):
        copy(rekognition, {"ProjectVersionArn": copied})


def test_a_policy_is_replaced_by_its_current_revision_only(rekognition: Any, copied: str) -> None:
    first = put(rekognition, copied)
    with pytest.raises(rekognition.exceptions.ResourceAlreadyExistsException):
        put(rekognition, copied)
    second = put(rekognition, copied, PolicyRevisionId=first)

    assert second != first
    with pytest.raises(rekognition.exceptions.InvalidPolicyRevisionIdException):
        put(rekognition, copied, PolicyRevisionId=first)
    with pytest.raises(rekognition.exceptions.InvalidPolicyRevisionIdException):
        put(rekognition, copied, name="another", PolicyRevisionId=second)
    project = project_of(rekognition, copied)
    (listed,) = rekognition.list_project_policies(ProjectArn=project)["ProjectPolicies"]
    assert listed["PolicyRevisionId"] == second
    assert listed["LastUpdatedTimestamp"] > listed["CreationTimestamp"]


def test_a_policy_is_deleted_once_and_then_grants_nothing(rekognition: Any, other: Any, copied: str) -> None:
    revision = put(rekognition, copied)
    named = {"ProjectArn": project_of(rekognition, copied), "PolicyName": "share"}

    assert error_code(rekognition.delete_project_policy, **named, PolicyRevisionId="0") == (
        "InvalidPolicyRevisionIdException"
    )
    rekognition.delete_project_policy(**named, PolicyRevisionId=revision)
    assert error_code(rekognition.delete_project_policy, **named) == "ResourceNotFoundException"
    with pytest.raises(other.exceptions.AccessDeniedException):
        copy_elsewhere(rekognition, other, copied)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"Effect": "ALLOW"}, "Effect"),
        ({"Action": "rekognition:*"}, "Action"),
        ({"Action": ["rekognition:CopyProjectVersion", "rekognition:DetectCustomLabels"]}, "Action"),
        ({"NotAction": "x"}, "NotAction"),
        ({"Principal": {"Service": "lambda.amazonaws.com"}}, "Principal"),
        ({"Resource": "*"}, "Resource"),
        ({"Resource": "arn:aws:rekognition:eu-west-1:111122223333:project/other/version/v/1"}, "Resource"),
    ],
)
def test_a_malformed_policy_is_refused_with_what_is_wrong(
    rekognition: Any, copied: str, changes: dict[str, Any], word: str
) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement(copied, **changes)]})
    named = {"ProjectArn": project_of(rekognition, copied), "PolicyName": "share"}
    refused = error(rekognition.put_project_policy, **named, PolicyDocument=document)

    assert refused["Code"] == "MalformedPolicyDocumentException"
    assert word in refused["Message"]


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
@pytest.mark.parametrize("ending", ["*", "*/*", "v1/*", "v?/1700000000000", "v1", "v1/1700000000000/x"])
def test_a_policy_that_names_no_single_version_is_refused_for_it_would_neither_allow_nor_deny(
    rekognition: Any, copied: str, ending: str, effect: str
) -> None:
    resource = f"{copied.rsplit('/', 2)[0]}/{ending}"
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement(resource, Effect=effect)]})
    named = {"ProjectArn": project_of(rekognition, copied), "PolicyName": "share"}
    refused = error(rekognition.put_project_policy, **named, PolicyDocument=document)

    assert refused["Code"] == "MalformedPolicyDocumentException"
    assert resource in refused["Message"]


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": "arn:aws:iam::*:root"},
        {"AWS": f"arn:aws:iam::{OTHER}:role/*"},
        {"AWS": "somebody"},
        {"AWS": OTHER, "Service": "lambda.amazonaws.com"},
        [],
    ],
)
def test_a_policy_for_principals_that_nobody_can_be_is_refused(rekognition: Any, copied: str, principal: Any) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement(copied, Principal=principal)]})
    named = {"ProjectArn": project_of(rekognition, copied), "PolicyName": "share"}
    refused = error(rekognition.put_project_policy, **named, PolicyDocument=document)

    assert refused["Code"] == "MalformedPolicyDocumentException"
    assert "Principal" in refused["Message"]


@pytest.mark.parametrize(
    "document", ["{", "[]", '{"Version": "2012-10-17"}', '{"Statement": [1]}', '{"Statement": []}']
)
def test_what_is_no_policy_is_refused(rekognition: Any, copied: str, document: str) -> None:
    named = {"ProjectArn": project_of(rekognition, copied), "PolicyName": "share"}

    assert error_code(rekognition.put_project_policy, **named, PolicyDocument=document) == (
        "MalformedPolicyDocumentException"
    )
