"""Who is next when an account trains or runs as many models as it may: whoever has waited longest.

Without a line, a stage could be overtaken for ever by others that happen to ask when a slot is free.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mlops import arns, stack
from mlops.records.table import OWN, Item
from mlops.stage import StageRef

TRAINING = "trainings"
# A stage in line asks again every poll interval; one that has not for so many of them has died.
_PATIENCE, _LEAST_PATIENCE = 5, 120
# How long the row of one that never came back is kept; it stopped counting long before.
_DAY = 86400


class NoSlot(Exception):  # noqa: N818  - it passes: no fault
    """Every slot is taken, or others have waited longer for one."""


# In the order of these fields: of two that came in the same millisecond, all see the same one first.
@dataclass(frozen=True, order=True)
class Place:
    """Since when a stage waits, what it is called in the line, and when it asked last; times in milliseconds."""

    since: int
    name: str
    seen: int

    @property
    def is_alive(self) -> bool:
        """Whether whoever lined up still comes back to ask."""
        patience = max(_PATIENCE * stack.here().poll_seconds, _LEAST_PATIENCE)
        return self.seen > (stack.here().clock.time() - patience) * 1000


def running_in(version_arn: str) -> str:
    """The kind of slot that a running version takes: quotas are those of its account."""
    return f"running models of {arns.account_of(version_arn)}"


@contextmanager
def in_turn(kind: str, ref: StageRef) -> Iterator[None]:
    """Ask for a slot of this kind within, when it is the turn of a stage; who needs no other one leaves the line then.

    Raises NoSlot where it is the turn of others, and hands on the one that is raised within; the stage is in line then.
    """
    try:
        # Asking the service although others have waited longer would let a newcomer take their slot.
        if not is_next(kind, ref):
            raise NoSlot(kind)
        yield
    except NoSlot:
        # Before anything else is noted: whoever dies before it asks for a retry has a place that its redelivery keeps.
        line_up(kind, ref)
        raise


def is_next(kind: str, ref: StageRef) -> bool:
    """Whether no other stage has waited longer for a slot of this kind."""
    first = first_of(kind)
    return first is None or first.name == _name(ref)


def first_of(kind: str) -> Place | None:
    """Who has waited longest for a slot of this kind, None where nobody waits."""
    return min((place for row in OWN.query(_pk(kind)) if (place := _place(row)).is_alive), default=None)


def others(kind: str, ref: StageRef) -> list[str]:
    """What other stages wait for a slot of this kind."""
    rows = ((str(row["stage"]), _place(row)) for row in OWN.query(_pk(kind)))
    return [stage for stage, place in rows if place.is_alive and place.name != _name(ref)]


def line_up(kind: str, ref: StageRef) -> None:
    """Take a place in the line, or keep the one that was taken."""
    # In milliseconds: stages of one dataset line up within the same second.
    now = int(stack.here().clock.time() * 1000)
    row = OWN.get(_pk(kind), _name(ref))
    held = _place(row) if row else None
    # Who was given up for dead and comes back has been overtaken: it goes to the end.
    since = held.since if held and held.is_alive else now
    item = {"pk": _pk(kind), "sk": _name(ref), "since": since, "seen": now, "expires_at": now // 1000 + _DAY}
    OWN.put({**item, **ref.as_detail()})


def leave(kind: str, ref: StageRef) -> None:
    """Give up the place in the line."""
    OWN.delete(_pk(kind), _name(ref))


def _place(row: Item) -> Place:
    return Place(int(row["since"]), row["sk"], int(row["seen"]))


def _pk(kind: str) -> str:
    return f"WAITING#{kind}"


def _name(ref: StageRef) -> str:
    return f"{ref.run_id}#{ref.environment}"
