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
from typing import Any
from unittest.mock import patch

from tests.simulation import __main__ as settings

assert settings  # it sets the environment, and where the package is, before anything of it is imported

from mlops.aws.buckets import Bucket  # noqa: E402
from mlops.models import serving as models  # noqa: E402
from mlops.records import (  # noqa: E402
    activity,
    approvals,
    decisions,
    images,
    inspections,
    kept_models,
    leases,
    releases,
    review_links,
    reviews,
    runs,
    servings,
    waiting_line,
    watches,
)
from mlops.records.decisions import Decision  # noqa: E402
from mlops.records.table import Table  # noqa: E402
from mlops.stages import promotion, serve  # noqa: E402
from tests.simulation import histories  # noqa: E402


@dataclass(frozen=True)
class Mutation:
    """A guard that is taken out."""

    name: str
    take_out: Callable[[], AbstractContextManager[Any]]


def _without_condition(module: Any, function: str, sk: str = "") -> Callable[[], AbstractContextManager[Any]]:
    """What one function of `records` writes, without its condition; of several writes those with such a sort key."""

    class Unconditional(Table):
        def put(self, item: Any, condition: Any = None) -> bool:
            return super().put(item, None if _is_meant(item["sk"]) else condition)

        def update(self, pk: str, sort_key: str, changes: Any, condition: Any = None) -> bool:
            return super().update(pk, sort_key, changes, None if _is_meant(sort_key) else condition)

        def delete(self, pk: str, sort_key: str, condition: Any = None) -> bool:
            return super().delete(pk, sort_key, None if _is_meant(sort_key) else condition)

    def _is_meant(sort_key: str) -> bool:
        return sys._getframe(2).f_code.co_name == function and sort_key.startswith(sk)

    return lambda: patch.object(module, "OWN", Unconditional())


