"""Runs and their stages: what has happened to one exact set of images."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from boto3.dynamodb.conditions import Attr

from mlops import codec, stack, words
from mlops.aws import messages, telemetry
from mlops.codec import Json
from mlops.events import PipelineStageCompleted, PipelineStageFailed
from mlops.records import activity
from mlops.records.table import INDEXED, OWN, Item, Table
from mlops.stage import ENVIRONMENTS, PIPELINE, StageRef

COMPLETED, FAILED, IN_PROGRESS, WAITING = "COMPLETED", "FAILED", "IN_PROGRESS", "WAITING"
_SK, _STAGE = "RUN", "STAGE#"
# A stage is repeated a few times at most: people do that, who go back and forth between releases.
_MOST_CAUSES = 100


@dataclass(frozen=True)
class Stage:
    """One stage of a run in an environment. `state` is IN_PROGRESS, WAITING, COMPLETED or FAILED.

    `cause` is what asked for it, `worked_off` what asked for it before that and has been answered. `inference_seconds`
    is how long a model was asked, `pictures_seconds` how long pictures were read and drawn.
    """

    stage: str
    environment: str
    state: str
    started_at: datetime
    finished_at: datetime | None = None
    cause: str = ""
    reasons: tuple[str, ...] = ()
    artifact: str = ""
    waiting_for: str = ""
    inference_seconds: float = 0.0
    pictures_seconds: float = 0.0
    worked_off: tuple[str, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether it completed or failed."""
        return self.state in (COMPLETED, FAILED)

    @property
    def name(self) -> str:
        """How people read it: the stage and its environment."""
        return f"{self.stage} ({self.environment})"

    @property
    def why(self) -> str:
        """The reasons, each on a line of its own, or what the stage waits for."""
        return "\n".join(self.reasons) or self.waiting_for

    def seconds(self, now: datetime) -> float:
        """How long the stage took, or has taken until `now`."""
        return ((self.finished_at or now) - self.started_at).total_seconds()


@dataclass(frozen=True)
class Run:
    """One run, and the stages that it has begun, in the order of the pipeline, where they were asked for.

    `test_calls` is about how often a test calls the service: once for an image or for each of its tiles; 0 before its
    gate.
    """

    run_id: str
    dataset: str
    task: str
    created_at: datetime
    stages: tuple[Stage, ...] = ()
    test_calls: int = 0

    @classmethod
    def earlier(cls, told: Json) -> Json:
        """Earlier releases of the stack noted images, which were all asked about as a whole."""
        return {"test_calls": told["test_images"], **told} if "test_images" in told else told

    @property
    def failure(self) -> Stage | None:
        """The first stage that failed, None when none did."""
        return next((stage for stage in self.stages if stage.state == FAILED), None)

    @property
    def is_complete(self) -> bool:
        """Whether it came to production."""
        completed = {(stage.stage, stage.environment) for stage in self.stages if stage.state == COMPLETED}
        return completed.issuperset(PIPELINE)


def now() -> str:
    """The time as it is written: ISO 8601 in UTC, to the millisecond."""
    return _text(datetime.fromtimestamp(stack.here().clock.time(), UTC))


def partition(run_id: str) -> str:
    """Where a run, its stages, and what was decided and paid for it are."""
    return f"RUN#{run_id}"


def create(run_id: str, dataset: str, task: str) -> None:
    """Write the run record; an existing one stays as it is."""
    facts = {"run_id": run_id, "dataset": dataset, "task": task, "created_at": now()}
    index = {INDEXED: activity.partition(dataset)}
    # A second delivery must not make a run younger: the CLI and the index sort by when it was created.
    OWN.put({"pk": partition(run_id), "sk": _SK, **facts, **index}, Attr("pk").not_exists())


def find(run_id: str) -> Run | None:
    """A run without its stages."""
    row = OWN.get(partition(run_id), _SK)
    return _run(row) if row else None


def load(run_id: str, stage: str, environment: str = "development") -> StageRef:
    """The stage of a run that is known by its id. Raises LookupError when there is no such run."""
    run = find(run_id)
    if run is None:
        raise LookupError(f"there is no run {run_id} in the table")
    return StageRef(run_id, run.dataset, run.task, stage, environment)


def read(run_id: str, table: Table = OWN) -> Run | None:
    """A run with its stages, None when it does not exist (yet)."""
    rows = {str(row["sk"]): row for row in table.query(partition(run_id))}
    if _SK not in rows:
        return None
    stages = (_stage(row) for sk, row in rows.items() if sk.startswith(_STAGE))
    return replace(_run(rows[_SK]), stages=tuple(sorted(stages, key=_place)))


def of_dataset(dataset: str, table: Table = OWN) -> Iterator[Run]:
    """The runs of a dataset without their stages, as far as the index has them yet, oldest first."""
    return map(_run, table.indexed(activity.partition(dataset)))


def stage_of(ref: StageRef) -> Stage | None:
    """What is recorded of a stage; None before it begins."""
    row = OWN.get(*_key(ref))
    return _stage(row) if row else None


def stages_of(run_id: str, environment: str = "") -> list[Stage]:
    """The stages that a run has come to, in an environment or in all, in the order in which they began."""
    found = map(_stage, OWN.query(partition(run_id), f"{_STAGE}{environment}"))
    return sorted(found, key=lambda stage: (stage.started_at, ENVIRONMENTS.index(stage.environment)))


