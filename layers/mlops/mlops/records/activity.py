"""What happens in a dataset: the row that every batch of uploads changes, and the message that asks about it."""

import math
from dataclasses import dataclass, field

from mlops import codec, stack
from mlops.aws import messages
from mlops.codec import SOMETIMES
from mlops.records.contents import Contents
from mlops.records.table import OWN, Table

_SK = "ACTIVITY"


# So far the clocks of two functions may differ, in seconds.
_CLOCKS_DIFFER = 5
# As long as SQS keeps a message back.
_MOST_DELAY = 900


@dataclass(frozen=True)
class Activity:
    """How many batches came, until when dataset.json says that all is there (to the second), and what had settled.

    `settled_generation` is how many batches had come by then. `settle_at` is until when nothing must come, in
    milliseconds since 1970; the message that batch `asked` has sent comes not before `asked_for`, in seconds.
    `progress` says in words how far a long look at all of it has come.
    """

    generation: int = 0
    complete_at: str = ""
    settled: str = ""
    progress: str = ""
    settled_generation: int = 0
    settle_at: int = 0
    asked: int = 0
    asked_for: int = 0


@dataclass(frozen=True)
class Mending:
    """What is to be looked at again, `of` so many files, and how far that has come: the last key, and how many.

    Objects that `differ` from what is recorded, those that S3 did not hand out (`unread`), or those that another
    `window` than this one brought to eight bits.
    """

    of: int
    differing: bool = field(default=False, metadata=SOMETIMES)
    unread: bool = field(default=False, metadata=SOMETIMES)
    window: tuple[int, int] | None = field(default=None, metadata=SOMETIMES)
    after: str = field(default="", metadata=SOMETIMES)
    done: int = field(default=0, metadata=SOMETIMES)


@dataclass(frozen=True)
class Question:
    """A message: has a dataset settled, of which so many batches had come when it was sent?

    `attempt` counts how often it was asked in vain; `differing` objects, and pictures prepared `otherwise` or `untiled`
    were left the last time. With `mending` it asks to go on with that first.
    """

    dataset: str
    generation: int
    attempt: int = 0
    differing: int | None = field(default=None, metadata=SOMETIMES)
    otherwise: int | None = field(default=None, metadata=SOMETIMES)
    untiled: int | None = field(default=None, metadata=SOMETIMES)
    mending: Mending | None = field(default=None, metadata=SOMETIMES)


def partition(dataset: str) -> str:
    """Where it is noted what happens in a dataset; the index has its runs under the same name."""
    return f"DATASET#{dataset}"


def of(dataset: str, table: Table = OWN) -> Activity:
    """What is noted of a dataset; nothing before its first batch."""
    return codec.read(Activity, table.get(partition(dataset), _SK) or {})


def note_complete(dataset: str, at: str) -> None:
    """Remember when dataset.json came."""
    OWN.update(partition(dataset), _SK, {"complete_at": at})


def note_settled(dataset: str, contents: Contents, generation: int = 0) -> None:
    """Remember what a dataset was when everything in it had been looked at, and after how many batches."""
    OWN.update(partition(dataset), _SK, {"settled": contents.mark, "settled_generation": generation})


def note_progress(dataset: str, progress: str) -> None:
    """Remember in words how far a long look has come; empty when it is over."""
    OWN.update(partition(dataset), _SK, {"progress": progress or None})


def ask_whether_settled(dataset: str, delay: int, known: Activity | None = None) -> None:
    """Let `ground_truth` look whether a dataset has settled, unless something comes within `delay` seconds.

    No message is sent where one is under way that comes in that time, as `known` tells: whoever reads it sees that
    something has come, and asks again. So ten thousand batches send a message every quiet period, not one each.
    """
    before, clock = known or of(dataset), stack.here().clock
    settle_at = int(1000 * (clock.time() + delay))
    generation = OWN.increment(partition(dataset), _SK, "generation", {"settle_at": settle_at})
    # Read after the batch was counted: a message that comes later than this cannot overlook it.
    now = clock.time()
    if not now + _CLOCKS_DIFFER < before.asked_for <= now + delay:
        _ask(dataset, generation, delay)


def ask_again(asked: Question, known: Activity) -> None:
    """What follows from a message that found more batches than it knew: it waits on, unless another does that."""
    now = stack.here().clock.time()
    # What is due may be a moment behind this one. Whoever reads it asks again, should it have found more, too.
    is_waited_for = known.asked != asked.generation and known.asked_for + _CLOCKS_DIFFER > now
    if not is_waited_for and known.generation != known.settled_generation:
        _ask(asked.dataset, known.generation, max(0, math.ceil(known.settle_at / 1000 - now)))


def _ask(dataset: str, generation: int, delay: int) -> None:
    earliest = int(stack.here().clock.time()) + min(delay, _MOST_DELAY)
    messages.send_message(stack.here().settle_queue, Question(dataset, generation), delay)
    # After it was sent: what is noted must be under way, or everybody waits for nothing.
    OWN.update(partition(dataset), _SK, {"asked": generation, "asked_for": earliest})
