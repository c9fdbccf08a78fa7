"""New pictures that wait for a model, in the order in which they came: one row a picture, until it is answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from mlops.records.images import SEQUENCER_DIGITS
from mlops.records.table import OWN, Table


@dataclass(frozen=True)
class Arrival:
    """A picture below `inspect/<dataset>/`, when it came (ISO 8601, UTC), and which version of the object came.

    `sequencer` is what S3 says of the order of what came under one key.
    """

    dataset: str
    key: str
    since: str
    version_id: str = ""
    sequencer: str = ""

    @property
    def place(self) -> str:
        """Its place in the line; the same whatever is delivered how often."""
        # Earlier releases of this stack noted no sequencer.
        sequencer = f"{self.sequencer}#" if self.sequencer else ""
        return f"{self.since}#{self.key}#{sequencer}{self.version_id}"

    @property
    def order(self) -> str:
        """Where it stands among what came under its key: a later text came later."""
        # S3: sequencers are compared as text after the shorter one was filled up on the right.
        sequencer = self.sequencer.upper().ljust(SEQUENCER_DIGITS, "0")
        return f"{self.since}#{sequencer}#{self.version_id}"


def line_up(arrival: Arrival) -> None:
    """Let a picture wait; a place that it has already is kept."""
    # The place is the key, so that a second delivery does not go to the end of the line.
    facts = {name: getattr(arrival, name) for name in ("key", "since", "version_id", "sequencer")}
    OWN.put({"pk": _pk(arrival.dataset), "sk": arrival.place, **facts})


def leave(arrival: Arrival) -> None:
    """A picture waits no longer."""
    OWN.delete(_pk(arrival.dataset), arrival.place)


def waiting(dataset: str, most: int, after: str = "", table: Table = OWN) -> list[Arrival]:
    """The pictures that have waited longest, or the first behind a place, at most so many."""
    return list(islice(_all(dataset, after, table), most))


def _all(dataset: str, after: str, table: Table) -> Iterator[Arrival]:
    for row in table.query(_pk(dataset), after=after):
        names = ("key", "since", "version_id", "sequencer")
        yield Arrival(dataset, *(str(row.get(name, "")) for name in names))


def _pk(dataset: str) -> str:
    return f"ARRIVALS#{dataset}"
