"""What no event told of: uploads of which nothing is known, stages whose input is there and which never began, and
decisions of people.

The notifications of a new bucket begin some five minutes after it was made (S3 User Guide, "Enabling Amazon
EventBridge"), and an event may be lost at any time. So the bucket is asked every hour.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from mlops import stack
from mlops.aws import buckets
from mlops.dataset.keys import DATASETS_PREFIX, run_key
from mlops.records import activity, approvals, documents, runs
from mlops.records.contents import Contents
from mlops.records.documents import GroundTruth, TrainingInput
from mlops.records.runs import Run, Stage
from mlops.stage import ENVIRONMENTS, StageRef

# What is younger may still be on its way; runs that are older are not begun by surprise.
_PATIENCE, _OLDEST = timedelta(minutes=10), timedelta(days=1)
_SUPERSEDED = "the dataset changed before all of this run was written: what is there now has a run of its own"
# The artifact of the first stage begins the second.
_STEPS = (
    ("ground_truth", documents.NAMES[GroundTruth], "data_prepare"),
    ("data_prepare", documents.NAMES[TrainingInput], "training"),
)


def sweep(now: datetime | None = None) -> list[str]:
    """Ask about every dataset that is not what it was when it settled, begin stages that never began, and tell of
    decisions that nobody was told of.

    Returns what was done, in words.
    """
    moment, done = now or datetime.fromtimestamp(stack.here().clock.time(), UTC), []
    for approval in approvals.untold():
        if moment - datetime.fromisoformat(approval.decided_at) > _PATIENCE:
            approvals.pass_on(approval)
            done.append(f"passed on what {approval.approver} decided about {approval.run_id}")
    for dataset in buckets.data_bucket().folders(DATASETS_PREFIX):
        contents, found = Contents.of(dataset), list(runs.of_dataset(dataset))
        known = activity.of(dataset)
        if found and known.generation and not known.settled:
            # Its runs are from a time when nobody noted what had settled: no reason to train again.
            activity.note_settled(dataset, contents, known.generation)
        elif contents.count and known.settled != contents.mark and moment - contents.newest > _PATIENCE:
            activity.ask_whether_settled(dataset, 0)
            done.append(f"asked whether {dataset} has settled")
        if known.settled == contents.mark:
            for ref in _half_written(found, moment):
                runs.fail(ref, [_SUPERSEDED])
                done.append(f"ended ground_truth of {ref.run_id}")
        for run_id, artifact in _left_lying(found, moment):
            _write_again(run_key(run_id, artifact))
            done.append(f"wrote {artifact} of {run_id} again")
    return done


def _left_lying(found: Sequence[Run], moment: datetime) -> Iterator[tuple[str, str]]:
    """Run and artifact for every stage of these runs that was to begin with it and did not."""
    for run in found:
        if moment - run.created_at > _OLDEST:
            continue
        begun = {stage.stage: stage for stage in runs.stages_of(run.run_id, ENVIRONMENTS[0])}
        for stage, artifact, next_stage in _STEPS:
            if next_stage not in begun and _ended_long_ago(begun.get(stage), moment):
                yield run.run_id, artifact


def _half_written(found: Sequence[Run], moment: datetime) -> Iterator[StageRef]:
    """Runs whose first stage was begun, and whose function died before other uploads came: nobody goes on with them."""
    for run in found:
        ref = StageRef(run.run_id, run.dataset, run.task, "ground_truth")
        stage = runs.stage_of(ref)
        if stage and not stage.has_ended and moment - stage.started_at > _PATIENCE:
            yield ref


def _ended_long_ago(stage: Stage | None, moment: datetime) -> bool:
    if not stage or stage.state != runs.COMPLETED or not stage.finished_at:
        return False
    return moment - stage.finished_at > _PATIENCE


def _write_again(key: str) -> None:
    # A new version of an artifact is a new event, and its content is the same.
    buckets.artifacts_bucket().write(key, buckets.artifacts_bucket().read(key))
