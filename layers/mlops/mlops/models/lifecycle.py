"""Starting and stopping models: a lease before every start, a stop after every use."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import ClientError

from mlops import stack
from mlops.aws import clients
from mlops.models import projects, watch
from mlops.records import decisions, leases, runs, waiting_line
from mlops.records.leases import Lease, Taken
from mlops.records.waiting_line import NoSlot
from mlops.stage import StageRef

# What an inference unit answers a second at least, and the share of a lease that a test is to take.
_CALLS_A_SECOND, _SHARE_OF_LEASE = 2.0, 0.5
_UP, DELETED = ("STARTING", "RUNNING"), "DELETED"


@dataclass(frozen=True)
class Begun:
    """A version that was asked to start, under which lease, and the status that it has now."""

    lease: Lease
    status: str


def start(ref: StageRef, version_arn: str, decision: str = "") -> None:
    """Start a version for the inference test that a decision asks for, under a lease that says until when it may run.

    Once: a decision whose test is over is left alone. Every slot for running models taken, others in line, or the
    version being tested because of another decision: it is tried again later. Raises LookupError when it was deleted.
    """
    # The lease of a decision has one id, so a late event about it is told from a new decision.
    if decision and runs.is_over(ref, leases.id_of(decision)):
        return
    # Two decisions may ask for the same version: the test of one must not count for the other.
    held = leases.of(version_arn) if decision else None
    if held and not held.is_over and held.decision != decision:
        watch.retry_later(ref, version_arn=version_arn, decision=decision)
        return
    try:
        begun = start_in_turn(version_arn, ref, lambda: _lease_for_test(ref, version_arn, decision))
    except NoSlot:
        runs.begin(ref, "in line")
        runs.wait(ref, "a free slot: the account runs as many models as it may")
        watch.retry_later(ref, version_arn=version_arn, decision=decision)
        return
    if begun.status == DELETED:
        # No failure of the stage yet: whoever asked is called again, looks for the version, and says what is missing.
        raise LookupError(f"{version_arn} was deleted before it could be tested")
    if begun.status not in _UP:
        # In use means that it is stopping after the test before: it has to be started once more.
        watch.retry_later(ref, version_arn=version_arn, decision=decision)
        return
    # Only now: the slot is taken, and whoever is next may ask for another.
    waiting_line.leave(waiting_line.running_in(version_arn), ref)
    watch.watch(ref, version_arn, until=("RUNNING", "FAILED"), cause=begun.lease.lease_id)


def _lease_for_test(ref: StageRef, version_arn: str, decision: str) -> Taken:
    decided, run = decisions.find(ref, decision), runs.find(ref.run_id)
    units = units_for(run.test_calls if run else 0)
    taken = leases.take(ref, version_arn, bool(decided and decided.is_rollback), decision, units)
    runs.begin(ref, taken.lease.lease_id)
    return taken


def units_for(calls: int) -> int:
    """How many inference units answer so many calls well before a lease is over, as far as they are allowed."""
    seconds = 60 * stack.here().lease_minutes * _SHARE_OF_LEASE
    return min(max(math.ceil(calls / (_CALLS_A_SECOND * seconds)), 1), stack.here().max_inference_units)


def start_in_turn(version_arn: str, place: StageRef, lease_it: Callable[[], Taken]) -> Begun:
    """Start a version under a lease that is taken then, when it is the turn of `place` in the line for its account.

    Raises NoSlot where it is the turn of others, where no slot is free, or where `lease_it` raises it: `place` is in
    line then, and there is no lease of it. Whoever is served leaves the line once nothing else is to be started.
    """
    with waiting_line.in_turn(waiting_line.running_in(version_arn), place):
        # Before the start: whoever dies after it leaves a model that the sweeper may stop once the lease is over.
        taken = lease_it()
        try:
            return Begun(taken.lease, start_at_once(version_arn, taken.lease.units))
        except NoSlot:
            # A lease without a model would keep inspections, and other tests of this version, waiting. That of another
            # delivery stays: it may be about to start the model.
            if taken.is_ours:
                leases.give_back(version_arn, taken.lease.lease_id)
            raise


def start_at_once(version_arn: str, units: int) -> str:
    """Start a version with so many inference units, whoever waits; returns the status that it has then.

    Raises NoSlot when its account runs as many models as it may.
    """
    rekognition = projects.rekognition(version_arn)
    try:
        rekognition.start_project_version(ProjectVersionArn=version_arn, MinInferenceUnits=units)
    except ClientError as error:
        code = clients.code_of(error)
        if code not in ("LimitExceededException", "ResourceInUseException", "ResourceNotFoundException"):
            raise
        # Somebody else may have started it, whichever error the service says then: what counts is what it does now.
        status = status_of(version_arn)
        if code == "LimitExceededException" and status not in _UP:
            raise NoSlot(version_arn) from error
        return status
    return "STARTING"


def stop(version_arn: str) -> bool:
    """Stop a version; one that is stopping or stopped already is what was asked for.

    False where it is only starting, and cannot be stopped yet: whoever asked comes again, or leaves it to the sweeper.
    """
    try:
        projects.rekognition(version_arn).stop_project_version(ProjectVersionArn=version_arn)
    except ClientError as error:
        if clients.code_of(error) not in ("ResourceInUseException", "ResourceNotFoundException"):
            raise
        return not is_running(version_arn)
    return True


def is_running(version_arn: str) -> bool:
    """Whether a version runs, or will in a moment."""
    return status_of(version_arn) in _UP


def status_of(version_arn: str) -> str:
    """What the service says of a version; `DELETED` where it knows none."""
    project, name = projects.names_of(version_arn)
    described = projects.describe_version(project, name)
    return described.status if described else DELETED
