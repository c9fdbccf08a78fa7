"""What people decided about a run: one row for each decision, which the copy, the test and the release carry along.

So a decision is never taken for another one of the same run, in whatever order and how often events come.
"""

from collections.abc import Mapping
from typing import Any

from mlops.records import table
from mlops.stage import StageRef

PENDING, APPROVED, REJECTED = "PENDING", "APPROVED", "REJECTED"


def note(ref: StageRef, decision: str, approver: str, comment: str, *, is_rollback: bool = False) -> None:
    """Keep who decided with the run: the approval itself expires."""
    who = {"approver": approver, "comment": comment, "is_rollback": is_rollback, "environment": ref.environment}
    table.put({"pk": ref.row[0], "sk": decision, **who})


def find(ref: StageRef, decision: str) -> dict[str, Any]:
    """Who decided and why; empty when nothing is recorded, as for a test that nobody had to decide about."""
    if not decision:
        return {}
    return table.get(ref.row[0], decision) or table.get(decision, "APPROVAL") or {}


def require(ref: StageRef, decision: str) -> dict[str, Any]:
    """Who let a run into `ref.environment` by this decision. Raises PermissionError when nobody did."""
    row = table.get(ref.row[0], decision) if decision.startswith(("APPROVAL#", "ROLLBACK#")) else None
    if row and "approver" in row and row.get("environment", ref.environment) == ref.environment:
        return row
    approval = table.get(decision, "APPROVAL") or {}
    facts = tuple(approval.get(name) for name in ("run_id", "target", "state"))
    if facts == (ref.run_id, ref.environment, APPROVED):
        return approval
    raise PermissionError(f"no decision lets {ref.run_id} into {ref.environment}, whatever an event says")


def named_in(detail: Mapping[str, Any], ref: StageRef) -> str:
    """The decision that an event carries along. Those of an earlier release of this stack only know of a rollback."""
    named = str(detail.get("decision") or detail.get("cause", ""))
    was_rollback = bool(detail.get("is_rollback")) or named.startswith("rollback@")
    return rollback(ref) if was_rollback else named


def rollback(ref: StageRef) -> str:
    """The name of the only row of a rollback that there once was; `mlops rollback` gives each a name of its own."""
    return f"ROLLBACK#{ref.environment}"
