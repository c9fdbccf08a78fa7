"""A tethered command ends with its parent, and leaves nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.cloud.processes import TETHER

SCRIPT = "sleep 60 & echo $! > {pid}; touch $TMPDIR/used; mv {pid} {pid}.ready; wait"


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def tethered(tmp_path: Path) -> subprocess.Popen[bytes]:
    (tmp_path / "scratch").mkdir()
    script = SCRIPT.format(pid=tmp_path / "pid")
    process = subprocess.Popen(
        [sys.executable, str(TETHER), "sh", "-c", script],
        stdin=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path / "scratch")},
    )
    eventually((tmp_path / "pid.ready").exists)
    return process


@pytest.mark.parametrize("end", ["close", signal.SIGTERM, signal.SIGINT])
def test_command_and_its_children_end_and_its_scratch_folder_goes(
    tethered: subprocess.Popen[bytes], tmp_path: Path, end: str | signal.Signals
) -> None:
    grandchild = int((tmp_path / "pid.ready").read_text())
    assert is_alive(grandchild)
    assert len(list((tmp_path / "scratch").iterdir())) == 1

    if isinstance(end, signal.Signals):
        tethered.send_signal(end)
    else:
        tethered.stdin.close()
    tethered.wait(20)

    eventually(lambda: not is_alive(grandchild))
    assert list((tmp_path / "scratch").iterdir()) == []
    tethered.stdin.close()


def test_exit_code_is_the_one_of_the_command() -> None:
    command = [sys.executable, str(TETHER), "sh", "-c", "exit 7"]

    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.wait(20) == 7
