"""Roles that may do some things and no others."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.emulator.clients import error_code_of
from tests.emulator.processes import wait_for


@contextmanager
def assumed(iam: Any, sts: Any, name: str, *actions: str) -> Iterator[dict[str, str]]:
    """Make a role that may do these actions with everything; yield its credentials for boto3, then remove it."""
    account = sts.get_caller_identity()["Account"]
    trust = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    if actions:
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        iam.put_role_policy(RoleName=name, PolicyName="allowed", PolicyDocument=policy(allowed))
    session = {"RoleArn": arn, "RoleSessionName": "test"}
    # AWS takes a moment to know a new role.
    wait_for(lambda: error_code_of(sts.assume_role, **session) is None)
    keys = sts.assume_role(**session)["Credentials"]
    yield {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }
    if actions:
        iam.delete_role_policy(RoleName=name, PolicyName="allowed")
    iam.delete_role(RoleName=name)


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
