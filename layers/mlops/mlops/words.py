"""What people read and write is never cut, rounded or joined so that it says something else."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from mlops.rounding import PLACES, reaches

MAX_APPROVER, MAX_COMMENT = 100, 1000
# Far below what an event, an item of the table, a line of a log and an e-mail may hold: 256, 400, 256 and 256 kB.
MOST_REASONS, MOST_BYTES, MOST_REASON_BYTES = 50, 32_000, 4_000
MOST_MAIL_BYTES = 200_000
# SNS takes fewer than a hundred characters.
MOST_SUBJECT = 99
_LEAST_PLACES = 3
_NAMED = 5
# What could be taken for the end of a name in a list or in a sentence.
_ENDS_NAMES = frozenset(',;="\n')


class _Interval(Protocol):
    """Where a true number lies."""

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...


def number(value: float | None, *others: float | None, places: int = _LEAST_PLACES) -> str:
    """With so many decimals, and more as far as it takes not to read like 0, 1 or one of the others."""
    if value is None:
        return "-"
    return _unlike(value, [0.0, 1.0, *(other for other in others if other is not None)], places)


def signed(value: float) -> str:
    """A difference, with its sign."""
    return f"{'+' if reaches(value, 0) else '-'}{number(abs(value))}"


def beside(value: float, limit: float) -> tuple[str, str]:
    """A number and its limit: the limit as it was set, both with as many decimals as show which one is larger."""
    order = _order(value, limit)
    texts = _told([value, limit], lambda own, bound: bound == round(limit, PLACES) and _order(own, bound) == order)
    return texts[0], texts[1]


def loss(candidate: float, production: float, tolerated: float) -> list[str]:
    """The three numbers with as many decimals as show that the loss is more than what is tolerated."""

    def is_shown(ours: float, theirs: float, most: float) -> bool:
        return most == round(tolerated, PLACES) and not reaches(ours - theirs, -most)

    return _told([candidate, production, tolerated], is_shown)


def percent(value: float) -> str:
    """0 to 100; 100 % is all and 0 % is nothing."""
    return f"{_unlike(value, [0.0, 100.0], 0)} %"


def rough(share: float) -> str:
    """The end of an interval, 0 to 1, in percent: 0.4 %, 11 %; near to nothing and near to all with a decimal."""
    value = 100 * share
    if value in (0, 100):
        return f"{value:.0f} %"
    # From 9.95 on a decimal would say 10.0, which is no more than 10 says.
    return f"{value:.1f} %" if value < 9.95 or value > 99 else f"{value:.0f} %"


def of_many(count: int, total: int, interval: _Interval) -> str:
    """`1 of 48 (0.4 % to 11 %)`: how many there were, and which share of all there may be."""
    return f"{count} of {total} ({rough(interval.low)} to {rough(interval.high)})" if total else "none tested"


def between(interval: _Interval | None) -> str:
    """`0.62 to 0.93`: where a number lies; empty when that is not known."""
    return f"{interval.low:.2f} to {interval.high:.2f}" if interval else ""


def dollars(value: float) -> str:
    """US dollars; what is not nothing does not read like it."""
    return number(value, places=2) if value < 1 else f"{value:.2f}"


def _order(one: float, other: float) -> tuple[bool, bool]:
    return reaches(one, other), reaches(other, one)


def _unlike(value: float, others: Sequence[float], places: int) -> str:
    different = [other for other in others if round(value - other, PLACES) != 0]
    return _told([value, *different], lambda own, *rest: own not in rest, places)[0]


def _told(values: Sequence[float], holds: Callable[..., bool], least: int = _LEAST_PLACES) -> list[str]:
    """The values with the fewest decimals that show of them what holds; with all that count when none do."""
    for places in range(least, PLACES + 1):
        if holds(*(round(value, places) for value in values)):
            break
    # + 0.0: what was rounded to nothing from below would read -0.000.
    return [f"{round(value, PLACES) + 0.0:.{places}f}" for value in values]


def quoted(name: str) -> str:
    """A name, in quotes where it would not be clear what belongs to it."""
    is_clear = name and name == name.strip() and not _ENDS_NAMES & set(name)
    return name if is_clear else json.dumps(name, ensure_ascii=False)


def listed(names: Iterable[str], most: int | None = None) -> str:
    """Names in one line; how many more there are than `most`."""
    every = list(names)
    shown = every[:most]
    more = f" and {len(every) - len(shown)} more" if len(every) > len(shown) else ""
    return ", ".join(map(quoted, shown)) + more


def some(names: Iterable[str]) -> str:
    """The first names in order, and how many more there are."""
    return listed(sorted(names), _NAMED)


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 mask`, `2 masks`; a plural that is not made by an s is given."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def shortened(text: str, most: int, where: str = "") -> str:
    """At most about so many bytes as JSON of a text, and how many characters are missing; `where` has all of them."""
    if _size(text) <= most:
        return text
    end = next(end for end in range(min(most, len(text)), -1, -1) if _size(text[:end]) <= most)
    return f"{text[:end]}… ({len(text) - end} more characters{f': {where}' if where else ''})"


def within(reasons: Sequence[str], where: str = "") -> list[str]:
    """The first reasons, as many as fit wherever reasons go, and how many more there are; `where` has all of them."""
    kept: list[str] = []
    left = MOST_BYTES
    for reason in reasons[:MOST_REASONS]:
        text = shortened(reason, MOST_REASON_BYTES, where)
        left -= _size(text)
        if left < 0:
            break
        kept.append(text)
    more = len(reasons) - len(kept)
    return [*kept, f"and {more} more{f': {where}' if where else ''}"] if more else kept


def _size(text: str) -> int:
    # As JSON, which is how it travels: a letter beyond ASCII takes six bytes there, and an emoji twelve.
    return len(json.dumps(text))


def fitting_mail(text: str, where: str) -> str:
    """As many lines as fit into an e-mail, and how many more there are; `where` has all of them."""
    lines, left = text.split("\n"), MOST_MAIL_BYTES
    for index, line in enumerate(lines):
        left -= len(line.encode()) + 1
        if left < 0:
            return "\n".join(
                [*lines[:index], "", f"{len(lines) - index} more lines did not fit into this mail: {where}"]
            )
    return text


def subject(*texts: str) -> str:
    """The first of these that fits the subject of an e-mail, or the last one without its middle."""
    fits = next((text for text in texts if len(text) <= MOST_SUBJECT), None)
    if fits is not None:
        return fits
    # The beginning says what it is about, and the end of a run tells it from others of its dataset.
    half = (MOST_SUBJECT - 3) // 2
    return f"{texts[-1][:half]}...{texts[-1][-half:]}"


def overlong(approver: str, comment: str) -> str:
    """What is to be shortened before it is kept as a decision, as a sentence; empty when nothing is."""
    for what, text, most in (("name", approver, MAX_APPROVER), ("comment", comment, MAX_COMMENT)):
        if len(text) > most:
            return f"The {what} has {len(text)} characters; at most {most} are kept. Shorten it."
    return ""
