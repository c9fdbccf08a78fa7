"""Child processes that end with us, and the environments they run in."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

TETHER = Path(__file__).with_name("tether.py")
POLL_SECONDS = 0.05
STOP_SECONDS = 15.0
LOG_TAIL_LINES = 25

T = TypeVar("T")


class ProcessFailedError(RuntimeError):
    """A child process ended or stayed silent; the message carries the end of its log and where the log is."""


class ChildProcess:
    """A command, its output in a log file, that cannot outlive this process."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path) -> None:
        self.name, self.log = name, log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(TETHER), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,  # Ctrl-C reaches us alone; we then end it in order
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until(self, answer: Callable[[], T | None], seconds: float) -> T:
        """Return the first answer that is not None; raise ProcessFailedError when the process ends or time runs out."""
        deadline = time.monotonic() + seconds
        while (found := answer()) is None:
            if self._process.poll() is not None:
                raise ProcessFailedError(f"{self.name} ended with exit code {self._process.returncode}.{self._tail()}")
            if time.monotonic() > deadline:
                raise ProcessFailedError(f"{self.name} was not ready after {seconds:.0f} s.{self._tail()}")
            time.sleep(POLL_SECONDS)
        return found

    def finish(self, seconds: float) -> None:
        """Wait for the end of a command that ends by itself; raise ProcessFailedError unless it succeeds in time."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ProcessFailedError(f"{self.name} took longer than {seconds:.0f} s.{self._tail()}") from None
        if code != 0:
            raise ProcessFailedError(f"{self.name} failed with exit code {code}.{self._tail()}")

    def stop(self) -> None:
        """End the process and all it started. Safe to call again."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([f" The end of {self.log}:", *(f"  {line}" for line in lines)])


def free_ports(count: int) -> list[int]:
    """Different TCP ports of the loopback interface that nobody listens on."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def inherited_environment() -> dict[str, str]:
    """Our environment without what would lead a child to a real AWS account, to our modules, or through a proxy."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_", "PYTHON"))}
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


def bare_environment() -> dict[str, str]:
    """What a function in the cloud may see of this machine."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ") if name in os.environ}
