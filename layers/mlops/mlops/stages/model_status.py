"""The events Rekognition does not emit: one queue message per watched version, sent again until the awaited change."""

from collections.abc import Sequence
from dataclasses import replace

from mlops import codec, stack
from mlops.aws import messages
from mlops.codec import Json
from mlops.events import ModelStatusChange, PipelineStageRetry
from mlops.models import projects
from mlops.models.projects import Version
from mlops.models.watch import RETRY, Look, look_later
from mlops.records import leases, runs, watches
from mlops.records.watches import Watch
from mlops.stage import StageRef

_LATER = ("STARTING", "RUNNING", "STOPPING", "STOPPED")


def handle(message: Json) -> None:
    """One hop: look, tell what changed, and come back later unless the end is reached."""
    # One queue serves both: a retry is nothing but an event that comes after the poll interval.
    if message["kind"] == RETRY:
        messages.put_event(PipelineStageRetry.of(message))
        return
    _hop(codec.read(Look, message))


def _hop(look: Look) -> None:
    ref, version_arn = look.ref, look.version_arn
    watch = Watch(version_arn, look.cause, look.hop)
    # Two deliveries of one message would else become two loops that never end.
    if not watches.is_due(watch):
        return
    project, name = projects.names_of(version_arn)
    # A deleted version is absent from the answer; it is told like any other change.
    described = projects.describe_version(project, name) or Version(version_arn, "DELETED", "The version is gone.")
    status = _status_of(described, look.until)
    if status != look.previous:
        _announce(ref, project, look, replace(described, status=status))
    # It may have been started, used and stopped between two looks, so that nobody ever saw it run.
    if status in look.until or _was_used(look, status):
        _end_stage(ref, status, described)
    elif status in ("DELETED", "DELETING"):
        runs.fail(ref, [f"the version {name} was deleted while the stage waited for {' or '.join(look.until)}"])
    elif _was_stopped(look, status):
        runs.fail(ref, [f"the model {name} was stopped before its test"])
    # Without an end, a version that hangs would be asked about for ever.
    elif stack.here().clock.time() > look.deadline:
        runs.fail(ref, [f"{name} is still {status} after {stack.here().deadline_hours} hours"])
    else:
        look_later(replace(look, previous=status, hop=look.hop + 1))
    # Last: whoever dies before this repeats the whole hop, which consumers bear.
    watches.take(watch)


def _status_of(described: Version, until: Sequence[str]) -> str:
    """The status of a version; one that was started since is a version whose training or copy is complete."""
    # A stage that looks late must not wait for ever for a status that has passed.
    complete = next((awaited for awaited in until if awaited in ("TRAINING_COMPLETED", "COPYING_COMPLETED")), None)
    return complete if complete and described.status in _LATER else described.status


def _was_used(look: Look, status: str) -> bool:
    """Whether the use that a version was started for is over: it has stopped, and its lease has ended."""
    if "RUNNING" not in look.until or status not in ("STOPPING", "STOPPED"):
        return False
    # The cause of such a watch is the lease of the start; whoever is done has given it back, or another has taken it.
    lease = leases.of(look.version_arn)
    return lease is None or lease.lease_id != look.cause


def _was_stopped(look: Look, status: str) -> bool:
    """Whether somebody has stopped a version before it was used: until its lease is over, its test may be under way."""
    lease = leases.of(look.version_arn)
    return lease is not None and lease.is_over and "RUNNING" in look.until and status == "STOPPED"


def _announce(ref: StageRef, project: str, look: Look, described: Version) -> None:
    change = ModelStatusChange(
        **ref.as_detail(),
        version_arn=look.version_arn,
        status=described.status,
        project_arn=project,
        version_name=projects.names_of(look.version_arn)[1],
        previous_status=look.previous,
        cause=look.cause,
        message=described.message,
    )
    # The event before the state: whoever dies in between tells it again, and consumers bear that.
    messages.put_event(change)
    if described.status.endswith(("ING", "IN_PROGRESS")):
        runs.wait(ref, f"Rekognition: {described.status}")


def _end_stage(ref: StageRef, status: str, described: Version) -> None:
    if status == "TRAINING_COMPLETED":
        runs.complete(ref)
    elif status in ("TRAINING_FAILED", "COPYING_FAILED", "FAILED"):
        message = described.message or "Rekognition gave no reason"
        runs.fail(ref, [f"Rekognition: {status}: {message}", *_where_to_look(described)])


def _where_to_look(described: Version) -> list[str]:
    summary = described.manifest_summary
    return [f"details: s3://{summary.bucket}/{summary.key}"] if summary else []
