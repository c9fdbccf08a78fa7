"""The events Rekognition does not emit: one queue message per watched version, sent again until the awaited change."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlops import stack
from mlops.aws import messages
from mlops.events import ModelStatusChange, PipelineStageRetry
from mlops.models import projects
from mlops.models.watch import Message, send
from mlops.records import leases, runs, watches
from mlops.records.watches import Watch
from mlops.stage import StageRef, ref_of

_LATER = ("STARTING", "RUNNING", "STOPPING", "STOPPED")


def handle(message: Message) -> None:
    """One hop: look, tell what changed, and come back later unless the end is reached."""
    # One queue serves both: a retry is nothing but an event that comes after the poll interval.
    if message["kind"] == "retry":
        messages.put_event(PipelineStageRetry.of(message))
        return
    ref, version_arn = ref_of(message), str(message["version_arn"])
    watch = Watch(version_arn, str(message["cause"]), int(message["hop"]))
    # Two deliveries of one message would else become two loops that never end.
    if not watches.is_due(watch):
        return
    project, name = projects.names_of(version_arn)
    # A deleted version is absent from the answer; it is told like any other change.
    described = projects.describe_version(project, name) or {
        "Status": "DELETED",
        "StatusMessage": "The version is gone.",
    }
    status = _status_of(described, message["until"])
    if status != message["previous"]:
        _announce(ref, project, message, {**described, "Status": status})
    # It may have been started, used and stopped between two looks, so that nobody ever saw it run.
    if status in message["until"] or _was_used(message, status):
        _end_stage(ref, status, described)
    elif status in ("DELETED", "DELETING"):
        runs.fail(ref, [f"the version {name} was deleted while the stage waited for {' or '.join(message['until'])}"])
    elif _was_stopped(message, status):
        runs.fail(ref, [f"the model {name} was stopped before its test"])
    elif stack.here().clock.time() > message["deadline"]:
        runs.fail(ref, [f"{name} is still {status} after {stack.here().deadline_hours} hours"])
    else:
        send({**message, "previous": status, "hop": watch.hop + 1})
    # Last: whoever dies before this repeats the whole hop, which consumers bear.
    watches.take(watch)


def _status_of(described: Mapping[str, Any], until: Sequence[str]) -> str:
    """The status of a version; one that was started since is a version whose training or copy is complete."""
    status = str(described["Status"])
    # A stage that looks late must not wait for ever for a status that has passed.
    complete = next((awaited for awaited in until if awaited in ("TRAINING_COMPLETED", "COPYING_COMPLETED")), None)
    return complete if complete and status in _LATER else status


def _was_used(message: Message, status: str) -> bool:
    """Whether the use that a version was started for is over: it has stopped, and its lease has ended."""
    if "RUNNING" not in message["until"] or status not in ("STOPPING", "STOPPED"):
        return False
    lease = leases.of(str(message["version_arn"]))
    return lease is None or lease.lease_id != message["cause"]


def _was_stopped(message: Message, status: str) -> bool:
    """Whether somebody has stopped a version before it was used: until its lease is over, its test may be under way."""
    lease = leases.of(str(message["version_arn"]))
    return lease is not None and lease.is_over and "RUNNING" in message["until"] and status == "STOPPED"


def _announce(ref: StageRef, project: str, message: Message, described: Mapping[str, Any]) -> None:
    name = projects.names_of(message["version_arn"])[1]
    version = {"project_arn": project, "version_arn": message["version_arn"], "version_name": name}
    change = {"status": described["Status"], "previous_status": message["previous"], "cause": message["cause"]}
    told = {**change, "message": str(described.get("StatusMessage", ""))}
    messages.put_event(ModelStatusChange(**ref.as_detail(), **version, **told))
    if described["Status"].endswith("ING") or described["Status"].endswith("IN_PROGRESS"):
        runs.wait(ref, f"Rekognition: {described['Status']}")


def _end_stage(ref: StageRef, status: str, described: Mapping[str, Any]) -> None:
    if status == "TRAINING_COMPLETED":
        runs.complete(ref)
    elif status in ("TRAINING_FAILED", "COPYING_FAILED", "FAILED"):
        message = described.get("StatusMessage") or "Rekognition gave no reason"
        runs.fail(ref, [f"Rekognition: {status}: {message}", *_where_to_look(described)])


def _where_to_look(described: Mapping[str, Any]) -> list[str]:
    summary = described.get("ManifestSummary", {}).get("S3Object")
    return [f"details: s3://{summary['Bucket']}/{summary['Name']}"] if summary else []
