"""Nothing of a local cloud outlives the process that started it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from local.cloud import CloudInUseError, LocalCloud
from local.cloud.sam import ROOT

HOLD = """
import sys, signal
from pathlib import Path
from local.cloud import LocalCloud
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: sys.exit(1))
with LocalCloud(Path(sys.argv[1]), custom_labels=None) as cloud:
    print(cloud.endpoint, flush=True)
    signal.pause()
"""


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_listening(endpoint: str) -> bool:
    try:
        return httpx.get(f"{endpoint}/_ministack/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "scratch").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "state")],
        env={**os.environ, "TMPDIR": str(tmp_path / "scratch")},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_cloud_ends_and_cleans_up_when_its_holder_gets(
    number: signal.Signals, holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    endpoint = holder.stdout.readline().strip()
    assert is_listening(endpoint)
    assert list((tmp_path / "scratch").iterdir())

    holder.send_signal(number)
    holder.wait(20)

    eventually(lambda: not is_listening(endpoint))
    eventually(lambda: not list((tmp_path / "scratch").iterdir()))


def test_second_cloud_in_the_same_folder_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    second = LocalCloud(tmp_path / "state", custom_labels=None)

    with LocalCloud(tmp_path / "state", custom_labels=None), pytest.raises(CloudInUseError, match="make down"):
        second.start()

    second.start().stop()
