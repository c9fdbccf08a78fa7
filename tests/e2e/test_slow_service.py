"""Trainings that take long, in a cloud of its own: everybody waits for somebody, and nothing outlives the stack."""

import pytest

from tests.e2e.system import started_system
from tests.e2e.test_capacity import DATASETS, bring_to_production

pytestmark = pytest.mark.e2e


def test_three_datasets_at_once_all_finish_when_training_takes_long_and_nothing_outlives_the_stack(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    state = tmp_path_factory.mktemp("slow")
    with started_system(state, training_seconds=12, parameters={"SettleSeconds": "60"}) as system:
        crowd = bring_to_production(system, DATASETS, 400)

        assert any("trains" in what for what in crowd.waited_for), crowd.waited_for
        assert any("runs" in what for what in crowd.waited_for)
        assert len(system.running()) == 1
        system.delete_stack()
        assert not system.running()
