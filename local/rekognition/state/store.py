"""The durable state: one SQLite file of records, one folder per model."""

import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from local.rekognition.access.identity import Scope, scope_of_arn
from local.rekognition.state.entries import Entries
from local.rekognition.state.records import (
    DatasetRecord,
    DatasetStatus,
    Project,
    ProjectStatus,
    ProjectVersion,
    VersionStatus,
)

AnyRecord = Project | ProjectVersion | DatasetRecord
Record = TypeVar("Record", Project, ProjectVersion, DatasetRecord)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    arn TEXT PRIMARY KEY, kind TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL,
    created_ms INTEGER NOT NULL UNIQUE, body TEXT NOT NULL)
"""
_STATUSES: dict[type, Callable[[str], str]] = {
    Project: ProjectStatus,
    ProjectVersion: VersionStatus,
    DatasetRecord: DatasetStatus,
}


class Store:
    """Records by ARN. Every write is one transaction; used from one thread only."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute(_SCHEMA)
        self.entries = Entries(self._database)
        self._last_ms = self._database.execute("SELECT max(created_ms) FROM records").fetchone()[0] or 0

    def close(self) -> None:
        """Release the file."""
        self._database.close()

    def new_creation_ms(self) -> int:
        """Return the time in epoch milliseconds, later than that of any record."""
        self._last_ms = max(int(self._clock() * 1000), self._last_ms + 1)
        return self._last_ms

    def put(self, record: AnyRecord) -> None:
        """Insert or replace a record."""
        scope = scope_of_arn(record.arn)
        row = (record.arn, type(record).__name__, scope.account, scope.region, record.created_ms)
        body = json.dumps(asdict(record))
        self._database.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?)", (*row, body))

    def delete(self, arn: str) -> None:
        """Forget a record."""
        self._database.execute("DELETE FROM records WHERE arn = ?", (arn,))

    def get(self, kind: type[Record], arn: str) -> Record | None:
        """Find a record by its ARN."""
        query = "SELECT body FROM records WHERE arn = ? AND kind = ?"
        row = self._database.execute(query, (arn, kind.__name__)).fetchone()
        return None if row is None else _decode(kind, row[0])

    def everywhere(self, kind: type[Record]) -> list[Record]:
        """List the records of all accounts and regions, newest first."""
        query = "SELECT body FROM records WHERE kind = ? ORDER BY created_ms DESC"
        return [_decode(kind, body) for (body,) in self._database.execute(query, (kind.__name__,))]

    def within(self, kind: type[Record], scope: Scope) -> list[Record]:
        """List the records of one account and region, newest first."""
        query = "SELECT body FROM records WHERE kind = ? AND account = ? AND region = ? ORDER BY created_ms DESC"
        rows = self._database.execute(query, (kind.__name__, scope.account, scope.region))
        return [_decode(kind, body) for (body,) in rows]


def _decode(kind: type[Record], body: str) -> Record:
    fields = json.loads(body)
    fields["status"] = _STATUSES[kind](fields["status"])
    return kind(**fields)


class ModelFiles:
    """Where trained models and unfinished work live, by the creation time of their version."""

    def __init__(self, folder: Path) -> None:
        self._models = folder / "models"
        self._work = folder / "work"

    def prepare(self, kept: set[int]) -> None:
        """Make the folders; drop unfinished work, and models whose version is gone."""
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(parents=True)
        self._models.mkdir(exist_ok=True)
        for folder in self._models.iterdir():
            if folder.name not in {str(created_ms) for created_ms in kept}:
                shutil.rmtree(folder)

    def model(self, created_ms: int) -> Path:
        """Return the folder of a finished model."""
        return self._models / str(created_ms)

    def new_work(self, created_ms: int) -> Path:
        """Make an empty folder for work in progress."""
        folder = self._work / str(created_ms)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def publish(self, folder: Path, created_ms: int) -> None:
        """Make a complete folder the model of a version, in one step."""
        # A process that ended between this and the record of it leaves the folder behind.
        shutil.rmtree(self.model(created_ms), ignore_errors=True)
        folder.replace(self.model(created_ms))

    def discard(self, created_ms: int) -> None:
        """Remove everything kept for a version."""
        shutil.rmtree(self._work / str(created_ms), ignore_errors=True)
        shutil.rmtree(self.model(created_ms), ignore_errors=True)

    def discard_work(self, created_ms: int) -> None:
        """Remove what is left of work in progress."""
        shutil.rmtree(self._work / str(created_ms), ignore_errors=True)
