"""Who is next when an account trains or runs as many models as it may: whoever has waited longest.

Without a line, a stage could be overtaken for ever by others that happen to ask when a slot is free.
"""

import time
from typing import Any

from mlops import arns, stack
from mlops.records import table
from mlops.stage import StageRef

TRAINING = "trainings"
# A stage in line asks again every poll interval; one that has not for so many of them has died.
_PATIENCE, _LEAST_PATIENCE = 5, 120


def running_in(version_arn: str) -> str:
    """The kind of slot that a running version takes: quotas are those of its account."""
    return f"running models of {arns.account_of(version_arn)}"


def is_next(kind: str, ref: StageRef) -> bool:
    """Whether no other stage has waited longer for a slot of this kind."""
    alive = [row for row in table.query(_pk(kind)) if _is_alive(row)]
    first = min(alive, key=lambda row: (row["since"], row["sk"]), default=None)
    return first is None or first["sk"] == _name(ref)


def line_up(kind: str, ref: StageRef) -> None:
    """Take a place in the line, or keep the one that was taken."""
    now = int(time.time() * 1000)
    held = table.get(_pk(kind), _name(ref))
    since = held["since"] if held and _is_alive(held) else now
    item = {"pk": _pk(kind), "sk": _name(ref), "since": since, "seen": now, "expires_at": now // 1000 + 86400}
    table.put({**item, **ref.as_detail()})


def leave(kind: str, ref: StageRef) -> None:
    """Give up the place in the line."""
    table.delete(_pk(kind), _name(ref))


def _pk(kind: str) -> str:
    return f"WAITING#{kind}"


def _name(ref: StageRef) -> str:
    return f"{ref.run_id}#{ref.environment}"


def _is_alive(row: dict[str, Any]) -> bool:
    patience = max(_PATIENCE * int(stack.setting("POLL_SECONDS")), _LEAST_PATIENCE)
    return int(row["seen"]) > (time.time() - patience) * 1000
