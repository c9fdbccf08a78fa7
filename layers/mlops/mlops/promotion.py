"""An approved version is copied into the next environment, tested there, and released."""

from collections.abc import Mapping
from typing import Any

from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError

from mlops import approvals, aws, runs, serving, table, watching
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
    ref = ref_of(detail, approvals.STAGE).at(approvals.STAGE, detail["target"])
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
    source, destination = projects["development"], projects[ref.environment]
    version = aws.describe_version(source, ref.run_id)
    if version is None:
        runs.fail(ref, [f"{ref.run_id} is not in {aws.project_name(source)} any more; was it deleted?"])
        return
    try:
        answer = aws.client("rekognition").copy_project_version(
            SourceProjectArn=source,
            SourceProjectVersionArn=version["ProjectVersionArn"],
            DestinationProjectArn=destination,
            VersionName=ref.run_id,
            OutputConfig={
                "S3Bucket": aws.setting("ARTIFACTS_BUCKET"),
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
    """Start a copied version for its test, once: a version that was started since is left alone."""
    ref = ref_of(detail, approvals.STAGE)
    version = aws.describe_version(detail["project_arn"], detail["version_name"])
    if version and version["Status"] == "COPYING_COMPLETED":
        serving.start(ref.at("inference_test"), detail["version_arn"])
    runs.complete(ref)


def release(detail: Mapping[str, Any]) -> None:
    """Make a version that passed its test the current one of its environment; history is append-only."""
    ref = ref_of(detail, "release")
    pk = f"RELEASE#{ref.task}#{ref.environment}"
    run = table.get(ref.row[0], "RUN") or {}
    version_arn = str(run[f"{ref.environment}_version_arn"])
    current = table.get(pk, "CURRENT") or {}
    approval = _approval_of(ref)
    entry = {
        **ref.as_detail(),
        "version_arn": version_arn,
        "previous_version_arn": current.get("version_arn", ""),
        "approver": approval.get("approver", ""),
        "comment": approval.get("comment", ""),
        "released_at": runs.now(),
    }
    history = f"HISTORY#{ref.run_id}#{detail['artifact']}"
    if not table.put({"pk": pk, "sk": history, **entry}, Attr("pk").not_exists()):
        entry = table.get(pk, history) or entry
        if entry.get("announced"):
            return
    table.put({"pk": pk, "sk": "CURRENT", **{k: v for k, v in entry.items() if k not in ("pk", "sk")}})
    names = ("run_id", "dataset", "task", "environment", "version_arn", "previous_version_arn")
    aws.put_event("Model Released", {name: entry[name] for name in names})
    table.update(pk, history, {"announced": True})


def _approval_of(ref: StageRef) -> dict[str, Any]:
    pointer = table.get(ref.row[0], f"APPROVAL#{ref.environment}") or {}
    return table.get(str(pointer.get("token_hash", "-")), "APPROVAL") or {}
