"""Versions that nobody will use are deleted in time: a project holds a certain number of models, and no more.

What was ever released stays, for it may be rolled back to, and so does its run's version in every other project, for it
may have to be copied from there again.
"""

from collections.abc import Callable, Iterator
from functools import cache

from botocore.exceptions import ClientError

from mlops import stack
from mlops.aws import clients, messages
from mlops.events import ModelsDeleted
from mlops.models import projects
from mlops.records import approvals, kept_models, leases, releases, runs
from mlops.records.runs import Stage
from mlops.stage import DECISION

# Versions in other states are being trained, copied, started, run or stopped.
_DELETABLE = ("TRAINING_COMPLETED", "TRAINING_FAILED", "COPYING_COMPLETED", "COPYING_FAILED", "STOPPED", "FAILED")
# Somebody began to use it, or deleted it, since it was looked at.
_PASSED = ("ResourceInUseException", "ResourceNotFoundException")


def prune() -> list[str]:
    """Delete what was never released and is not among the newest `KeepModels` of its project; returns the ARNs."""
    deleted = []
    is_free = cache(_is_free)
    for _, project in projects.all_projects():
        gone = [arn for arn in _superfluous(project, is_free) if _delete(arn)]
        if gone:
            messages.put_event(ModelsDeleted(tuple(gone), runs.now()))
        deleted += gone
    return deleted


def _superfluous(project: str, is_free: Callable[[str], bool]) -> Iterator[str]:
    versions, keep = projects.versions_in(project), stack.here().keep_models
    # So few need no further look: most projects, most of the time.
    if len(versions) <= keep:
        return
    free = [version for version in versions if is_free(version.name)]
    # Read once: it is one row for the whole stack.
    kept = kept_models.kept()
    for version in free[: max(len(free) - keep, 0)]:
        if version.status in _DELETABLE and version.arn not in kept and not leases.is_held(version.arn):
            yield version.arn


def _is_free(run_id: str) -> bool:
    """Whether a run of ours was never released, and nothing is going on or being decided about it.

    A version whose name is no run was made by hand: it is not ours to delete.
    """
    run = runs.read(run_id)
    if run is None:
        return False
    if run_id in {release.run_id for release in releases.history(run.dataset, run.task)}:
        return False
    return not any(_is_open(run_id, stage) for stage in run.stages)


def _is_open(run_id: str, stage: Stage) -> bool:
    """Whether a stage has not ended. One that waits for a decision has when its link has expired."""
    if stage.waiting_for == DECISION:
        asked = approvals.asked_for(run_id, stage.environment)
        approval = approvals.find(asked.approval) if asked else None
        return approval is not None and not approval.has_expired
    return not stage.has_ended


def _delete(version_arn: str) -> bool:
    try:
        projects.rekognition(version_arn).delete_project_version(ProjectVersionArn=version_arn)
    except ClientError as error:
        if clients.code_of(error) not in _PASSED:
            raise
        return False
    return True
