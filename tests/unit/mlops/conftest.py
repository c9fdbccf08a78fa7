from collections.abc import Iterator

import pytest
from hypothesis import settings
from moto import mock_aws

from tests.unit.mlops.world import SETTINGS, World, install, make_buckets

# A busy machine is no failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """AWS in one process, with the settings of a stack."""
    with mock_aws():
        for name, value in SETTINGS.items():
            monkeypatch.setenv(name, value)
        make_buckets()
        world = World()
        install(world, monkeypatch)
        yield world
