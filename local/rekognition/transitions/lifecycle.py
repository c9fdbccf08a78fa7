"""What happens after an operation was answered: training, copying, starting, stopping and deleting.

Every passing state lasts at least `transition_seconds`. One asyncio task carries each; nothing polls.
"""

import asyncio
import contextlib
import importlib
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from local.prepared import Prepared
from local.rekognition.access.identity import Credentials, scope_of_arn
from local.rekognition.access.settings import Settings
from local.rekognition.access.throttle import TokenBucket
from local.rekognition.learning.inference import Answers, RunningModel, load_model
from local.rekognition.learning.training import (
    READY,
    TrainingJob,
    TrainingOutcome,
    dataset_file,
    output_key,
    write_outputs,
)
from local.rekognition.learning.worker import WorkOrder, read_outcome
from local.rekognition.manifests.failures import ManifestFileError
from local.rekognition.manifests.storage import ObjectStorage
from local.rekognition.state.entries import training_line
from local.rekognition.state.records import Project, ProjectVersion, VersionStatus
from local.rekognition.state.store import ModelFiles, Store
from local.rekognition.transitions.dataset_lifecycle import DatasetLifecycle
from local.rekognition.use_case import UseCase

Changes = Mapping[str, Any]

_INTERRUPTED = "The service stopped while the model was being trained. Train it again under a new version name."
_PACKAGE_ROOT = Path(__file__).parents[3]
_WORKER = str(Path(__file__).parents[1] / "learning" / "worker.py")
_STORAGES = 32
_MOST_WORKERS = 1000
_log = logging.getLogger(__name__)


