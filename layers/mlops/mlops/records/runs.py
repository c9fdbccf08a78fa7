"""Runs and their stages: what has happened to one exact set of images."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from boto3.dynamodb.conditions import Attr

from mlops import words
from mlops.aws import messages, telemetry
from mlops.records import table
from mlops.stage import StageRef

COMPLETED, FAILED, IN_PROGRESS, WAITING = "COMPLETED", "FAILED", "IN_PROGRESS", "WAITING"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def create(run_id: str, dataset: str, task: str) -> None:
    """Write the run record; an existing one stays as it is."""
    table.put(
        {
            "pk": f"RUN#{run_id}",
            "sk": "RUN",
            "run_id": run_id,
            "dataset": dataset,
            "task": task,
            "created_at": now(),
            "dataset_key": f"DATASET#{dataset}",
        },
        Attr("pk").not_exists(),
    )


def load(run_id: str, stage: str, environment: str = "development") -> StageRef:
    """The stage of a run that is known by its id. Raises LookupError when there is no such run."""
    run = table.get(f"RUN#{run_id}", "RUN")
    if run is None:
        raise LookupError(f"there is no run {run_id} in the table")
    return StageRef(run_id, run["dataset"], run["task"], stage, environment)


def begin(ref: StageRef, cause: str) -> bool:
    """Mark a stage as in progress; False when this very cause has already been worked off.

    `cause` identifies what asked for the stage, so that a late or second delivery changes nothing while a deliberate
    repetition (the artifact copied onto itself, another start of the model) runs again.
    """
    row = table.get(*ref.row)
    if row and row["cause"] == cause:
        return not _has_ended(row)
    table.put({**_row(ref), "cause": cause, "state": IN_PROGRESS, "started_at": now(), "reasons": []})
    return True


def is_over(ref: StageRef, cause: str) -> bool:
    """Whether a stage has ended that this very cause asked for."""
    row = table.get(*ref.row)
    return row is not None and row["cause"] == cause and _has_ended(row)


def _has_ended(row: Mapping[str, Any]) -> bool:
    return row["state"] in (COMPLETED, FAILED)


def wait(ref: StageRef, what: str) -> None:
    """Say what a stage waits for."""
    table.update(*ref.row, {"state": WAITING, "waiting_for": what}, _open())


def resume(ref: StageRef, what: str) -> None:
    """What a stage waited for has come."""
    is_waiting = Attr("state").eq(WAITING) & Attr("waiting_for").eq(what)
    table.update(*ref.row, {"state": IN_PROGRESS, "waiting_for": None}, is_waiting)


def complete(ref: StageRef, artifact: str = "") -> None:
    _finish(ref, COMPLETED, (), artifact)


def fail(ref: StageRef, reasons: Sequence[str], artifact: str = "") -> None:
    """End a stage with reasons; the event makes the e-mail. Of many reasons the artifact has all."""
    _finish(ref, FAILED, reasons, artifact)


def _finish(ref: StageRef, state: str, reasons: Sequence[str], artifact: str) -> None:
    # The event goes first: if this dies in between, the redelivery puts it again and consumers bear that.
    row = table.get(*ref.row) or {}
    told = words.within(reasons, artifact)
    if row.get("state") == state and row.get("reasons") == told:
        return
    detail = {**ref.as_detail(), "reasons": told, "artifact": artifact}
    messages.put_event(f"Pipeline Stage {'Completed' if state == COMPLETED else 'Failed'}", detail)
    end = now()
    start = row.get("started_at", end)
    changes = {"state": state, "reasons": told, "artifact": artifact, "finished_at": end}
    started = {"started_at": start, "cause": row.get("cause", "-")}
    table.update(*ref.row, {**_attributes(ref), **started, **changes, "waiting_for": None})
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    telemetry.stage_ended(ref.as_detail(), state, seconds, told)


def _row(ref: StageRef) -> dict[str, str]:
    pk, sk = ref.row
    return {"pk": pk, "sk": sk, **_attributes(ref)}


def _attributes(ref: StageRef) -> dict[str, str]:
    return {"stage": ref.stage, "environment": ref.environment}


def _open() -> Any:
    return Attr("state").is_in([IN_PROGRESS, WAITING])


@contextmanager
def timed(ref: StageRef, what: str) -> Iterator[None]:
    """Remember with a stage how long a part of its work took, as the attribute `<what>_seconds`."""
    started = time.monotonic()
    yield
    seconds = Decimal(str(round(time.monotonic() - started, 2)))
    table.update(*ref.row, {f"{what}_seconds": seconds}, Attr("pk").exists())


def note_version(ref: StageRef, version_arn: str) -> None:
    """Remember the version that a stage made or found."""
    table.update(*ref.row, {"version_arn": version_arn}, Attr("pk").exists())
    table.update(ref.row[0], "RUN", {f"{ref.environment}_version_arn": version_arn}, Attr("pk").exists())
