"""Rights by subtraction: a story is played anew without one right, and must not end as it did."""

from functools import cache

from tests.rights.granted import Grant, grants
from tests.rights.reasons import why
from tests.rights.stories import STORIES, Ending, Pair, Story, Watch, everything_used, played


@cache
def used() -> Watch:
    """What all stories use."""
    return everything_used()


@cache
def _usual(story: Story) -> Ending:
    return played(story, Watch())


def unexplained() -> list[Grant]:
    """What is granted, not used in any story, and for no reason that is written down."""
    taken = {grant.pair for grant in used().used}
    return [grant for grant in grants() if not (grant.pair in taken and not _is_of_lambda(grant)) and not why(grant)]


def _is_of_lambda(grant: Grant) -> bool:
    return grant.pattern.endswith("FailedInvocations")


def turns_red(pair: Pair) -> tuple[str, str]:
    """(the story that needs an action of a role, what is wrong in it without); empty when none needs it."""
    first = next((told for grant, told in used().used.items() if grant.pair == pair), "")
    for story in STORIES:
        if first.startswith(f"{story.name}: "):
            without = Watch(frozenset({pair}))
            ending = played(story, without)
            return story.name, ending.beside(_usual(story)) if without.was_refused else ""
    return "", ""
