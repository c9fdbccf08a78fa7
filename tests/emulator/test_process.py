import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.rekognition.boxes import Box, overlap
from tests.emulator.clients import begin_training, copy, describe, settled, start, status, stop, train
from tests.emulator.datasets import boxed_picture, picture, put_boxed_pictures, put_pictures
from tests.emulator.processes import RunningService, ServiceNotStartedError, wait_for

Launch = Callable[..., RunningService]


@pytest.fixture
def launch(launch_by_command: Launch) -> Launch:
    return launch_by_command


def children(process: int) -> list[int]:
    listed = [thread.read_text().split() for thread in Path(f"/proc/{process}/task").glob("*/children")]
    return [int(child) for children_of_thread in listed for child in children_of_thread]


def cpu_ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_service_with_status_0(launch: Launch, number: int) -> None:
    service = launch()
    service.client().describe_projects()

    assert service.stop(number) == 0


def test_taken_port_is_reported(launch: Launch, service: RunningService, capfd: pytest.CaptureFixture[str]) -> None:
    port = service.url.rsplit(":", 1)[1]

    with pytest.raises(ServiceNotStartedError, match="exit code 1"):
        launch("--port", port)

    assert capfd.readouterr().err.startswith(f"cannot listen on 127.0.0.1:{port}: ")


