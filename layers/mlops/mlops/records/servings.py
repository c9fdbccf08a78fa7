"""Which released versions answer about new pictures now, what people wish about that, and when they answered last.

A dataset has one row while somebody looks after it: a message goes round, and every round has a number.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from boto3.dynamodb.conditions import Attr

from mlops import codec, stack
from mlops.records.table import OWN, Item, Place, Table

LOOKING, STARTING, READY, STOPPING = "LOOKING", "STARTING", "READY", "STOPPING"
_PK, _WISHES, _ANSWERS = "SERVING", "SERVING#WISHES", "SERVING#ANSWERS"
_CLOSED = ("SERVING#CLOSED", "STACK")
# A round comes every poll interval at least; who has not come back for so many has died.
_PATIENCE, _LEAST_PATIENCE = 5, 120
# The index that the files of days are written from has an answer after some time.
_INDEX_SECONDS = 300
# How far a newly measured rate moves the known one.
_MOVES = 0.3
# What is assumed before anything was measured: calls that one inference unit answers a second, of which a picture in
# tiles needs one for each, and seconds of a start.
CALLS_A_SECOND, START_SECONDS = 2.0, 900


@dataclass(frozen=True)
class Serving:
    """How far a dataset has come; times in seconds.

    `versions` were started for it or are about to be, `ready` are those that may be asked: all or none. `hop` is the
    number of the next round, `sent` the place in the line up to which pictures were sent to be inspected, `sent_at`
    when, `tries` how often without an answer. `took` is how long its models took to start. `counted` is how many
    pictures had ever been answered at `counted_at`, from when on the rate is measured; 0 while it is not. `problem` is
    why nothing is started although pictures wait; people were told of it.
    """

    dataset: str
    state: str = LOOKING
    hop: int = 0
    versions: tuple[str, ...] = ()
    ready: tuple[str, ...] = ()
    units: int = 1
    since: int = 0
    looked_at: int = 0
    sent: str = ""
    sent_at: int = 0
    tries: int = 0
    took: int = 0
    counted: int = 0
    counted_at: int = 0
    problem: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether its message still goes round."""
        return self.looked_at > stack.here().clock.time() - max(_PATIENCE * stack.here().poll_seconds, _LEAST_PATIENCE)


@dataclass(frozen=True)
class Round:
    """A message: look after a dataset once more, for the round of this number."""

    dataset: str
    hop: int


@dataclass(frozen=True)
class Wish:
    """What is asked for: models that run until a time (seconds), by a person or by the clock; or that stay stopped."""

    until: int = 0
    paused: bool = False
    hours_until: int = 0


def of(dataset: str, table: Table = OWN) -> Serving | None:
    return read(table.get(*place_of(dataset)))


def place_of(dataset: str) -> Place:
    """Where it stands how far a dataset has come, for who reads it with other rows."""
    return _PK, dataset


def read(row: Item | None) -> Serving | None:
    """How far a dataset has come, None where there is no row."""
    return codec.read(Serving, row) if row else None


def every(table: Table = OWN) -> Iterator[Serving]:
    """All that are looked after now, and those that should be."""
    return (codec.read(Serving, row) for row in table.query(_PK))


def write(serving: Serving) -> None:
    """Remember how far it has come, unless a later round has."""
    noted = replace(serving, looked_at=int(stack.here().clock.time()))
    # The same round may write again, for it may have died; an earlier one that comes late may not.
    OWN.put(
        {"pk": _PK, "sk": serving.dataset, **codec.item_of(noted)},
        Attr("hop").not_exists() | Attr("hop").lte(serving.hop),
    )


def end(serving: Serving) -> None:
    """Nobody looks after it any more, unless a later round does."""
    # Somebody may have begun anew since this round looked.
    OWN.delete(_PK, serving.dataset, Attr("hop").lte(serving.hop))


def wish(dataset: str, wanted: Wish, table: Table = OWN) -> None:
    """Note what a person asked for; what the clock did stays."""
    table.update(_WISHES, dataset, {"until": wanted.until, "paused": wanted.paused})


def wish_by_the_clock(dataset: str, until: int) -> None:
    """Note until when the hours of serving last, 0 where it is none of them; what a person asked for stays."""
    OWN.update(_WISHES, dataset, {"hours_until": until})


def wish_for(dataset: str, table: Table = OWN) -> Wish:
    row = table.get(_WISHES, dataset) or {}
    return Wish(int(row.get("until", 0)), bool(row.get("paused")), int(row.get("hours_until", 0)))


def note_answer(dataset: str) -> None:
    """Remember that a picture of a dataset was answered just now."""
    OWN.increment(_ANSWERS, dataset, "answers", {"answered_at": int(stack.here().clock.time())})


def note_written(dataset: str, at: int) -> None:
    """Remember up to when answers are in the files of their days."""
    OWN.update(_ANSWERS, dataset, {"written_at": at})


def untold_days(day: str) -> list[str]:
    """The datasets with answers of which nobody was told that this day is over (YYYY-MM-DD)."""
    return [str(row["sk"]) for row in OWN.query(_ANSWERS) if str(row.get("told_day", "")) < day]


def note_told(dataset: str, day: str) -> None:
    """Remember that everybody knows that this day is over."""
    OWN.update(_ANSWERS, dataset, {"told_day": day})


def answers(dataset: str) -> int:
    """How many pictures of a dataset were ever answered."""
    row = OWN.get(_ANSWERS, dataset)
    return int(row.get("answers", 0)) if row else 0


def note_rate(dataset: str, rate: float) -> None:
    """Remember how many answers a second one inference unit gave, as a value that moves with what is measured."""
    known = rate_of(dataset)
    moved = known + _MOVES * (rate - known) if known else rate
    OWN.update(_ANSWERS, dataset, {"rate": Decimal(str(round(moved, 4)))})


def rate_of(dataset: str, table: Table = OWN) -> float:
    """Answers a second of one inference unit, as measured; 0 before anything was."""
    row = table.get(_ANSWERS, dataset)
    return float(row.get("rate", 0)) if row else 0.0


def answered_at(dataset: str) -> int:
    """When a picture of a dataset was answered last, in seconds; 0 before the first."""
    row = OWN.get(_ANSWERS, dataset)
    return int(row.get("answered_at", 0)) if row else 0


def unwritten() -> list[str]:
    """The datasets with answers that may not be in the files of their days yet."""
    return [
        str(row["sk"])
        for row in OWN.query(_ANSWERS)
        if int(row.get("answered_at", 0)) + _INDEX_SECONDS >= int(row.get("written_at", 0))
    ]


def close() -> None:
    """Nothing is to be started any more: the stack is being deleted."""
    # Nobody takes it away: the table goes with the stack.
    OWN.put({"pk": _CLOSED[0], "sk": _CLOSED[1]})


def is_closed() -> bool:
    return OWN.get(*_CLOSED) is not None
