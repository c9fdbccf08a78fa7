"""Imports of the laptop's services point one way, and name nothing that the interpreter does not have."""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LAUNCHER = sorted((ROOT / "local" / "launcher").glob("*.py"))
# What the environment of ministack has beside the standard library, and what of ours imports nothing else.
THERE = {"boto3", "botocore", "ministack", "urllib3", "uvicorn"}
OURS = ("local.launcher", "local.prepared", "local.web")
REKOGNITION = ROOT / "local" / "rekognition"
# Rooms from the lowest floor up: a room imports from those before it, and from no other. The engine is apart, known by
# its name only. What stands before the rooms, all may use; it knows none of them.
FLOORS = ("access", "manifests", "state", "learning", "transitions", "operations", "api")
ENGINE = "engine"
START = REKOGNITION / "__main__.py"
ROOMS = {path.parent.name for path in REKOGNITION.glob("*/__init__.py")}


def imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*LAUNCHER, ROOT / "local" / "prepared.py", ROOT / "local" / "web.py"], ids=name_of)
def test_launcher_imports_what_the_interpreter_of_ministack_has(path: Path) -> None:
    others = {name for name in imports(ast.walk(ast.parse(path.read_text()))) if not name.startswith(OURS)}

    assert {name.split(".")[0] for name in others} <= {*sys.stdlib_module_names, *THERE}


@pytest.mark.parametrize("path", LAUNCHER, ids=name_of)
def test_launcher_can_be_read_without_ministack(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(ast.parse(path.read_text()).body)} & THERE


@pytest.mark.parametrize("path", sorted({*REKOGNITION.rglob("*.py")} - {START}), ids=name_of)
def test_a_room_of_the_custom_labels_service_imports_from_those_below_it_only(path: Path) -> None:
    room = path.relative_to(REKOGNITION).parts[0]
    open_to_it = {room, *FLOORS[: FLOORS.index(room)]} if room in FLOORS else {room}
    names = (name.split(".") for name in imports(ast.walk(ast.parse(path.read_text()))))

    assert {name[2] for name in names if name[:2] == ["local", "rekognition"] and name[2:]} & ROOMS <= open_to_it


def test_every_room_of_the_custom_labels_service_has_its_floor() -> None:
    assert {*FLOORS, ENGINE} == ROOMS
