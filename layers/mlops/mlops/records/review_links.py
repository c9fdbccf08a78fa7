"""Links to the page of reviews: of each token only the hash is kept, and of each dataset when its last mail went."""

import hashlib
from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr

from mlops import stack
from mlops.records.table import OWN, Table

_SK = "REVIEWLINK"
_MAIL = "MAIL"
# As long as a function runs at most.
_SENDING_SECONDS = 900


@dataclass(frozen=True)
class Link:
    """To whose reviews a link leads, and until when (seconds since 1970)."""

    dataset: str
    expires_at: int


def begin(dataset: str, token: str, days: int, table: Table = OWN) -> Link:
    """Keep a link to the reviews of a dataset that is good for so many days."""
    link = Link(dataset, int(stack.here().clock.time()) + 86400 * days)
    table.put({"pk": _pk(token), "sk": _SK, "dataset": dataset, "expires_at": link.expires_at})
    return link


def find(token: str) -> Link | None:
    """The link of a token; None for unknown and for expired ones alike."""
    row = OWN.get(_pk(token), _SK) if token else None
    # DynamoDB removes what has expired some time later.
    if row is None or int(row["expires_at"]) <= stack.here().clock.time():
        return None
    return Link(str(row["dataset"]), int(row["expires_at"]))


def claim_mail(dataset: str, day: str) -> bool:
    """Whether the mail of a day (UTC, YYYY-MM-DD) may be sent by whoever asks; for some minutes nobody else may."""
    now = int(stack.here().clock.time())
    # Claimed for as long as a function runs: whoever dies while sending is followed by another, later.
    not_sent = Attr("mailed_on").not_exists() | Attr("mailed_on").lt(day)
    is_free = Attr("claimed_until").not_exists() | Attr("claimed_until").lte(now)
    return OWN.update(f"REVIEWS#{dataset}", _MAIL, {"claimed_until": now + _SENDING_SECONDS}, not_sent & is_free)


def note_mailed(dataset: str, day: str) -> None:
    """Remember that the mail of a day has gone."""
    OWN.update(f"REVIEWS#{dataset}", _MAIL, {"mailed_on": day, "claimed_until": 0})


def _pk(token: str) -> str:
    return f"{_SK}#{hashlib.sha256(token.encode()).hexdigest()}"
