"""Clients other than boto3, from pictures to an answer: the AWS CLI, and the AWS SDK for JavaScript."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops.dataset.keys import result_key
from tests.emulator.clients import new_name
from tests.emulator.datasets import picture, put_pictures, training_request
from tests.emulator.processes import REGION, ROOT, RunningService, wait_for, with_clients
from tests.emulator.target import BUCKET

LABELS = ("ok", "scratch")


@pytest.fixture
def environment(service: RunningService, s3_url: str, tmp_path: Path) -> dict[str, str]:
    """What a client needs to know, and nothing of whoever runs the test."""
    return {
        **with_clients(),
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL_REKOGNITION": service.url,
        "AWS_ENDPOINT_URL_S3": s3_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Callable[..., str]:
    def run(*command: object) -> str:
        finished = subprocess.run(
            list(map(str, command)), env=environment, capture_output=True, text=True, timeout=180, check=False
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    return run


def test_the_sdk_for_javascript_trains_and_detects(s3: Any, run: Callable[..., str], tmp_path: Path) -> None:
    for label in LABELS:
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "pictures" / label / f"{number}.png").write_bytes(picture(label, number))
    session = ROOT / "tests" / "javascript" / "session.cjs"

    answer = json.loads(run("node", session, new_name("javascript"), BUCKET, tmp_path / "pictures"))

    assert answer["Status"] == "STOPPING"
    assert len(answer["found"]) == 8
    for key, found in answer["found"].items():
        assert [name for name, _ in found] == [key.split("/")[1]]
        assert all(50 < confidence <= 100 for _, confidence in found)


def test_the_aws_cli_trains_and_detects(s3: Any, run: Callable[..., str], tmp_path: Path) -> None:
    def aws(operation: str, **options: Any) -> Any:
        words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
        text = run("aws", "rekognition", *operation.split(), *words)
        return json.loads(text) if text.strip() else None

    def status() -> str:
        (version,) = aws("describe-project-versions", **version_one)["ProjectVersionDescriptions"]
        return str(version["Status"])

    request = training_request(s3, new_name("cli"), put_pictures(s3, "cli", {"ok": 4, "scratch": 4}))
    (tmp_path / "request.json").write_text(json.dumps(request | {"VersionName": "v1"}))
    (tmp_path / "scratch.png").write_bytes(picture("scratch", 9))
    project = aws("create-project", project_name=new_name("cli"))["ProjectArn"]
    version_one = {"project_arn": project, "version_names": "v1"}

    cli_input = f"file://{tmp_path / 'request.json'}"
    created = aws("create-project-version", project_arn=project, cli_input_json=cli_input)
    version = {"project_version_arn": created["ProjectVersionArn"]}
    # The waiters of the CLI look every two minutes: they are called when there is nothing left to wait for.
    wait_for(lambda: status() == "TRAINING_COMPLETED")
    aws("wait project-version-training-completed", **version_one)
    aws("start-project-version", **version, min_inference_units=1)
    wait_for(lambda: status() == "RUNNING")
    aws("wait project-version-running", **version_one)
    sent = aws("detect-custom-labels", **version, image_bytes=f"fileb://{tmp_path / 'scratch.png'}")
    stored = json.dumps({"S3Object": {"Bucket": BUCKET, "Name": "cli/ok/0.png"}})
    read = aws("detect-custom-labels", **version, image=stored, min_confidence="10")
    stopped = aws("stop-project-version", **version)

    assert [label["Name"] for label in sent["CustomLabels"]] == ["scratch"]
    assert read["CustomLabels"][0]["Name"] == "ok"
    assert stopped == {"Status": "STOPPING"}


def test_the_commands_that_the_document_prints_send_a_picture_and_show_its_answer(
    s3: Any, run: Callable[..., str], tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "inspection.md").read_text(encoding="utf-8")
    (commands,) = [block for block in re.findall(r"(?ms)^```sh\n(.*?)^```", text) if "aws s3 cp" in block]
    (tmp_path / "part.png").write_bytes(b"a picture")
    key = "inspect/transistor/0001.png"
    s3.put_object(Bucket=BUCKET, Key=result_key(key), Body=b'{"verdict": "ok"}')
    shown = run("sh", "-ec", f"cd {tmp_path}\noutput() {{ echo {BUCKET}; }}\n{commands}")

    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"a picture"
    assert shown.endswith('{"verdict": "ok"}')
