"""Imports point one way: functions to the layer, the layer to nothing of ours; boto3 stays at the edges."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LAYER = ROOT / "layers" / "mlops" / "mlops"
FUNCTIONS = sorted((ROOT / "functions").glob("*/*.py"))
MODULES = sorted(LAYER.rglob("*.py"))
LOCAL = sorted((ROOT / "local").rglob("*.py"))
PURE = [
    *("annotations", "answers", "boxes", "classification", "datasets", "detection", "drawing", "gate"),
    *("keys", "labels", "limits", "looking", "quotas", "words"),
    *("manifests", "masks", "metrics", "pixels", "png", "settings", "snapshots", "splits"),
]
EDGES = {LAYER / "aws.py", LAYER / "table.py"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            yield str(node.module)


def packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_walk() -> None:
    assert FUNCTIONS and MODULES and LOCAL


@pytest.mark.parametrize("path", FUNCTIONS, ids=name_of)
def test_functions_know_the_layer_and_no_client(path: Path) -> None:
    assert not packages(path) & {"local", "functions", "cli", "boto3", "botocore"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_layer_knows_neither_functions_nor_the_laptop(path: Path) -> None:
    assert not packages(path) & {"local", "functions", "cli"}


@pytest.mark.parametrize("path", [path for path in MODULES if path not in EDGES], ids=name_of)
def test_only_the_edges_know_boto3(path: Path) -> None:
    aws = {name for name in imports(path) if name.split(".")[0] in ("boto3", "botocore")}

    assert aws <= {"boto3.dynamodb.conditions", "botocore.exceptions"}


@pytest.mark.parametrize("path", LOCAL, ids=name_of)
def test_the_laptop_cloud_knows_no_function(path: Path) -> None:
    assert "functions" not in packages(path)


@pytest.mark.parametrize("module", PURE)
def test_the_domain_is_pure(module: str) -> None:
    ours = {name for name in imports(LAYER / f"{module}.py") if name.startswith("mlops")}

    assert not packages(LAYER / f"{module}.py") & {"boto3", "botocore", "os", "aws_lambda_powertools"}
    assert not ours & {"mlops.aws", "mlops.table", "mlops.runs"}