def _replaced(module: Any, name: str, by: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: patch.object(module, name, by)


def _begin_again(ref: Any, cause: str) -> bool:
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


def _take_another(ref: Any, version_arn: str, is_rollback: bool, decision: str = "", units: int = 1) -> leases.Lease:
    now = int(leases.stack.here().clock.time())
    end = now + 60 * leases.stack.here().lease_minutes
    lease = leases.Lease(leases.id_of(decision), version_arn, ref, now, end, is_rollback, decision, units)
    leases.write(lease)
    return lease


def _take_from_test(ref: Any, version_arn: str, minutes: int, units: int = 1) -> leases.Lease:
    now = int(leases.stack.here().clock.time())
    lease = leases.Lease(leases.id_of(""), version_arn, ref.at(leases.INSPECTION), now, now + 60 * minutes, units=units)
    leases.write(lease)
    return lease


def _write_anyway(bucket: Bucket, key: str, content: bytes, *_: Any) -> bool:
    bucket.write(key, content)
    return True


MUTATIONS = (
    Mutation("images.write_record: an older event comes over a newer one (condition)", _without_condition(images, "write_record")),
    Mutation("images.correct_record: what was looked at without an event comes over one (condition)", _without_condition(images, "correct_record")),
    Mutation("runs.begin: a cause that was worked off begins again (cause)", _replaced(runs, "begin", _begin_again)),
    Mutation("runs.wait: a stage that has ended waits again (condition)", _without_condition(runs, "wait")),
    Mutation("runs.resume: what a stage waits for has not come (condition)", _without_condition(runs, "resume")),
    Mutation("runs.is_over: a decision is tested twice (cause)", _replaced(runs, "is_over", lambda *_: False)),
    Mutation("decisions.require: nobody need have decided", _replaced(decisions, "require", lambda *_: Decision("nobody"))),
    Mutation("approvals.decide: the last decision wins (condition)", _without_condition(approvals, "decide")),
    Mutation("approvals.was_sent: nobody remembers that a mail was sent", _replaced(approvals, "was_sent", lambda *_: False)),
    Mutation("approvals.untold: nobody passes on what was decided", _replaced(approvals, "untold", lambda: ())),
    Mutation("releases.record: a test is released twice (condition on the history)", _without_condition(releases, "record", "HISTORY")),
    Mutation("releases.record: an earlier test comes over a later one (condition on CURRENT)", _without_condition(releases, "record", "CURRENT")),
    Mutation("promotion._is_current: a release that comes late keeps running", _replaced(promotion, "_is_current", lambda _: True)),
    Mutation("kept_models: two are kept at once, one is forgotten (condition on the revision)", _without_condition(kept_models, "_replace")),
    Mutation("leases.is_held: the sweeper and others ask for no lease (lease check)", _replaced(leases, "is_held", lambda *_: False)),
    Mutation("leases.take: a lease that is held is taken again (lease check)", _replaced(leases, "take", _take_another)),
    Mutation("leases.id_of: each start for a decision has a lease of its own (cause)", _replaced(leases, "id_of", lambda _: leases.stack.here().new_id())),
    Mutation("leases.give_back: whoever's lease it is (condition)", _without_condition(leases, "give_back")),
    Mutation("leases.take_for_inspection: a lease of a test is taken (lease check)", _replaced(leases, "take_for_inspection", _take_from_test)),
    Mutation("waiting_line.is_next: whoever comes takes the slot", _replaced(waiting_line, "is_next", lambda *_: True)),
    Mutation("watches.is_due: a look that was taken is taken again", _replaced(watches, "is_due", lambda _: True)),
    Mutation("once: two deliveries run at the same moment", _without_once),
    Mutation("ground_truth: a message of an earlier batch settles the dataset (generation)", _settled_at_once),
    Mutation("inspections.record: an answer comes over another one (condition)", _without_condition(inspections, "record")),
    Mutation("Bucket.write_newest: the result of an earlier version comes over a later one (order)", _replaced(Bucket, "write_newest", _write_anyway)),
    Mutation("servings.write: an earlier round comes over a later one (condition)", _without_condition(servings, "write")),
    Mutation("servings.end: an earlier round ends a later one (condition)", _without_condition(servings, "end")),
    Mutation("serve._objection: nobody asks what was spent", _replaced(serve, "_objection", lambda _: "")),
    Mutation("reviews.take: two people get one picture (condition)", _without_condition(reviews, "take")),
    Mutation("reviews.answer: the last answer wins (condition)", _without_condition(reviews, "answer")),
    Mutation("reviews.begin: a picture is asked about anew (condition)", _without_condition(reviews, "begin")),
    Mutation("reviews.settle: a picture changes sides (condition)", _without_condition(reviews, "settle")),
    Mutation("reviews.note_filed: an answer that came meanwhile is taken for filed (condition)", _without_condition(reviews, "note_filed")),
    Mutation("review_links.claim_mail: more than one mail a day (condition)", _without_condition(review_links, "claim_mail")),
    Mutation("Bucket.write_over: the annotation manifest of another comes under this one (condition)", _replaced(Bucket, "write_over", _write_anyway)),
    Mutation("models.is_running: a release is taken for running after the end of its lease", _replaced(models, "is_running", lambda _: True)),
)  # fmt: skip


def found_by(mutation: Mutation, seed: str, most: int) -> tuple[int, str]:
    """The number of the history that misses a guard, and what it says; 0 when none does.

    One that is broken with all guards shows nothing.
    """
    batch = 20
    for start in range(0, most, batch):
        with mutation.take_out():
            broken = list(histories.failures(seed, batch, first=start))
        for name, wrong in broken:
            if not histories.broken_in(name)[1]:
                return int(name.rsplit(":", 1)[1]) + 1, ": ".join(wrong[0])
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
        found = f"found in history {number} | {message[:160]}" if number else f"NOT FOUND in {arguments.histories} |"
        print(f"{mutation.name} | {found} | {time.monotonic() - began:.0f} s", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main())
