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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several workers the tests of a file stay together, and all that share the deployed system."""
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            folder = item.path.parent.name
            item.add_marker(pytest.mark.xdist_group("system" if folder == "e2e" else f"{folder}/{item.path.name}"))
