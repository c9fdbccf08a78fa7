"""How far the watch of a version has come: every look has a number, and each is taken once."""

from dataclasses import dataclass

from mlops import stack
from mlops.records.table import OWN

_SK = "WATCH"
_KEPT_SECONDS = 7 * 86400


@dataclass(frozen=True)
class Watch:
    """The watch of a version for a cause, and the number of the next look."""

    version_arn: str
    cause: str
    hop: int


def is_due(watch: Watch) -> bool:
    """Whether nobody has taken this look yet; a second delivery of a past one ends here."""
    # Not a condition of a write: a look that died half-way has taken nothing, and is to be repeated.
    row = OWN.get(_pk(watch), _SK)
    return row is None or int(row["hop"]) <= watch.hop


def take(watch: Watch) -> None:
    """Note that this look is over."""
    # Longer than a queue keeps a message: no delivery is older than what it is compared with.
    expires_at = int(stack.here().clock.time()) + _KEPT_SECONDS
    OWN.put({"pk": _pk(watch), "sk": _SK, "hop": watch.hop + 1, "expires_at": expires_at})


def _pk(watch: Watch) -> str:
    return f"WATCH#{watch.version_arn}#{watch.cause}"
