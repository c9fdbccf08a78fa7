"""New pictures from the command line: sent once, answered, shown; and the models that judge them."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws
from PIL import Image

from cli import __main__ as commands
from cli import inspect
from cli.stack import Stack
from mlops.dataset.keys import result_key
from mlops.records import servings
from mlops.records.servings import READY, Serving
from mlops.records.table import Table
from tests.unit.mlops.memory_table import MemoryTable

REGION, ARN = "eu-west-1", "arn:aws:rekognition:eu-west-1:111122223333:project/p/version/v/1"
RELEASE = {"run_id": "run-1", "version_arn": ARN, "released_at": "2026-01-01T00:00:00Z"}


class Stacked:
    """A stack with a release, whose pictures are answered as soon as somebody waits for them."""

    artifact = Stack.artifact

    def __init__(self) -> None:
        self.memory = MemoryTable()
        self.table = Table(self.memory)
        queue = boto3.client("sqs").create_queue(QueueName="serving")["QueueUrl"]
        buckets = {"DataBucketName": "data", "ArtifactsBucketName": "artifacts"}
        self.outputs = {**buckets, "ServingQueueUrl": queue}
        self.parameters = {"PollSeconds": "60", "RunningHourPrice": "4"}
        for name in buckets.values():
            boto3.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        versioned = {"Status": "Enabled"}
        boto3.client("s3").put_bucket_versioning(Bucket="data", VersioningConfiguration=versioned)  # type: ignore[arg-type]

    def clients(self, service: str) -> Any:
        return boto3.client(service)  # type: ignore[call-overload]

    def release(self, task: str = "classification", **facts: Any) -> None:
        self.memory.put_item({"pk": f"RELEASE#parts#{task}#production", "sk": "CURRENT", **RELEASE, **facts})

    def messages(self) -> list[dict[str, Any]]:
        found = boto3.client("sqs").receive_message(QueueUrl=self.outputs["ServingQueueUrl"], MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in found.get("Messages", ())]

    def answer(self, key: str, data: bytes, verdict: str = "ok", **facts: Any) -> None:
        document = {
            "key": key,
            "digest": hashlib.sha256(data).hexdigest(),
            "verdict": verdict,
            "reasons": ["the classifier says so"],
            "labels": [{"label": "normal" if verdict == "ok" else "bent", "confidence": 97.25}],
            "boxes": [],
            "refused": False,
            "inspected_at": "2026-03-02T09:15:00.000+00:00",
            "seconds": 0.5,
            "run_ids": {"classification": "run-1"},
            "picture": result_key(key, ".jpg"),
            **facts,
        }
        s3 = boto3.client("s3")
        s3.put_object(Bucket="artifacts", Key=result_key(key), Body=json.dumps(document).encode())
        s3.put_object(Bucket="artifacts", Key=result_key(key, ".jpg"), Body=b"drawn")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stacked]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        stacked = Stacked()
        monkeypatch.setattr(commands, "Stack", lambda *_: stacked)
        yield stacked


@pytest.fixture
def mlops(stack: Stacked) -> Callable[..., Result]:
    def run(*words: object, **options: Any) -> Result:
        return CliRunner().invoke(commands.main, ["--stack", "parts", *map(str, words)], prog_name="mlops", **options)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "new"
    (place / "line 2").mkdir(parents=True)
    for name in ("1.png", "line 2/2.png", ".DS_Store"):
        (place / name).write_bytes(name.encode())
    return place


def answered_when_asked(stack: Stacked, monkeypatch: pytest.MonkeyPatch, verdict: str = "ok") -> list[str]:
    """Let the stack answer whatever was put, when the command line pauses; returns what was put, as it comes."""
    put: list[str] = []

    def answer(_: float) -> None:
        for entry in boto3.client("s3").list_objects_v2(Bucket="data").get("Contents", ()):
            if entry["Key"] not in put:
                put.append(entry["Key"])
                found = boto3.client("s3").get_object(Bucket="data", Key=entry["Key"])
                stack.answer(entry["Key"], found["Body"].read(), verdict, version_id=found["VersionId"])

    monkeypatch.setattr("cli.inspect.time.sleep", answer)
    return put


def test_a_folder_is_estimated_sent_and_shown(
    stack: Stacked, mlops: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.release()
    put = answered_when_asked(stack, monkeypatch)
    table, pictures = tmp_path / "verdicts.csv", tmp_path / "pictures"
    result = mlops("inspect", folder, "parts", "--csv", table, "--output", pictures, input="y\n")

    assert result.exit_code == 0, result.output
    assert put == ["inspect/parts/1.png", "inspect/parts/line 2/2.png"]
    assert "2 pictures, about 15 min, about USD 0.13: go?" in result.stderr
    assert "line 2/2.png" in result.stdout and "normal" in result.stdout
    with table.open() as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["1.png", "line 2/2.png"]
    assert (pictures / "line 2" / "2.png.jpg").read_bytes() == b"drawn"
    mlops("inspect", folder, "parts")
    assert (folder.with_name("new-inspected") / "1.png.jpg").read_bytes() == b"drawn"
    assert stack.messages() == [{"dataset": "parts", "hop": 0}]
    assert servings.wish_for("parts", stack.table).until > 0


@pytest.mark.parametrize(
    ("measured", "said"),
    [(0.0, "2 pictures in 7 tiles, about 15 min"), (0.01, "2 pictures in 7 tiles, about 18 min")],
    ids=["by calls", "by pictures a second"],
)
def test_an_estimate_counts_the_tiles_that_a_detector_is_asked_about(
    stack: Stacked, folder: Path, measured: float, said: str
) -> None:
    stack.release(task="detection", tiles={"side": 128, "calls": 6})
    Image.new("L", (256, 192)).save(folder / "1.png")
    if measured:
        stack.memory.put_item({"pk": "SERVING#ANSWERS", "sk": "parts", "rate": Decimal(str(measured))})
    plan = inspect.find(folder, "parts")

    assert str(inspect.estimate(stack, plan)).startswith(said)  # type: ignore[arg-type]


def test_what_was_answered_is_not_sent_again_and_a_defect_has_an_exit_code_of_its_own(
    stack: Stacked, mlops: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.release()
    stack.answer("inspect/parts/1.png", b"1.png", "defect")
    put = answered_when_asked(stack, monkeypatch)
    result = mlops("--json", "inspect", folder, "parts", "--yes")

    assert put == ["inspect/parts/line 2/2.png"]
    assert [answer["verdict"] for answer in json.loads(result.stdout)] == ["defect", "ok"]
    assert result.exit_code == 3


def test_a_file_of_other_bytes_is_sent_and_its_own_answer_awaited(
    stack: Stacked, mlops: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.release()
    stack.answer("inspect/parts/1.png", b"other", "defect")
    put = answered_when_asked(stack, monkeypatch)
    result = mlops("inspect", folder / "1.png", "parts", "--yes")

    assert put == ["inspect/parts/1.png"]
    assert result.exit_code == 0, result.output


def test_a_refusal_for_what_a_file_is_stays_and_one_for_want_of_a_release_does_not(
    stack: Stacked, folder: Path
) -> None:
    stack.answer("inspect/parts/1.png", b"1.png", "unsure", refused=True, reasons=["it cannot be read"], final=True)
    gone = {"refused": True, "reasons": ["nothing of parts is released in production"], "final": False}
    stack.answer("inspect/parts/line 2/2.png", b"line 2/2.png", "unsure", **gone)
    plan: Any = inspect.with_answers(stack, inspect.find(folder, "parts"))  # type: ignore[arg-type]

    assert plan.missing == ["inspect/parts/line 2/2.png"]


@pytest.mark.parametrize("digest", ["-an earlier version", hashlib.sha256(b"1.png").hexdigest()])
def test_a_refusal_from_before_is_not_taken_for_the_answer_about_what_is_sent_now(
    stack: Stacked, mlops: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, digest: str
) -> None:
    stack.release()
    given_up = {"refused": True, "final": False, "digest": digest, "inspected_at": "2026-03-01T00:00:00.000+00:00"}
    stack.answer("inspect/parts/1.png", b"1.png", "unsure", **given_up)
    put = answered_when_asked(stack, monkeypatch)
    result = mlops("--json", "inspect", folder / "1.png", "parts", "--yes")

    assert put == ["inspect/parts/1.png"]
    assert [answer["verdict"] for answer in json.loads(result.stdout)] == ["ok"]


def test_what_is_given_up_now_is_the_answer_though_nobody_read_its_bytes(
    stack: Stacked, mlops: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.release()

    def give_up(_: float) -> None:
        version = boto3.client("s3").head_object(Bucket="data", Key="inspect/parts/1.png")["VersionId"]
        facts = {"refused": True, "final": False, "digest": f"-{version}", "version_id": version}
        stack.answer("inspect/parts/1.png", b"1.png", "unsure", **facts)

    monkeypatch.setattr("cli.inspect.time.sleep", give_up)
    result = mlops("--json", "inspect", folder / "1.png", "parts", "--yes")

    assert [answer["refused"] for answer in json.loads(result.stdout)] == [True]


@pytest.mark.parametrize(
    ("name", "dataset", "said"),
    [
        ("1.png", "parts", "Nothing of parts is released in production"),
        ("line 2", "odd name", "there is no dataset 'odd name'"),
        (".DS_Store", "parts", "There are no pictures"),
    ],
)
def test_what_cannot_be_judged_is_said(
    stack: Stacked, mlops: Any, folder: Path, name: str, dataset: str, said: str
) -> None:
    result = mlops("inspect", folder / name, dataset, "--yes")

    assert result.exit_code == 1
    assert said in result.output


def test_why_nothing_is_started_is_said(
    stack: Stacked, mlops: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.release()
    stack.memory.put_item({"pk": "SERVING", "sk": "parts", "dataset": "parts", "problem": "the budget is used up"})
    answered_when_asked(stack, monkeypatch)
    result = mlops("inspect", folder, "parts", "--yes")

    assert "No model is started: the budget is used up." in result.stderr


def test_models_that_somebody_stopped_are_not_started_for_pictures(stack: Stacked, mlops: Any, folder: Path) -> None:
    stack.release()
    mlops("serve", "parts", "--stop")
    result = mlops("inspect", folder, "parts", "--yes")

    assert result.exit_code == 1
    assert "start for nobody until `mlops serve parts --now`" in result.output
    assert servings.wish_for("parts", stack.table).paused
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket="data")


def test_models_that_somebody_wants_for_hours_are_not_stopped_sooner_for_pictures(
    stack: Stacked, mlops: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.release()
    mlops("serve", "parts", "--now", "--minutes", "240")
    wanted = servings.wish_for("parts", stack.table)
    answered_when_asked(stack, monkeypatch)
    mlops("inspect", folder, "parts", "--yes")

    assert servings.wish_for("parts", stack.table) == wanted


def test_no_answer_for_hours_ends_with_a_sentence(
    stack: Stacked, mlops: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.release()
    monkeypatch.setattr(inspect, "MOST_SECONDS", -1.0)
    result = mlops("inspect", folder, "parts", "--yes")

    assert result.exit_code == 1
    assert "2 pictures have no answer" in result.output


def test_models_are_started_stopped_and_looked_at(stack: Stacked, mlops: Any) -> None:
    refused = mlops("serve", "parts", "--now")
    assert refused.exit_code == 1 and "there is no model to start" in refused.output

    stack.release()
    row = Serving("parts", READY, 7, ready=(ARN,))
    plain = {"pk": "SERVING", "sk": "parts", "dataset": row.dataset, "state": row.state, "hop": row.hop, "ready": [ARN]}
    stack.memory.put_item(plain)
    (running,) = json.loads(mlops("--json", "serve", "parts").stdout)
    assert (running["state"], running["released"]) == ("1 model running", "run-1")
    assert mlops("serve", "parts", "--now", "--minutes", "60").exit_code == 0
    assert servings.wish_for("parts", stack.table).until > 0
    (stopped,) = json.loads(mlops("--json", "serve", "parts", "--stop").stdout)
    assert stopped["state"] == "stopped until `mlops serve --now`"
    assert stack.messages()[0] == {"dataset": "parts", "hop": 7}
