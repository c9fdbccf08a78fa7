"""What models cost that answered about new pictures: one row a start, by month, as estimated from the prices."""

from dataclasses import dataclass
from datetime import UTC, datetime

from mlops import stack
from mlops.records.leases import Lease
from mlops.records.table import OWN, Table


@dataclass(frozen=True)
class Spent:
    """How long a version ran for inspections since a start, with so many inference units, and what that cost."""

    dataset: str
    task: str
    version_arn: str
    seconds: int
    units: int
    usd: float


def month_of(seconds: float) -> str:
    """YYYY-MM, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m")


def note(lease: Lease, until: float, units: int) -> float:
    """Write what a version has cost since the start of its lease, in place of what was known; returns how much more.

    It counts for the month in which it was started.
    """
    seconds = max(0, int(until) - lease.started_at)
    usd = seconds / 3600 * units * stack.here().price_of("running")
    # In place of what was noted of this start, not in addition: a round that comes twice costs nothing more.
    key = {"pk": _pk(month_of(lease.started_at)), "sk": lease.lease_id}
    names = {"dataset": lease.ref.dataset, "task": lease.ref.task, "version_arn": lease.version_arn}
    known = OWN.get(key["pk"], key["sk"])
    OWN.put({**key, **names, "seconds": seconds, "units": units, "usd": f"{usd:.6f}"})
    return usd - (float(known["usd"]) if known else 0.0)


def of_month(month: str, table: Table = OWN) -> list[Spent]:
    """All starts of a month."""
    return [
        Spent(
            str(row["dataset"]),
            str(row["task"]),
            str(row["version_arn"]),
            int(row["seconds"]),
            int(row["units"]),
            float(row["usd"]),
        )
        for row in table.query(_pk(month))
    ]


def total(month: str, table: Table = OWN) -> float:
    """US dollars of a month so far."""
    return sum(spent.usd for spent in of_month(month, table))


def _pk(month: str) -> str:
    return f"SPENT#{month}"
