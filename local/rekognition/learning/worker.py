"""The process that trains: `python -m local.rekognition.learning.worker FOLDER`, where FOLDER holds `job.json`.

It leaves `outcome.json` beside it, and ends when its parent does: its standard input is a pipe that only the
parent holds open.
"""

import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local.rekognition.access.identity import Credentials
from local.rekognition.learning.training import TrainingJob, TrainingOutcome, train
from local.rekognition.manifests.storage import ObjectStorage


@dataclass(frozen=True)
class WorkOrder:
    """A job, and the surroundings to do it in."""

    job: TrainingJob
    region: str
    s3_endpoint: str | None
    engine: str
    credentials: Credentials | None = None

    def write(self, folder: Path) -> None:
        """Leave the order where a worker looks for it; nobody else may read it."""
        path = folder / "job.json"
        path.touch(0o600)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "WorkOrder":
        """Read the order that `write` left."""
        fields: dict[str, Any] = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        credentials = Credentials(**fields["credentials"]) if fields["credentials"] else None
        return cls(**{**fields, "job": TrainingJob(**fields["job"]), "credentials": credentials})


def read_outcome(folder: Path) -> TrainingOutcome | None:
    """Return what a worker left, or None if it did not get that far."""
    path = folder / "outcome.json"
    if not path.exists():
        return None
    fields: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return TrainingOutcome(**fields)


def main() -> None:
    """Do the work order in the folder given on the command line."""
    folder = Path(sys.argv[1])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    order = WorkOrder.read(folder)
    storage = ObjectStorage(order.region, order.s3_endpoint, order.credentials)
    engine: Any = importlib.import_module(order.engine)
    outcome = train(order.job, storage, engine, folder / "result")
    unfinished = folder / "outcome.json.unfinished"
    unfinished.write_text(json.dumps(asdict(outcome)), encoding="utf-8")
    unfinished.replace(folder / "outcome.json")


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    # The whole session, for an engine may have processes of its own.
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
