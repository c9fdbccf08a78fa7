"""Image records: one item per uploaded object, spread over shards of its dataset."""

import heapq
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from boto3.dynamodb.conditions import Attr

from mlops.dataset.keys import Upload, dataset_of
from mlops.judging.appearance import Statistics
from mlops.records.table import OWN, Table

_SHARDS = 8
SEQUENCER_DIGITS = 64
# What says which record it is, and whether there is anything.
_ALWAYS = ("sk", "state")


def partitions_of(dataset: str) -> list[str]:
    """The partition keys of a dataset's records."""
    return [f"IMAGES#{dataset}#{shard}" for shard in range(_SHARDS)]


def records_of(
    dataset: str, table: Table = OWN, *, facts: Sequence[str] = (), after: str = ""
) -> Iterator[dict[str, Any]]:
    """All records of a dataset that stand for objects which exist, in the order of their keys, a page at a time.

    With these `facts` only, where any are named; behind the key `after`.
    """
    named = (*_ALWAYS, *facts) if facts else ()
    shards = [table.query(partition, after=after, facts=named) for partition in partitions_of(dataset)]
    return (row for row in heapq.merge(*shards, key=itemgetter("sk")) if row["state"] != "DELETED")


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
    for row in records_of(dataset, facts=("kind", "digest", "label", "looks", "statistics")):
        if row["kind"] == "image" and row["state"] == "ACCEPTED":
            texts = {name: str(row.get(name, "")) for name in ("digest", "label", "looks")}
            yield Picture(row["sk"], **texts, statistics=Statistics.of(row.get("statistics", {})))


def digests_of(dataset: str, table: Table = OWN) -> dict[str, tuple[str, str]]:
    """Etag and SHA-256 of every object of a dataset that was looked at, by key, also of those that are gone."""
    rows = (row for partition in partitions_of(dataset) for row in table.query(partition))
    return {row["sk"]: (row.get("etag", ""), row["digest"]) for row in rows if "digest" in row}


def record_of(key: str) -> dict[str, Any] | None:
    """What is recorded of one object, also when it is gone."""
    return OWN.get(*_row(key))


def write_record(upload: Upload, facts: Mapping[str, Any], sequencer: str) -> None:
    """Write a record unless a newer event about the same key has been recorded already."""
    # S3: sequencers are compared as text after the shorter one was filled up on the right.
    padded = sequencer.upper().ljust(SEQUENCER_DIGITS, "0")
    OWN.put(_item(upload, facts, padded), Attr("sequencer").not_exists() | Attr("sequencer").lte(padded))


def correct_record(upload: Upload, facts: Mapping[str, Any], seen: Mapping[str, Any] | None) -> None:
    """Write what was found without an event, unless the record is no longer what was `seen` before looking."""
    if seen is None:
        OWN.put(_item(upload, facts, "0" * SEQUENCER_DIGITS), Attr("pk").not_exists())
        return
    same = Attr("sequencer").eq(seen["sequencer"]) & Attr("state").eq(seen["state"])
    same &= Attr("etag").eq(seen["etag"]) if "etag" in seen else Attr("etag").not_exists()
    OWN.put(_item(upload, facts, seen["sequencer"]), same)


def _row(key: str) -> tuple[str, str]:
    return partitions_of(str(dataset_of(key)))[zlib.crc32(key.encode()) % _SHARDS], key


def _item(upload: Upload, facts: Mapping[str, Any], sequencer: str) -> dict[str, Any]:
    pk, sk = _row(upload.key)
    return {
        "pk": pk,
        "sk": sk,
        "kind": upload.kind,
        "folder": upload.side,
        "label": upload.label,
        "sequencer": sequencer,
        **facts,
    }
