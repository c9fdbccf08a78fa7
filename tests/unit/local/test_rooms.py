"""What starts ministack runs on another interpreter than the project's, and imports nothing that is not there."""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LAUNCHER = sorted((ROOT / "local" / "launcher").glob("*.py"))
# What the environment of ministack has beside the standard library, and what of ours imports nothing else.
THERE = {"boto3", "botocore", "ministack", "urllib3"}
OURS = ("local.launcher", "local.prepared")


def imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*LAUNCHER, ROOT / "local" / "prepared.py"], ids=name_of)
def test_launcher_imports_what_the_interpreter_of_ministack_has(path: Path) -> None:
    others = {name for name in imports(ast.walk(ast.parse(path.read_text()))) if not name.startswith(OURS)}

    assert {name.split(".")[0] for name in others} <= {*sys.stdlib_module_names, *THERE}


@pytest.mark.parametrize("path", LAUNCHER, ids=name_of)
def test_launcher_can_be_read_without_ministack(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(ast.parse(path.read_text()).body)} & THERE
