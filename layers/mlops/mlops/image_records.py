"""Image records: one item per uploaded object, spread over shards of its dataset."""

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from boto3.dynamodb.conditions import Attr

from mlops import table
from mlops.keys import Upload

_SHARDS = 8
_SEQUENCER_DIGITS = 64


def records_of(dataset: str) -> Iterator[dict[str, Any]]:
    """All records of a dataset that stand for objects which exist."""
    for shard in range(_SHARDS):
        for row in table.query(f"IMAGES#{dataset}#{shard}"):
            if row["state"] != "DELETED":
                yield row


def write_record(upload: Upload, facts: Mapping[str, Any], sequencer: str) -> None:
    """Write a record unless a newer event about the same key has been recorded already."""
    padded = sequencer.upper().ljust(_SEQUENCER_DIGITS, "0")
    item = {
        "pk": f"IMAGES#{upload.dataset}#{zlib.crc32(upload.key.encode()) % _SHARDS}",
        "sk": upload.key,
        "kind": upload.kind,
        "folder": upload.split,
        "label": upload.label,
        "sequencer": padded,
        **facts,
    }
    table.put(item, Attr("sequencer").not_exists() | Attr("sequencer").lte(padded))
