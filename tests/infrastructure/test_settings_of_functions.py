"""What the code reads from its environment, the template sets."""

import ast
import json
from functools import cache
from pathlib import Path

import pytest

from tests.infrastructure.template import ROOT, functions, logical_id

PACKAGE = ROOT / "layers/mlops/mlops"
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
Place = tuple[Path, str]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(path: Path) -> dict[str, Place]:
    """Local names that stand for a module of the package (with an empty second part) or for something in one."""
    names: dict[str, Place] = {}
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mlops":
            for alias in node.names:
                place = PACKAGE.joinpath(*(node.module or "").split(".")[1:])
                module = place / f"{alias.name}.py"
                found = (module, "") if module.exists() else (place.with_suffix(".py"), alias.name)
                names[alias.asname or alias.name] = found
    return names


def _definitions(path: Path) -> dict[str, ast.AST]:
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name: node for node in _tree(path).body if isinstance(node, kinds)}


def _used(path: Path, body: ast.AST) -> set[Place]:
    imports, used = _imports(path), set()
    for node in ast.walk(body):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imports:
            used.add((imports[node.value.id][0], node.attr))
        elif isinstance(node, ast.Name):
            used.add(imports.get(node.id, (path, node.id)))
    return used


def _read(body: ast.AST) -> set[str]:
    calls = [node for node in ast.walk(body) if isinstance(node, ast.Call) and node.args]
    names = [(call.args[0], getattr(call.func, "attr", getattr(call.func, "id", ""))) for call in calls]
    return {
        str(first.value)
        for first, name in names
        if name in ("setting", "json_setting") and isinstance(first, ast.Constant)
    }


def settings_read_by(function: str) -> set[str]:
    """The settings that can be read by anything a function reaches by name."""
    waiting, seen, found = [(ROOT / "functions" / function / "app.py", "handler")], set(), set()
    while waiting:
        path, name = place = waiting.pop()
        body = _definitions(path).get(name)
        if place in seen or body is None:
            continue
        seen.add(place)
        found |= _read(body)
        waiting.extend(_used(path, body))
    return found


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_setting_a_function_reads_is_set(function):
    variables = functions()[logical_id(function)]["Environment"]["Variables"]

    assert settings_read_by(function) <= set(variables)


def test_the_check_sees_settings_behind_several_calls():
    assert {"LEASE_MINUTES", "STATUS_QUEUE_URL", "GATES", "TABLE"} <= settings_read_by("eval_metric")
    assert "APPROVAL_URL" in settings_read_by("approval")


def test_every_folder_of_functions_is_a_function_of_the_template():
    assert {logical_id(function) for function in FUNCTIONS} == set(functions())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_by_default_nothing_stays_running(function):
    variables = functions()[logical_id(function)]["Environment"]["Variables"]

    assert json.loads(variables["ALWAYS_ON"]) == {"staging": "false", "production": "false"}