def begin(ref: StageRef, cause: str) -> bool:
    """Mark a stage as in progress; False when this very cause has already been worked off.

    `cause` identifies what asked for the stage, so that a late or second delivery changes nothing while a deliberate
    repetition (the artifact copied onto itself, another start of the model) runs again.
    """
    known = stage_of(ref)
    # Idempotency alone would not do: it forgets after two days, and a stage may be repeated on purpose.
    if known and known.cause == cause:
        return not known.has_ended
    worked_off = _worked_off(known)
    # What comes late, such as a dead letter that is delivered again, does not undo what came after it.
    if cause in worked_off:
        return False
    pk, sk = _key(ref)
    begun = {"cause": cause, "state": IN_PROGRESS, "started_at": now(), "reasons": [], "worked_off": worked_off}
    # Two deliveries at the same moment may both have found it not begun, and one may have ended it since.
    is_open = Attr("cause").not_exists() | Attr("cause").ne(cause) | Attr("state").is_in([IN_PROGRESS, WAITING])
    return OWN.put({"pk": pk, "sk": sk, **_names(ref), **begun}, is_open)


def is_over(ref: StageRef, cause: str) -> bool:
    """Whether a stage has ended that this very cause asked for."""
    return cause in _worked_off(stage_of(ref))


def _worked_off(stage: Stage | None) -> list[str]:
    """What a stage has been asked for by, as far as it has ended since."""
    if stage is None:
        return []
    return [*stage.worked_off, *[stage.cause] * stage.has_ended][-_MOST_CAUSES:]


def wait(ref: StageRef, what: str) -> None:
    """Say what a stage waits for."""
    # A late message must not open a stage again that has ended meanwhile.
    is_open = Attr("state").is_in([IN_PROGRESS, WAITING])
    OWN.update(*_key(ref), {"state": WAITING, "waiting_for": what}, is_open)


def resume(ref: StageRef, what: str) -> None:
    """What a stage waited for has come."""
    # It may wait for something else by now, which has not come.
    is_waiting = Attr("state").eq(WAITING) & Attr("waiting_for").eq(what)
    OWN.update(*_key(ref), {"state": IN_PROGRESS, "waiting_for": None}, is_waiting)


def complete(ref: StageRef, artifact: str = "") -> None:
    """End a stage that did its work; the event starts what follows."""
    _finish(ref, COMPLETED, (), artifact)


def fail(ref: StageRef, reasons: Sequence[str], artifact: str = "") -> None:
    """End a stage with reasons; the event makes the e-mail. Of many reasons the artifact has all."""
    _finish(ref, FAILED, reasons, artifact)


@contextmanager
def timed(ref: StageRef, what: str) -> Iterator[None]:
    """Add to what a stage remembers of how long a part of its work took, as the attribute `<what>_seconds`."""
    started = stack.here().clock.monotonic()
    yield
    known = stage_of(ref)
    before: float = getattr(known, f"{what}_seconds") if known else 0.0
    seconds = Decimal(str(round(before + stack.here().clock.monotonic() - started, 2)))
    OWN.update(*_key(ref), {f"{what}_seconds": seconds}, Attr("pk").exists())


def note_version(ref: StageRef, version_arn: str) -> None:
    """Remember the version that a stage made or found."""
    # Only where there is a row: one with nothing else in it could not be read as a stage, or as a run.
    OWN.update(*_key(ref), {"version_arn": version_arn}, Attr("pk").exists())
    names = {f"{ref.environment}_version_arn": version_arn}
    OWN.update(partition(ref.run_id), _SK, names, Attr("pk").exists())


def note_test_calls(run_id: str, count: int) -> None:
    """Remember about how often a test of a run calls the service."""
    OWN.update(partition(run_id), _SK, {"test_calls": count}, Attr("pk").exists())


def _finish(ref: StageRef, state: str, reasons: Sequence[str], artifact: str) -> None:
    # The event goes first: if this dies in between, the redelivery puts it again and consumers bear that.
    known, told = stage_of(ref), words.within(reasons, artifact)
    # Without this, a redelivery would put the event a second time, and one more e-mail would be sent.
    if known and (known.state, known.reasons) == (state, tuple(told)):
        return
    ended = PipelineStageCompleted if state == COMPLETED else PipelineStageFailed
    messages.put_event(ended(**ref.as_detail(), reasons=tuple(told), artifact=artifact))
    end = now()
    ended_at = datetime.fromisoformat(end)
    start = known.started_at if known else ended_at
    changes = {"state": state, "reasons": told, "artifact": artifact, "finished_at": end, "waiting_for": None}
    cause = (known.cause if known else "") or "-"
    OWN.update(*_key(ref), {**_names(ref), "started_at": _text(start), "cause": cause, **changes})
    telemetry.stage_ended(ref.as_detail(), state, (ended_at - start).total_seconds(), told)


def _key(ref: StageRef) -> tuple[str, str]:
    return partition(ref.run_id), f"{_STAGE}{ref.environment}#{ref.stage}"


def _names(ref: StageRef) -> dict[str, str]:
    return {"stage": ref.stage, "environment": ref.environment}


def _run(row: Item) -> Run:
    return codec.read(Run, row)


def _stage(row: Item) -> Stage:
    return codec.read(Stage, row)


def _place(stage: Stage) -> tuple[int, datetime]:
    known = (stage.stage, stage.environment) in PIPELINE
    return (PIPELINE.index((stage.stage, stage.environment)) if known else len(PIPELINE), stage.started_at)


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")
