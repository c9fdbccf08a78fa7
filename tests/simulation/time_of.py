"""The module `datetime` by another clock, for those who ask it directly."""

import datetime
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


def shim(now: Callable[[], float]) -> Any:
    """What stands in for the module: `now` by the clock given, everything else as ever."""

    class Simulated(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.datetime.fromtimestamp(now(), tz)

    names = ("date", "time", "timedelta", "timezone", "UTC")
    return SimpleNamespace(datetime=Simulated, **{name: getattr(datetime, name) for name in names})
