"""Models that run although nobody may use them are stopped: the last net, beside leases and stops after use."""

from collections import Counter
from collections.abc import Iterator

from mlops.aws import messages, telemetry
from mlops.events import ModelsSwept
from mlops.models import lifecycle, projects
from mlops.records import kept_models, leases, runs
from mlops.stage import ENVIRONMENTS, StageRef

_REASON = "the model was stopped by the sweeper: its lease was over"


def sweep() -> list[str]:
    """Stop every running version of the stack's projects that has no lease and is not kept; returns their ARNs.

    The service is asked what runs, not our table. A version that is starting cannot be stopped: the next sweep does it.
    """
    kept, found = kept_models.kept(), list(running())
    idle = [arn for arn in found if arn not in kept and not leases.is_held(arn)]
    stopped = [arn for arn in idle if _stop(arn)]
    if stopped:
        messages.put_event(ModelsSwept(tuple(stopped), runs.now()))
    telemetry.models_stopped(stopped)
    left = Counter(projects.place_of(arn)[0] for arn in set(found).difference(stopped))
    for environment in ENVIRONMENTS:
        telemetry.models_running(environment, left[environment])
    return stopped


def stop_everything() -> list[str]:
    """Stop all versions of the stack's projects, kept or not, and end their leases; returns those that still run."""
    for arn in running():
        _stop(arn)
        leases.end(arn)
    kept_models.drop_all()
    return list(running())


def running() -> Iterator[str]:
    """ARNs of all versions that are starting or running."""
    for _, project in projects.all_projects():
        yield from projects.running_versions(project)


def _stop(version_arn: str) -> bool:
    if not lifecycle.stop(version_arn):
        return False
    # Its test would wait for ever for a model that nobody starts again.
    if lease := leases.of(version_arn):
        _fail_its_test(lease.ref)
        leases.end(version_arn)
    return True


def _fail_its_test(ref: StageRef) -> None:
    stage = runs.stage_of(ref)
    if stage and not stage.has_ended:
        runs.fail(ref, [_REASON])
