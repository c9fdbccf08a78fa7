"""Image records: one item per uploaded object, spread over shards of its dataset."""

import heapq
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from boto3.dynamodb.conditions import Attr

from mlops import codec
from mlops.dataset.keys import dataset_of
from mlops.dataset.object_record import ACCEPTED, DELETED, Record
from mlops.judging.appearance import Statistics
from mlops.records.table import OWN, Item, Table

# Never to be changed: a record is looked for where the hash of its key has put it.
_SHARDS = 8
SEQUENCER_DIGITS = 64
# What says which record it is, and whether there is anything.
_ALWAYS = ("sk", "state")


def partitions_of(dataset: str) -> list[str]:
    """The partition keys of a dataset's records."""
    return [f"IMAGES#{dataset}#{shard}" for shard in range(_SHARDS)]


def records_of(dataset: str, table: Table = OWN, *, facts: Sequence[str] = (), after: str = "") -> Iterator[Record]:
    """All records of a dataset that stand for objects which exist, in the order of their keys, a page at a time.

    With these `facts` only, where any are named; behind the key `after`.
    """
    named = (*_ALWAYS, *facts) if facts else ()
    shards = [table.query(partition, after=after, facts=named) for partition in partitions_of(dataset)]
    rows = (row for row in heapq.merge(*shards, key=itemgetter("sk")) if row["state"] != DELETED)
    return (codec.read(Record, row) for row in rows)


@dataclass(frozen=True)
class Picture:
    """An accepted picture of a dataset: its key, the SHA-256 of its bytes, the label that its folder names, if it does,
    and what it looks like."""

    key: str
    digest: str
    label: str
    looks: str
    statistics: Statistics

    @property
    def fingerprint(self) -> str:
        """What tells it whatever file it comes in; empty where nobody looked."""
        return self.statistics.fingerprint(self.looks)


def pictures_of(dataset: str) -> Iterator[Picture]:
    """The accepted pictures of a dataset."""
    for one in records_of(dataset, facts=("kind", "digest", "label", "looks", "statistics")):
        if one.kind == "image" and one.state == ACCEPTED:
            yield Picture(one.key, one.digest, one.label, one.looks, codec.read(Statistics, one.statistics))


def digests_of(dataset: str, table: Table = OWN) -> dict[str, tuple[str, str]]:
    """Etag and SHA-256 of every object of a dataset that was looked at, by key, also of those that are gone."""
    rows = (row for partition in partitions_of(dataset) for row in table.query(partition))
    records = (codec.read(Record, row) for row in rows)
    return {one.key: (one.etag, one.digest) for one in records if one.digest}


def record_of(key: str) -> Record | None:
    """What is recorded of one object, also when it is gone."""
    row = OWN.get(*_row(key))
    return codec.read(Record, row) if row else None


def write_record(record: Record, sequencer: str) -> None:
    """Write a record unless a newer event about the same key has been recorded already."""
    # S3: sequencers are compared as text after the shorter one was filled up on the right.
    padded = sequencer.upper().ljust(SEQUENCER_DIGITS, "0")
    OWN.put(_item(record, padded), Attr("sequencer").not_exists() | Attr("sequencer").lte(padded))


def correct_record(record: Record, seen: Record | None) -> None:
    """Write what was found without an event, unless the record is no longer what was `seen` before looking."""
    if seen is None:
        # Nothing is before zeros: whatever event comes later counts as newer.
        OWN.put(_item(record, "0" * SEQUENCER_DIGITS), Attr("pk").not_exists())
        return
    same = Attr("sequencer").eq(seen.sequencer) & Attr("state").eq(seen.state)
    # Rows of earlier releases have an empty one where these have none.
    same &= Attr("etag").eq(seen.etag) if seen.etag else Attr("etag").not_exists() | Attr("etag").eq("")
    OWN.put(_item(record, seen.sequencer), same)


def _row(key: str) -> tuple[str, str]:
    # A partition of DynamoDB takes a thousand writes a second; an upload of thousands of pictures makes more.
    # CRC-32 and not Python's own hash, which is another one in every process.
    return partitions_of(str(dataset_of(key)))[zlib.crc32(key.encode()) % _SHARDS], key


def _item(record: Record, sequencer: str) -> Item:
    return {**codec.item_of(replace(record, sequencer=sequencer)), "pk": _row(record.key)[0]}
