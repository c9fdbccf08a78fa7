"""Starting and stopping models: a lease before every start, a stop after every use."""

import time
import uuid
from typing import Any

from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError

from mlops import stack
from mlops.aws import clients
from mlops.models import projects, watch
from mlops.records import decisions, runs, table, waiting_line
from mlops.stage import StageRef

_SK = "LEASE"


def start(ref: StageRef, version_arn: str, decision: str = "") -> None:
    """Start a version for the inference test that a decision asks for, under a lease that says until when it may run.

    Once: a decision whose test is over is left alone. Every slot for running models taken, others in line, or the
    version being tested because of another decision: it is tried again later.
    """
    if decision and runs.is_over(ref, _lease_id(decision)):
        return
    if decision and has_lease(version_arn) and (lease_of(version_arn) or {}).get("decision") != decision:
        watch.retry_later(ref, version_arn, decision)
        return
    if not waiting_line.is_next(waiting_line.running_in(version_arn), ref):
        _wait(ref, version_arn, decision)
        return
    is_rollback = bool(decisions.find(ref, decision).get("is_rollback"))
    lease = _take_lease(ref, version_arn, is_rollback, decision)
    runs.begin(ref, lease["lease_id"])
    try:
        projects.rekognition(version_arn).start_project_version(ProjectVersionArn=version_arn, MinInferenceUnits=1)
    except ClientError as error:
        if clients.code_of(error) == "LimitExceededException":
            _give_back(version_arn, lease["lease_id"])
            _wait(ref, version_arn, decision)
            return
        if clients.code_of(error) != "ResourceInUseException":
            raise
        if _status(version_arn) not in ("STARTING", "RUNNING"):
            watch.retry_later(ref, version_arn, decision)
            return
    waiting_line.leave(waiting_line.running_in(version_arn), ref)
    watch.watch(ref, version_arn, until=("RUNNING", "FAILED"), cause=lease["lease_id"])


def _wait(ref: StageRef, version_arn: str, decision: str) -> None:
    waiting_line.line_up(waiting_line.running_in(version_arn), ref)
    runs.begin(ref, "in line")
    runs.wait(ref, "a free slot: the account runs as many models as it may")
    watch.retry_later(ref, version_arn, decision)


def lease_of(version_arn: str) -> dict[str, Any] | None:
    return table.get(f"LEASE#{version_arn}", _SK)


def stop(version_arn: str) -> None:
    """Stop a version; one that is stopping or stopped already is what was asked for."""
    try:
        projects.rekognition(version_arn).stop_project_version(ProjectVersionArn=version_arn)
    except ClientError as error:
        if clients.code_of(error) not in ("ResourceInUseException", "ResourceNotFoundException"):
            raise
        if _status(version_arn) in ("STARTING", "RUNNING"):
            raise


def has_lease(version_arn: str) -> bool:
    """Whether somebody may still use a version."""
    lease = lease_of(version_arn)
    return lease is not None and lease["expires_at"] > time.time()


def end_lease(version_arn: str, lease_id: str) -> None:
    _give_back(version_arn, lease_id)


def _take_lease(ref: StageRef, version_arn: str, is_rollback: bool, decision: str = "") -> dict[str, Any]:
    held = lease_of(version_arn)
    if held and held["expires_at"] > time.time():
        return held
    lease = {
        "pk": f"LEASE#{version_arn}",
        "sk": _SK,
        "lease_id": _lease_id(decision),
        "version_arn": version_arn,
        "started_at": int(time.time()),
        "expires_at": int(time.time()) + 60 * int(stack.setting("LEASE_MINUTES")),
        "is_rollback": is_rollback,
        "decision": decision,
        **ref.as_detail(),
    }
    table.put(lease)
    return lease


def _lease_id(decision: str) -> str:
    """The lease of a decision's test is always the same one, whoever delivers the decision how often."""
    return (uuid.uuid5(uuid.NAMESPACE_URL, decision) if decision else uuid.uuid4()).hex


def _give_back(version_arn: str, lease_id: str) -> None:
    table.delete(f"LEASE#{version_arn}", _SK, Attr("lease_id").eq(lease_id))


def _status(version_arn: str) -> str:
    project, name = projects.names_of(version_arn)
    described = projects.describe_version(project, name)
    return str(described["Status"]) if described else "DELETED"
