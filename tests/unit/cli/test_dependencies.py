"""What the command line needs is what it says it needs."""

import subprocess
import sys

# Part of the functions' environment, not of the command line's: pyproject.toml.
ABSENT = ("aws_lambda_powertools", "jinja2")


def test_the_commands_start_without_what_only_functions_have() -> None:
    absent = "; ".join(f"sys.modules[{name!r}] = None" for name in ABSENT)
    code = f"import sys; {absent}; sys.path[:0] = ['.', 'layers/mlops']; import cli.__main__"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
