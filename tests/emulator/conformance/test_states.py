"""The state machines of versions, datasets and projects: every transition is seen, and nothing goes on without one."""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.clients import (
    begin_training,
    copy,
    describe,
    error_code,
    new_name,
    new_project,
    settled,
    start,
    status,
    stop,
    train,
)
from tests.emulator.conformance.requests import call
from tests.emulator.datasets import line, picture, put_manifest
from tests.emulator.processes import RunningService, lose_model, wait_for
from tests.emulator.target import ON_AWS, OUTPUT, PATIENCE_SECONDS, POLL_SECONDS

Launch = Callable[..., RunningService]
Transition = tuple[str | None, str | None]
NOWHERE = {"OutputConfig": {"S3Bucket": "no-such-bucket"}}
# Long enough to be seen by whoever looks often.
VISIBLE = ("--transition-seconds", 0.3)

STARTABLE = ("TRAINING_COMPLETED", "COPYING_COMPLETED", "STOPPED", "FAILED")
DELETABLE = (*STARTABLE, "TRAINING_FAILED", "COPYING_FAILED")
TRAINED = (*STARTABLE, "STARTING", "RUNNING", "STOPPING")
EVERY_STATE = (*TRAINED, "TRAINING_IN_PROGRESS", "TRAINING_FAILED", "COPYING_IN_PROGRESS", "COPYING_FAILED", "DELETING")
ALLOWED = {
    "StartProjectVersion": STARTABLE,
    "StopProjectVersion": ("RUNNING",),
    "DeleteProjectVersion": DELETABLE,
    "DetectCustomLabels": ("RUNNING",),
    "CopyProjectVersion": TRAINED,
}
VERSION_TRANSITIONS: set[Transition] = {
    (None, "TRAINING_IN_PROGRESS"),
    ("TRAINING_IN_PROGRESS", "TRAINING_COMPLETED"),
    ("TRAINING_IN_PROGRESS", "TRAINING_FAILED"),
    (None, "COPYING_IN_PROGRESS"),
    ("COPYING_IN_PROGRESS", "COPYING_COMPLETED"),
    ("COPYING_IN_PROGRESS", "COPYING_FAILED"),
    *((state, "STARTING") for state in STARTABLE),
    ("STARTING", "RUNNING"),
    ("STARTING", "FAILED"),
    ("RUNNING", "STOPPING"),
    ("STOPPING", "STOPPED"),
    *((state, "DELETING") for state in DELETABLE),
    ("DELETING", None),
}
CHANGEABLE = ("CREATE_COMPLETE", "CREATE_FAILED", "UPDATE_COMPLETE", "UPDATE_FAILED")
DATASET_TRANSITIONS: set[Transition] = {
    (None, "CREATE_IN_PROGRESS"),
    ("CREATE_IN_PROGRESS", "CREATE_COMPLETE"),
    ("CREATE_IN_PROGRESS", "CREATE_FAILED"),
    ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"),
    ("UPDATE_IN_PROGRESS", "UPDATE_FAILED"),
    *((state, "UPDATE_IN_PROGRESS") for state in CHANGEABLE),
    *((state, "DELETE_IN_PROGRESS") for state in CHANGEABLE),
    ("DELETE_IN_PROGRESS", None),
}


