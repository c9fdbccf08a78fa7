"""An approved version is copied into the next environment, tested there, and released."""

from botocore.exceptions import ClientError

from mlops import arns, stack, words
from mlops.aws import clients, messages
from mlops.dataset.keys import run_key
from mlops.events import (
    ModelApprovalDecided,
    ModelReleased,
    ModelRollbackRequested,
    ModelStatusChange,
    PipelineStageCompleted,
    PipelineStageRetry,
)
from mlops.models import lifecycle, projects, sharing, watch
from mlops.models.projects import Version
from mlops.records import approvals, decisions, kept_models, leases, releases, results, runs
from mlops.records.decisions import Decision
from mlops.records.documents import InferenceTest
from mlops.records.releases import Release
from mlops.stage import StageRef, approval_stage, before

# Answers that another try will not change.
REFUSALS = (
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
    "InvalidParameterException",
    "ValidationException",
)


def decided(event: ModelApprovalDecided) -> None:
    """Act on a decision, after looking it up: the event alone is not believed."""
    approval = approvals.find(event.approval)
    # Whoever may put events could put this one; only the record says what a person decided.
    if approval is None or approval.run_id != event.run_id or approval.state == approvals.PENDING:
        raise PermissionError(f"no decision is recorded for {event.run_id}")
    ref = runs.load(approval.run_id, approval_stage(approval.target), approval.target)
    if approval.state == approvals.REJECTED:
        comment = f": {approval.comment}" if approval.comment else ""
        runs.fail(ref, [f"rejected by {approval.approver}{comment}"])
    else:
        # The approval expires with its link; the history has to say who decided for years.
        decisions.note(ref, approval.name, approval.approver or "", approval.comment)
        copy(ref, approval.name)


def copy(ref: StageRef, decision: str) -> None:
    """Copy the version into the project of `ref.environment`, or find the copy, and watch it for this decision.

    Raises PermissionError when there is no such decision.
    """
    # Whatever an event says: a copy brings a version nearer to production.
    decisions.require(ref, decision)
    places = projects.projects()[ref.task]
    source, destination = places[before(ref.environment)], places[ref.environment]
    version = projects.describe_version(source, ref.run_id)
    if version is None:
        runs.fail(ref, [_gone(ref, source)])
        return
    try:
        # Between accounts the source must allow this one copy; within one account nothing is granted.
        sharing.grant(version.arn, destination)
        answer = projects.rekognition(destination).copy_project_version(
            SourceProjectArn=source,
            SourceProjectVersionArn=version.arn,
            DestinationProjectArn=destination,
            VersionName=ref.run_id,
            OutputConfig={
                "S3Bucket": stack.here().results_bucket(ref.environment),
                "S3KeyPrefix": run_key(ref.run_id, f"rekognition/{ref.environment}"),
            },
        )
        version_arn = str(answer["ProjectVersionArn"])
    except ClientError as error:
        found = _bear(ref, destination, error, decision)
        if found is None:
            return
        version_arn = found
    # The watch comes last: it is what goes on, and a second one of the same cause changes nothing.
    runs.note_version(ref, version_arn)
    watch.watch(ref, version_arn, until=("COPYING_COMPLETED", "COPYING_FAILED"), cause=decision)


def _gone(ref: StageRef, project: str) -> str:
    return f"{ref.run_id} is not in {arns.project_name(project)} any more; was it deleted?"


def _bear(ref: StageRef, destination: str, error: ClientError, decision: str) -> str | None:
    """The ARN of a copy that exists already; None when the stage waits or has failed."""
    code = clients.code_of(error)
    # The version has the name of its run, so a copy that an earlier delivery began is found by it.
    existing = projects.describe_version(destination, ref.run_id)
    if existing and code in ("ResourceInUseException", "LimitExceededException"):
        return existing.arn
    if code == "LimitExceededException" and (full := projects.fullness(destination)):
        runs.fail(ref, [f"{full}. Then approve again, or roll back again"])
        return None
    # Copies have no line: they end within minutes, and take no slot of running models.
    if code in ("LimitExceededException", "ResourceInUseException"):
        runs.wait(ref, "a free slot to copy the model")
        watch.retry_later(ref, decision=decision)
        return None
    if code in REFUSALS:
        runs.fail(ref, [f"Rekognition: {code}: {clients.message_of(error)}"])
        return None
    raise error


def copied(change: ModelStatusChange) -> None:
    """Start a copied version for the test that a decision asks for; the event's `cause` is the decision."""
    ref = runs.load(change.run_id, approval_stage(change.environment), change.environment)
    places = projects.projects()[ref.task]
    # Whatever came of the copy: a grant that outlives it would let it be repeated without a decision.
    sharing.revoke(places[before(ref.environment)], places[ref.environment], ref.run_id)
    if change.status == "COPYING_FAILED":
        return
    decision = decisions.named_in(change)
    decisions.require(ref, decision)
    if version := projects.describe_version(places[ref.environment], ref.run_id):
        _start(ref.at("inference_test"), version, decision)
        runs.complete(ref)
    else:
        runs.fail(ref, [_gone(ref, places[ref.environment])])


def retry(asked: PipelineStageRetry) -> None:
    """Go on with a copy or a start that met a quota."""
    ref = runs.load(asked.run_id, asked.stage, asked.environment)
    decision = decisions.named_in(asked)
    if ref.stage == approval_stage(ref.environment):
        copy(ref, decision)
    else:
        # Without one not even a failure is recorded.
        decisions.require(ref, decision)
        project = projects.projects()[ref.task][ref.environment]
        if version := projects.describe_version(project, ref.run_id):
            _start(ref, version, decision)
        else:
            runs.fail(ref, [_gone(ref, project)])


