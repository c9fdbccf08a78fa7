"""How layers are built, on machines as they are."""

import os
import re
import subprocess
from pathlib import Path

import pytest

LAYERS = Path(__file__).parents[2] / "layers"
FUNCTIONS = LAYERS.with_name("functions")
# Every function has the layer: it starts with it, and an account has 75 GB for all that is uploaded.
MOST_BYTES_OF_OUR_OWN = 1_200_000


def commands(tmp_path: Path, **environment: str) -> str:
    """What `sam build` would run for the imaging layer, where `python3` has no pip."""
    bare = tmp_path / "python3"
    bare.write_text('#!/bin/sh\necho "No module named pip" >&2\nexit 1\n')
    bare.chmod(0o755)
    settings = {"PATH": f"{tmp_path}:/usr/bin:/bin", "ARTIFACTS_DIR": str(tmp_path), **environment}
    command = ["make", "--dry-run", "--makefile", str(LAYERS / "imaging/Makefile"), "build-ImagingLayer"]
    return subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, check=True).stdout


def test_layers_are_built_with_the_pip_of_the_setup_although_python3_has_none(tmp_path: Path) -> None:
    pip = LAYERS.parent / ".venvs/uv/bin/python"

    assert commands(tmp_path, UV="").startswith(f"{pip} -m pip install")
    assert subprocess.run([pip, "-m", "pip", "--version"], env=os.environ, check=True, capture_output=True)


def test_uv_of_the_setup_comes_first_and_pip_where_it_cannot_work(tmp_path: Path) -> None:
    first, _, then = commands(tmp_path).partition("|| ")

    assert first.startswith(f"{LAYERS.parent / '.venvs/uv/bin/uv'} pip install")
    assert "-m pip install" in then


@pytest.mark.parametrize("pip", ["pip3.14", "/opt/python -m pip"])
def test_layers_are_built_with_the_pip_that_somebody_names(tmp_path: Path, pip: str) -> None:
    assert commands(tmp_path, PIP=pip).startswith(f"{pip} install")


def test_what_functions_share_stays_small() -> None:
    files = [path for place in (LAYERS / "mlops/mlops", FUNCTIONS) for path in place.rglob("*") if path.is_file()]

    assert sum(path.stat().st_size for path in files if "__pycache__" not in path.parts) < MOST_BYTES_OF_OUR_OWN


def test_functions_bring_no_parser_of_other_layouts() -> None:
    """Formats of labelling tools are the command line's: functions read folders, masks and the manifest."""
    required = [path.read_text() for place in (LAYERS, FUNCTIONS) for path in place.rglob("requirements*.txt")]
    names = {re.split(r"[\[<>=!~ ]", line)[0] for text in required for line in text.splitlines() if line.strip()}

    assert names == {"aws-lambda-powertools", "jinja2", "numpy", "pillow", "tzdata"}