def test_state_without_a_folder_goes_with_the_process(launch: Launch, tmp_path: Path) -> None:
    service = launch(TMPDIR=str(tmp_path))
    assert list(tmp_path.iterdir())

    service.stop()

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_training_process_ends_with_the_service(
    launch: Launch, s3: Any, tmp_path: Path, training_lines: list[Any], number: int
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    service = launch("--state", tmp_path / "state", TRAINING_GATE=str(gate))
    begin_training(service.client(), s3, training_lines)
    with gate.open("wb"):
        (prepared,) = children(service.process.pid)
        (worker,) = children(prepared)

        service.stop(number)

        wait_for(lambda: not Path(f"/proc/{worker}").exists() and not Path(f"/proc/{prepared}").exists())


def test_training_that_was_interrupted_failed_and_another_can_follow(
    launch: Launch, s3: Any, tmp_path: Path, training_lines: list[Any]
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    service = launch("--state", tmp_path / "state", TRAINING_GATE=str(gate))
    arn = begin_training(service.client(), s3, training_lines)
    with gate.open("wb"):
        service.stop(signal.SIGKILL)

    client = launch("--state", tmp_path / "state").client()

    version = describe(client, arn)
    assert version["Status"] == "TRAINING_FAILED"
    assert "service stopped while the model was being trained" in version["StatusMessage"]
    assert not list((tmp_path / "state" / "work").iterdir())
    assert train(client, s3, training_lines)["Status"] == "TRAINING_COMPLETED"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_projects_models_and_tags_survive_a_restart_and_running_models_run(
    launch: Launch, s3: Any, tmp_path: Path, training_lines: list[Any], number: int
) -> None:
    service = launch("--state", tmp_path)
    trained = train(service.client(), s3, training_lines, Tags={"line": "a"})
    arn = trained["ProjectVersionArn"]
    start(service.client(), arn)
    before = describe(service.client(), arn)
    service.stop(number)

    client = launch("--state", tmp_path).client()

    assert describe(client, arn) == before
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"line": "a"}
    found = client.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": picture("ok", 1)})["CustomLabels"]
    assert [label["Name"] for label in found] == ["ok"]
    stop(client, arn)


def test_passing_states_go_on_after_a_restart(
    launch: Launch, s3: Any, tmp_path: Path, training_lines: list[Any]
) -> None:
    service = launch("--state", tmp_path)
    client = service.client()
    trained = train(client, s3, training_lines)
    copies = [settled(client, copy(client, trained))["ProjectVersionArn"] for _ in range(2)]
    start(client, copies[0])
    service.stop()
    # Nothing passes within the life of this process.
    service = launch("--state", tmp_path, "--transition-seconds", 3600)
    client = service.client()
    client.stop_project_version(ProjectVersionArn=copies[0])
    client.delete_project_version(ProjectVersionArn=copies[1])
    client.start_project_version(ProjectVersionArn=trained["ProjectVersionArn"], MinInferenceUnits=1)
    service.stop(signal.SIGKILL)

    client = launch("--state", tmp_path).client()

    assert settled(client, copies[0])["Status"] == "STOPPED"
    assert settled(client, trained["ProjectVersionArn"])["Status"] == "RUNNING"
    wait_for(lambda: describe(client, copies[1]) is None)


def test_model_that_no_longer_loads_is_failed(
    launch: Launch, s3: Any, tmp_path: Path, training_lines: list[Any]
) -> None:
    service = launch("--state", tmp_path)
    arn = train(service.client(), s3, training_lines)["ProjectVersionArn"]
    start(service.client(), arn)
    service.stop()
    for model in (tmp_path / "models").glob("*/model"):
        model.write_text("")

    version = describe(launch("--state", tmp_path).client(), arn)

    assert version["Status"] == "FAILED"
    assert "could not be loaded" in version["StatusMessage"]


def test_idle_service_uses_no_processor_time(launch: Launch, s3: Any, training_lines: list[Any]) -> None:
    service = launch()
    client = service.client()
    arn = train(client, s3, training_lines)["ProjectVersionArn"]
    start(client, arn)
    before = cpu_ticks(service.process.pid)

    # The service would have a second to spend; waiting for it to exit is the sleep.
    with pytest.raises(Exception, match="timed out"):
        service.process.wait(1)

    assert cpu_ticks(service.process.pid) - before <= 1
    assert status(client, arn) == "RUNNING"


def test_shipped_engine_trains_and_tells_pictures_apart(launch: Launch, s3: Any) -> None:
    client = launch("--engine", "local.rekognition.engine").client()
    training = put_pictures(s3, "real", {"ok": 6, "scratch": 6}, seed=10)
    testing = put_pictures(s3, "real-test", {"ok": 3, "scratch": 3}, seed=50)

    version = train(client, s3, training, testing)
    assert version["Status"] == "TRAINING_COMPLETED", version["StatusMessage"]
    assert version["EvaluationResult"]["F1Score"] > 0.9
    arn = version["ProjectVersionArn"]
    start(client, arn)

    for label in ("ok", "scratch"):
        image = {"Bytes": picture(label, 99)}
        found = client.detect_custom_labels(ProjectVersionArn=arn, Image=image, MinConfidence=0)["CustomLabels"]
        assert found[0]["Name"] == label
        assert len(found) == 2


def test_shipped_engine_trains_and_finds_objects(launch: Launch, s3: Any) -> None:
    client = launch("--engine", "local.rekognition.engine").client()
    training = put_boxed_pictures(s3, "real-boxes", {"scratch": 6, "dent": 6}, seed=10)
    testing = put_boxed_pictures(s3, "real-boxes-test", {"scratch": 3, "dent": 3}, seed=50)

    version = train(client, s3, training, testing)
    assert version["Status"] == "TRAINING_COMPLETED", version["StatusMessage"]
    assert version["EvaluationResult"]["F1Score"] > 0.8
    arn = version["ProjectVersionArn"]
    start(client, arn)

    image = {"Bytes": boxed_picture(("scratch", 30, 20, 30, 24), seed=99)}
    best = client.detect_custom_labels(ProjectVersionArn=arn, Image=image)["CustomLabels"][0]
    shares = best["Geometry"]["BoundingBox"]
    found = Box(shares["Left"] * 96, shares["Top"] * 80, shares["Width"] * 96, shares["Height"] * 80)
    assert best["Name"] == "scratch"
    assert overlap(found, Box(30, 20, 30, 24)) >= 0.5
