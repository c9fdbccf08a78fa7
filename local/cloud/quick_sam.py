"""The SAM CLI as it is, in less time: it parses YAML in C, and compresses lightly what stays on this machine.

A script of the environment of sam, which takes sam's own arguments: `.venvs/sam/bin/python quick_sam.py deploy ...`.
"""

import functools
import runpy
import zipfile

import yaml


def hurry() -> None:
    """Change what sam is about to import."""
    # A PyYAML that was built without libyaml has only the parser in Python.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    vars(yaml).update(SafeLoader=loader, safe_load=functools.partial(yaml.load, Loader=loader))
    lightly = functools.partialmethod(zipfile.ZipFile.writestr, compresslevel=1)
    setattr(zipfile.ZipFile, "writestr", lightly)  # noqa: B010


if __name__ == "__main__":
    hurry()
    runpy.run_module("samcli", run_name="__main__")
