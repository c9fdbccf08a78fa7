"""Copies between accounts: the source project lets one role copy one version, for as long as that takes.

Source: "Copying a model" and PutProjectPolicy in the Custom Labels guide and API reference.
"""

import json

from botocore.exceptions import ClientError

from mlops import arns, stack
from mlops.aws import clients
from mlops.models import projects


def grant(version_arn: str, destination: str) -> None:
    """Let the account of a destination project copy a version. Within one account nothing is needed."""
    _, source = projects.place_of(version_arn)
    if _is_one_account(source, destination):
        return
    name = arns.version_name(version_arn)
    rekognition = projects.rekognition(source)
    # A policy that is there already, of a copy that was begun before, can only be replaced by its revision.
    held = rekognition.list_project_policies(ProjectArn=source)["ProjectPolicies"]
    revisions = {entry["PolicyName"]: entry["PolicyRevisionId"] for entry in held}
    replaced = {"PolicyRevisionId": revisions[name]} if name in revisions else {}
    # Named after the version, so that a repeated grant replaces itself, and the end of the copy finds it.
    document = json.dumps(policy(version_arn, _principal(destination)))
    rekognition.put_project_policy(ProjectArn=source, PolicyName=name, PolicyDocument=document, **replaced)


def revoke(source: str, destination: str, version_name: str) -> None:
    """Take back what was granted for the copy of a version."""
    if _is_one_account(source, destination):
        return
    try:
        projects.rekognition(source).delete_project_policy(ProjectArn=source, PolicyName=version_name)
    except ClientError as error:
        if clients.code_of(error) != "ResourceNotFoundException":
            raise


def policy(version_arn: str, principal: str) -> dict[str, object]:
    """The project policy that lets a principal copy exactly one version."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": "rekognition:CopyProjectVersion",
        "Resource": version_arn,
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _principal(destination: str) -> str:
    """Who copies: the role of the destination's environment, or else this account."""
    environment, project = projects.place_of(destination)
    partition = project.split(":")[1]
    # `root` stands for all of an account: which of its roles may copy, its own policies say.
    return stack.here().role_of(environment) or f"arn:{partition}:iam::{arns.account_of(project)}:root"


def _is_one_account(source: str, destination: str) -> bool:
    return arns.account_of(source) == arns.account_of(destination)
