"""A service that is killed at any moment keeps what it had completed, goes on where it was, and is never half way."""

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.exceptions import HTTPClientError

from tests.emulator.clients import PASSING, begin_training, copy, describe, output_kinds
from tests.emulator.datasets import picture
from tests.emulator.processes import RunningService, wait_for

Launch = Callable[..., RunningService]
States = set[str | None]
# Where a version is once nothing of it is under way. What a killed service had begun it ends, but a training.
ENDS: dict[str, States] = {
    "TRAINING_IN_PROGRESS": {"TRAINING_COMPLETED", "TRAINING_FAILED"},
    "COPYING_IN_PROGRESS": {"COPYING_COMPLETED"},
    "STARTING": {"RUNNING"},
    "STOPPING": {"STOPPED"},
    "DELETING": {None},
}
TRAINED = {"TRAINING_COMPLETED", "COPYING_COMPLETED", "STOPPED", "RUNNING"}
STARTABLE = TRAINED - {"RUNNING"}
OUTPUTS = 6
SEED, ROUNDS = 1, 8
# What boto3 makes of an answer that does not come, or ends after its headers: it is taken for one without members.
CUT_OFF = (NoConnectionError, HTTPClientError, KeyError)


class Life:
    """A client that does this and that until the service dies, and knows in which states each version may be."""

    def __init__(self, seed: int, s3: Any, training_lines: list[Any]) -> None:
        self.chance = Random(seed)
        self.possible: dict[str, States] = {}
        self.evaluations: dict[str, Any] = {}
        self._s3, self._lines = s3, training_lines

    def live(self, client: Any) -> None:
        """Do a few things at random, and look until the end."""
        if not self._one(client, TRAINED):
            self._train(client)
        for _ in range(self.chance.randrange(2, 8)):
            self.chance.choice([self._train, self._copy, self._start, self._stop, self._stop, self._delete])(client)
        while True:
            wait_for(lambda: not self.look(client))

    def look(self, client: Any) -> dict[str, dict[str, Any]]:
        """Describe every version of every project, by its ARN."""
        found = {}
        for project in client.describe_projects()["ProjectDescriptions"]:
            answer = client.describe_project_versions(ProjectArn=project["ProjectArn"])
            found |= {version["ProjectVersionArn"]: version for version in answer["ProjectVersionDescriptions"]}
        return found

    def _train(self, client: Any) -> None:
        arn = begin_training(client, self._s3, self._lines)
        self.possible[arn] = ENDS["TRAINING_IN_PROGRESS"]
        # Now and then until it is done, for there is little to do without a model.
        if self.chance.random() < 0.5:
            wait_for(lambda: describe(client, arn)["Status"] != "TRAINING_IN_PROGRESS")

    def _copy(self, client: Any) -> None:
        if source := self._one(client, TRAINED):
            self.possible[copy(client, {"ProjectVersionArn": source})] = ENDS["COPYING_IN_PROGRESS"]

    def _start(self, client: Any) -> None:
        if arn := self._one(client, STARTABLE):
            self._change(
                arn, "STARTING", lambda: client.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
            )

    def _stop(self, client: Any) -> None:
        if arn := self._one(client, {"RUNNING"}):
            self._change(arn, "STOPPING", lambda: client.stop_project_version(ProjectVersionArn=arn))

    def _delete(self, client: Any) -> None:
        if arn := self._one(client, {"COPYING_COMPLETED", "STOPPED", "TRAINING_FAILED"}):
            with suppress(client.exceptions.ResourceInUseException):  # it is being copied
                self._change(arn, "DELETING", lambda: client.delete_project_version(ProjectVersionArn=arn))

    def _one(self, client: Any, states: set[str]) -> str | None:
        arns = [arn for arn, version in self.look(client).items() if version["Status"] in states]
        return self.chance.choice(sorted(arns)) if arns else None

    def _change(self, arn: str, to: str, call: Callable[[], Any]) -> None:
        # Until the answer is there, the service may have begun, or not.
        before = self.possible.get(arn, set())
        self.possible[arn] = before | ENDS[to]
        try:
            call()
        except CUT_OFF:
            raise
        except Exception:
            self.possible[arn] = before
            raise
        self.possible[arn] = ENDS[to]


def test_a_killed_service_loses_nothing_and_is_nowhere_half_way(
    launch: Launch, s3: Any, tmp_path: Path, training_lines: list[Any]
) -> None:
    life = Life(SEED, s3, training_lines)
    quotas = ("--max-running-models", 50, "--max-trainings", 50, "--tps-per-unit", 1000, "--max-projects", 1000)
    switches = ("--state", tmp_path / "state", "--transition-seconds", 0.3, *quotas)
    service = launch(*switches)
    for _ in range(ROUNDS):
        killer = threading.Timer(life.chance.uniform(0.05, 2), service.process.send_signal, [signal.SIGKILL])
        killer.start()
        with suppress(*CUT_OFF):
            life.live(service.client())
        killer.join()
        service.stop()
        service = launch(*switches)
        check(service.client(), s3, life, tmp_path / "state")


def check(client: Any, s3: Any, life: Life, state: Path) -> None:
    """Check that every version is where it can be, and is whole there."""
    wait_for(lambda: all(version["Status"] not in PASSING for version in life.look(client).values()))
    found = life.look(client)
    for arn, states in life.possible.items():
        status = found[arn]["Status"] if arn in found else None
        assert status in states, f"{arn} is {status}; it may be {states}"
    for arn, version in found.items():
        # One that nobody was told of is there, too, when only the answer was lost.
        life.possible[arn] = {version["Status"]}
        assert version["Status"] in TRAINED | {"TRAINING_FAILED"}, version["StatusMessage"]
        if version["Status"] in TRAINED:
            check_trained(client, s3, life, version)
    life.possible = {arn: states for arn, states in life.possible.items() if arn in found}
    kept = {path.name for path in (state / "models").iterdir()}
    trained = {arn.rpartition("/")[2] for arn, version in found.items() if version["Status"] in TRAINED}
    assert trained <= kept <= {arn.rpartition("/")[2] for arn in found}
    assert not list((state / "work").iterdir())


def check_trained(client: Any, s3: Any, life: Life, version: dict[str, Any]) -> None:
    arn = version["ProjectVersionArn"]
    assert life.evaluations.setdefault(arn, version["EvaluationResult"]) == version["EvaluationResult"]
    assert len(output_kinds(s3, arn.split("/")[3])) == OUTPUTS
    if version["Status"] == "RUNNING":
        answer = client.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": picture("ok", 1)})
        assert [label["Name"] for label in answer["CustomLabels"]] == ["ok"]
