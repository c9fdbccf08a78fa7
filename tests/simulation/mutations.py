# ruff: noqa: E501  - one guard a line
"""python -m tests.simulation.mutations: takes one guard after the other out of the code, and shows that it is missed.

First every history is played with all guards in place, and it is noted which of them held something up in it. Where a
guard held nothing up, nothing changes without it. So only the other histories are played once more without it. A guard
without which all of these pass is either not needed, or no rule looks at what it is for.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from types import FrameType
from typing import Any
from unittest.mock import patch

from tests.simulation import __main__ as settings

assert settings  # it sets the environment, and where the package is, before anything of it is imported

from mlops import stack  # noqa: E402
from mlops.aws.buckets import Bucket  # noqa: E402
from mlops.models import lifecycle  # noqa: E402
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
from mlops.records import table as tables  # noqa: E402
from mlops.records.decisions import Decision  # noqa: E402
from mlops.records.table import Table  # noqa: E402
from mlops.stages import promotion, serve  # noqa: E402
from tests.simulation import histories  # noqa: E402
from tests.simulation.rules import Broken, outcome  # noqa: E402


@dataclass
class Gate:
    """What becomes of a guard while a history is played: whether it is out, and how often it held something up."""

    is_out: bool = False
    held_up: int = 0


@dataclass(frozen=True)
class Guard:
    """A guard of the code. `put_under` lets a gate see what it does, or takes it out.

    `seed` is the first history that misses it of those that the command plays by itself; empty where none does yet.
    """

    name: str
    put_under: Callable[[Gate], AbstractContextManager[Any]]
    seed: str = ""

    @contextmanager
    def taken_out(self) -> Iterator[None]:
        with self.put_under(Gate(is_out=True)):
            yield


def _condition(module: Any, function: str, sk: str = "") -> Callable[[Gate], AbstractContextManager[Any]]:
    """The condition under which one function of `records` writes; of several writes those with such a sort key."""

    @contextmanager
    def put_under(gate: Gate) -> Iterator[None]:
        def gated(name: str) -> Any:
            real = getattr(Table, name)

            def write(self: Table, *given: Any) -> Any:
                *what, condition = given if len(given) > _GIVEN[name] else (*given, None)
                key = what[0]["sk"] if name == "put" else what[1]
                is_meant = condition is not None and str(key).startswith(sk) and _is_called_by(module, function)
                is_anything = name != "delete" or _is_there(*what)
                held = real(self, *what, None if is_meant and gate.is_out else condition)
                gate.held_up += is_meant and is_anything and not held
                return held

            return write

        with ExitStack() as patches:
            for name in _GIVEN:
                patches.enter_context(patch.object(Table, name, gated(name)))
            yield

    return put_under


def _is_there(pk: str, sk: str) -> bool:
    """Whether there is a row that could be deleted; asked past the history, which counts calls."""
    return "Item" in tables._table().memory.get_item({"pk": pk, "sk": sk}, ConsistentRead=True)


# Of the writes of a table, how many arguments come before the condition.
_GIVEN = {"put": 1, "update": 3, "delete": 2}


def _is_called_by(module: Any, function: str = "") -> bool:
    """Whether the code that called what stands in this file is in a module, or in one function of it."""
    frame: FrameType | None = sys._getframe(1)
    while frame and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    name = module if isinstance(module, str) else module.__name__
    return (
        frame is not None
        and frame.f_globals["__name__"] == name
        and frame.f_code.co_name in (function or frame.f_code.co_name,)
    )


def _answer(
    module: Any, name: str, holds_up: Callable[..., bool], instead: Any, caller: str = ""
) -> Callable[[Gate], AbstractContextManager[Any]]:
    """What a function answers: it `holds_up` where that is true of its answer (or of what it raises) and its arguments.

    Where the guard is out, `instead` is answered, or what that answers. Only those of `caller`, a module, are meant.
    """

    @contextmanager
    def put_under(gate: Gate) -> Iterator[None]:
        real = getattr(module, name)

        def gated(*given: Any, **named: Any) -> Any:
            fault = None
            try:
                answer = real(*given, **named)
                answer = list(answer) if isinstance(answer, Iterator) else answer
            except PermissionError as error:
                answer = fault = error
            if holds_up(answer, *given) and (not caller or _is_called_by(caller)):
                gate.held_up += 1
                if gate.is_out:
                    return instead(*given) if callable(instead) else instead
            if fault:
                raise fault
            return answer

        with patch.object(module, name, gated):
            yield

    return put_under


def _no(answer: Any, *_: Any) -> bool:
    return not answer


def _yes(answer: Any, *_: Any) -> bool:
    return bool(answer)


def _is_refusal(answer: Any, *_: Any) -> bool:
    return isinstance(answer, PermissionError)


def _begin_again(ref: Any, cause: str) -> bool:
    pk, sk = runs._key(ref)
    begun = {"cause": cause, "state": runs.IN_PROGRESS, "started_at": runs.now(), "reasons": []}
    runs.OWN.put({"pk": pk, "sk": sk, **runs._names(ref), **begun})
    return True


@contextmanager
def _once(gate: Gate) -> Iterator[None]:
    """Work that one delivery of a cause does alone, in every function that has such."""
    from functions.approval import app as approval
    from functions.data_prepare import app as data_prepare
    from functions.eval_metric import app as eval_metric
    from functions.inference_test import app as inference_test
    from functions.notification import app as notification
    from functions.promotion import app as promotion
    from functions.training import app as training

    real = approval.once

    def once(work: Callable[[], None], **named: Any) -> None:
        if gate.is_out:
            work()
            return
        done = []

        def noted() -> None:
            done.append(True)
            work()

        real(noted, **named)
        gate.held_up += not done

    with ExitStack() as patches:
        for app in (approval, data_prepare, eval_metric, inference_test, notification, promotion, training):
            patches.enter_context(patch.object(app, "once", once))
        yield


class _AnyGeneration(int):
    """A generation that no message differs from."""

    def __ne__(self, _: object) -> bool:
        return False

    __hash__ = int.__hash__


@contextmanager
def _generation(gate: Gate) -> Iterator[None]:
    """A message about a dataset counts only where no batch has come since."""
    of, ask_again = activity.of, activity.ask_again

    def of_any(dataset: str, *more: Any) -> activity.Activity:
        found = of(dataset, *more)
        return activity.Activity(_AnyGeneration(found.generation), found.complete_at, found.settled)

    def counted(*given: Any) -> None:
        gate.held_up += 1
        ask_again(*given)

    with patch.object(activity, "of", of_any if gate.is_out else of), patch.object(activity, "ask_again", counted):
        yield


def _now() -> int:
    return int(stack.here().clock.time())


def _is_held(lease: leases.Lease, *_: Any) -> bool:
    return lease.started_at < _now()


def _take_another(ref: Any, version_arn: str, is_rollback: bool, decision: str = "", units: int = 1) -> leases.Taken:
    end = _now() + 60 * stack.here().lease_minutes
    lease = leases.Lease(leases.id_of(decision), version_arn, ref, _now(), end, is_rollback, decision, units)
    leases.write(lease)
    return leases.Taken(lease, is_ours=True)


def _take_from_test(ref: Any, version_arn: str, minutes: int, units: int = 1) -> leases.Lease:
    end = _now() + 60 * minutes
    lease = leases.Lease(leases.id_of(""), version_arn, ref.at(leases.INSPECTION), _now(), end, units=units)
    leases.write(lease)
    return lease


def _write_anyway(bucket: Bucket, key: str, content: Any, *_: Any) -> bool:
    if not isinstance(content, bytes):
        content.seek(0)
    bucket.write(key, content if isinstance(content, bytes) else content.read())
    return True


GUARDS = (
    Guard("images.write_record: an older event comes over a newer one (condition)", _condition(images, "write_record"), "g:11"),
    Guard("images.correct_record: what was looked at without an event comes over one (condition)", _condition(images, "correct_record")),
    Guard("runs.begin: a cause that was worked off begins again (cause)", _answer(runs, "begin", _no, _begin_again), "g:4"),
    Guard("runs.wait: a stage that has ended waits again (condition)", _condition(runs, "wait")),
    Guard("runs.resume: what a stage waits for has not come (condition)", _condition(runs, "resume")),
    Guard("runs._worked_off: a stage remembers its last cause only (cause)", _answer(runs, "_worked_off", _yes, ())),
    Guard("runs.is_over: a decision is tested twice (cause)", _answer(runs, "is_over", _yes, False), "g:152"),
    Guard("decisions.require: nobody need have decided", _answer(decisions, "require", _is_refusal, Decision("nobody")), "g:28"),
    Guard("approvals.decide: the last decision wins (condition)", _condition(approvals, "decide"), "g:0"),
    Guard("approvals.was_sent: nobody remembers that a mail was sent", _answer(approvals, "was_sent", _yes, False)),
    Guard("approvals.untold: nobody passes on what was decided", _answer(approvals, "untold", _yes, ())),
    Guard("releases.record: a test is released twice (condition on the history)", _condition(releases, "record", "HISTORY"), "g:4"),
    Guard("releases.record: an earlier test comes over a later one (condition on CURRENT)", _condition(releases, "record", "CURRENT"), "g:31"),
    Guard("promotion._is_current: a release that comes late keeps running", _answer(promotion, "_is_current", _no, True)),
    Guard("kept_models: two are kept at once, one is forgotten (condition on the revision)", _condition(kept_models, "_replace")),
    Guard("leases.is_held: the sweeper and others ask for no lease (lease check)", _answer(leases, "is_held", _yes, False), "g:0"),
    Guard("leases.take: a lease that is held is taken again (lease check)", _answer(leases, "take", _is_held, _take_another), "g:8"),
    Guard("leases._replace: two take a version at the same moment (condition)", _condition(leases, "_replace")),
    Guard("leases.id_of: each start for a decision has a lease of its own (cause)", _answer(leases, "id_of", lambda _, decision: bool(decision), lambda _: stack.here().new_id()), "g:152"),
    Guard("leases.give_back: whoever's lease it is (condition)", _condition(leases, "give_back"), "g:135"),
    Guard("leases.take_for_inspection: a lease of a test is taken (lease check)", _answer(leases, "take_for_inspection", _no, _take_from_test)),
    Guard("waiting_line.is_next: whoever comes takes the slot", _answer(waiting_line, "is_next", _no, True), "g:24"),
    Guard("watches.is_due: a look that was taken is taken again", _answer(watches, "is_due", _no, True), "g:4"),
    Guard("once: two deliveries run at the same moment", _once, "g:6"),
    Guard("ground_truth: a message of an earlier batch settles the dataset (generation)", _generation),
    Guard("inspections.record: an answer comes over another one (condition)", _condition(inspections, "record"), "g:1"),
    Guard("Bucket.write_newest: the result of an earlier version comes over a later one (order)", _answer(Bucket, "write_newest", _no, _write_anyway), "g:59"),
    Guard("servings.write: an earlier round comes over a later one (condition)", _condition(servings, "write")),
    Guard("servings.end: an earlier round ends a later one (condition)", _condition(servings, "end")),
    Guard("serve._objection: nobody asks what was spent", _answer(serve, "_objection", _yes, ""), "g:30"),
    Guard("reviews.take: two people get one picture (condition)", _condition(reviews, "take")),
    Guard("reviews.answer: the last answer wins (condition)", _condition(reviews, "answer")),
    Guard("reviews.begin: a picture is asked about anew (condition)", _condition(reviews, "begin")),
    Guard("reviews.settle: a picture changes sides (condition)", _condition(reviews, "settle")),
    Guard("reviews.note_filed: an answer that came meanwhile is taken for filed (condition)", _condition(reviews, "note_filed")),
    Guard("review_links.claim_mail: more than one mail a day (condition)", _condition(review_links, "claim_mail")),
    Guard("Bucket.write_over: the annotation manifest of another comes under this one (condition)", _answer(Bucket, "write_over", _no, _write_anyway, "mlops.stages.retraining")),
    Guard("lifecycle.is_running: a release is taken for running after the end of its lease", _answer(lifecycle, "is_running", _no, True, "mlops.stages.promotion")),
)  # fmt: skip


def guard_of(name: str) -> Guard:
    """The guard whose name begins so."""
    (found,) = (guard for guard in GUARDS if guard.name.startswith(name))
    return found


def held_up_in(seed: str) -> tuple[str, Broken, list[int]]:
    """A history with all guards in place: what is broken in it, and which guards, by number, held something up."""
    gates = [Gate() for _ in GUARDS]
    with ExitStack() as patches:
        for guard, gate in zip(GUARDS, gates, strict=True):
            patches.enter_context(guard.put_under(gate))
        broken = outcome(histories.plan_of(seed))[1]
    return seed, broken, [number for number, gate in enumerate(gates) if gate.held_up]


def missed_in(task: tuple[int, str]) -> Broken:
    """What is broken in a history without the guard of a number."""
    number, seed = task
    with GUARDS[number].taken_out():
        return outcome(histories.plan_of(seed))[1]


def first_that_misses(guard: Guard, most: int = 10) -> str:
    """The first history, from the one on that is noted, that misses a guard; empty where none of so many does."""
    prefix, first = guard.seed.rsplit(":", 1)
    tried = histories.seeds(prefix, most, int(first))
    return next((seed for seed in tried if missed_in((GUARDS.index(guard), seed))), "")


def main() -> int:
    arguments = _arguments()
    histories.vocabulary()
    began, workers = time.monotonic(), arguments.processes or os.cpu_count() or 1
    chosen = [number for number, guard in enumerate(GUARDS) if arguments.only in guard.name]
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        held_up: dict[int, list[str]] = {number: [] for number in chosen}
        seeds = histories.seeds(arguments.seed, arguments.histories)
        for seed, broken, numbers in pool.map(held_up_in, seeds, chunksize=5):
            if broken:
                print(f"{seed} is broken with all guards in place: {': '.join(broken[0])}", flush=True)
                continue
            for number in set(numbers) & set(chosen):
                held_up[number].append(seed)
        print(f"guard | held something up in, of {len(seeds)} | missed by | in history no. | seed", flush=True)
        found = sum(_tried(pool, number, held_up[number], arguments.tries, workers) for number in chosen)
    print(f"{found} of {len(chosen)} guards are missed; {time.monotonic() - began:.0f} s")
    return len(chosen) - found


def _tried(pool: ProcessPoolExecutor, number: int, seeds: Sequence[str], most: int, workers: int) -> bool:
    """Print the line of a guard: which history misses it first, of those in which it held something up."""
    name, tried = GUARDS[number].name, seeds[:most]
    for start in range(0, len(tried), workers):
        some = tried[start : start + workers]
        for seed, broken in zip(some, pool.map(missed_in, [(number, seed) for seed in some]), strict=True):
            if broken:
                place = int(seed.rsplit(":", 1)[1]) + 1
                print(f"{name} | {len(seeds)} | {': '.join(broken[0])[:160]} | {place} | {seed}", flush=True)
                return True
    print(f"{name} | {len(seeds)} | NOT MISSED in {len(tried)} of these | |", flush=True)
    return False


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutations", description=__doc__)
    parser.add_argument("--histories", type=int, default=240, help="so many are played with all guards in place")
    parser.add_argument("--tries", type=int, default=60, help="so many at most are played without each guard")
    parser.add_argument("--seed", default="g")
    parser.add_argument("--processes", type=int, default=0, help="as many as there are processors")
    parser.add_argument("--only", default="", help="guards with this in their name")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
