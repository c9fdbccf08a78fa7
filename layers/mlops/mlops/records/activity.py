"""What happens in a dataset: the row that every batch of uploads changes, and the message that asks about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops import stack
from mlops.aws import buckets, messages
from mlops.dataset.keys import dataset_of, dataset_prefix
from mlops.records.table import OWN, Table

_SK = "ACTIVITY"


@dataclass(frozen=True)
class Activity:
    """How many batches came, until when dataset.json says that all is there (to the second), and what had settled."""

    generation: int = 0
    complete_at: str = ""
    settled: str = ""


@dataclass(frozen=True)
class Contents:
    """The objects of a dataset: their etags by key, and when the newest was written."""

    etags: Mapping[str, str]
    newest: datetime

    @staticmethod
    def of(dataset: str) -> "Contents":
        """What the bucket has of a dataset now, by listing it."""
        found = [entry for entry in buckets.data_bucket().entries(dataset_prefix(dataset)) if dataset_of(entry["Key"])]
        etags = {entry["Key"]: entry["ETag"].strip('"') for entry in found}
        never = datetime.min.replace(tzinfo=UTC)
        return Contents(etags, max((entry["LastModified"] for entry in found), default=never))

    @property
    def mark(self) -> str:
        """What changes with nearly every upload and deletion."""
        return f"{len(self.etags)} objects, newest {self.newest.isoformat(timespec='seconds')}"


def partition(dataset: str) -> str:
    """Where it is noted what happens in a dataset; the index has its runs under the same name."""
    return f"DATASET#{dataset}"


def of(dataset: str, table: Table = OWN) -> Activity:
    """What is noted of a dataset; nothing before its first batch."""
    row = table.get(partition(dataset), _SK) or {}
    return Activity(int(row.get("generation", 0)), str(row.get("complete_at", "")), str(row.get("settled", "")))


def note_complete(dataset: str, at: str) -> None:
    """Remember when dataset.json came."""
    OWN.update(partition(dataset), _SK, {"complete_at": at})


def note_settled(dataset: str, contents: Contents) -> None:
    """Remember what a dataset was when everything in it had been looked at."""
    OWN.update(partition(dataset), _SK, {"settled": contents.mark})


def ask_whether_settled(dataset: str, delay: int) -> None:
    """Let `ground_truth` look whether a dataset has settled, unless something comes within `delay` seconds."""
    generation = OWN.increment(partition(dataset), _SK, "generation")
    body = {"dataset": dataset, "generation": generation, "attempt": 0}
    messages.send_message(stack.here().settle_queue, body, delay)
