"""The processes of functions: their packages, how they start, how they answer, what they used."""

import hashlib
import os
import re
import subprocess
import tempfile
import threading
import types
import zipfile
from collections.abc import Sequence
from functools import partialmethod
from pathlib import Path
from typing import Any

from local.prepared import Prepared

WARM = str(Path(__file__).with_name("warm"))
# What functions import before they do anything, with `.*` all modules of a package; what a layer does not have is
# skipped.
IMPORTED_BY_FUNCTIONS = (
    "boto3.dynamodb.conditions",
    "botocore.handlers",
    "aws_lambda_powertools.logging",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.utilities.idempotency",
    "aws_lambda_powertools.utilities.typing",
    "jinja2",
    "numpy",
    "PIL.Image",
    "PIL.ImageDraw",
    "PIL.ImageFont",
    "PIL.ImageOps",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "mlops.*",
    "warm_sdk",
)


def install_shared_packages(folder: Path) -> None:
    """Unpack a package or layer once per content, and link it into every worker that needs it."""
    from ministack.core import lambda_runtime

    one_at_a_time = threading.Lock()

    class SharedZipFile(zipfile.ZipFile):
        def extractall(self, path: Any = None, *args: Any) -> None:
            with one_at_a_time:
                unpacked = self._unpacked()
            for entry in unpacked.iterdir():
                (Path(path) / entry.name).symlink_to(entry)
            Path(str(self.filename)).unlink()  # each worker's copy of the archive; nobody reads it again

        def namelist(self) -> list[str]:
            # For each worker, the names of a layer's thousands of files would be looked at once more: extracting
            # keeps to its folder by itself.
            return []

        def _unpacked(self) -> Path:
            with Path(str(self.filename)).open("rb") as archive:
                unpacked = folder / hashlib.file_digest(archive, "sha256").hexdigest()
            if not unpacked.exists():
                staging = Path(tempfile.mkdtemp(dir=folder))
                super().extractall(staging, super().namelist())
                staging.rename(unpacked)
            return unpacked

    lambda_runtime.zipfile = types.SimpleNamespace(**{**vars(zipfile), "ZipFile": SharedZipFile})


def install_forked_workers() -> None:
    """Python workers are forks of a process that has imported what functions with the same layers import."""
    from ministack.core import lambda_runtime

    found: dict[tuple[str, ...], Any] = {}
    one_at_a_time = threading.Lock()

    def started(command: Sequence[str], **options: Any) -> Any:
        if not command[-1].endswith(".py"):
            return subprocess.Popen(command, **options)
        layers = (options["env"].get("_LAMBDA_LAYERS_DIRS") or "").split(os.pathsep)
        folders = tuple(str(folder.resolve()) for layer in layers if (folder := Path(layer) / "python").is_dir())
        with one_at_a_time:
            if folders not in found:
                found[folders] = Prepared(IMPORTED_BY_FUNCTIONS, (*folders, WARM), os.environ)
        return found[folders].start(command[-1], folder=options["cwd"], environment=options["env"])

    lambda_runtime.subprocess = types.SimpleNamespace(**{**vars(subprocess), "Popen": started})


def install_prompt_answers() -> None:
    """An invocation that wrote no log does not wait for one: whatever a worker wrote came before its answer."""
    from ministack.core.lambda_runtime import Worker

    Worker._drain_stderr_bounded = partialmethod(Worker._drain_stderr_bounded, 0.005, 0.002)


def install_memory_report() -> None:
    """`Max Memory Used` in the REPORT line is the peak of the function's own workers, where the system tells it.

    ministack reports the largest child it ever had, whichever function that was.
    """
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    largest_child = lambda_svc._probe_peak_memory_mb

    def peak_memory_mb(function: dict[str, Any]) -> int:
        config = function.get("config") or function
        key = lambda_runtime._worker_key(config["FunctionName"], config, config.get("Version", "$LATEST"))
        processes = [worker._proc for worker in lambda_runtime._workers.get(key, [])]
        peaks = [_peak_resident_mb(process.pid) for process in processes if process]
        return max(peaks, default=0) or largest_child(function)

    lambda_svc._probe_peak_memory_mb = peak_memory_mb


def _peak_resident_mb(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) // 1024 if found else 0
