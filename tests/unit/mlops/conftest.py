import pytest
from hypothesis import settings

from tests.unit.mlops.world import SETTINGS, World, install

# A busy machine is no failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """AWS in one process, with the settings of a stack."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    world = World()
    install(world, monkeypatch)
    return world
