"""What happens in a dataset: the row that every batch of uploads changes, and the message that asks about it."""

from dataclasses import dataclass

from mlops import stack
from mlops.aws import messages
from mlops.records.contents import Contents
from mlops.records.table import OWN, Table

_SK = "ACTIVITY"


@dataclass(frozen=True)
class Activity:
    """How many batches came, until when dataset.json says that all is there (to the second), and what had settled.

    `progress` says in words how far a long look at all of it has come.
    """

    generation: int = 0
    complete_at: str = ""
    settled: str = ""
    progress: str = ""


def partition(dataset: str) -> str:
    """Where it is noted what happens in a dataset; the index has its runs under the same name."""
    return f"DATASET#{dataset}"


def of(dataset: str, table: Table = OWN) -> Activity:
    """What is noted of a dataset; nothing before its first batch."""
    row = table.get(partition(dataset), _SK) or {}
    texts = (str(row.get(name, "")) for name in ("complete_at", "settled", "progress"))
    return Activity(int(row.get("generation", 0)), *texts)


def note_complete(dataset: str, at: str) -> None:
    """Remember when dataset.json came."""
    OWN.update(partition(dataset), _SK, {"complete_at": at})


def note_settled(dataset: str, contents: Contents) -> None:
    """Remember what a dataset was when everything in it had been looked at."""
    OWN.update(partition(dataset), _SK, {"settled": contents.mark})


def note_progress(dataset: str, progress: str) -> None:
    """Remember in words how far a long look has come; empty when it is over."""
    OWN.update(partition(dataset), _SK, {"progress": progress or None})


def ask_whether_settled(dataset: str, delay: int) -> None:
    """Let `ground_truth` look whether a dataset has settled, unless something comes within `delay` seconds."""
    generation = OWN.increment(partition(dataset), _SK, "generation")
    body = {"dataset": dataset, "generation": generation, "attempt": 0}
    messages.send_message(stack.here().settle_queue, body, delay)
