import gc
import sys
from typing import Any

import pytest
from botocore.loaders import Loader
from xdist.scheduler import LoadScopeScheduling

# Functions are packaged as they are: no compiled files may lie beside them.
sys.dont_write_bytecode = True

# Every mocked account has a session of its own, and each would list and read the descriptions of all services again.
_known: dict[Any, Any] = {}
_init = Loader.__init__


def _init_knowing(self: Loader, *arguments: Any, **options: Any) -> None:
    _init(self, *arguments, **options)
    self._cache = _known


Loader.__init__ = _init_knowing

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


# End-to-end tests with a cloud of their own, and those that deploy more than the system: with a second one, for all of
# them after one another would be what the others wait for.
ON_THEIR_OWN = ("test_capacity.py", "test_inspection.py", "test_readme.py", "test_stopping.py")
WITH_A_SECOND = ("test_delivery.py", "test_production.py")


class ByFile(LoadScopeScheduling):
    """With several workers, the tests of a file stay together, and all that share the deployed system."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        if "/e2e/" not in file or file.endswith(ON_THEIR_OWN):
            return file
        return "the second system" if file.endswith(WITH_A_SECOND) else "the deployed system"


# What takes longest begins first, so that it is not left alone at the end.
LONGEST = (
    "/e2e/",
    "test_survival.py",
    "test_kills.py",
    "test_image_formats.py",
    "engine/test_detection.py",
    "test_fuzz.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((place for place, part in enumerate(LONGEST) if part in item.nodeid), len(LONGEST))

    items.sort(key=place)


# What thousands of tests and the packages they import have made stays to the end: to look through it for garbage again
# and again is a tenth of all work.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)
