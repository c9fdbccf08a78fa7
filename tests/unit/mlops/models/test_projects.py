"""Staging and production in other accounts: who is asked with which role, and what is granted for a copy."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from mlops.aws import clients
from mlops.models import projects, sharing
from tests.unit.mlops.world import set_clock

OWN, STAGING, PRODUCTION = "111111111111", "222222222222", "333333333333"
ROLES = {"staging": f"arn:aws:iam::{STAGING}:role/models", "production": f"arn:aws:iam::{PRODUCTION}:role/models"}


def project(account: str, environment: str, number: int = 1) -> str:
    return f"arn:aws:rekognition:eu-west-1:{account}:project/s-{environment}/{number}"


def version(account: str, environment: str) -> str:
    return f"arn:aws:rekognition:eu-west-1:{account}:project/s-{environment}/version/run-7/1763890000000"


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    own = {environment: project(OWN, environment) for environment in ("development", "staging", "production")}
    elsewhere = {"staging": project(STAGING, "staging"), "production": project(PRODUCTION, "production")}
    monkeypatch.setenv("PROJECTS", json.dumps({"detection": own}))
    monkeypatch.setenv("PROJECTS_ELSEWHERE", json.dumps({"detection": elsewhere}))
    monkeypatch.setenv("ROLES", json.dumps(ROLES))
    forget = clients._client_with.cache_clear
    forget()
    yield
    forget()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The role of every client that is made; empty for a client of the own account."""
    roles: list[str] = []
    monkeypatch.setattr(clients, "client", lambda service: roles.append(""))
    monkeypatch.setattr(clients, "_client_with", lambda role, service, period: roles.append(role))
    return roles


def test_projects_of_other_accounts_take_the_place_of_the_own_ones() -> None:
    assert projects.projects()["detection"] == {
        "development": project(OWN, "development"),
        "staging": project(STAGING, "staging"),
        "production": project(PRODUCTION, "production"),
    }
    assert ("staging", project(OWN, "staging")) in list(projects.all_projects())


def test_an_empty_parameter_leaves_the_own_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECTS_ELSEWHERE", json.dumps({"detection": {"staging": "", "production": ""}}))

    assert projects.projects()["detection"]["staging"] == project(OWN, "staging")
    assert len(list(projects.all_projects())) == 3


@pytest.mark.parametrize(
    ("arn", "role"),
    [
        (version(OWN, "development"), ""),
        (version(STAGING, "staging"), ROLES["staging"]),
        (project(PRODUCTION, "production"), ROLES["production"]),
        # A version from before the environment moved: it is still there to be stopped.
        (version(OWN, "production"), ""),
    ],
)
def test_a_version_is_asked_for_with_the_role_of_the_account_it_is_in(asked: list[str], arn: str, role: str) -> None:
    projects.rekognition(arn)

    assert asked == [role]


def test_a_version_of_another_stack_is_nobodys() -> None:
    with pytest.raises(LookupError, match="no project of this stack"):
        projects.place_of(version(STAGING, "development"))


def test_a_role_is_taken_on_again_before_its_session_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions: list[dict[str, Any]] = []
    now = [0.0]

    def assume_role(**session: Any) -> dict[str, Any]:
        sessions.append(session)
        keys = {"AccessKeyId": "k", "SecretAccessKey": "s", "SessionToken": "t"}
        return {"Credentials": keys}

    monkeypatch.setattr(clients, "client", lambda service: SimpleNamespace(assume_role=assume_role))
    monkeypatch.setattr(boto3, "client", lambda service, **options: options)
    set_clock(monkeypatch, time=lambda: now[0])
    for now[0] in (0, 1799, 1800):
        clients.client_in("staging", "ssm")

    assert [session["RoleArn"] for session in sessions] == [ROLES["staging"]] * 2
    assert {session["DurationSeconds"] for session in sessions} == {3600}
    assert all(len(session["RoleSessionName"]) <= 64 for session in sessions)


class Policies:
    """The policies of a project, as Custom Labels keeps them."""

    def __init__(self, **held: str) -> None:
        self.held, self.put = held, list[dict[str, Any]]()

    def list_project_policies(self, ProjectArn: str) -> dict[str, Any]:  # noqa: N803
        found = [{"PolicyName": name, "PolicyRevisionId": revision} for name, revision in self.held.items()]
        return {"ProjectPolicies": found}

    def put_project_policy(self, **request: Any) -> None:
        self.put.append(request)

    def delete_project_policy(self, ProjectArn: str, PolicyName: str) -> None:  # noqa: N803
        if self.held.pop(PolicyName, None) is None:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "DeleteProjectPolicy")


@pytest.fixture
def policies(monkeypatch: pytest.MonkeyPatch) -> Policies:
    policies = Policies()
    monkeypatch.setattr(projects, "rekognition", lambda arn: policies)
    return policies


def test_the_role_of_the_next_environment_may_copy_exactly_one_version(policies: Policies) -> None:
    sharing.grant(version(OWN, "development"), project(STAGING, "staging"))

    (request,) = policies.put
    assert request["ProjectArn"] == project(OWN, "development")
    assert request["PolicyName"] == "run-7"
    assert len(request["PolicyDocument"]) <= 2000
    assert json.loads(request["PolicyDocument"])["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"AWS": ROLES["staging"]},
            "Action": "rekognition:CopyProjectVersion",
            "Resource": version(OWN, "development"),
        }
    ]


def test_a_grant_that_is_left_of_an_earlier_try_is_replaced(policies: Policies) -> None:
    policies.held = {"run-6": "r6", "run-7": "r7"}
    sharing.grant(version(STAGING, "staging"), project(PRODUCTION, "production"))

    assert [request["PolicyRevisionId"] for request in policies.put] == ["r7"]


def test_within_one_account_nothing_is_granted(policies: Policies) -> None:
    sharing.grant(version(OWN, "development"), project(OWN, "staging"))
    sharing.revoke(project(OWN, "development"), project(OWN, "staging"), "run-7")

    assert policies.put == []


def test_a_grant_is_taken_back_once_and_again(policies: Policies) -> None:
    policies.held = {"run-6": "r6", "run-7": "r7"}
    for _ in range(2):
        sharing.revoke(project(OWN, "development"), project(STAGING, "staging"), "run-7")

    assert policies.held == {"run-6": "r6"}


@pytest.mark.parametrize(("code", "tries"), [("LimitExceededException", 1), ("ThrottlingException", 5)])
def test_a_used_up_quota_is_told_at_once_while_throttling_is_waited_out(
    monkeypatch: pytest.MonkeyPatch, code: str, tries: int
) -> None:
    clients.client.cache_clear()
    client = clients.client("rekognition")
    answers: list[int] = []

    def answer(request: Any, **_: Any) -> Any:
        answers.append(1)
        body = json.dumps({"__type": code, "Message": "no"}).encode()
        return AWSResponse(request.url, 400, {}, SimpleNamespace(stream=lambda **_: iter([body])))

    monkeypatch.setattr("time.sleep", lambda _: None)
    client.meta.events.register("before-send.rekognition", answer)
    with pytest.raises(ClientError, match=code):
        client.describe_projects()
    clients.client.cache_clear()

    assert len(answers) == tries
