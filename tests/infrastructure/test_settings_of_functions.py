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
# Modules that still spell variables of their own.
LATER = {"ground_truth.py": {"DATA_BUCKET", "SETTLE_QUEUE_URL"}}


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


@cache
def _variables() -> dict[str, set[str]]:
    """The variables that each property and method of `Stack` reads."""
    stack = _definitions(PACKAGE / "stack.py")["Stack"]
    members = [node for node in ast.walk(stack) if isinstance(node, ast.FunctionDef)]
    return {
        member.name: {
            str(node.value) for node in ast.walk(member) if isinstance(node, ast.Constant) and str(node.value).isupper()
        }
        for member in members
    }


def _read(body: ast.AST) -> set[str]:
    """What is read as `here().name`."""
    found: set[str] = set()
    for node in ast.walk(body):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call) and _called(node.value) == "here":
            found |= _variables().get(node.attr, set())
    return found


def _called(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


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


def test_a_stack_is_asked_for_its_settings_where_it_is_taken() -> None:
    """Kept in a variable, what is read of it would not be seen by this check."""
    for path in PACKAGE.rglob("*.py"):
        calls = [node for node in ast.walk(_tree(path)) if isinstance(node, ast.Call) and _called(node) == "here"]
        asked = [node for node in ast.walk(_tree(path)) if isinstance(node, ast.Attribute) and node.value in calls]
        assert len(calls) == len(asked), path


def test_what_the_environment_has_is_spelled_in_one_place() -> None:
    spelled = {name for names in _variables().values() for name in names}
    for path in PACKAGE.rglob("*.py"):
        texts = {node.value for node in ast.walk(_tree(path)) if isinstance(node, ast.Constant)}
        assert path.name == "stack.py" or not spelled & texts - LATER.get(path.name, set()), path


def test_every_folder_of_functions_is_a_function_of_the_template():
    assert {logical_id(function) for function in FUNCTIONS} == set(functions())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_by_default_nothing_stays_running(function):
    variables = functions()[logical_id(function)]["Environment"]["Variables"]

    assert json.loads(variables["ALWAYS_ON"]) == {"staging": "false", "production": "false"}
