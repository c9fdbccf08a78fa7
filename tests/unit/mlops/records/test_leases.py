"""A version is leased by one, also when several find it free at the same moment."""

import pytest

from mlops.records import leases
from mlops.records.leases import Lease
from mlops.stage import StageRef
from tests.unit.mlops.world import PROJECTS, TASK, World, version_arn

ARN = version_arn(PROJECTS[TASK]["production"], "parts-classification-000000000001")
REF = StageRef("parts-classification-000000000001", "parts", TASK, "inference_test", "production")


def overtaken(monkeypatch: pytest.MonkeyPatch) -> Lease:
    """The lease that another delivery takes right after this one has found the version free."""
    other, look = leases.take(REF, ARN, is_rollback=False).lease, leases.of
    answers = [None]
    monkeypatch.setattr(leases, "of", lambda arn: answers.pop() if answers else look(arn))
    return other


def test_whoever_is_overtaken_finds_the_lease_and_leaves_it_to_the_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = overtaken(monkeypatch)
    taken = leases.take(REF, ARN, is_rollback=False)

    assert (taken.lease, taken.is_ours) == (other, False)
    assert leases.of(ARN) == other


def test_inspections_take_no_version_that_a_test_has_taken_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = overtaken(monkeypatch)

    assert leases.take_for_inspection(REF, ARN, 30) is None
    assert leases.of(ARN) == other


def test_a_lease_that_is_over_gives_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE_MINUTES", "0")
    before = leases.take(REF, ARN, is_rollback=False).lease
    monkeypatch.setenv("LEASE_MINUTES", "30")
    taken = leases.take(REF, ARN, is_rollback=False)

    assert taken.is_ours and taken.lease.lease_id != before.lease_id
    assert leases.of(ARN) == taken.lease
