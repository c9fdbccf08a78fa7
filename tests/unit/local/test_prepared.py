"""A prepared process starts programs as an interpreter of their own would, only sooner."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.prepared import CAN_FORK, Prepared

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="programs are forked on Linux only")
SAYS = """
import os, sys
print(sys.argv[1:], os.environ.get("ONLY"), os.environ.get("HOME"), os.getcwd(), "colorsys" in sys.modules)
print(sys.stdin.readline().strip(), file=sys.stderr)
"""


@pytest.fixture
def prepared() -> Iterator[Prepared]:
    prepared = Prepared(["colorsys", "no_such_module"], [], dict(os.environ))
    yield prepared
    prepared.end()


def program(folder: Path, text: str) -> str:
    path = folder / "program.py"
    path.write_text(text)
    return str(path)


def test_program_has_its_own_arguments_environment_folder_and_streams_and_what_was_imported(
    prepared: Prepared, tmp_path: Path
) -> None:
    process = prepared.start(program(tmp_path, SAYS), "a", "b", folder=str(tmp_path), environment={"ONLY": "this"})
    with process.stdin as stdin, process.stdout as stdout, process.stderr as stderr:
        stdin.write("heard\n")
        stdin.flush()

        assert stdout.read() == f"['a', 'b'] this None {tmp_path} True\n"
        assert stderr.read() == "heard\n"
    assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("raise SystemExit(7)", 7),
        ("raise SystemExit('said')", 1),
        ("1 / 0", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_exit_code_is_the_one_that_an_interpreter_has(prepared: Prepared, tmp_path: Path, text: str, code: int) -> None:
    process = prepared.start(program(tmp_path, text), folder=str(tmp_path), environment={}, captures=0)
    with process.stdin:
        assert process.wait(10) == code
    assert process.poll() == code


def test_running_program_has_no_exit_code_until_it_is_ended(prepared: Prepared, tmp_path: Path) -> None:
    process = prepared.start(
        program(tmp_path, "input()"), folder=str(tmp_path), environment={}, captures=0, has_session=True
    )
    with process.stdin:
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        assert os.getsid(process.pid) == process.pid
        process.terminate()

        assert process.wait(10) == -signal.SIGTERM


def test_environment_larger_than_a_pipe_arrives_whole(prepared: Prepared, tmp_path: Path) -> None:
    text = "import os, sys; sys.exit(len(os.environ['LONG']) != 900_000)"
    environment = {"LONG": "x" * 900_000}
    process = prepared.start(program(tmp_path, text), folder=str(tmp_path), environment=environment, captures=0)
    with process.stdin:
        assert process.wait(10) == 0


def test_prepared_process_ends_with_whoever_asked_it(tmp_path: Path) -> None:
    asks = (
        "import os, sys; from local.prepared import Prepared; p = Prepared([], [], dict(os.environ));"
        f"q = p.start({program(tmp_path, 'input()')!r}, folder='/', environment={{}}, captures=0);"
        "print(p.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    asked = subprocess.run([sys.executable, "-c", asks], stdout=subprocess.PIPE, text=True, check=False)

    deadline = time.monotonic() + 10
    while Path(f"/proc/{asked.stdout.strip()}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
