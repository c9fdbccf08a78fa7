"""Imports point one way: functions to the layer, the layer to nothing of ours; boto3 stays at the edges."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LAYER = ROOT / "layers" / "mlops" / "mlops"
FUNCTIONS = sorted((ROOT / "functions").glob("*/*.py"))
MODULES = sorted(LAYER.rglob("*.py"))
COMMANDS = sorted((ROOT / "cli").rglob("*.py"))
LOCAL = sorted((ROOT / "local").rglob("*.py"))
# Rooms from the lowest floor up: a room imports from those before it, and from no other.
FLOORS = ("dataset", "judging", "pictures", "aws", "records", "models", "reading", "stages")
WITHOUT_AWS = ("dataset", "judging", "pictures")
# What a key of the table looks like, and its kinds.
KEY = re.compile(r"(pk|sk|ACTIVITY|CURRENT|KEPT|LEASE|WATCH|[A-Z]+#.*)$", re.DOTALL)
# The sort key of an image record is the object's key.
KEYS_OF_IMAGES = {"layers/mlops/mlops/dataset/object_record.py": {"sk"}}
# JSON of which nobody knows what it holds: `Json` where it comes in, a dataclass wherever it is written and read again.
LOOSE = re.compile(r"(Mapping|dict)\[str, Any\]")
MOST_LOOSE, LEAST_TOLD = 20, 0.95
# What every room may use; it knows no room itself.
HALL = ("arns", "codec", "events", "hours", "rounding", "stack", "stage", "words")


@cache
def imports(path: Path) -> tuple[str, ...]:
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "mlops")


def packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def imports_from_stages(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "mlops.stages":
            yield from (alias.name for alias in node.names)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    """The room of a module; empty for what stands in the hall."""
    return path.parent.name if path.parent != LAYER else ""


def test_there_is_something_to_walk() -> None:
    assert FUNCTIONS and MODULES and LOCAL


@pytest.mark.parametrize("path", FUNCTIONS, ids=name_of)
def test_functions_know_the_layer_and_no_client(path: Path) -> None:
    assert not packages(path) & {"local", "functions", "cli", "boto3", "botocore"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_layer_knows_neither_functions_nor_the_laptop(path: Path) -> None:
    assert not packages(path) & {"local", "functions", "cli"}


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) not in ("aws", "records")], ids=name_of)
def test_boto3_ends_in_the_rooms_aws_and_records(path: Path) -> None:
    aws = {name for name in imports(path) if name.split(".")[0] in ("boto3", "botocore")}

    assert aws <= {"botocore.exceptions"}


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) != "records"], ids=name_of)
def test_only_records_write_conditions_of_the_table(path: Path) -> None:
    assert not {name for name in imports(path) if name.startswith("boto3.dynamodb")}


@pytest.mark.parametrize(
    "path", [path for path in MODULES + COMMANDS + LOCAL + FUNCTIONS if room_of(path) != "records"], ids=name_of
)
def test_a_key_of_the_table_is_spelled_in_records_only(path: Path) -> None:
    constants = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
    spelled = {text for text in constants if isinstance(text, str) and KEY.match(text)}

    assert spelled <= KEYS_OF_IMAGES.get(name_of(path), set())


@pytest.mark.parametrize("path", LOCAL, ids=name_of)
def test_the_laptop_cloud_knows_no_function(path: Path) -> None:
    assert "functions" not in packages(path)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_room_imports_from_those_below_it_only(path: Path) -> None:
    room = room_of(path)
    below = FLOORS[: FLOORS.index(room) + 1] if room else ()

    assert {name.split(".")[1] for name in imports(path) if name.startswith("mlops.")} <= {*below, *HALL}


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) in WITHOUT_AWS], ids=name_of)
def test_what_decides_and_draws_is_pure(path: Path) -> None:
    assert not packages(path) & {"boto3", "botocore", "os", "aws_lambda_powertools"}
    assert room_of(path) == "pictures" or "PIL" not in packages(path)


@pytest.mark.parametrize("path", FUNCTIONS, ids=name_of)
def test_a_function_leads_to_the_stage_of_its_name(path: Path) -> None:
    names = {name.rpartition(".")[2] for name in imports_from_stages(path)}

    assert path.parent.name in names
    assert (LAYER / "stages" / f"{path.parent.name}.py").exists()


def test_rows_events_and_documents_have_types() -> None:
    loose = {name_of(path): len(LOOSE.findall(path.read_text())) for path in MODULES}

    assert sum(loose.values()) <= MOST_LOOSE, {name: count for name, count in loose.items() if count}


def public_in(node: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Public functions, classes, and what is public in those."""
    for one in node.body:
        if isinstance(one, ast.FunctionDef | ast.ClassDef) and not one.name.startswith("_"):
            yield one
            if isinstance(one, ast.ClassDef):
                yield from public_in(one)


def test_what_is_public_says_what_it_is() -> None:
    public = [one for path in MODULES for one in public_in(ast.parse(path.read_text()))]
    silent = [one.name for one in public if ast.get_docstring(one) is None]

    assert len(silent) <= (1 - LEAST_TOLD) * len(public), silent
