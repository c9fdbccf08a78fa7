"""What people decided about a run: one row for each decision, which the copy, the test and the release carry along.

So a decision is never taken for another one of the same run, in whatever order and how often events come.
"""

from dataclasses import dataclass

from mlops import codec, stack
from mlops.events import ModelStatusChange, PipelineStageRetry
from mlops.records import approvals, runs
from mlops.records.approvals import APPROVED
from mlops.records.table import OWN, Table
from mlops.stage import StageRef

_ROLLBACK = "ROLLBACK#"


@dataclass(frozen=True)
class Decision:
    """Who let a run into an environment, or asked for it to come back, and why; nobody has yet without an approver.

    Decisions that an earlier release of this stack recorded name no environment.
    """

    approver: str | None = None
    comment: str = ""
    is_rollback: bool = False
    environment: str = ""


def note(
    ref: StageRef, name: str, approver: str, comment: str, *, is_rollback: bool = False, table: Table = OWN
) -> None:
    """Keep who decided with the run: the approval itself expires."""
    # Without a condition: the same decision writes the same row, however often it is delivered.
    who = Decision(approver, comment, is_rollback, ref.environment)
    table.put({"pk": runs.partition(ref.run_id), "sk": name, **codec.item_of(who)})


def find(ref: StageRef, name: str) -> Decision | None:
    """Who decided and why; None when nothing is recorded, as for a test that nobody had to decide about."""
    return _noted(ref, name) or _of_approval(name)


def require(ref: StageRef, name: str) -> Decision:
    """Who let a run into `ref.environment` by this decision. Raises PermissionError when nobody did."""
    noted = _noted(ref, name)
    if noted and noted.approver is not None and noted.environment in ("", ref.environment):
        return noted
    approval = approvals.find(name)
    if approval and (approval.run_id, approval.target, approval.state) == (ref.run_id, ref.environment, APPROVED):
        return Decision(approval.approver, approval.comment, environment=approval.target)
    raise PermissionError(f"no decision lets {ref.run_id} into {ref.environment}, whatever an event says")


def named_in(event: ModelStatusChange | PipelineStageRetry) -> str:
    """The decision that an event carries along. Those of an earlier release of this stack only know of a rollback."""
    if isinstance(event, ModelStatusChange):
        return only_rollback(event.ref) if event.cause.startswith("rollback@") else event.cause
    return only_rollback(event.ref) if event.is_rollback else event.decision


def only_rollback(ref: StageRef) -> str:
    """The name of the only row of a rollback that there once was; today each has a name of its own."""
    return f"{_ROLLBACK}{ref.environment}"


def new_rollback(ref: StageRef) -> str:
    """A name for the decision to bring a run back."""
    return f"{only_rollback(ref)}#{stack.here().new_id()}"


def _noted(ref: StageRef, name: str) -> Decision | None:
    # The name comes from an event: of no other row of the run may it make a decision.
    if not name.startswith((approvals.PREFIX, _ROLLBACK)):
        return None
    row = OWN.get(runs.partition(ref.run_id), name)
    return codec.read(Decision, row) if row else None


def _of_approval(name: str) -> Decision | None:
    approval = approvals.find(name)
    return Decision(approval.approver, approval.comment, environment=approval.target) if approval else None
