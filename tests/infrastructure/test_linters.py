import os
import subprocess

import pytest

from tests.infrastructure.template import ROOT

TOOLS = ROOT / ".venvs/sam/bin"


def lint(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    if not (TOOLS / tool).exists():
        pytest.skip(f"{tool} is not installed in .venvs/sam")
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
    command = [str(TOOLS / tool), *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_cfn_lint_has_nothing_to_say_about_delivery():
    delivery = [f"delivery/{name}.yaml" for name in ("environment", "github", "pipeline", "product")]
    result = lint("cfn-lint", *delivery)

    assert (result.returncode, result.stdout) == (0, "")


def test_sam_and_cfn_lint_have_nothing_to_say_about_the_template():
    result = lint("sam", "validate", "--lint", "--template", "template.yaml", "--region", "eu-west-1")

    assert result.returncode == 0, result.stdout + result.stderr
    assert "is a valid SAM Template" in result.stdout
