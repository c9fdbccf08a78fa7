"""What the Makefile hands to the tools that it starts."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def shown(variable: str, **environment: str) -> str:
    command = ["make", "--no-print-directory", "--eval", f"show: ; @echo $${variable}", "show"]
    settings = {"PATH": "/usr/bin:/bin", **environment}
    return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=True).stdout.strip()


def test_uv_trusts_the_certificates_of_the_machine() -> None:
    assert shown("UV_SYSTEM_CERTS") == "true"


@pytest.mark.parametrize("variable", ["UV_SYSTEM_CERTS", "UV_CACHE_DIR"])
def test_what_a_person_has_set_stays(variable: str) -> None:
    assert shown(variable, **{variable: "mine"}) == "mine"


def test_uv_takes_the_bundle_of_certificates_that_pip_was_given() -> None:
    assert shown("SSL_CERT_FILE", PIP_CERT="/etc/company.pem") == "/etc/company.pem"
