"""Child processes say what went wrong."""

import os
import sys
from pathlib import Path

import pytest

from local.cloud.processes import ChildProcess, ProcessFailedError, inherited_environment


def child(tmp_path: Path, script: str) -> ChildProcess:
    command = [sys.executable, "-c", script]
    return ChildProcess("The oven", command, log=tmp_path / "oven.log", env=dict(os.environ), cwd=tmp_path)


def test_early_end_is_an_error_with_the_end_of_the_log(tmp_path: Path) -> None:
    with (
        child(tmp_path, "print('too hot'); raise SystemExit(3)") as process,
        pytest.raises(ProcessFailedError, match=r"(?s)The oven ended with exit code 3.*oven\.log.*too hot"),
    ):
        process.wait_until(lambda: None, seconds=20)


def test_silence_is_an_error_after_the_time_given(tmp_path: Path) -> None:
    with (
        child(tmp_path, "import time; time.sleep(60)") as process,
        pytest.raises(ProcessFailedError, match="The oven was not ready after 0 s"),
    ):
        process.wait_until(lambda: None, seconds=0.1)


def test_command_that_fails_is_an_error(tmp_path: Path) -> None:
    with (
        child(tmp_path, "raise SystemExit(2)") as process,
        pytest.raises(ProcessFailedError, match="The oven failed with exit code 2"),
    ):
        process.finish(seconds=20)


def test_environment_leads_to_no_real_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("SAM_CLI_CONFIG", "x")
    monkeypatch.setenv("OTHER", "kept")

    environment = inherited_environment()

    assert not [name for name in environment if name.startswith(("AWS_", "SAM_"))]
    assert environment["OTHER"] == "kept"
