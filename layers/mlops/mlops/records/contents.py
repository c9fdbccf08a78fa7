"""What the bucket has of a dataset beside what is recorded of it, both in the order of their keys: nothing is held."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops.aws import buckets
from mlops.dataset.keys import dataset_of, dataset_prefix
from mlops.dataset.object_record import Record
from mlops.records.images import records_of

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """An object and its record, of which one may be missing. `etag` is that of the object, None where there is none."""

    key: str
    etag: str | None
    record: Record | None

    @property
    def is_recorded(self) -> bool:
        """Whether the record is about the object that lies there."""
        return self.etag == (self.record.etag if self.record else None)


@dataclass
class Contents:
    """How many objects a dataset has, and when the newest was written."""

    count: int = 0
    newest: datetime = _NEVER

    @staticmethod
    def of(dataset: str) -> "Contents":
        """What the bucket has of a dataset now, by listing it."""
        contents = Contents()
        for _ in _objects(dataset, "", contents):
            pass
        return contents

    @property
    def mark(self) -> str:
        """What changes with nearly every upload and deletion."""
        return f"{self.count} objects, newest {self.newest.isoformat(timespec='seconds')}"


def entries_of(
    dataset: str, facts: Sequence[str], *, after: str = "", contents: Contents | None = None
) -> Iterator[Entry]:
    """Every object of a dataset, and every record of one, behind a key; records with these facts and their etag.

    S3 lists by the bytes of keys, and so does the table: neither has to be held. `contents` is told of every object.
    """
    objects = _objects(dataset, after, contents if contents is not None else Contents())
    # What is no content is not recorded any more; it may have been by an earlier release of this stack.
    records = (one for one in records_of(dataset, facts=("etag", *facts), after=after) if dataset_of(one.key))
    here, known = next(objects, None), next(records, None)
    # Two lists in one order, read side by side: the smaller key has no counterpart, or it is both.
    while here or known:
        key = min(found for found in (here and here[0], known and known.key) if found)
        is_here, is_known = here is not None and here[0] == key, known is not None and known.key == key
        yield Entry(key, here[1] if here and is_here else None, known if is_known else None)
        here = next(objects, None) if is_here else here
        known = next(records, None) if is_known else known


def _objects(dataset: str, after: str, contents: Contents) -> Iterator[tuple[str, str]]:
    for entry in buckets.data_bucket().entries(dataset_prefix(dataset), after):
        if dataset_of(entry["Key"]):
            contents.count += 1
            contents.newest = max(contents.newest, entry["LastModified"])
            yield entry["Key"], entry["ETag"].strip('"')
