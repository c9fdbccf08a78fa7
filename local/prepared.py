"""Start Python programs by forking a process that has imported what they need.

Programs that live for a second spend most of it importing: a function's worker the AWS SDK and its layers, a training
the engine. A `Prepared` process imports once; every program is a fork of it, with its own environment and descriptors.
Only on Linux: elsewhere a fork of a process that has imported much may crash in system libraries, and programs are
started the ordinary way.

Only the standard library may be imported here: this runs on the interpreters of several environments.
`python prepared.py SOCKET IMPORTS` is the process itself; each request on the socket is a line of JSON.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

CAN_FORK = sys.platform == "linux"
_BYTES = 1 << 20


class Prepared:
    """A process that has imported `modules`, as far as they exist, from `folders` and wherever Python looks.

    A name that ends in `.*` is a package with all its modules.
    """

    def __init__(self, modules: Sequence[str], folders: Sequence[str], environment: Mapping[str, str]) -> None:
        self._one_at_a_time = threading.Lock()
        self._environment = dict(environment)
        self._imports = json.dumps({"modules": list(modules), "folders": list(folders)})
        self._connection: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        program: str,
        *arguments: str,
        folder: str,
        environment: Mapping[str, str],
        captures: int = 2,
        has_session: bool = False,
    ) -> "subprocess.Popen[str] | ForkedProcess":
        """Run a program; its input is a pipe. So are its output, if it `captures` 1, and its errors, too, if 2.

        Raises OSError when it cannot be started.
        """
        if not CAN_FORK:
            outputs = {"stdout": subprocess.PIPE if captures > 0 else None}
            outputs |= {"stderr": subprocess.PIPE if captures > 1 else None}
            streams: Any = {"stdin": subprocess.PIPE, **outputs, "text": True, "bufsize": 1}
            command = [sys.executable, program, *arguments]
            return subprocess.Popen(
                command, cwd=folder, env=dict(environment), start_new_session=has_session, **streams
            )
        request = {
            "program": program,
            "arguments": arguments,
            "folder": folder,
            "environment": dict(environment),
            "has_session": has_session,
        }
        # The ends of the program, and ours: input, output, errors, and what tells the exit code.
        given, taken = os.pipe()
        theirs, ours = [given], [taken]
        for _ in range(captures + 1):
            taken, given = os.pipe()
            theirs.append(given)
            ours.append(taken)
        try:
            with self._one_at_a_time:
                pid = self._ask(json.dumps(request).encode() + b"\n", theirs)
        except BaseException:
            _close(ours)
            raise
        finally:
            _close(theirs)
        return ForkedProcess(pid, *ours)

    @property
    def pid(self) -> int | None:
        """The process id, once a program was started."""
        return self._process.pid if self._process else None

    def end(self) -> None:
        """End the process; programs that it started go on."""
        if self._connection:
            self._connection.close()
            self._connection = None
        if self._process:
            self._process.wait()

    def _ask(self, content: bytes, descriptors: Sequence[int]) -> int:
        if self._connection is None:
            self._connection = self._begin()
        sent = socket.send_fds(self._connection, [content], descriptors)
        self._connection.sendall(content[sent:])
        answer = self._connection.recv(32)
        if not answer:
            self._connection = None
            raise ChildProcessError("the process that starts programs has ended; see the log")
        return int(answer)

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", __file__, str(theirs.fileno()), self._imports]
            where: Any = {"pass_fds": [theirs.fileno()], "env": self._environment, "stdin": subprocess.DEVNULL}
            self._process = subprocess.Popen(command, **where)
        return ours


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class ForkedProcess:
    """What is used of subprocess.Popen. `end` is a pipe that tells the exit code."""

    def __init__(self, pid: int, stdin: int, *outputs: int) -> None:
        *captured, self._end = outputs
        self.pid = pid
        self.stdin = os.fdopen(stdin, "w", buffering=1)
        self.stdout, self.stderr = [*map(os.fdopen, captured), None, None][:2]
        self.returncode: int | None = None
        self._reading = threading.Lock()

    def poll(self) -> int | None:
        """The exit code; None while the process runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code: minus the signal that ended it, if one did, as everywhere."""
        ending = select.poll()
        ending.register(self._end)
        if self.returncode is None and not ending.poll(None if timeout is None else 1000 * timeout):
            raise subprocess.TimeoutExpired("a forked program", timeout or 0)
        with self._reading:
            if self.returncode is None:
                code = os.read(self._end, 32)
                self.returncode = int(code) if code else -signal.SIGKILL
        return self.returncode

    def __del__(self) -> None:
        os.close(self._end)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


# --- The process itself -----------------------------------------------------------------------------------------------


def main() -> None:
    """Import, then serve on the socket until its other end is closed."""
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        _import(**json.loads(sys.argv[2]))
        _serve(connection)


def _line(beginning: bytes, connection: socket.socket) -> bytes:
    while beginning and not beginning.endswith(b"\n"):
        beginning += connection.recv(_BYTES)
    return beginning


def _import(modules: Sequence[str], folders: Sequence[str]) -> None:
    """Import modules, and forget about the folders: a program finds what it imports itself on its own path."""
    found = list(sys.path)
    sys.path[:0] = folders
    for name in modules:
        with contextlib.suppress(ImportError):
            package = importlib.import_module(name.removesuffix(".*"))
            if name.endswith(".*"):
                _import_all(package)
    sys.path[:] = found
    # What is there now stays: a fork that collects garbage would copy the memory that it shares.
    gc.collect()
    gc.freeze()


def _import_all(package: types.ModuleType) -> None:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=lambda _: None):
        with contextlib.suppress(ImportError):
            importlib.import_module(module.name)


def _serve(connection: socket.socket) -> None:
    ends: dict[int, int] = {}
    deaths, death = os.pipe()
    os.set_blocking(death, False)
    signal.set_wakeup_fd(death)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        readable, _, _ = select.select([connection.fileno(), deaths], [], [])
        if deaths in readable:
            os.read(deaths, 512)
            _tell_ends(ends)
        if connection.fileno() not in readable:
            continue
        content, descriptors, _, _ = socket.recv_fds(connection, _BYTES, 4)
        if not content:
            return
        request = json.loads(_line(content, connection))
        child = os.fork()
        if child == 0:
            signal.set_wakeup_fd(-1)
            _close((connection.detach(), deaths, death, *ends.values()))
            _run(request, descriptors)
        *streams, ends[child] = descriptors
        _close(streams)
        with contextlib.suppress(BrokenPipeError):  # nobody asks any more: the next look at the connection ends this
            connection.sendall(f"{child}\n".encode())


def _tell_ends(ends: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            end = ends.pop(found[0])
            with contextlib.suppress(BrokenPipeError):
                os.write(end, str(os.waitstatus_to_exitcode(found[1])).encode())
            os.close(end)


def _run(request: Mapping[str, Any], descriptors: Sequence[int]) -> None:
    """Be the program of a request; does not return."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if request["has_session"]:
            os.setsid()
        for standard, descriptor in enumerate(descriptors[:-1]):
            os.dup2(descriptor, standard)
        _close(descriptors)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        program = request["program"]
        sys.argv[:] = [program, *request["arguments"]]
        compiled = compile(Path(program).read_bytes(), program, "exec")
        sys.modules["__main__"] = module = types.ModuleType("__main__")
        module.__file__ = program
        exec(compiled, vars(module))
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
