"""Retries that are on their way: one at a time for whatever a stage is asked for again about."""

from mlops import stack
from mlops.events import PipelineStageRetry
from mlops.records.table import OWN

# Whoever sent one so large a part of a poll interval ago, or less, has sent the one that is still to come.
_SHARE = 0.5
_KEPT_SECONDS = 7 * 86400


def is_on_its_way(asked: PipelineStageRetry) -> bool:
    """Whether the same was asked for a moment ago, so that its message has not come yet."""
    row = OWN.get(_pk(asked), _sk(asked))
    return row is not None and int(row["sent_at"]) + 1000 * _SHARE * stack.here().poll_seconds > _now()


def note(asked: PipelineStageRetry) -> None:
    """Remember that the message was sent now."""
    expires_at = int(stack.here().clock.time()) + _KEPT_SECONDS
    OWN.put({"pk": _pk(asked), "sk": _sk(asked), "sent_at": _now(), "expires_at": expires_at})


def _now() -> int:
    return int(1000 * stack.here().clock.time())


def _pk(asked: PipelineStageRetry) -> str:
    return f"RETRY#{asked.run_id}"


def _sk(asked: PipelineStageRetry) -> str:
    about = asked.version_arn or asked.artifact_key
    return f"RETRY#{asked.environment}#{asked.stage}#{about}#{asked.decision}"
