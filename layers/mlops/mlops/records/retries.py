"""Retries that are on their way: one at a time for whatever a stage is asked for again about."""

from mlops import stack
from mlops.events import PipelineStageRetry
from mlops.records.table import OWN

# Whoever sent one so large a part of a poll interval ago, or less, has sent the one that is still to come.
_SHARE = 0.5
_KEPT_SECONDS = 7 * 86400


def is_on_its_way(asked: PipelineStageRetry, now: float) -> bool:
    """Whether the same was asked for a moment before `now`, in seconds, so that its message has not come yet."""
    row = OWN.get(_pk(asked), _sk(asked))
    return row is not None and int(row["sent_at"]) + 1000 * _SHARE * stack.here().poll_seconds > 1000 * now


def note(asked: PipelineStageRetry, sent_at: float) -> None:
    """Remember that the message was sent at a time, in seconds."""
    expires_at = int(sent_at) + _KEPT_SECONDS
    OWN.put({"pk": _pk(asked), "sk": _sk(asked), "sent_at": int(1000 * sent_at), "expires_at": expires_at})


def _pk(asked: PipelineStageRetry) -> str:
    return f"RETRY#{asked.run_id}"


def _sk(asked: PipelineStageRetry) -> str:
    about = asked.version_arn or asked.artifact_key
    return f"RETRY#{asked.environment}#{asked.stage}#{about}#{asked.decision}"
