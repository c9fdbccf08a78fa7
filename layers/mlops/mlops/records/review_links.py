"""Links to the page of reviews: of each token only the hash is kept, and of each dataset when its last mail went."""

import hashlib
from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr

from mlops import stack
from mlops.records.table import OWN, Table

_SK = "REVIEWLINK"
_MAIL = "MAIL"


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
    if row is None or int(row["expires_at"]) <= stack.here().clock.time():
        return None
    return Link(str(row["dataset"]), int(row["expires_at"]))


def claim_mail(dataset: str, day: str) -> bool:
    """Whether the mail of a day (UTC, YYYY-MM-DD) may be sent: once, to whoever asks first."""
    return OWN.update(
        f"REVIEWS#{dataset}", _MAIL, {"mailed_on": day}, Attr("mailed_on").not_exists() | Attr("mailed_on").lt(day)
    )


def _pk(token: str) -> str:
    return f"{_SK}#{hashlib.sha256(token.encode()).hexdigest()}"
