# ruff: noqa: E501  - one guard a line
"""python -m tests.simulation.mutations: takes one guard after the other out of the code, and shows that it is missed.

A guard without which every history passes is either not needed, or not tried by the simulation.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any
from unittest.mock import patch

from tests.simulation import __main__ as settings

assert settings  # it sets the environment, and where the package is, before anything of it is imported

from mlops.records import (  # noqa: E402
    activity,
    approvals,
    decisions,
    images,
    kept_models,
    leases,
    releases,
    runs,
    watches,
)
from mlops.records.decisions import Decision  # noqa: E402
from mlops.records.table import Table  # noqa: E402
from tests.simulation import histories  # noqa: E402


@dataclass(frozen=True)
class Mutation:
    """A guard that is taken out."""

    name: str
    take_out: Callable[[], AbstractContextManager[Any]]


def _without_condition(module: Any, method: str) -> Callable[[], AbstractContextManager[Any]]:
    """Writes of one module of `records` without their conditions."""

    class Unconditional(Table):
        def put(self, item: Any, condition: Any = None) -> bool:
            return super().put(item, None if method == "put" else condition)

        def update(self, pk: str, sk: str, changes: Any, condition: Any = None) -> bool:
            return super().update(pk, sk, changes, None if method == "update" else condition)

        def delete(self, pk: str, sk: str, condition: Any = None) -> bool:
            return super().delete(pk, sk, None if method == "delete" else condition)

    return lambda: patch.object(module, "OWN", Unconditional())


def _replaced(module: Any, name: str, by: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: patch.object(module, name, by)


def _always_begin(ref: Any, cause: str) -> bool:
    pk, sk = runs._key(ref)
    begun = {"cause": cause, "state": runs.IN_PROGRESS, "started_at": runs.now(), "reasons": []}
    runs.OWN.put({"pk": pk, "sk": sk, **runs._names(ref), **begun})
    return True


@contextmanager
def _without_once() -> Iterator[None]:
    from functions.approval import app as approval
    from functions.data_prepare import app as data_prepare
    from functions.eval_metric import app as eval_metric
    from functions.inference_test import app as inference_test
    from functions.notification import app as notification
    from functions.promotion import app as promotion
    from functions.training import app as training

    apps = (approval, data_prepare, eval_metric, inference_test, notification, promotion, training)
    patches = [patch.object(app, "once", lambda work, **_: work()) for app in apps]
    for entry in patches:
        entry.start()
    try:
        yield
    finally:
        for entry in patches:
            entry.stop()


class _AnyGeneration(activity.Activity):
    """What happens in a dataset, of whatever generation a message is."""

    class _Any(int):
        def __ne__(self, _: object) -> bool:
            return False

        __hash__ = int.__hash__


@contextmanager
def _settled_at_once() -> Iterator[None]:
    of = activity.of

    def of_any(dataset: str, *more: Any) -> activity.Activity:
        found = of(dataset, *more)
        return activity.Activity(_AnyGeneration._Any(found.generation), found.complete_at, found.settled)

    with patch.object(activity, "of", of_any):
        yield


def _take_another(ref: Any, version_arn: str, is_rollback: bool, decision: str = "") -> leases.Lease:
    now = int(leases.stack.here().clock.time())
    end = now + 60 * leases.stack.here().lease_minutes
    lease = leases.Lease(leases.stack.here().new_id(), version_arn, ref, now, end, is_rollback, decision)
    leases.write(lease)
    return lease


MUTATIONS = (
    Mutation("images: an older event overwrites a newer one (no condition on the sequencer)", _without_condition(images, "put")),
    Mutation("runs.begin: a cause that was worked off begins again", _replaced(runs, "begin", _always_begin)),
    Mutation("decisions.require: nobody need have decided", _replaced(decisions, "require", lambda *_: Decision("nobody"))),
    Mutation("approvals.decide: the last decision wins (no condition)", _without_condition(approvals, "update")),
    Mutation("releases.record: once for each test, and none before a later one (no conditions)", _without_condition(releases, "put")),
    Mutation("kept_models: no condition on the revision", _without_condition(kept_models, "put")),
    Mutation("leases.is_held: nobody holds a lease (the sweeper)", _replaced(leases, "is_held", lambda *_: False)),
    Mutation("leases.take: a lease that is held is taken again", _replaced(leases, "take", _take_another)),
    Mutation("leases.id_of: each start for a decision has a lease of its own", _replaced(leases, "id_of", lambda _: leases.stack.here().new_id())),
    Mutation("leases.give_back: whoever's lease it is (no condition)", _without_condition(leases, "delete")),
    Mutation("watches.is_due: a look that was taken is taken again", _replaced(watches, "is_due", lambda _: True)),
    Mutation("once: two deliveries run at the same moment", _without_once),
    Mutation("ground_truth: a message of an earlier batch settles the dataset", _settled_at_once),
    Mutation("runs.wait, runs.resume: a stage that has ended waits again (no conditions)", _without_condition(runs, "update")),
    Mutation("runs.is_over: a decision is tested twice", _replaced(runs, "is_over", lambda *_: False)),
    Mutation("approvals.was_sent: nobody remembers that a mail was sent", _replaced(approvals, "was_sent", lambda *_: False)),
)  # fmt: skip


def found_by(mutation: Mutation, seed: str, most: int) -> tuple[int, str]:
    """The number of the history that misses a guard, and what it says; 0 when none does."""
    with mutation.take_out():
        batch = 40
        for start in range(0, most, batch):
            broken = list(islice(histories.failures(seed, batch, first=start), 1))
            if broken:
                number = int(broken[0][0].rsplit(":", 1)[1])
                return number + 1, ": ".join(broken[0][1][0])
    return 0, ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutations", description=__doc__)
    parser.add_argument("--histories", type=int, default=400, help="so many are tried for each guard")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", default="", help="mutations with this in their name")
    arguments = parser.parse_args()
    histories.vocabulary()
    missed = 0
    for mutation in MUTATIONS:
        if arguments.only not in mutation.name:
            continue
        began = time.monotonic()
        number, message = found_by(mutation, arguments.seed, arguments.histories)
        missed += not number
        found = f"found in history {number}: {message[:160]}" if number else f"NOT FOUND in {arguments.histories}"
        print(f"{mutation.name}\n    {found} ({time.monotonic() - began:.0f} s)", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main())
