"""Leases: until when a started model may be used, and what for. One is written before every start."""

import uuid
from dataclasses import dataclass, field, replace

from boto3.dynamodb.conditions import Attr

from mlops import codec, stack
from mlops.codec import INLINE
from mlops.records.table import OWN, Item, Table
from mlops.stage import StageRef

# The stage of a lease under which a released version answers about new pictures: no test is made of it.
INSPECTION = "inspection"
_SK = "LEASE"


@dataclass(frozen=True)
class Lease:
    """The right to use a version for the test of a stage, which a decision may have asked for; times in seconds.

    `units` are the inference units that it is started with.
    """

    lease_id: str
    version_arn: str
    ref: StageRef = field(metadata=INLINE)
    started_at: int
    expires_at: int
    is_rollback: bool = False
    decision: str = ""
    units: int = 1

    @property
    def is_over(self) -> bool:
        """Whether the model may not be used any more."""
        return self.expires_at <= stack.here().clock.time()

    @property
    def is_for_inspection(self) -> bool:
        return self.ref.stage == INSPECTION


def of(version_arn: str, table: Table = OWN) -> Lease | None:
    """The lease of a version, over or not."""
    row = table.get(_pk(version_arn), _SK)
    return codec.read(Lease, row) if row else None


def is_held(version_arn: str, table: Table = OWN) -> bool:
    """Whether somebody may still use a version."""
    lease = of(version_arn, table)
    return lease is not None and not lease.is_over


@dataclass(frozen=True)
class Taken:
    """A lease, and whether it is on whoever asked for it to give it back: not one that another delivery has taken."""

    lease: Lease
    is_ours: bool


def take(ref: StageRef, version_arn: str, is_rollback: bool, decision: str = "", units: int = 1) -> Taken:
    """Lease a version, or find the lease that is held."""
    while True:
        held = of(version_arn)
        # A redelivery of the same start finds the lease that the first has taken: one start, one test.
        if held and not held.is_over:
            return Taken(held, is_ours=False)
        now = int(stack.here().clock.time())
        end = now + 60 * stack.here().lease_minutes
        lease = Lease(id_of(decision), version_arn, ref, now, end, is_rollback, decision, units)
        if _replace(held, lease):
            return Taken(lease, is_ours=True)


def take_for_inspection(ref: StageRef, version_arn: str, minutes: int, units: int = 1) -> Lease | None:
    """Lease a version for inspections, or make the lease that it has for them longer; None while a test has it.

    The id stays the same however often it is made longer: it stands for one start.
    """
    while True:
        held, now = of(version_arn), int(stack.here().clock.time())
        holds = held if held and not held.is_over else None
        # A test comes first: it ends, and inspections wait for that.
        if holds and not holds.is_for_inspection:
            return None
        begun = holds or Lease(id_of(""), version_arn, ref.at(INSPECTION), now, now)
        lease = replace(begun, expires_at=now + 60 * minutes, units=units)
        if _replace(held, lease):
            return lease


def _replace(known: Lease | None, lease: Lease) -> bool:
    """Write a lease in the place of one that is known; False where another one stands there by now."""
    # Of two that find a version free at the same moment, one has it: a lease that was lost is a test that never ends.
    same = Attr("lease_id").eq(known.lease_id) if known else Attr("pk").not_exists()
    return OWN.put(_row(lease), same)


def write(lease: Lease, table: Table = OWN) -> None:
    """Put a lease in the place of any other of its version."""
    table.put(_row(lease))


def _row(lease: Lease) -> Item:
    return {"pk": _pk(lease.version_arn), "sk": _SK, **codec.item_of(lease)}


def id_of(decision: str) -> str:
    """The lease of a decision's test is always the same one, whoever delivers the decision how often."""
    return uuid.uuid5(uuid.NAMESPACE_URL, decision).hex if decision else stack.here().new_id()


def give_back(version_arn: str, lease_id: str) -> None:
    """End a lease, unless another one has taken its place."""
    # Somebody else may have leased it since, whose start this must not leave without a lease.
    OWN.delete(_pk(version_arn), _SK, Attr("lease_id").eq(lease_id))


def end(version_arn: str) -> None:
    """End whatever lease a version has."""
    # Whoever's it is: its model has been stopped, so there is nothing left to lease.
    OWN.delete(_pk(version_arn), _SK)


def _pk(version_arn: str) -> str:
    return f"LEASE#{version_arn}"
