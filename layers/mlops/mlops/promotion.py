"""An approved version is copied into the next environment, tested there, and released."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from mlops import approvals, aws, keeping, releases, runs, serving, sharing, table, watching
from mlops.environments import approval_stage, before
from mlops.keys import run_key
from mlops.runs import StageRef, ref_of

# Answers that another try will not change.
REFUSALS = (
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
    "InvalidParameterException",
    "ValidationException",
)


def decided(detail: Mapping[str, Any]) -> None:
    """Act on a decision, after looking it up: the event alone is not believed."""
    target = str(detail["target"])
    ref = ref_of(detail, approval_stage(target)).at(approval_stage(target), target)
    approval = table.get(str(detail["approval"]), "APPROVAL")
    if approval is None or approval["run_id"] != ref.run_id or approval["state"] == approvals.PENDING:
        raise PermissionError(f"no decision is recorded for {ref.run_id}")
    if approval["state"] == approvals.REJECTED:
        comment = f": {approval['comment']}" if approval["comment"] else ""
        runs.fail(ref, [f"rejected by {approval['approver']}{comment}"])
    else:
        copy(ref, str(detail["approval"]))


def copy(ref: StageRef, cause: str) -> None:
    """Copy the version into the project of `ref.environment`, or find the copy, and watch it for this `cause`."""
    projects = aws.projects()[ref.task]
    source, destination = projects[before(ref.environment)], projects[ref.environment]
    version = aws.describe_version(source, ref.run_id)
    if version is None:
        runs.fail(ref, [f"{ref.run_id} is not in {aws.project_name(source)} any more; was it deleted?"])
        return
    try:
        sharing.grant(version["ProjectVersionArn"], destination)
        answer = aws.rekognition(destination).copy_project_version(
            SourceProjectArn=source,
            SourceProjectVersionArn=version["ProjectVersionArn"],
            DestinationProjectArn=destination,
            VersionName=ref.run_id,
            OutputConfig={
                "S3Bucket": _bucket_of(ref.environment),
                "S3KeyPrefix": run_key(ref.run_id, f"rekognition/{ref.environment}"),
            },
        )
        version_arn = str(answer["ProjectVersionArn"])
    except ClientError as error:
        found = _bear(ref, destination, error)
        if found is None:
            return
        version_arn = found
    runs.note_version(ref, version_arn)
    watching.watch(ref, version_arn, until=("COPYING_COMPLETED", "COPYING_FAILED"), cause=cause)


def _bucket_of(environment: str) -> str:
    """Where a copy's results go: into a bucket of the environment's own account."""
    return aws.json_setting("BUCKETS").get(environment) or aws.setting("ARTIFACTS_BUCKET")


def _bear(ref: StageRef, destination: str, error: ClientError) -> str | None:
    """The ARN of a copy that exists already; None when the stage waits or has failed."""
    code = aws.code_of(error)
    existing = aws.describe_version(destination, ref.run_id)
    if code == "ResourceInUseException" and existing:
        return str(existing["ProjectVersionArn"])
    if code in ("LimitExceededException", "ResourceInUseException"):
        runs.wait(ref, "a free slot to copy the model")
        watching.retry_later(ref, ref.run_id)
        return None
    if code in REFUSALS:
        runs.fail(ref, [f"Rekognition: {code}: {aws.message_of(error)}"])
        return None
    raise error


def copied(detail: Mapping[str, Any]) -> None:
    """Start a copied version for its test, once: a version whose test is over is left alone."""
    ref = ref_of(detail, approval_stage(str(detail["environment"])))
    projects = aws.projects()[ref.task]
    sharing.revoke(projects[before(ref.environment)], projects[ref.environment], ref.run_id)
    if detail["status"] == "COPYING_FAILED":
        return
    version = aws.describe_version(detail["project_arn"], detail["version_name"])
    # Under a lease it was started already; that it is watched, too, is not sure.
    if version and (version["Status"] == "COPYING_COMPLETED" or serving.has_lease(detail["version_arn"])):
        is_rollback = table.get(ref.row[0], _rollback_row(ref.environment)) is not None
        serving.start(ref.at("inference_test"), detail["version_arn"], is_rollback=is_rollback)
    runs.complete(ref)


def release(detail: Mapping[str, Any]) -> None:
    """Make a version that passed its test the current one of its environment.

    Only then is the version before it stopped, so that consumers never find none running.
    """
    ref = ref_of(detail, "release")
    result = aws.artifacts_bucket().read_json(str(detail["artifact"]))
    decision = _decision_of(ref)
    entry = releases.record(
        ref,
        result,
        {
            "version_arn": result["version_arn"],
            "approver": decision.get("approver", ""),
            "comment": decision.get("comment", ""),
            "is_rollback": bool(decision.get("is_rollback")),
            "released_at": runs.now(),
        },
    )
    if entry.get("announced"):
        return
    is_running = _keep_running(ref, entry, result["lease_id"])
    releases.publish(entry, is_running)
    names = ("run_id", "dataset", "task", "environment", "version_arn", "previous_version_arn")
    aws.put_event("Model Released", {name: entry[name] for name in names} | {"is_running": is_running})
    table.update(entry["pk"], entry["sk"], {"announced": True})


def _keep_running(ref: StageRef, entry: Mapping[str, Any], lease_id: str) -> bool:
    """Keep the released version running where that is wanted and there is room; stop it and the one before it else."""
    version_arn, previous = entry["version_arn"], entry["previous_version_arn"]
    stays = keeping.is_wanted(ref.environment) and keeping.keep(ref, version_arn)
    if not stays:
        keeping.drop(ref)
        serving.stop(version_arn)
    if previous and previous != version_arn:
        serving.stop(previous)
    serving.end_lease(version_arn, lease_id)
    return stays


def _decision_of(ref: StageRef) -> dict[str, Any]:
    """Who let the version in: a rollback, if that came last, or the approval."""
    rollback = table.get(ref.row[0], _rollback_row(ref.environment))
    if rollback:
        return rollback
    pointer = table.get(ref.row[0], f"APPROVAL#{ref.environment}") or {}
    return table.get(str(pointer.get("token_hash", "-")), "APPROVAL") or {}


def roll_back(detail: Mapping[str, Any], cause: str) -> None:
    """Bring a version back that was released before: tested again, and released again, without training."""
    environment = str(detail["environment"])
    ref = StageRef(str(detail["run_id"]), str(detail["dataset"]), str(detail["task"]), "rollback", environment)
    if not runs.begin(ref, cause):
        return
    current = releases.current(ref.dataset, ref.task, environment) or {}
    if releases.was_released(ref) is None:
        runs.fail(ref, [f"{ref.run_id} was never released in {environment}"])
    elif current.get("run_id") == ref.run_id:
        runs.fail(ref, [f"{ref.run_id} is the current release in {environment}"])
    else:
        who = {"approver": str(detail["approver"])[:100], "comment": str(detail["comment"])[:1000]}
        table.put({"pk": ref.row[0], "sk": _rollback_row(environment), "is_rollback": True, **who})
        if version := aws.describe_version(aws.projects()[ref.task][environment], ref.run_id):
            serving.start(ref.at("inference_test"), str(version["ProjectVersionArn"]), is_rollback=True)
        else:
            # It was deleted here: it comes back the way that it came.
            copy(ref.at(approval_stage(environment)), cause)
        runs.complete(ref)


def _rollback_row(environment: str) -> str:
    return f"ROLLBACK#{environment}"
