"""Messages that make `model_status` look at a version, or ask for a stage again, after the poll interval."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlops import stack
from mlops.aws import messages
from mlops.events import PipelineStageRetry
from mlops.stage import StageRef

Message = Mapping[str, Any]


def watch(ref: StageRef, version_arn: str, until: Sequence[str], cause: str) -> None:
    """Watch a version until it has one of the statuses `until`. Watching the same `cause` again changes nothing new."""
    send(
        {
            **ref.as_detail(),
            "kind": "watch",
            "cause": cause,
            "version_arn": version_arn,
            "until": list(until),
            "hop": 0,
            "previous": "",
            "deadline": int(stack.here().clock.time()) + 3600 * stack.here().deadline_hours,
        }
    )


def retry_later(ref: StageRef, *, version_arn: str = "", artifact_key: str = "", decision: str = "") -> None:
    """Ask for a stage again after the poll interval: it met a quota. It is about a version, an artifact or the run."""
    about = PipelineStageRetry(**ref.as_detail(), version_arn=version_arn, artifact_key=artifact_key, decision=decision)
    send({**about.as_detail(), "kind": "retry"})


def send(message: Message) -> None:
    """Send a message that arrives after the poll interval."""
    messages.send_message(stack.here().status_queue, message, stack.here().poll_seconds)
