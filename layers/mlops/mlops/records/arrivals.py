"""New pictures that wait for a model, in the order in which they came: one row a picture, until it is answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from mlops.records.table import OWN, Table


@dataclass(frozen=True)
class Arrival:
    """A picture below `inspect/<dataset>/`, when it came (ISO 8601, UTC), and which version of the object came."""

    dataset: str
    key: str
    since: str
    version_id: str = ""

    @property
    def place(self) -> str:
        """Its place in the line; the same whatever is delivered how often."""
        return f"{self.since}#{self.key}#{self.version_id}"


def line_up(arrival: Arrival) -> None:
    """Let a picture wait; a place that it has already is kept."""
    facts = {"key": arrival.key, "since": arrival.since, "version_id": arrival.version_id}
    OWN.put({"pk": _pk(arrival.dataset), "sk": arrival.place, **facts})


def leave(arrival: Arrival) -> None:
    """A picture waits no longer."""
    OWN.delete(_pk(arrival.dataset), arrival.place)


def waiting(dataset: str, most: int, after: str = "", table: Table = OWN) -> list[Arrival]:
    """The pictures that have waited longest, or the first behind a place, at most so many."""
    return list(islice(_all(dataset, after, table), most))


def _all(dataset: str, after: str, table: Table) -> Iterator[Arrival]:
    for row in table.query(_pk(dataset), after=after):
        yield Arrival(dataset, str(row["key"]), str(row["since"]), str(row["version_id"]))


def _pk(dataset: str) -> str:
    return f"ARRIVALS#{dataset}"
