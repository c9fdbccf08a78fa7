"""Start Python programs by forking a process that has imported what they need: `python nursery.py SOCKET FOLDER...`.

A function's worker spends most of its cold start importing the AWS SDK and its layers. Here that happens once for each
set of layers; every worker is a fork. Nothing runs in the forked process before it has the program's own environment.

Each request on the socket is one JSON line (`program`, `folder`, `environment`) with the four descriptors that
become the program's input, output, errors, and a pipe that closes when it ends. The answer is its process id.
Only the standard library may be imported here: this runs on the interpreter of `.venvs/cloud`.
"""

import contextlib
import importlib
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence

# What functions import before they do anything; a package that is not there is skipped.
COMMON = (
    "boto3.dynamodb.conditions",
    "aws_lambda_powertools",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.utilities.idempotency",
    "aws_lambda_powertools.utilities.typing",
    "jinja2",
    "numpy",
    "PIL.Image",
    "PIL.ImageDraw",
    "PIL.ImageFont",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
)
REQUEST_BYTES = 1 << 20
Request = dict[str, str | dict[str, str]]


def serve(connection: socket.socket) -> None:
    """Fork a process for each request until the other end closes the connection."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are reaped by the system
    while True:
        content, descriptors, _, _ = socket.recv_fds(connection, REQUEST_BYTES, 4)
        while content and not content.endswith(b"\n"):
            content += connection.recv(REQUEST_BYTES)
        if not content:
            return
        request = json.loads(content)
        child = os.fork()
        if child == 0:
            connection.close()
            run(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        connection.sendall(f"{child}\n".encode())


def run(request: Request, descriptors: Sequence[int]) -> None:
    """Be the program of a request; does not return. The last descriptor stays open until the process ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        for standard, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, standard)
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(request["environment"])  # type: ignore[arg-type]
        os.chdir(str(request["folder"]))
        program = str(request["program"])
        with open(program, "rb") as source:  # noqa: PTH123
            compiled = compile(source.read(), program, "exec")
        sys.argv[:] = [program]
        exec(compiled, {"__name__": "__main__", "__file__": program})
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def prepare(folders: Sequence[str]) -> None:
    """Import what functions with the packages of `folders` need, and forget where it was found."""
    found = list(sys.path)
    sys.path[:0] = folders
    for name in COMMON:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    sys.path[:] = found


def main() -> None:
    """Prepare, then serve on the socket whose descriptor is the first argument."""
    prepare(sys.argv[2:])
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve(connection)


if __name__ == "__main__":
    main()
