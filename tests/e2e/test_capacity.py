"""More datasets at once than the account may train or run models, in a cloud of its own where trainings take long.

Everybody waits for somebody, all of them come to production, and nothing outlives the stack.
"""

from collections.abc import Sequence

import pytest

from tests.e2e.conftest import separable
from tests.e2e.system import QUICK, System, eventually, started_system

pytestmark = pytest.mark.e2e

# Trainings and starts take long enough that somebody meets a used-up quota of each kind.
SLOW = (*QUICK, "--training-seconds", "5", "--transition-seconds", "1.5")
DATASETS = ("bolts", "nuts", "screws")
STEPS = (("development", "staging"), ("staging", "production"))


class Crowd:
    """Datasets that were dropped together, and somebody who approves whatever asks for it."""

    def __init__(self, system: System, datasets: Sequence[str]) -> None:
        self.system, self.datasets = system, datasets
        self.waited_for: set[str] = set()
        self._open = [(dataset, *step) for dataset in datasets for step in STEPS]

    def look(self) -> bool:
        """Approve what asks; whether everything is released."""
        self.system.observe()
        runs = {dataset: found[0] for dataset in self.datasets if (found := self.system.runs(dataset))}
        for run in runs.values():
            assert run.failure is None, f"{run.run_id}: {run.failure}"
            self.waited_for |= {stage.waiting_for for stage in run.stages if stage.waiting_for}
        for step in [step for step in self._open if step[0] in runs]:
            dataset, _, target = step
            if self.system.approvals(runs[dataset].run_id, target):
                self.system.decide(runs[dataset].run_id, "approve", target)
                self._open.remove(step)
        return not self._open and all(self.system.current(d) == runs[d].run_id for d in self.datasets)


def bring_to_production(system: System, datasets: Sequence[str], seconds: float) -> Crowd:
    for dataset in datasets:
        system.upload(separable(dataset, per_label=6))
    for dataset in datasets:
        system.drop({}, dataset)
    crowd = Crowd(system, datasets)
    eventually(crowd.look, f"release of {', '.join(datasets)}", seconds)
    return crowd


def test_three_datasets_at_once_all_finish_although_training_takes_long_and_nothing_outlives_the_stack(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    state = tmp_path_factory.mktemp("slow")
    with started_system(state, {"SettleSeconds": "60", "ProductionAlwaysOn": "true"}, SLOW) as system:
        crowd = bring_to_production(system, DATASETS, 400)

        assert any("trains" in what for what in crowd.waited_for), crowd.waited_for
        assert any("runs" in what for what in crowd.waited_for)
        assert len(system.running()) == 1
        system.delete_stack()
        assert not system.running()
