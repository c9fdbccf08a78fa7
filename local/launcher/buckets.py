"""Buckets tell of nothing while they are new, and then of which version of an object they tell."""

import json
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

_LONG_AGO = "2000-01-01T00:00:00Z"
_version_id: ContextVar[str | None] = ContextVar("version_id", default=None)


def install_silent_buckets(seconds: float) -> None:
    """A new bucket tells of nothing for so long, as on AWS, where it is about five minutes."""
    from ministack.services import s3

    fire = s3._fire_s3_event

    def fired(bucket_name: str, *rest: Any, **options: Any) -> None:
        made_at = datetime.fromisoformat(s3._buckets.get(bucket_name, {}).get("created", _LONG_AGO))
        if (datetime.now(UTC) - made_at).total_seconds() >= seconds:
            fire(bucket_name, *rest, **options)

    s3._fire_s3_event = fired


def install_versions_in_events() -> None:
    """An event of a bucket on EventBridge names the version of its object, as on AWS."""
    from ministack.services import eventbridge, s3

    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event

    def fired(*rest: Any, version_id: str | None = None, **options: Any) -> None:
        token = _version_id.set(version_id)
        try:
            fire(*rest, version_id=version_id, **options)
        finally:
            _version_id.reset(token)

    def dispatched(event: dict[str, Any], *rest: Any, **options: Any) -> Any:
        if event["Source"] == "aws.s3" and (version := _version_id.get()):
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version
            event = {**event, "Detail": json.dumps(detail)}
        return dispatch(event, *rest, **options)

    s3._fire_s3_event, eventbridge._dispatch_event = fired, dispatched
