"""What a run costs: an estimate from how long its version trained and ran. The prices are parameters of the stack.

Billed are hours of training, and hours that a version runs for each inference unit, used or not. Source: "Running a
trained model" in the Custom Labels guide. Everything else together costs cents: docs/costs.md.
"""

from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr

from mlops import stack
from mlops.aws import telemetry
from mlops.records import runs
from mlops.records.leases import Lease
from mlops.records.table import OWN, Table
from mlops.stage import StageRef

TRAINING, RUNNING = "training", "running"
# As AWS counts the hours of a month. A version that stays is started with one inference unit.
HOURS_A_MONTH, UNITS = 730, 1
_PREFIX = "COST#"


@dataclass(frozen=True)
class Cost:
    """What the training, or a test in an environment, took and cost; `usd` has six decimals, as text in the row."""

    kind: str
    environment: str
    seconds: int
    usd: float


def note_training(ref: StageRef, seconds: int) -> None:
    """Record the training of a version that is billed for so many seconds."""
    _note(ref, TRAINING, TRAINING, seconds)


def note_test(ref: StageRef, lease: Lease) -> None:
    """Record that a version ran from the start of its lease until now, once for each lease."""
    seconds = max(1, int(stack.here().clock.time()) - lease.started_at)
    _note(ref, RUNNING, f"{ref.environment}#{lease.lease_id}", seconds, lease.units)


def of_run(run_id: str, table: Table = OWN) -> list[Cost]:
    """What is recorded of a run so far."""
    rows = table.query(runs.partition(run_id), _PREFIX)
    return [Cost(row["kind"], row["environment"], int(row["seconds"]), float(row["usd"])) for row in rows]


@dataclass(frozen=True)
class Estimate:
    """US dollars so far, seconds of training and of running in tests, and dollars for another hour of running."""

    usd: float
    training: float
    running: float
    usd_an_hour: float


def estimate(run_id: str) -> Estimate:
    """What a run has cost so far."""
    found = of_run(run_id)
    seconds = {kind: float(sum(cost.seconds for cost in found if cost.kind == kind)) for kind in (TRAINING, RUNNING)}
    usd = round(sum(cost.usd for cost in found), 6)
    return Estimate(usd, seconds[TRAINING], seconds[RUNNING], stack.here().price_of(RUNNING))


def a_month(usd_an_hour: float) -> float:
    """US dollars that a version costs a month when it never stops."""
    return HOURS_A_MONTH * UNITS * usd_an_hour


def _note(ref: StageRef, kind: str, name: str, seconds: int, units: int = 1) -> None:
    usd = units * seconds / 3600 * stack.here().price_of(kind)
    key = {"pk": runs.partition(ref.run_id), "sk": f"{_PREFIX}{name}"}
    facts = {"kind": kind, "seconds": seconds, "usd": f"{usd:.6f}", "environment": ref.environment}
    # The key is the training or the lease: what is delivered again is not paid again.
    if OWN.put({**key, **facts}, Attr("pk").not_exists()):
        telemetry.run_cost(ref.run_id, kind, usd)