def _start(ref: StageRef, version: Version, decision: str) -> None:
    """Start a version for its test, unless it is in force: no second test puts at risk what consumers use."""
    decisions.require(ref, decision)
    release = releases.current(ref.dataset, ref.task, ref.environment)
    is_new = version.status == "COPYING_COMPLETED"
    if is_new or not release or release.version_arn != version.arn or leases.is_held(version.arn):
        lifecycle.start(ref, version.arn, decision)


def release(completed: PipelineStageCompleted) -> None:
    """Make a version that passed its test the current one of its environment.

    Only then is the version before it stopped, so that consumers never find none running.
    """
    tested, result = results.passed(completed.run_id, completed.environment)
    ref = tested.at("release")
    decision = _decision_of(ref, result)
    if decision is None or decision.approver is None:
        raise PermissionError(f"no decision lets {ref.run_id} into {ref.environment}, whatever an event says")
    noted = releases.record(
        Release(
            **ref.as_detail(),
            version_arn=result.version_arn,
            tested_at=result.tested_at,
            lease_id=result.lease_id,
            approver=decision.approver,
            comment=decision.comment,
            is_rollback=decision.is_rollback,
            released_at=runs.now(),
            min_confidence=result.points,
            tiles=result.tiles,
        )
    )
    # Everything below was done before: a redelivery must not stop a version that was released since.
    if noted.announced:
        return
    is_running = _is_current(noted) and _keep_running(ref, noted)
    if not _is_current(noted):
        _make_way(ref, noted)
        is_running = False
    # Consumers first, people after them; the note that all is done comes last.
    _publish(ref)
    messages.put_event(
        ModelReleased(
            run_id=noted.run_id,
            dataset=noted.dataset,
            task=noted.task,
            environment=noted.environment,
            version_arn=noted.version_arn,
            previous_version_arn=noted.previous_version_arn,
            is_running=is_running,
        )
    )
    releases.note_announced(noted)


def _is_current(release: Release) -> bool:
    """Whether no later test was released since: a function may have died, and be here again much later."""
    current = releases.current(release.dataset, release.task, release.environment)
    return current is not None and current.lease_id == release.lease_id


def _make_way(ref: StageRef, release: Release) -> None:
    """Let what was released since run in the place of a release that comes late."""
    current = releases.current(ref.dataset, ref.task, ref.environment)
    if current and current.version_arn != release.version_arn:
        if release.version_arn in kept_models.kept():
            kept_models.keep(ref, current.version_arn)
        _stop(release.version_arn)
    leases.give_back(release.version_arn, release.lease_id)


def _publish(ref: StageRef) -> None:
    """Let consumers read what is current, until that is what they read: another release may come at the same moment."""
    told: tuple[Release, bool] | None = None
    while (current := releases.current(ref.dataset, ref.task, ref.environment)) is not None:
        now = current, current.version_arn in kept_models.kept()
        if now == told:
            return
        releases.publish(*now)
        told = now


def _keep_running(ref: StageRef, release: Release) -> bool:
    """Keep the released version running where that is wanted and there is room; stop it and the one before it else."""
    version_arn, previous = release.version_arn, release.previous_version_arn
    stays = stack.here().is_wanted(ref.environment) and kept_models.keep(ref, version_arn)
    # Looked at only now: what is kept is not stopped any more. It was when this comes after the end of the lease.
    stays = stays and lifecycle.is_running(version_arn)
    if not stays:
        kept_models.drop(ref)
        _stop(version_arn)
    if previous and previous != version_arn:
        _stop(previous)
    leases.give_back(version_arn, release.lease_id)
    return stays


def _stop(version_arn: str) -> None:
    """Stop a version, but for one that answers about new pictures: whoever started it for them stops it, who looks what
    is released. That may be this one, where a release is delivered again after its function died."""
    lease = leases.of(version_arn)
    if lease is None or lease.is_over or not lease.is_for_inspection:
        # Consumers do not wait for one that is just starting: nobody keeps it any more, so the sweeper stops it.
        lifecycle.stop(version_arn)


def _decision_of(ref: StageRef, result: InferenceTest) -> Decision | None:
    """Who let the version in: by the decision that its test was made for."""
    if found := decisions.find(ref, result.decision):
        return found
    # A test that was begun by an earlier release of this stack names none: what was recorded for the run then.
    if found := decisions.find(ref, decisions.only_rollback(ref)):
        return found
    asked = approvals.asked_for(ref.run_id, ref.environment)
    return decisions.find(ref, asked.approval) if asked else None


def roll_back(requested: ModelRollbackRequested, cause: str) -> None:
    """Bring a version back that was released before: tested again, and released again, without training.

    The event names a record that whoever asks has written: putting an event is no right to release.
    """
    environment, decision = requested.environment, requested.decision
    ref = runs.load(requested.run_id, "rollback", environment)
    asked = decisions.require(ref, decision)
    if not asked.is_rollback:
        raise PermissionError(f"nobody asked for {ref.run_id} to come back, whatever an event says")
    if not runs.begin(ref, cause):
        return
    current = releases.current(ref.dataset, ref.task, environment)
    if releases.was_released(ref) is None:
        runs.fail(ref, [f"{ref.run_id} was never released in {environment}"])
    elif current and current.run_id == ref.run_id:
        runs.fail(ref, [f"{ref.run_id} is the current release in {environment}"])
    elif problem := words.overlong(str(asked.approver), asked.comment):
        runs.fail(ref, [problem])
    else:
        if version := projects.describe_version(projects.projects()[ref.task][environment], ref.run_id):
            _start(ref.at("inference_test"), version, decision)
        else:
            # It was deleted here: it comes back the way that it came.
            copy(ref.at(approval_stage(environment)), decision)
        runs.complete(ref)
