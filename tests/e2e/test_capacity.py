"""More datasets at once than the account may train or run models, in a cloud of its own where trainings take long.

Everybody waits for somebody, all of them come to production, the projects fill up, and nothing outlives the stack.
"""

from collections.abc import Iterator, Sequence

import pytest

from mlops.records.runs import Run
from tests.e2e.conftest import inseparable, separable
from tests.e2e.system import QUICK, System, eventually, started_system

pytestmark = pytest.mark.e2e

# Trainings and starts take long enough that somebody meets a used-up quota of each kind.
SLOW = (*QUICK, "--training-seconds", "5", "--transition-seconds", "1.5", "--max-versions", "5")
DATASETS = ("bolts", "nuts", "screws")
# Three are released, so that two more are all that the project of development takes.
SETTINGS = {"SettleSeconds": "60", "ProductionAlwaysOn": "true", "ProjectModels": "5", "KeepModels": "1"}
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


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    with started_system(tmp_path_factory.mktemp("slow"), SETTINGS, SLOW) as system:
        yield bring_to_production(system, DATASETS, 400)
        system.delete_stack()
        assert not system.running()


def test_three_datasets_at_once_all_finish_although_training_takes_long(crowd: Crowd) -> None:
    assert any("trains" in what for what in crowd.waited_for), crowd.waited_for
    assert any("runs" in what for what in crowd.waited_for)
    assert len(crowd.system.running()) == 1


def test_a_full_project_fails_a_training_until_the_hourly_look_has_deleted_what_was_never_released(
    crowd: Crowd,
) -> None:
    system = crowd.system
    older, newer = (fail_at(system, dataset, "eval_metric") for dataset in ("washers", "rivets"))
    refused = fail_at(system, "pins", "training")

    reason = next(stage.reasons[0] for stage in refused.stages if stage.stage == "training")
    assert "holds 5 models; 5 is the most" in reason
    assert "aws rekognition delete-project-version" in reason

    system.sweep()
    eventually(lambda: not system.statuses(older.run_id, "development"), f"end of {older.run_id}")
    assert system.statuses(newer.run_id, "development") == ["TRAINING_COMPLETED"]
    assert all(system.statuses(system.runs(name)[0].run_id, "development") for name in DATASETS)
    deleted = [mail.text for mail in system.cloud.mails() if mail.subject.startswith("Deleted: 1 model")]
    assert [older.run_id in text for text in deleted] == [True]

    system.write_again(f"runs/{refused.run_id}/training_input.json")
    assert fail_at(system, "pins", "eval_metric").run_id == refused.run_id


def fail_at(system: System, dataset: str, stage: str) -> Run:
    """The only run of a dataset that no model learns, once a stage of it has failed."""
    if not system.runs(dataset):
        system.drop(inseparable(dataset), dataset)

    def look() -> Run | None:
        failed = [run for run in system.runs(dataset) if run.failure and run.failure.stage == stage]
        return next(iter(failed), None)

    return eventually(look, f"failure of {stage} of {dataset}")