class Lifecycle:
    """Carries projects and versions through their passing states; used from the event loop's thread only."""

    def __init__(self, store: Store, files: ModelFiles, settings: Settings) -> None:
        self._store = store
        self._files = files
        self._settings = settings
        self._tasks: set[asyncio.Task[Any]] = set()
        self._running: dict[str, RunningModel] = {}
        self._answers = Answers()
        self._starting: dict[str, asyncio.Task[Any]] = {}
        self.storage: Callable[[str, Credentials | None], ObjectStorage] = lru_cache(_STORAGES)(
            lambda region, credentials: ObjectStorage(region, settings.s3_endpoint, credentials)
        )
        # Importing an engine takes longer than many a training.
        self._workers = Prepared(["local.rekognition.learning.worker", settings.engine], [], _environment())
        self._waiting = ThreadPoolExecutor(_MOST_WORKERS, "training")
        self.datasets = DatasetLifecycle(store, self.storage, settings, self._spawn)

    async def resume(self) -> None:
        """Take up where the last process left off, however it ended."""
        versions = self._store.everywhere(ProjectVersion)
        self._files.prepare({version.created_ms for version in versions})
        for version in versions:
            if version.status is VersionStatus.RUNNING:
                self._update(version.arn, await self._loaded(version))
            elif version.status in self._continuations:
                self._continuations[version.status](version)
        self.datasets.resume()
        for project in self._store.everywhere(Project):
            if project.status == "DELETING":
                self.delete_project(project)

    async def close(self) -> None:
        """End every task, and with them the workers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def running(self, version: ProjectVersion) -> RunningModel | None:
        """Return the model of a version if that is RUNNING; one that still seems to start is loaded already."""
        return self._running[version.arn] if version.status is VersionStatus.RUNNING else None

    def train(
        self, version: ProjectVersion, credentials: Credentials | None, lines: Mapping[str, list[str]] | None = None
    ) -> None:
        """Train a version that is TRAINING_IN_PROGRESS; S3 is used with the caller's credentials.

        `lines` are the entries of the project's datasets by their kind, where it is trained from them.
        """
        # Whoever trains will start the model: importing the engine here takes place meanwhile.
        self._spawn(asyncio.to_thread(importlib.import_module, self._settings.engine))
        work = self._trained(version, credentials, lines)
        self._carry(version.arn, work, VersionStatus.TRAINING_FAILED, self._settings.training_seconds)

    def copy(self, version: ProjectVersion, credentials: Credentials | None = None) -> None:
        """Copy the model of `source_version_arn` to a version that is COPYING_IN_PROGRESS.

        S3 is used with the caller's credentials; a restart forgets them, and then with the service's own.
        """
        self._carry(version.arn, self._copied(version, credentials), VersionStatus.COPYING_FAILED)

    def start(self, version: ProjectVersion) -> None:
        """Load the model of a version that is STARTING."""
        task = self._carry(version.arn, self._loaded(version), VersionStatus.FAILED)
        self._starting[version.arn] = task
        task.add_done_callback(partial(self._forget_start, version.arn))

    def stop(self, version: ProjectVersion) -> None:
        """Unload the model of a version that is STOPPING; a start that is under way ends here."""
        if version.arn in self._starting:
            self._starting[version.arn].cancel()
        self._running.pop(version.arn, None)
        self._carry(version.arn, _unloaded(), VersionStatus.FAILED)

    def _forget_start(self, arn: str, task: asyncio.Task[Any]) -> None:
        if self._starting.get(arn) is task:
            del self._starting[arn]

    def delete(self, version: ProjectVersion) -> None:
        """Remove a version that is DELETING."""
        self._spawn(self._delete_version(version))

    def delete_project(self, project: Project) -> None:
        """Remove a project that is DELETING."""
        self._spawn(self._delete_project(project))

    @property
    def _continuations(self) -> Mapping[VersionStatus, Callable[[ProjectVersion], None]]:
        return {
            VersionStatus.TRAINING_IN_PROGRESS: self._fail_interrupted,
            VersionStatus.COPYING_IN_PROGRESS: self.copy,
            VersionStatus.STARTING: self.start,
            VersionStatus.STOPPING: self.stop,
            VersionStatus.DELETING: self.delete,
        }

    def _fail_interrupted(self, version: ProjectVersion) -> None:
        ended = {"training_ended_ms": _now_ms()}
        self._update(version.arn, {"status": VersionStatus.TRAINING_FAILED, "status_message": _INTERRUPTED, **ended})

    def _carry(
        self, arn: str, work: Coroutine[Any, Any, Changes], failed: VersionStatus, at_least: float = 0.0
    ) -> asyncio.Task[Any]:
        seconds = max(at_least, self._settings.transition_seconds)
        return self._spawn(self._carried(arn, work, failed, seconds))

    async def _carried(self, arn: str, work: Awaitable[Changes], failed: VersionStatus, seconds: float) -> None:
        visible = asyncio.create_task(asyncio.sleep(seconds))
        try:
            changes = await work
        except Exception:
            _log.exception("%s: %s", arn, failed)
            changes = {"status": failed, "status_message": "The local service failed; see its log."}
        except asyncio.CancelledError:
            visible.cancel()
            raise
        await visible
        self._update(arn, changes)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _update(self, arn: str, changes: Changes) -> None:
        # The record is read again, because tags may have changed since the work began.
        version = self._store.get(ProjectVersion, arn)
        assert version is not None, f"{arn} was removed while it was busy"
        _log.info("%s: %s -> %s", arn, version.status, changes["status"])
        self._store.put(replace(version, status_since_ms=_now_ms(), **changes))
        self._tell(arn)

    def _tell(self, arn: str) -> None:
        """Write the ARN of a version that has changed to the pipe, if anybody reads there."""
        if self._settings.changes:
            with contextlib.suppress(OSError):  # nobody reads, or not fast enough: it is a hint
                pipe = os.open(self._settings.changes, os.O_WRONLY | os.O_NONBLOCK)
                try:
                    os.write(pipe, f"{arn}\n".encode())
                finally:
                    os.close(pipe)

    async def _delete_version(self, version: ProjectVersion) -> None:
        await asyncio.sleep(self._settings.transition_seconds)
        await asyncio.to_thread(self._files.discard, version.created_ms)
        self._store.delete(version.arn)
        self._tell(version.arn)

    async def _delete_project(self, project: Project) -> None:
        await asyncio.sleep(self._settings.transition_seconds)
        self._store.delete(project.arn)

    async def _loaded(self, version: ProjectVersion) -> Changes:
        path = self._files.model(version.created_ms) / "model"
        # Without automatic scaling, the units in service are the fewest asked for.
        capacity = TokenBucket((version.min_units or 1) * self._settings.tps_per_unit)
        try:
            use_case = UseCase(version.use_case)
            parts = (self._settings.engine, use_case, path, version.thresholds, capacity, self._answers)
            model = await asyncio.to_thread(load_model, *parts)
        except Exception:
            _log.exception("%s: the model does not load", version.arn)
            message = "The model could not be loaded; see the log of the service."
            return {"status": VersionStatus.FAILED, "status_message": message}
        self._running[version.arn] = model
        return {"status": VersionStatus.RUNNING, "status_message": "The model is running."}

    async def _copied(self, version: ProjectVersion, credentials: Credentials | None) -> Changes:
        source = self._store.get(ProjectVersion, version.source_version_arn or "")
        if source is None:
            return {"status": VersionStatus.COPYING_FAILED, "status_message": "The source version no longer exists."}
        names = (version.output_prefix, version.project_name, version.name)
        outputs = {kind: output_key(names[0], kind, *names[1:]) for kind in source.outputs}
        try:
            storage = self.storage(scope_of_arn(version.arn).region, credentials)
            await asyncio.to_thread(self._copy_files, source, version, outputs, storage)
        except ManifestFileError as error:
            return {"status": VersionStatus.COPYING_FAILED, "status_message": str(error)}
        learned = {
            "thresholds": source.thresholds,
            "f1_score": source.f1_score,
            "outputs": outputs,
            "use_case": source.use_case,
        }
        ended = {"training_ended_ms": source.training_ended_ms}
        return {"status": VersionStatus.COPYING_COMPLETED, "status_message": READY, **learned, **ended}

    def _copy_files(
        self, source: ProjectVersion, version: ProjectVersion, outputs: Mapping[str, str], storage: ObjectStorage
    ) -> None:
        work = self._files.new_work(version.created_ms) / "result"
        shutil.copytree(self._files.model(source.created_ms), work)
        write_outputs(storage, work / "outputs", version.output_bucket, outputs)
        self._files.publish(work, version.created_ms)
        self._files.discard_work(version.created_ms)

    async def _trained(
        self, version: ProjectVersion, credentials: Credentials | None, lines: Mapping[str, list[str]] | None
    ) -> Changes:
        started_ms = _now_ms()
        folder = self._files.new_work(version.created_ms)
        if lines is not None:
            await asyncio.to_thread(_write_lines, folder, lines)
        _work_order(version, self._settings, credentials).write(folder)
        code = await self._run_worker(folder)
        outcome = read_outcome(folder)
        if outcome is None:
            message = f"The training process ended unexpectedly (exit code {code}). See the log of the service."
            outcome = TrainingOutcome(succeeded=False, message=message)
        if outcome.succeeded:
            self._files.publish(folder / "result", version.created_ms)
        await asyncio.to_thread(self._files.discard_work, version.created_ms)
        return _training_changes(outcome, started_ms, _now_ms())

    async def _run_worker(self, folder: Path) -> int:
        """Train in a process of its own; returns its exit code."""
        start = partial(self._workers.start, folder=str(_PACKAGE_ROOT), environment=_environment())
        process = await asyncio.to_thread(partial(start, _WORKER, str(folder), captures=0, has_session=True))
        try:
            return await asyncio.get_running_loop().run_in_executor(self._waiting, process.wait)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process.stdin:
                process.stdin.close()


def _environment() -> dict[str, str]:
    search_path = os.pathsep.join([str(_PACKAGE_ROOT), *filter(None, sys.path)])
    return {**os.environ, "PYTHONPATH": search_path}


def _training_changes(outcome: TrainingOutcome, started_ms: int, ended_ms: int) -> Changes:
    status = VersionStatus.TRAINING_COMPLETED if outcome.succeeded else VersionStatus.TRAINING_FAILED
    changes = {"status": status, "status_message": outcome.message, "outputs": outcome.outputs}
    billable = max(1, round((ended_ms - started_ms) / 1000)) if outcome.succeeded else None
    learned = {"f1_score": outcome.f1_score, "thresholds": outcome.thresholds, "use_case": outcome.use_case}
    return {**changes, **learned, "training_ended_ms": ended_ms, "billable_seconds": billable}


def _work_order(version: ProjectVersion, settings: Settings, credentials: Credentials | None) -> WorkOrder:
    job = TrainingJob(
        version_arn=version.arn,
        project_name=version.project_name,
        version_name=version.name,
        output_bucket=version.output_bucket,
        output_prefix=version.output_prefix,
        training_input=version.training_input,
        testing_input=version.testing_input,
        normalize_rows=settings.row_normalized_confusion,
        nest_aggregates=settings.nested_aggregates,
    )
    return WorkOrder(job, scope_of_arn(version.arn).region, settings.s3_endpoint, settings.engine, credentials)


def _write_lines(folder: Path, lines: Mapping[str, list[str]]) -> None:
    for kind, bodies in lines.items():
        text = "".join(f"{training_line(body)}\n" for body in bodies)
        (folder / dataset_file(kind)).write_text(text, encoding="utf-8")


async def _unloaded() -> Changes:
    return {"status": VersionStatus.STOPPED, "status_message": "The model is stopped."}


def _now_ms() -> int:
    return int(time.time() * 1000)
