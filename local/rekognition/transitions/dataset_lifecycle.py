"""What happens to a dataset after an operation was answered: it is filled, changed or removed.

A change of entries is one transaction, so a restart finds it done or not begun.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

from local.rekognition.access.identity import Credentials, scope_of_arn
from local.rekognition.access.settings import Settings
from local.rekognition.manifests.storage import ObjectStorage
from local.rekognition.state.entries import read_entries, training_line
from local.rekognition.state.records import DATASET_BUSY, DatasetRecord, DatasetStatus
from local.rekognition.state.store import Store
from local.rekognition.transitions.importing import (
    DatasetError,
    ManifestSource,
    check_errors,
    read_manifest,
    read_text,
    to_distribute,
)

_STOPPED = "The service stopped meanwhile. Try again."
_log = logging.getLogger(__name__)


class DatasetLifecycle:
    """Carries datasets through their passing states; used from the event loop's thread only."""

    def __init__(
        self,
        store: Store,
        storage: Callable[[str, Credentials | None], ObjectStorage],
        settings: Settings,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._store, self._storage, self._spawn = store, storage, spawn
        self._transition_seconds = settings.transition_seconds

    def resume(self) -> None:
        """End what was under way when the last process ended: deletions go on, everything else has failed."""
        for dataset in self._store.everywhere(DatasetRecord):
            if dataset.status is DatasetStatus.DELETE_IN_PROGRESS:
                self.delete(dataset)
            elif dataset.status in DATASET_BUSY:
                begun = "CREATE" if dataset.status is DatasetStatus.CREATE_IN_PROGRESS else "UPDATE"
                self._end_change(dataset.arn, begun, "SERVICE_ERROR", _STOPPED)

    def create(
        self, dataset: DatasetRecord, source: ManifestSource | DatasetRecord | None, credentials: Credentials | None
    ) -> None:
        """Fill a dataset that is CREATE_IN_PROGRESS."""
        self._spawn(self._changed([dataset], self._filled(dataset, source, credentials), "CREATE"))

    def update(self, dataset: DatasetRecord, text: str) -> None:
        """Put JSON Lines into a dataset that is UPDATE_IN_PROGRESS."""
        self._spawn(self._changed([dataset], self._updated(dataset, text), "UPDATE"))

    def distribute(self, training: DatasetRecord, testing: DatasetRecord) -> None:
        """Move entries between two datasets that are UPDATE_IN_PROGRESS."""
        self._spawn(self._changed([training, testing], self._distributed(training, testing), "UPDATE"))

    def delete(self, dataset: DatasetRecord) -> None:
        """Remove a dataset that is DELETE_IN_PROGRESS."""
        self._spawn(self._delete(dataset))

    async def _changed(self, datasets: list[DatasetRecord], work: Awaitable[None], begun: str) -> None:
        visible = asyncio.create_task(asyncio.sleep(self._transition_seconds))
        code, message = "SUCCESS", f"The dataset was {'created' if begun == 'CREATE' else 'updated'} successfully."
        try:
            await work
        except DatasetError as error:
            code, message = "CLIENT_ERROR", str(error)
        except Exception:
            _log.exception("%s", datasets[0].arn)
            code, message = "SERVICE_ERROR", "The local service failed; see its log."
        await visible
        for dataset in datasets:
            self._end_change(dataset.arn, begun, code, message)

    def _end_change(self, arn: str, begun: str, code: str, message: str) -> None:
        dataset = self._store.get(DatasetRecord, arn)
        assert dataset is not None, f"{arn} was removed while it was busy"
        status = DatasetStatus(f"{begun}_{'COMPLETE' if code == 'SUCCESS' else 'FAILED'}")
        now_ms = int(time.time() * 1000)
        self._store.put(replace(dataset, status=status, status_code=code, status_message=message, updated_ms=now_ms))

    async def _filled(
        self, dataset: DatasetRecord, source: ManifestSource | DatasetRecord | None, credentials: Credentials | None
    ) -> None:
        if source is None:
            return
        if isinstance(source, DatasetRecord):
            bodies = self._store.entries.bodies(source.created_ms)
            entries = await asyncio.to_thread(lambda: list(read_entries(bodies)))
        else:
            storage = self._storage(scope_of_arn(dataset.arn).region, credentials)
            entries = await asyncio.to_thread(read_manifest, source, storage)
        self._store.entries.upsert(dataset.created_ms, entries, keep_first=True)
        check_errors(entries)

    async def _updated(self, dataset: DatasetRecord, text: str) -> None:
        entries = await asyncio.to_thread(read_text, text)
        self._store.entries.upsert(dataset.created_ms, entries)

    async def _distributed(self, training: DatasetRecord, testing: DatasetRecord) -> None:
        bodies = self._store.entries.bodies(training.created_ms)
        moving = await asyncio.to_thread(to_distribute, [*map(training_line, bodies)])
        self._store.entries.move(training.created_ms, testing.created_ms, moving)

    async def _delete(self, dataset: DatasetRecord) -> None:
        await asyncio.sleep(self._transition_seconds)
        self._store.entries.remove(dataset.created_ms)
        self._store.delete(dataset.arn)
