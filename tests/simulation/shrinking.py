"""A failing history is made smaller as long as it still breaks the same rule."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tests.simulation.plans import Account, Answer, Plan
from tests.simulation.rules import outcome

_MOST_TRIES = 150


def shrunk(plan: Plan, rule: str, most: int = _MOST_TRIES) -> Plan:
    """The smallest history found that breaks `rule` as well."""
    tries = 0

    def breaks(smaller: Plan) -> bool:
        nonlocal tries
        tries += 1
        return tries <= most and rule in {broken for broken, _ in outcome(smaller)[1]}

    for part in ("others", "faults", "actions"):
        plan = replace(
            plan, **{part: _fewer(getattr(plan, part), lambda kept, p=part, q=plan: breaks(replace(q, **{p: kept})))}
        )
    for number, answer in enumerate(plan.answers):
        if not answer.is_plain:
            plain = (*plan.answers[:number], Answer(), *plan.answers[number + 1 :])
            plan = smaller if breaks(smaller := replace(plan, answers=plain)) else plan
    if breaks(smaller := replace(plan, account=Account())):
        plan = smaller
    return plan


def _fewer(parts: Sequence[Any], holds: Callable[[tuple[Any, ...]], bool]) -> tuple[Any, ...]:
    """As few of the parts as it takes: first halves are left out, then quarters, then single ones."""
    kept, size = tuple(parts), max(1, len(parts) // 2)
    while True:
        place = 0
        while place < len(kept):
            tried = kept[:place] + kept[place + size :]
            if holds(tried):
                kept = tried
            else:
                place += size
        if size == 1:
            return kept
        size //= 2


def story(plan: Plan) -> str:
    """A history in plain sentences: what was done, what went wrong, what came of it."""
    play, broken = outcome(plan)
    lines = [f"seed {plan.seed}", "", "What was to happen:", *(f"  {sentence}" for sentence in plan.sentences)]
    lines += ["", "What happened:", *(f"  {sentence}" for sentence in play.story)]
    return "\n".join([*lines, "", "What is wrong:", *(f"  {rule}: {message}" for rule, message in broken)])
