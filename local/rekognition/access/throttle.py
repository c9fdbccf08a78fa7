"""How many calls a running model takes, and how many each operation."""

import time
from collections.abc import Callable

from local.rekognition.access.identity import Scope
from local.rekognition.errors import ServiceError


class TokenBucket:
    """Lets `rate` calls a second through, and as many at once after a quiet second."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._capacity = max(rate, 1.0)
        self._tokens = self._capacity
        self._clock = clock
        self._updated = clock()

    def take(self) -> bool:
        """Take one token if there is one."""
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._updated) * self._rate)
        self._updated = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class ControlPlaneThrottle:
    """Bounds the calls a second of each operation, in each account and region; DetectCustomLabels has its own bound."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._buckets: dict[tuple[str, Scope], TokenBucket] = {}

    def check(self, operation: str, scope: Scope) -> None:
        """Raise ServiceError ThrottlingException when an operation is called too often."""
        if self._rate is None or operation == "DetectCustomLabels":
            return
        bucket = self._buckets.setdefault((operation, scope), TokenBucket(self._rate))
        if not bucket.take():
            raise ServiceError("ThrottlingException", f"Rate exceeded: {operation} takes {self._rate:g} a second.")
