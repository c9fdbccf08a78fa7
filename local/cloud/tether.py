"""Run a command that must not outlive its parent: `python tether.py COMMAND [ARGUMENT ...]`.

The parent keeps the other end of our standard input. When that end closes, for whatever reason (even SIGKILL), or when
we are told to stop, the command and everything it started in its process group ends, and its TMPDIR is removed.
Exits with the command's own exit code.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable

GRACE_SECONDS = 5.0


def main(command: list[str]) -> int:
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ending.set())
    with tempfile.TemporaryDirectory(prefix="local-cloud-", ignore_cleanup_errors=True) as scratch:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, env={**os.environ, "TMPDIR": scratch}, process_group=0
        )
        _set_after(ending, _wait_for_end_of_input)
        _set_after(ending, child.wait)
        ending.wait()
        _end_group(child)
    return child.returncode


def _set_after(event: threading.Event, blocking_call: Callable[[], object]) -> None:
    def wait() -> None:
        blocking_call()
        event.set()

    threading.Thread(target=wait, daemon=True).start()


def _wait_for_end_of_input() -> None:
    while os.read(sys.stdin.fileno(), 1024):  # unbuffered: a daemon thread may not hold a buffer's lock at exit
        pass


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """Ask the group to end, and end it: the command itself may be gone while something it started is not."""
    _signal_group(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_SECONDS)
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    # macOS answers PermissionError, Linux ProcessLookupError, when only the dead are left in the group.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