class Watch:
    """Notes every transition of what it is told to follow."""

    def __init__(self) -> None:
        self.seen: set[Transition] = set()
        self._last: dict[str, str | None] = {}

    def follow(self, name: str, look: Callable[[], str | None], *goals: str | None) -> None:
        """Look until one of the goals is reached."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for _ in itertools.count():
            state, before = look(), self._last.get(name)
            if state != before:
                self.seen.add((before, state))
                self._last[name] = state
            if state in goals:
                return
            assert time.monotonic() < deadline, f"{name} stays {state}, not {goals}"
            time.sleep(min(POLL_SECONDS, 0.5))


@pytest.fixture(scope="module")
def seen_of_versions(
    launch_for_all: Launch, s3: Any, training_lines: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> set[Transition]:
    """Lives of versions that have, between them, every transition."""
    state = tmp_path_factory.mktemp("lives")
    client = launch_for_all("--state", state, *VISIBLE, "--max-running-models", 20).client()
    watch = Watch()

    def follow(arn: str, *goals: str | None) -> None:
        watch.follow(arn, lambda: status(client, arn), *goals)

    def run(arn: str) -> None:
        client.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
        follow(arn, "RUNNING", "FAILED")

    def halt(arn: str) -> None:
        client.stop_project_version(ProjectVersionArn=arn)
        follow(arn, "STOPPED")

    def delete(arn: str) -> None:
        client.delete_project_version(ProjectVersionArn=arn)
        follow(arn, None)

    def made(arn: str) -> str:
        follow(arn, "TRAINING_COMPLETED", "TRAINING_FAILED", "COPYING_COMPLETED", "COPYING_FAILED")
        return arn

    trained = made(begin_training(client, s3, training_lines))
    untouched = made(begin_training(client, s3, training_lines))
    source = {"ProjectVersionArn": trained}
    failed, lost = made(begin_training(client, s3, ["{"])), made(copy(client, source, **NOWHERE))
    copies = [made(copy(client, source)) for _ in range(3)]
    run(trained)
    halt(trained)
    run(trained)
    halt(trained)
    run(copies[0])
    lose_model(state, copies[1])
    run(copies[1])
    run(copies[1])
    for arn in (trained, copies[1], copies[2], failed, lost, untouched):
        delete(arn)
    return watch.seen


@pytest.mark.parametrize("transition", sorted(VERSION_TRANSITIONS, key=str), ids=str)
def test_a_transition_of_a_version_is_seen(seen_of_versions: set[Transition], transition: Transition) -> None:
    assert transition in seen_of_versions


def test_no_other_transition_of_a_version_is_seen(seen_of_versions: set[Transition]) -> None:
    assert seen_of_versions <= VERSION_TRANSITIONS


@pytest.fixture(scope="module")
def seen_of_datasets(request: pytest.FixtureRequest, rekognition: Any, s3: Any) -> set[Transition]:
    """Lives of datasets that have, between them, every transition."""
    client = rekognition if ON_AWS else request.getfixturevalue("launch_for_all")(*VISIBLE).client()
    watch = Watch()

    def look(arn: str) -> str | None:
        try:
            return str(client.describe_dataset(DatasetArn=arn)["DatasetDescription"]["Status"])
        except client.exceptions.ResourceNotFoundException:
            return None

    def follow(arn: str, *goals: str | None) -> None:
        watch.follow(arn, lambda: look(arn), *goals)

    def create(kind: str = "TRAIN", project: str = "", **source: Any) -> str:
        request = {"ProjectArn": project or new_project(client), "DatasetType": kind, **source}
        arn = str(client.create_dataset(**request)["DatasetArn"])
        follow(arn, "CREATE_COMPLETE", "CREATE_FAILED")
        return arn

    def update(arn: str) -> None:
        text = f'{{"source-ref": "s3://{OUTPUT}/{new_name()}.png"}}'
        client.update_dataset_entries(DatasetArn=arn, Changes={"GroundTruth": text.encode()})
        follow(arn, "UPDATE_COMPLETE")

    def distribute() -> str:
        project = new_project(client)
        training, testing = create("TRAIN", project), create("TEST", project)
        client.distribute_dataset_entries(Datasets=[{"Arn": training}, {"Arn": testing}])
        follow(training, "UPDATE_FAILED")
        return training

    nothing = {"GroundTruthManifest": {"S3Object": {"Bucket": OUTPUT, "Name": "nothing.manifest"}}}
    empty, absent, too_few = create(), create(DatasetSource=nothing), distribute()
    update(empty)
    update(empty)
    update(absent)
    update(too_few)
    for arn in (empty, create(), create(DatasetSource=nothing), distribute()):
        client.delete_dataset(DatasetArn=arn)
        follow(arn, None)
    return watch.seen


@pytest.mark.parametrize("transition", sorted(DATASET_TRANSITIONS, key=str), ids=str)
def test_a_transition_of_a_dataset_is_seen(seen_of_datasets: set[Transition], transition: Transition) -> None:
    assert transition in seen_of_datasets


def test_no_other_transition_of_a_dataset_is_seen(seen_of_datasets: set[Transition]) -> None:
    assert seen_of_datasets <= DATASET_TRANSITIONS


@pytest.fixture(scope="module")
def frozen(
    launch_for_all: Launch, s3: Any, training_lines: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, dict[str, str]]]:
    """A client, and a version in every state; none leaves it, for a passing state lasts an hour."""
    state = tmp_path_factory.mktemp("frozen")
    quotas = ("--state", state, "--max-running-models", 20)
    quick = launch_for_all(*quotas)
    client = quick.client()
    trained = train(client, s3, training_lines)
    versions = {
        "TRAINING_COMPLETED": trained["ProjectVersionArn"],
        "TRAINING_FAILED": train(client, s3, ["{"])["ProjectVersionArn"],
        "COPYING_FAILED": settled(client, copy(client, trained, **NOWHERE))["ProjectVersionArn"],
    }
    for name in ("COPYING_COMPLETED", "STOPPED", "FAILED", "STARTING", "RUNNING", "STOPPING", "DELETING"):
        versions[name] = settled(client, copy(client, trained))["ProjectVersionArn"]
    for name in ("STOPPED", "RUNNING", "STOPPING"):
        start(client, versions[name])
    stop(client, versions["STOPPED"])
    lose_model(state, versions["FAILED"])
    client.start_project_version(ProjectVersionArn=versions["FAILED"], MinInferenceUnits=1)
    settled(client, versions["FAILED"])
    quick.stop()
    client = launch_for_all(*quotas, "--transition-seconds", 3600).client()
    client.start_project_version(ProjectVersionArn=versions["STARTING"], MinInferenceUnits=1)
    client.stop_project_version(ProjectVersionArn=versions["STOPPING"])
    client.delete_project_version(ProjectVersionArn=versions["DELETING"])
    versions["TRAINING_IN_PROGRESS"] = begin_training(client, s3, training_lines)
    versions["COPYING_IN_PROGRESS"] = copy(client, trained)
    yield client, versions


def test_every_state_is_reached(frozen: tuple[Any, dict[str, str]]) -> None:
    client, versions = frozen

    assert {name: status(client, arn) for name, arn in versions.items()} == {name: name for name in EVERY_STATE}


@pytest.mark.parametrize(
    ("operation", "state"),
    [(name, state) for name, allowed in ALLOWED.items() for state in EVERY_STATE if state not in allowed],
)
def test_a_state_forbids_an_operation_and_stays(frozen: tuple[Any, dict[str, str]], operation: str, state: str) -> None:
    client, versions = frozen
    before = describe(client, versions[state])
    expected = "ResourceNotReadyException" if operation == "DetectCustomLabels" else "ResourceInUseException"

    assert error_code(attempt, client=client, operation=operation, arn=versions[state]) == expected
    assert describe(client, versions[state]) == before


@pytest.mark.parametrize("seconds", [0.3, 1.0])
def test_a_version_that_is_starting_is_stopped_where_the_service_takes_that(
    launch: Launch, s3: Any, training_lines: list[Any], seconds: float
) -> None:
    client = launch("--stop-while-starting", "--transition-seconds", seconds).client()
    arn = train(client, s3, training_lines)["ProjectVersionArn"]
    client.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    seen = [status(client, arn)]

    assert client.stop_project_version(ProjectVersionArn=arn)["Status"] == "STOPPING"
    assert error_code(client.stop_project_version, ProjectVersionArn=arn) == "ResourceInUseException"
    wait_for(lambda: seen.append(status(client, arn)) or seen[-1] == "STOPPED")
    assert [state for state, _ in itertools.groupby(seen)] == ["STARTING", "STOPPING", "STOPPED"]
    detect = {"ProjectVersionArn": arn, "Image": {"Bytes": PICTURE}}
    assert error_code(client.detect_custom_labels, **detect) == "ResourceNotReadyException"

    # The start that was given up does not come back, and the version starts as ever.
    start(client, arn)
    assert client.detect_custom_labels(**detect)["CustomLabels"]
    stop(client, arn)


def test_a_start_that_a_restart_took_up_again_can_be_stopped(
    launch: Launch, s3: Any, training_lines: list[Any], tmp_path: Path
) -> None:
    slow = ("--state", tmp_path, "--transition-seconds", 2)
    service = launch(*slow)
    arn = train(service.client(), s3, training_lines)["ProjectVersionArn"]
    service.client().start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    service.stop()
    client = launch(*slow, "--stop-while-starting").client()

    assert status(client, arn) == "STARTING"
    client.stop_project_version(ProjectVersionArn=arn)
    assert wait_for(lambda: status(client, arn) == "STOPPED")


@pytest.mark.parametrize("state", TRAINED)
def test_a_state_allows_to_copy(frozen: tuple[Any, dict[str, str]], state: str) -> None:
    client, versions = frozen

    assert attempt(client, "CopyProjectVersion", versions[state])["ProjectVersionArn"]


def attempt(client: Any, operation: str, arn: str) -> Any:
    if operation == "CopyProjectVersion":
        return {"ProjectVersionArn": copy(client, {"ProjectVersionArn": arn})}
    extras = {"StartProjectVersion": {"MinInferenceUnits": 1}, "DetectCustomLabels": {"Image": {"Bytes": PICTURE}}}
    return call(client, operation, {"ProjectVersionArn": arn, **extras.get(operation, {})})


PICTURE = picture("ok", 1)


def test_a_source_is_not_deleted_while_it_is_copied(frozen: tuple[Any, dict[str, str]]) -> None:
    client, versions = frozen

    source = {"ProjectVersionArn": versions["TRAINING_COMPLETED"]}
    assert error_code(client.delete_project_version, **source) == "ResourceInUseException"


def test_a_name_is_taken_until_its_project_is_gone(launch: Launch, s3: Any) -> None:
    client = launch(*VISIBLE).client()
    name = new_name()
    arn = client.create_project(ProjectName=name)["ProjectArn"]
    manifest = put_manifest(s3, "late.manifest", [line("a.png", "ok")])
    late = {"VersionName": "late", "OutputConfig": {"S3Bucket": OUTPUT}, "TrainingData": manifest}

    assert client.delete_project(ProjectArn=arn)["Status"] == "DELETING"
    (project,) = client.describe_projects(ProjectNames=[name])["ProjectDescriptions"]
    assert project["Status"] == "DELETING"
    assert error_code(client.delete_project, ProjectArn=arn) == "ResourceInUseException"
    assert error_code(client.create_project, ProjectName=name) == "ResourceInUseException"
    inputs = {**late, "TestingData": {"AutoCreate": True}}
    assert error_code(client.create_project_version, ProjectArn=arn, **inputs) == "ResourceInUseException"
    dataset = {"ProjectArn": arn, "DatasetType": "TRAIN"}
    assert error_code(client.create_dataset, **dataset) == "ResourceNotFoundException"
    wait_for(lambda: not client.describe_projects(ProjectNames=[name])["ProjectDescriptions"])
    assert error_code(client.delete_project, ProjectArn=arn) == "ResourceNotFoundException"
    client.create_project(ProjectName=name)


def test_a_dataset_is_guarded_while_it_changes(launch: Launch) -> None:
    client = launch(*VISIBLE).client()
    arn = client.create_dataset(ProjectArn=new_project(client), DatasetType="TRAIN")["DatasetArn"]
    named, changes = {"DatasetArn": arn}, {"Changes": {"GroundTruth": b'{"source-ref": "s3://parts/a.png"}'}}
    state = lambda: client.describe_dataset(**named)["DatasetDescription"]["Status"]  # noqa: E731

    assert error_code(client.delete_dataset, **named) == "ResourceInUseException"
    wait_for(lambda: state() == "CREATE_COMPLETE")
    client.update_dataset_entries(**named, **changes)
    assert error_code(client.update_dataset_entries, **named, **changes) == "ResourceInUseException"
    assert error_code(client.delete_dataset, **named) == "ResourceInUseException"
    assert client.list_dataset_entries(**named)["ResponseMetadata"]["HTTPStatusCode"] == 200
    wait_for(lambda: state() == "UPDATE_COMPLETE")
    client.delete_dataset(**named)
    assert error_code(client.delete_dataset, **named) == "ResourceInUseException"
    assert error_code(client.list_dataset_entries, **named) == "ResourceNotFoundException"
