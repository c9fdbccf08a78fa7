import sys

import pytest

# Functions are packaged as they are: no compiled files may lie beside them.
sys.dont_write_bytecode = True

_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(autouse=True)
def no_real_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test can reach an account by accident."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in _CREDENTIALS.items():
        monkeypatch.setenv(name, value)
