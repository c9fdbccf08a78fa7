"""The lines of a dataset as the service keeps them: read from a manifest, changed by calls, listed page by page."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from local.rekognition.manifests.manifest import ManifestLine, parse_line

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    dataset INTEGER NOT NULL, position INTEGER NOT NULL, source_ref TEXT NOT NULL, body TEXT NOT NULL,
    is_labeled INTEGER NOT NULL, has_errors INTEGER NOT NULL, labels TEXT NOT NULL, boxed_labels TEXT NOT NULL,
    PRIMARY KEY (dataset, position), UNIQUE (dataset, source_ref))
"""
_COLUMNS = "dataset, position, source_ref, body, is_labeled, has_errors, labels, boxed_labels"
# What the service adds to a line, and takes back when the line is handed in again.
_METADATA, _ERRORS = "cl-metadata", "cl-errors"


@dataclass(frozen=True)
class Entry:
    """One line; `body` is its JSON text with what the service adds. Labels are each once, in any order."""

    source_ref: str
    body: str
    is_labeled: bool
    has_errors: bool
    labels: Sequence[str] = ()
    boxed_labels: Sequence[str] = ()


@dataclass(frozen=True)
class Filters:
    """What ListDatasetEntries asks for; None asks for nothing."""

    contains_labels: Sequence[str] | None = None
    labeled: bool | None = None
    source_ref_contains: str | None = None
    has_errors: bool | None = None


def read_entries(rows: Iterable[str]) -> Iterator[Entry]:
    """Read JSON Lines; what has no usable `source-ref` or is no JSON object is dropped without a word."""
    for row in rows:
        line = parse_line(row)
        if line.source is not None and line.document is not None:
            yield _entry(parse_line(_text(_without_additions(line.document))))


def training_line(body: str) -> str:
    """Return the line of an entry as it was handed in."""
    return _text(_without_additions(json.loads(body)))


def _entry(line: ManifestLine) -> Entry:
    document = line.annotated(errors=_ERRORS, warnings=None)
    boxed = {annotation.label for annotation in line.annotations if annotation.box}
    return Entry(
        source_ref=document["source-ref"],
        body=_text({**document, _METADATA: {"is_labeled": line.is_valid}}),
        is_labeled=line.is_valid,
        has_errors=any(found.is_error for found in line.findings),
        labels=sorted(line.label_set),
        boxed_labels=sorted(boxed),
    )


def _text(document: Mapping[str, Any]) -> str:
    """Write a line as AWS's example of ListDatasetEntries has it, without spaces."""
    return json.dumps(document, separators=(",", ":"))


def _without_additions(document: Mapping[str, Any]) -> dict[str, Any]:
    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: clean(inner) for name, inner in value.items() if name != _ERRORS}
        return [clean(inner) for inner in value] if isinstance(value, list) else value

    return {name: clean(value) for name, value in document.items() if name not in (_METADATA, _ERRORS)}


class Entries:
    """The entries of all datasets, by the creation time of their dataset. Every change is one transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._database.execute(_SCHEMA)

    def upsert(self, dataset: int, entries: Iterable[Entry], *, keep_first: bool = False) -> None:
        """Add entries; one about an image that is there already replaces it, or is dropped with `keep_first`."""
        insert = (
            f"INSERT INTO entries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (dataset, source_ref) DO "
        )
        changes = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[3:])
        statement = insert + ("NOTHING" if keep_first else f"UPDATE SET {changes}")
        with self._transaction():
            first = self._next_position(dataset)
            rows = (_row(dataset, first + offset, entry) for offset, entry in enumerate(entries))
            self._database.executemany(statement, rows)

    def move(self, source: int, target: int, source_refs: Iterable[str]) -> None:
        """Move entries from one dataset to another."""
        with self._transaction():
            first = self._next_position(target)
            for offset, source_ref in enumerate(source_refs):
                self._database.execute(
                    "UPDATE entries SET dataset = ?, position = ? WHERE dataset = ? AND source_ref = ?",
                    (target, first + offset, source, source_ref),
                )

    def remove(self, dataset: int) -> None:
        """Forget every entry of a dataset."""
        self._database.execute("DELETE FROM entries WHERE dataset = ?", (dataset,))

    def bodies(self, dataset: int) -> list[str]:
        """Return every line, in the order in which they came."""
        rows = self._database.execute("SELECT body FROM entries WHERE dataset = ? ORDER BY position", (dataset,))
        return [body for (body,) in rows]

    def page(self, dataset: int, after: int, size: int, filters: Filters) -> list[tuple[int, str]]:
        """Return at most `size` positions and lines after a position."""
        conditions, values = _conditions(filters)
        query = f"SELECT position, body FROM entries WHERE dataset = ? AND position > ?{conditions}"
        return list(self._database.execute(f"{query} ORDER BY position LIMIT ?", (dataset, after, *values, size)))

    def stats(self, dataset: int) -> dict[str, int]:
        """Count the entries, those with labels, those with errors, and the labels."""
        count = "SELECT count(*), sum(is_labeled), sum(has_errors) FROM entries WHERE dataset = ?"
        total, labeled, errors = self._database.execute(count, (dataset,)).fetchone()
        names = "SELECT count(DISTINCT value) FROM entries, json_each(labels) WHERE dataset = ?"
        (labels,) = self._database.execute(names, (dataset,)).fetchone()
        return {
            "LabeledEntries": labeled or 0,
            "TotalEntries": total,
            "TotalLabels": labels,
            "ErrorEntries": errors or 0,
        }

    def labels(self, dataset: int, after: str, size: int) -> list[tuple[str, int, int]]:
        """Return at most `size` labels after a name: name, images that carry it, images with boxes of it."""
        query = """
            SELECT value, count(*), sum(EXISTS (SELECT 1 FROM json_each(boxed_labels) AS boxed
                                                WHERE boxed.value = label.value))
            FROM entries, json_each(labels) AS label WHERE dataset = ? AND value > ?
            GROUP BY value ORDER BY value LIMIT ?"""
        return list(self._database.execute(query, (dataset, after, size)))

    def _next_position(self, dataset: int) -> int:
        query = "SELECT coalesce(max(position), 0) + 1 FROM entries WHERE dataset = ?"
        return int(self._database.execute(query, (dataset,)).fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _row(dataset: int, position: int, entry: Entry) -> tuple[Any, ...]:
    lists = json.dumps(list(entry.labels)), json.dumps(list(entry.boxed_labels))
    return (dataset, position, entry.source_ref, entry.body, entry.is_labeled, entry.has_errors, *lists)


def _conditions(filters: Filters) -> tuple[str, list[Any]]:
    conditions, values = "", list[Any]()
    if filters.contains_labels:
        marks = ", ".join("?" * len(filters.contains_labels))
        conditions += f" AND EXISTS (SELECT 1 FROM json_each(labels) WHERE value IN ({marks}))"
        values += filters.contains_labels
    for column, wanted in (("is_labeled", filters.labeled), ("has_errors", filters.has_errors)):
        if wanted is not None:
            conditions += f" AND {column} = ?"
            values.append(wanted)
    if filters.source_ref_contains is not None:
        conditions += " AND instr(source_ref, ?) > 0"
        values.append(filters.source_ref_contains)
    return conditions, values
