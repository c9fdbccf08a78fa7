"""`mlops verify` on the local cloud: what it is known to do, and one assumption that does not hold."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.__main__ import main
from local.cloud.sam import CREDENTIALS, NO_USER_CONFIG
from tests.e2e.conftest import inseparable, marked, separable
from tests.e2e.system import QUICK, System, started_system

pytestmark = pytest.mark.e2e

# Rows that the local cloud can answer. It knows no prices, its alarms have no history, and its trainings take seconds.
HOLDS = {1, 2, 3, 4, 5, 6, 8, 9, 15, 17, 18, 19, 20, 22, 30, 33, 43, 44, 45, 46, 47, 48}
SETTLED = {7, 13, 14, 16, 21, 24, 27, 38, 55, 57, 58}


def verify(system: System, output: Path, *options: str) -> dict[int, dict[str, Any]]:
    """Run the command; returns its results by number of the assumption."""
    environment = {**CREDENTIALS, **NO_USER_CONFIG, "AWS_ENDPOINT_URL": system.cloud.endpoint}
    arguments = ["--stack", system.stack, "verify", "--output", str(output), *options]
    result = CliRunner().invoke(main, arguments, env=environment)
    assert output.exists(), result.output
    return {found["number"]: found for found in json.loads(output.read_text())["assumptions"]}


def words(results: Mapping[int, Mapping[str, Any]], word: str) -> set[int]:
    return {number for number, found in results.items() if found["verdict"] == word}


@pytest.fixture(scope="module")
def results(system: System, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    """All checks, after runs that ended in production, in a gate, and with a detector."""
    system.drop(separable("checked"), "checked")
    images, masks = marked("checked-marks")
    system.drop({**masks, **images}, "checked-marks")
    system.to_production("checked")
    system.run_until("checked-marks", "inference_test", "development", "COMPLETED", "detection")
    system.drop(inseparable("checked-noise"), "checked-noise")
    system.run_until("checked-noise", "eval_metric", "development", "FAILED")
    return verify(system, tmp_path_factory.mktemp("verify") / "results.json", "--spend", "15", "--yes")


def test_what_the_local_cloud_can_answer_holds(results: dict[int, dict[str, Any]]) -> None:
    assert {n: found["seen"] for n, found in results.items() if found["verdict"] == "does not hold"} == {}
    assert words(results, "holds") == HOLDS, [results[n]["seen"] for n in HOLDS - words(results, "holds")]
    assert words(results, "settled") == SETTLED


def test_what_cannot_be_tried_says_why(results: dict[int, dict[str, Any]]) -> None:
    assert all(results[number]["seen"] for number in words(results, "could not be tried"))


def test_nothing_that_a_check_made_is_left(system: System, results: dict[int, dict[str, Any]]) -> None:
    client = system.cloud.client
    bucket = system.outputs["ArtifactsBucketName"]
    names = [
        *(project["ProjectArn"] for project in client("rekognition").describe_projects()["ProjectDescriptions"]),
        *client("sqs").list_queues().get("QueueUrls", []),
        *(rule["Name"] for rule in client("events").list_rules()["Rules"]),
        *(role["RoleName"] for role in client("iam").list_roles()["Roles"]),
        *(version["Key"] for version in client("s3").list_object_versions(Bucket=bucket)["Versions"]),
    ]

    assert not [name for name in names if "mlops-verify" in name]
    assert not [text for found in results.values() for text in found["left_behind"]]


def test_exactly_the_assumption_that_is_broken_does_not_hold(tmp_path: Path) -> None:
    state = tmp_path / "one" / "cloud"
    with started_system(state, custom_labels=(*QUICK, "--nested-aggregates")) as system:
        system.drop(inseparable("noise"), "noise")
        system.run_until("noise", "eval_metric", "development", "FAILED")
        results = verify(system, tmp_path / "results.json")

    assert words(results, "does not hold") == {6}
    assert "the aggregates are Metrics" in results[6]["seen"]
    assert "below `Metrics`" in results[6]["what_the_code_does"]
