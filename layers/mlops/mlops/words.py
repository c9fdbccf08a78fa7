"""Numbers and lists as a sentence has them."""

from collections.abc import Iterable

_NAMED = 5


def counted(number: int, noun: str) -> str:
    """`1 mask`, `2 masks`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def some(names: Iterable[str]) -> str:
    """The first names in order, and how many more there are."""
    listed = sorted(names)
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more
