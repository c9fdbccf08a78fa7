"""Notes what a process, and those it starts, change in the file system: one path a line in the file named by AUDIT."""

import os
import sys

_notes = os.open(os.environ["AUDIT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_CHANGES = {"os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate", "shutil.rmtree", "sqlite3.connect"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _note(event, arguments):
    changes = event in _CHANGES or (event == "open" and arguments[2] & _WRITES)
    if changes and isinstance(arguments[0], str | bytes | os.PathLike):
        for path in arguments[: 2 if event == "os.rename" else 1]:
            os.write(_notes, os.path.abspath(os.fsencode(path)) + b"\n")  # noqa: PTH100 - links stay what they are


sys.addaudithook(_note)
