"""Many histories, each from a seed of its own."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

from tests.simulation import plans
from tests.simulation.plans import Plan
from tests.simulation.play import Play
from tests.simulation.rules import Broken, outcome


@cache
def vocabulary() -> dict[tuple[str, str], int]:
    """How often each function makes each call when nothing goes wrong."""
    play = Play(plans.calm())
    play.run()
    return {call: count for call, count in play.counts.items() if call[1]}


def plan_of(seed: str) -> Plan:
    return plans.drawn(seed, vocabulary())


def broken_in(seed: str) -> tuple[str, Broken]:
    return seed, outcome(plan_of(seed))[1]


def seeds(seed: str, count: int, first: int = 0) -> list[str]:
    return [f"{seed}:{number}" for number in range(first, first + count)]


def failures(seed: str, count: int, processes: int = 0, first: int = 0) -> Iterator[tuple[str, Broken]]:
    """The seeds of all histories in which a rule is broken, and which."""
    workers = processes or os.cpu_count() or 1
    if workers == 1:
        yield from filter(_is_broken, map(broken_in, seeds(seed, count, first)))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        yield from filter(_is_broken, pool.map(broken_in, seeds(seed, count, first), chunksize=10))


def _is_broken(found: tuple[str, Broken]) -> bool:
    return bool(found[1])
