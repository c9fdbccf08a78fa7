"""Buckets tell of nothing while they are new."""

from datetime import UTC, datetime
from typing import Any

_LONG_AGO = "2000-01-01T00:00:00Z"


def install_silent_buckets(seconds: float) -> None:
    """A new bucket tells of nothing for so long, as on AWS, where it is about five minutes."""
    from ministack.services import s3

    fire = s3._fire_s3_event

    def fired(bucket_name: str, *rest: Any, **options: Any) -> None:
        made_at = datetime.fromisoformat(s3._buckets.get(bucket_name, {}).get("created", _LONG_AGO))
        if (datetime.now(UTC) - made_at).total_seconds() >= seconds:
            fire(bucket_name, *rest, **options)

    s3._fire_s3_event = fired
