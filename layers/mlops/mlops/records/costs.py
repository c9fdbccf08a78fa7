"""What a run costs: an estimate from how long its version trained and ran. The prices are parameters of the stack.

Billed are hours of training, and hours that a version runs for each inference unit, used or not. Source: "Running a
trained model" in the Custom Labels guide. Everything else together costs cents: docs/costs.md.
"""

import time
from collections.abc import Mapping
from typing import Any

from boto3.dynamodb.conditions import Attr

from mlops import stack
from mlops.aws import telemetry
from mlops.records import table
from mlops.stage import StageRef

TRAINING, RUNNING = "training", "running"
# As AWS counts the hours of a month. A version is started with one inference unit.
HOURS_A_MONTH, UNITS = 730, 1


def note_training(ref: StageRef, version: Mapping[str, Any]) -> None:
    """Record the training of a version from its description; one that names no time cost nothing."""
    _note(ref, TRAINING, TRAINING, int(version.get("BillableTrainingTimeInSeconds", 0)))


def note_test(ref: StageRef, lease: Mapping[str, Any]) -> None:
    """Record that a version ran from the start of its lease until now, once for each lease."""
    seconds = max(1, int(time.time()) - int(lease["started_at"]))
    _note(ref, RUNNING, f"{ref.environment}#{lease['lease_id']}", seconds)


def a_month(usd_an_hour: float) -> float:
    """US dollars that a version costs a month when it never stops."""
    return HOURS_A_MONTH * UNITS * usd_an_hour


def _note(ref: StageRef, kind: str, name: str, seconds: int) -> None:
    usd = seconds / 3600 * float(stack.json_setting("PRICES")[kind])
    row = {"pk": ref.row[0], "sk": f"COST#{name}", "kind": kind, "seconds": seconds, "usd": f"{usd:.6f}"}
    if table.put({**row, "environment": ref.environment}, Attr("pk").not_exists()):
        telemetry.run_cost(ref.run_id, kind, usd)


def estimate(run_id: str) -> dict[str, float]:
    """US dollars so far, seconds of training and of running in tests, and dollars for another hour of running."""
    rows = list(table.query(f"RUN#{run_id}", "COST#"))
    seconds = {kind: float(sum(row["seconds"] for row in rows if row["kind"] == kind)) for kind in (TRAINING, RUNNING)}
    price = float(stack.json_setting("PRICES")[RUNNING])
    return {"usd": round(sum(float(row["usd"]) for row in rows), 6), **seconds, "usd_an_hour": price}
