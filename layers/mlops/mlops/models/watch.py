"""Messages that make `model_status` look at a version, or ask for a stage again, after the poll interval."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlops import stack
from mlops.aws import messages
from mlops.codec import INLINE
from mlops.events import PipelineStageRetry
from mlops.records import retries
from mlops.stage import StageRef

WATCH, RETRY = "watch", "retry"


@dataclass(frozen=True)
class Look:
    """A message that makes `model_status` look at a version for a cause until it has one of some statuses.

    `hop` is the number of the look, `previous` the status that the one before has seen; `deadline` is in seconds.
    """

    ref: StageRef = field(metadata=INLINE)
    version_arn: str
    cause: str
    until: tuple[str, ...]
    deadline: int
    hop: int = 0
    previous: str = ""
    kind: str = WATCH


@dataclass(frozen=True)
class _Retry:
    """A message that becomes an event."""

    asked: PipelineStageRetry = field(metadata=INLINE)
    kind: str = RETRY


def watch(ref: StageRef, version_arn: str, until: Sequence[str], cause: str) -> None:
    """Watch a version until it has one of the statuses `until`. Watching the same `cause` again changes nothing new."""
    # Carried along from here: no later look has to find out when the first one was.
    deadline = int(stack.here().clock.time()) + 3600 * stack.here().deadline_hours
    # Always the first look: where this cause is being watched already, it was taken (`records.watches`).
    look_later(Look(ref, version_arn, cause, tuple(until), deadline))


def retry_later(ref: StageRef, *, version_arn: str = "", artifact_key: str = "", decision: str = "") -> None:
    """Ask for a stage again after the poll interval: it met a quota. It is about a version, an artifact or the run."""
    stage = ref.as_detail()
    asked = PipelineStageRetry(**stage, version_arn=version_arn, artifact_key=artifact_key, decision=decision)
    # Of before the message is sent: one that comes while its note is still being written is not taken for an early one,
    # after which nobody would ask any more.
    now = stack.here().clock.time()
    # What is delivered twice runs its stage twice, and each asks again: two loops, four, and soon a thousand messages.
    if retries.is_on_its_way(asked, now):
        return
    _send(_Retry(asked))
    # Afterwards: whoever dies in between has sent one too many, and not one too few.
    retries.note(asked, sent_at=now)


def look_later(look: Look) -> None:
    """Let a version be looked at after the poll interval."""
    _send(look)


def _send(message: Look | _Retry) -> None:
    messages.send_message(stack.here().status_queue, message, stack.here().poll_seconds)
