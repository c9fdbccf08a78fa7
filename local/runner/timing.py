"""Where the time of a demo goes: its phases, and for each run what was work and what was orchestration."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlops.records.runs import Run


@dataclass(frozen=True)
class RunTime:
    """Seconds from the first stage of a run to its release.

    `training` is what the service trained, `inference` how long models were asked, `pictures` how long functions read
    and drew pictures. All else is orchestration: events, queues, starting functions and models, copies, polling, and
    `waiting`, for which an e-mail lay unread.
    """

    wall: float
    training: float
    inference: float
    pictures: float
    waiting: float

    @property
    def orchestration(self) -> float:
        return self.wall - self.training - self.inference - self.pictures

    def as_dict(self) -> dict[str, float]:
        parts = {**vars(self), "orchestration": self.orchestration}
        return {name: round(seconds, 2) for name, seconds in parts.items()}


def time_of(run: Run, version: dict[str, Any], released_at: datetime, waiting: float) -> RunTime:
    """The time of a released run; `version` is the description of its version in development."""
    return RunTime(
        wall=(released_at - run.created_at).total_seconds(),
        training=(version["TrainingEndTimestamp"] - version["CreationTimestamp"]).total_seconds(),
        inference=sum(stage.inference_seconds for stage in run.stages),
        pictures=sum(stage.pictures_seconds for stage in run.stages),
        waiting=waiting,
    )


@dataclass
class Phases:
    """How long each phase of a demo took, in the order in which they began."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 1)
