"""The commands as a person calls them, on moto's AWS; Custom Labels, which moto does not have, is a fake."""

import errno
import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

import boto3
import httpx
import numpy as np
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from moto import mock_aws
from PIL import Image

from cli import __main__ as commands
from cli import decide, doctor
from mlops.stage import DECISION

REGION = "eu-west-1"
VERSION = f"arn:aws:rekognition:{REGION}:123456789012:project/parts-detection-development/version/v/1772621000123"


class CloudFormation:
    """A stack named `parts` with these resources, by logical id: type and physical id."""

    def __init__(self, outputs: dict[str, str], resources: dict[str, tuple[str, str]]) -> None:
        self.status = "UPDATE_COMPLETE"
        self._outputs = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
        self._resources = resources

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
        if StackName != "parts":
            error = {"Code": "ValidationError", "Message": f"Stack with id {StackName} does not exist"}
            raise ClientError({"Error": error}, "DescribeStacks")
        given = {"RunningModels": "2", "ProjectModels": "5"}
        parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
        stack = {"StackId": "arn:stack", "StackStatus": self.status, "Outputs": self._outputs}
        return {"Stacks": [{**stack, "Parameters": parameters}]}

    def get_paginator(self, _: str) -> Any:
        listed = [
            {"LogicalResourceId": name, "ResourceType": kind, "PhysicalResourceId": physical}
            for name, (kind, physical) in self._resources.items()
        ]
        return SimpleNamespace(paginate=lambda **_: [{"StackResourceSummaries": listed}])


class CustomLabels:
    """The projects of the stack, and versions in one of them by status."""

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.versions: dict[str, str] = {}

    def describe_projects(self, ProjectNames: list[str]) -> Any:  # noqa: N803
        names = [name for name in ProjectNames if name not in self.missing]
        arn = VERSION.rpartition("/version")[0].rpartition("/")[0]
        return {"ProjectDescriptions": [{"ProjectArn": f"{arn}/{name}/1772621000000"} for name in names]}

    def get_paginator(self, _: str) -> Any:
        def paginate(ProjectArn: str) -> list[Any]:  # noqa: N803
            project = ProjectArn.rpartition("/")[0]
            found = {arn: state for arn, state in self.versions.items() if arn.startswith(f"{project}/")}
            versions = [{"ProjectVersionArn": arn, "Status": state} for arn, state in found.items()]
            return [{"ProjectVersionDescriptions": versions}]

        return SimpleNamespace(paginate=paginate)


@pytest.fixture
def labels() -> CustomLabels:
    return CustomLabels()


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudFormation]:
    """What a stack has: buckets, a table, a topic with a confirmed address, queues, an alarm."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        buckets = {"DataBucketName": "parts-data", "ArtifactsBucketName": "parts-artifacts"}
        for name in buckets.values():
            boto3.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        topic = boto3.client("sns").create_topic(Name="parts")["TopicArn"]
        boto3.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="qa@example.com")
        sqs = boto3.client("sqs")
        queues = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("Uploads", "UploadsDeadLetters")}
        put_table()
        boto3.client("cloudwatch").put_metric_alarm(
            AlarmName="parts-errors",
            AlarmDescription="It raised errors",
            MetricName="Errors",
            Namespace="AWS/Lambda",
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            Period=300,
            Statistic="Sum",
            Threshold=0,
        )
        resources = {name: ("AWS::SQS::Queue", url) for name, url in queues.items()}
        resources["Errors"] = ("AWS::CloudWatch::Alarm", "parts-errors")
        yield CloudFormation({**buckets, "ApplicationTableName": "parts", "TopicArn": topic}, resources)


def put_table() -> None:
    keys = {"pk": "HASH", "sk": "RANGE"}
    index = {"dataset_key": "HASH", "created_at": "RANGE"}

    def schema(given: dict[str, str]) -> list[dict[str, str]]:
        return [{"AttributeName": name, "KeyType": kind} for name, kind in given.items()]

    client: Any = boto3.client("dynamodb")
    client.create_table(
        TableName="parts",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=schema(keys),
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in (*keys, *index)],
        GlobalSecondaryIndexes=[
            {"IndexName": "runs-of-dataset", "KeySchema": schema(index), "Projection": {"ProjectionType": "ALL"}}
        ],
    )


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch, labels: CustomLabels, cloudformation: CloudFormation) -> dict[str, str]:
    """The outputs of the stack, which the commands see."""
    replace_client(monkeypatch, "rekognition", labels)
    replace_client(monkeypatch, "cloudformation", cloudformation)
    (stack,) = cloudformation.describe_stacks("parts")["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def replace_client(monkeypatch: pytest.MonkeyPatch, service: str, fake: Any) -> None:
    """Let the commands see a fake of one service."""
    before = commands.boto3.Session

    def session(**given: Any) -> Any:
        made = before(**given)
        client = lambda name: fake if name == service else made.client(name)  # noqa: E731
        return SimpleNamespace(client=client, resource=made.resource, region_name=made.region_name)

    monkeypatch.setattr(commands.boto3, "Session", session)


@pytest.fixture
def mlops(outputs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    # Contact sheets are written where somebody works.
    monkeypatch.chdir(tmp_path)

    def run(*words: object, **options: Any) -> Result:
        arguments = ["--stack", "parts", *map(str, words)]
        return CliRunner().invoke(commands.main, arguments, prog_name="mlops", **options)

    return run


@pytest.fixture(autouse=True)
def noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that notices every upload at once."""
    batches = count()
    monkeypatch.setattr("cli.stack.Stack.batches_seen", lambda self, dataset: next(batches))


def answer(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def png(shade: int, size: tuple[int, int] = (80, 72)) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0]), shade, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def mvtec(folder: Path) -> Path:
    """A folder as MVTec AD has them."""
    pictures = {f"train/good/{n:03}.png": png(n) for n in range(3)} | {"test/scratch/000.png": png(9)}
    masks = {"ground_truth/scratch/000_mask.png": png(255)}
    return fill(folder, {**pictures, **masks, "license.txt": b"terms", ".DS_Store": b"x"})


def keys(bucket: str) -> list[str]:
    listed = boto3.client("s3").list_objects_v2(Bucket=bucket)
    return [entry["Key"] for entry in listed.get("Contents", [])]


def test_a_folder_of_mvtec_ad_is_sent_as_it_is(mlops: Any, outputs: dict[str, str], tmp_path: Path) -> None:
    result = mlops("--json", "upload", "--yes", mvtec(tmp_path / "transistor"))

    assert answer(result) == [
        {"dataset": "transistor", "sent": 5, "there_already": 0, "left_out": 0, "only_in_bucket": 0}
    ]
    assert keys(outputs["DataBucketName"]) == [
        "datasets/transistor/ground_truth/scratch/000_mask.png",
        "datasets/transistor/test/scratch/000.png",
        *(f"datasets/transistor/train/good/{n:03}.png" for n in range(3)),
    ]


class Bucket:
    """Objects in memory; after so many puts somebody presses Ctrl-C."""

    def __init__(self, interrupted_after: int) -> None:
        self.puts: Counter[str] = Counter()
        self.interrupted_after = interrupted_after
        self._etags: dict[str, str] = {}
        # Files are sent by several threads.
        self._alone = Lock()

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
        with self._alone:
            if self.puts.total() >= self.interrupted_after:
                raise KeyboardInterrupt
            self.puts[Key] += 1
        self._etags[Key] = f'"{hashlib.md5(Body, usedforsecurity=False).hexdigest()}"'

    def get_paginator(self, _: str) -> Any:
        listed = [{"Key": key, "ETag": etag} for key, etag in sorted(self._etags.items())]
        pages = [{"Contents": listed[start : start + 1000]} for start in range(0, len(listed), 1000)]
        return SimpleNamespace(paginate=lambda **_: pages)


def test_an_upload_of_5000_files_is_interrupted_and_resumed_without_sending_one_twice(
    mlops: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [png(shade, (64, 64)) for shade in range(250)]
    files = {f"train/{'good' if n % 2 else 'scratch'}/{n:04}.png": pictures[n % 250] for n in range(5000)}
    folder, bucket = fill(tmp_path / "many", files), Bucket(interrupted_after=2000)
    replace_client(monkeypatch, "s3", bucket)

    assert mlops("upload", "--yes", folder).exit_code == 1
    bucket.interrupted_after = 10_000
    (summary,) = answer(mlops("--json", "upload", "--yes", folder))

    assert summary == {"dataset": "many", "sent": 3000, "there_already": 2000, "left_out": 0, "only_in_bucket": 0}
    assert len(bucket.puts) == bucket.puts.total() == 5000


def test_what_cannot_be_used_is_named_and_nothing_is_sent_without_leave(
    mlops: Any, outputs: dict[str, str], tmp_path: Path
) -> None:
    folder = fill(
        mvtec(tmp_path / "parts"),
        {
            "train/good/small.png": png(1, (10, 10)),
            "train/good/notes.png": b"no picture",
            "elsewhere/a.png": png(1),
            "ground_truth/scratch/999_mask.png": png(1),
        },
    )
    refused = mlops("upload", "--yes", folder)

    assert refused.exit_code == 1
    for said in (
        "train/good/small.png: is 10 x 10 px",
        "train/good/notes.png: is not a PNG, JPEG, TIFF, BMP, WebP or GIF picture",
        "elsewhere/a.png: not part of the layout",
        "ground_truth/scratch/999_mask.png: has no usable image with the same label and name",
        "nothing was sent",
    ):
        assert said in refused.output
    assert keys(outputs["DataBucketName"]) == []
    assert answer(mlops("--json", "upload", "--yes", "--skip-bad", folder))[0]["sent"] == 5


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"dataset.json": b'{"split": "polo"}'}, "dataset.json: dataset.json: split is 'polo'"),
        ({"ground_truth/scratch/000_mask.png": png(0)}, "ground_truth/scratch/000_mask.png: is empty"),
        ({"ground_truth/scratch/000_mask.png": png(9, (90, 90))}, "000_mask.png: is 90 x 90 px, its image"),
        ({"test/scratch/001.png": png(7)}, "test/scratch/001.png: has no mask"),
        ({"train/scratch/copy.png": png(2)}, "the same bytes are labelled"),
        ({"train/ok_2/0.png": png(8), "train/good/000.png": b"", "train/images/0.png": png(4)}, "names no label"),
    ],
)
def test_what_the_stack_would_refuse_is_said_before_anything_is_sent(
    mlops: Any, outputs: dict[str, str], tmp_path: Path, files: dict[str, bytes], said: str
) -> None:
    refused = mlops("upload", "--yes", fill(mvtec(tmp_path / "parts"), files))

    assert refused.exit_code == 1
    assert said in refused.output
    assert keys(outputs["DataBucketName"]) == []


def test_a_picture_without_a_mask_is_sent_when_that_is_what_somebody_wants(mlops: Any, tmp_path: Path) -> None:
    folder = fill(mvtec(tmp_path / "parts"), {"test/scratch/001.png": png(7)})

    (summary,) = answer(mlops("--json", "upload", "--yes", "--skip-bad", folder))
    assert (summary["sent"], summary["left_out"]) == (6, 0)


def test_what_is_no_content_is_skipped_and_said(mlops: Any, tmp_path: Path) -> None:
    folder = fill(mvtec(tmp_path / "parts"), {"train/good/Thumbs.db": b"x", "__MACOSX/train/good/._0.png": b"x"})

    result = mlops("upload", "--yes", folder)
    assert result.exit_code == 0
    assert (
        "Skipped, for they are no pictures: .DS_Store, __MACOSX/train/good/._0.png, license.txt, train/"
        in result.output
    )


@pytest.mark.parametrize(
    "fault", ["a name in another encoding", "a file that may not be read", "a folder that may not"]
)
def test_files_that_cannot_be_sent_end_in_a_sentence(
    mlops: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    folder = mvtec(tmp_path / "parts")
    if fault == "a name in another encoding":
        Path(os.fsdecode(os.fsencode(folder) + b"/train/good/gr\xf6\xdfe.png")).write_bytes(png(5))
    elif fault == "a folder that may not":
        monkeypatch.setattr("cli.upload.os.scandir", _forbidden, raising=False)
        monkeypatch.setattr("os.scandir", _forbidden)
    else:
        monkeypatch.setattr(Path, "read_bytes", _forbidden)
    result = mlops("upload", "--yes", folder)

    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "nothing was sent" in result.output


def _forbidden(path: Any, *_: Any) -> Any:
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


def test_whoever_stops_reading_is_told_nothing() -> None:
    with pytest.raises(BrokenPipeError), commands._refusals():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_what_only_the_bucket_has_is_said_and_stays(mlops: Any, outputs: dict[str, str], tmp_path: Path) -> None:
    folder = fill(mvtec(tmp_path / "parts"), {"train/good/more.png": png(100)})
    mlops("upload", "--yes", folder)
    (folder / "train/good/more.png").rename(folder / "test/scratch/more.png")
    (folder / "ground_truth/scratch/more_mask.png").write_bytes(png(255))
    result = mlops("upload", "--yes", folder)

    assert "The bucket has 1 file that this folder has not: datasets/parts/train/good/more.png" in result.output
    assert "datasets/parts/train/good/more.png" in keys(outputs["DataBucketName"])


@pytest.mark.parametrize(("answer_given", "stays"), [("y", False), ("n", True)])
def test_what_only_the_bucket_has_is_deleted_when_asked_for(
    mlops: Any, outputs: dict[str, str], tmp_path: Path, answer_given: str, stays: bool
) -> None:
    folder = fill(mvtec(tmp_path / "parts"), {"train/good/more.png": png(100)})
    mlops("upload", "--yes", folder)
    (folder / "train/good/more.png").unlink()
    mlops("upload", "--delete", folder, input=f"y\n{answer_given}\n")

    assert ("datasets/parts/train/good/more.png" in keys(outputs["DataBucketName"])) is stays


def test_bytes_that_the_stack_knows_are_not_sent_again_whatever_their_etag(
    mlops: Any, outputs: dict[str, str], tmp_path: Path
) -> None:
    folder = mvtec(tmp_path / "parts")
    mlops("upload", "--yes", folder)
    key, data = "datasets/parts/train/good/000.png", (folder / "train/good/000.png").read_bytes()
    s3, where = boto3.client("s3"), {"Bucket": outputs["DataBucketName"], "Key": key}
    upload = where | {"UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    part = {"PartNumber": 1, "ETag": s3.upload_part(**upload, PartNumber=1, Body=data)["ETag"]}
    etag = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]})["ETag"].strip('"')
    table = boto3.resource("dynamodb").Table(outputs["ApplicationTableName"])
    table.put_item(Item={"pk": "IMAGES#parts#3", "sk": key, "etag": etag, "digest": hashlib.sha256(data).hexdigest()})

    assert answer(mlops("--json", "upload", "--yes", folder))[0]["sent"] == 0


def seen(monkeypatch: pytest.MonkeyPatch, *batches: int) -> None:
    """Let the stack have seen so many batches, look after look, and look without a pause."""
    looks = iter(batches)
    monkeypatch.setattr("cli.stack.Stack.batches_seen", lambda self, dataset: next(looks))
    monkeypatch.setattr(commands, "NOTICE_SECONDS", 0.0)
    monkeypatch.setattr(commands, "POLL_SECONDS", 0.0)


def test_an_upload_that_the_stack_does_not_notice_is_told_of_again(
    mlops: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen(monkeypatch, 0, 0, 0, 1)
    result = mlops("upload", "--yes", fill(mvtec(tmp_path / "parts"), {"dataset.json": b"{}"}))

    assert result.exit_code == 0
    assert result.output.count("datasets/parts/dataset.json is sent again") == 2


def test_everything_sent_and_no_run_makes_the_stack_look(
    mlops: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = mvtec(tmp_path / "parts")
    mlops("upload", "--yes", folder)
    seen(monkeypatch, 7, 7, 8)

    assert "is sent again" in mlops("upload", "--yes", folder).output


def test_an_upload_that_is_never_noticed_ends_in_a_sentence(
    mlops: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen(monkeypatch, *range(0, -9, -1))
    monkeypatch.setattr(commands, "UNNOTICED_SECONDS", 0.0)
    result = mlops("upload", "--yes", mvtec(tmp_path / "parts"))

    assert result.exit_code == 1
    assert "the stack has not noticed it" in result.output


@pytest.mark.parametrize("is_safe", [True, False])
def test_doctor_says_who_may_end_a_subscription(mlops: Any, monkeypatch: pytest.MonkeyPatch, is_safe: bool) -> None:
    monkeypatch.setattr(doctor, "_is_safe", lambda *_: is_safe)

    assert ("authenticate-on-unsubscribe" in mlops("--json", "doctor").stdout) is not is_safe


def test_a_dry_run_sends_nothing(mlops: Any, outputs: dict[str, str], tmp_path: Path) -> None:
    assert "5" in mlops("upload", "--dry-run", mvtec(tmp_path / "parts")).stdout
    assert keys(outputs["DataBucketName"]) == []


def put_run(outputs: dict[str, str], state: str = "FAILED") -> str:
    """A run whose gate is in a state; returns its id."""
    run_id = "parts-classification-0123456789ab"
    table = boto3.resource("dynamodb").Table(outputs["ApplicationTableName"])
    run = {"run_id": run_id, "dataset": "parts", "task": "classification", "created_at": "2026-01-01T00:00:00+00:00"}
    table.put_item(Item={"pk": f"RUN#{run_id}", "sk": "RUN", "dataset_key": "DATASET#parts", **run})
    stage = {"stage": "eval_metric", "environment": "development", "started_at": "2026-01-01T00:01:00+00:00"}
    ended = {"finished_at": "2026-01-01T00:02:00+00:00", "reasons": ["f1 0.1 is below 0.8"]}
    table.put_item(
        Item={"pk": f"RUN#{run_id}", "sk": "STAGE#development#eval_metric", "state": state, **stage, **ended}
    )
    boto3.client("s3").put_object(Bucket=outputs["DataBucketName"], Key="datasets/parts/train/good/a.png", Body=b"x")
    return run_id


def test_runs_are_listed_of_one_dataset_and_of_all(mlops: Any, outputs: dict[str, str]) -> None:
    run_id = put_run(outputs)

    for words in (("runs",), ("runs", "parts")):
        (run,) = answer(mlops("--json", *words))
        assert (run["run_id"], run["stage"], run["state"]) == (run_id, "eval_metric (development)", "FAILED")
    assert run_id in mlops("runs").stdout
    assert answer(mlops("--json", "runs", "another")) == []


def test_a_run_is_shown_with_its_reasons(mlops: Any, outputs: dict[str, str]) -> None:
    (stage,) = answer(mlops("--json", "show", put_run(outputs)))

    assert stage == {
        "run_id": "parts-classification-0123456789ab",
        "task": "classification",
        "stage": "eval_metric",
        "environment": "development",
        "state": "FAILED",
        "seconds": 60.0,
        "why": "f1 0.1 is below 0.8",
    }


@pytest.mark.parametrize(("state", "code"), [("FAILED", 1), ("COMPLETED", 0)])
def test_a_run_is_watched_to_its_end(mlops: Any, outputs: dict[str, str], state: str, code: int) -> None:
    result = mlops("watch", put_run(outputs, state), "--until", "eval_metric")

    assert result.exit_code == code
    assert f"eval_metric (development): {state}" in result.stderr


def test_the_newest_runs_of_a_dataset_are_watched_until_each_waits_for_a_person(
    mlops: Any, outputs: dict[str, str]
) -> None:
    run_id = put_run(outputs, "COMPLETED")
    waits = {"state": "WAITING", "waiting_for": DECISION, "started_at": "2026-01-01T00:03:00+00:00"}
    place = {"stage": "approve2staging", "environment": "staging"}
    row = {"pk": f"RUN#{run_id}", "sk": "STAGE#staging#approve2staging", **place, **waits}
    boto3.resource("dynamodb").Table(outputs["ApplicationTableName"]).put_item(Item=row)
    result = mlops("watch", "parts")

    assert result.exit_code == 0
    assert f"{run_id} approve2staging (staging): WAITING ({DECISION})" in result.stderr


@pytest.mark.parametrize(("region", "train", "test"), [("eu-west-2", 28_000, 7_000), ("us-east-1", 250_000, 250_000)])
def test_the_doctor_says_how_many_images_the_region_takes(region: str, train: int, test: int) -> None:
    finding = doctor._region(region)

    assert finding.is_good
    assert f"at most {train} images to train and {test} to test" in finding.text


def test_a_long_look_at_a_dataset_is_watched_too(mlops: Any, outputs: dict[str, str]) -> None:
    run_id = put_run(outputs, "COMPLETED")
    row = {"pk": "DATASET#parts", "sk": "ACTIVITY", "progress": "looked again at 300 of 4000 files"}
    place = {"pk": f"RUN#{run_id}", "sk": "STAGE#development#eval_metric", "stage": "eval_metric", "state": "FAILED"}
    ended = {"environment": "development", "started_at": "2026-01-01T00:03:00+00:00", "reasons": ["no"]}
    for item in (row, {**place, **ended, "finished_at": "2026-01-01T00:04:00+00:00"}):
        boto3.resource("dynamodb").Table(outputs["ApplicationTableName"]).put_item(Item=item)

    assert "parts: looked again at 300 of 4000 files" in mlops("watch", "parts").stderr


@pytest.mark.parametrize(("command", "said"), [("show", "no run nobody"), ("watch", "no run and no dataset nobody")])
def test_a_run_that_is_unknown_is_a_sentence(mlops: Any, command: str, said: str) -> None:
    result = mlops(command, "nobody")

    assert result.exit_code == 1
    assert f"There is {said}" in result.stderr
    assert "Traceback" not in result.output


def test_a_report_is_fetched_and_opened(
    mlops: Any, outputs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(commands.webbrowser, "open", opened.append)
    missing = mlops("report", "r")
    boto3.client("s3").put_object(
        Bucket=outputs["ArtifactsBucketName"], Key="runs/r/report.html", Body=b"<h1>Released</h1>"
    )
    result = mlops("report", "r", "--output", tmp_path / "r.html")

    assert (missing.exit_code, "has no report yet" in missing.stderr) == (1, True)
    assert result.exit_code == 0
    assert (tmp_path / "r.html").read_text() == "<h1>Released</h1>"
    assert opened == [(tmp_path / "r.html").as_uri()]


def test_a_stack_that_is_not_there_is_a_sentence(outputs: dict[str, str]) -> None:
    result = CliRunner().invoke(commands.main, ["--stack", "another", "runs"])

    assert result.exit_code == 1
    assert "Stack with id another does not exist" in result.stderr


def findings(mlops: Any) -> dict[str, str]:
    """What the doctor finds wrong, by name."""
    return {row["name"]: row["text"] for row in json.loads(mlops("--json", "doctor").stdout) if not row["is_good"]}


def test_the_doctor_finds_nothing_wrong_with_a_stack_that_is_well(mlops: Any) -> None:
    result = mlops("doctor")

    assert result.exit_code == 0, result.output
    assert result.stdout.count("ok") >= 8
    assert "NOT OK" not in result.stdout


def not_confirmed(outputs: dict[str, str], labels: CustomLabels, monkeypatch: pytest.MonkeyPatch) -> None:
    pending = {"Endpoint": "qa@example.com", "SubscriptionArn": "PendingConfirmation"}
    pages = SimpleNamespace(paginate=lambda **_: [{"Subscriptions": [pending]}])
    replace_client(monkeypatch, "sns", SimpleNamespace(get_paginator=lambda _: pages))


def letters(outputs: dict[str, str], labels: CustomLabels, monkeypatch: pytest.MonkeyPatch) -> None:
    sqs = boto3.client("sqs")
    (url,) = [url for url in sqs.list_queues()["QueueUrls"] if "DeadLetters" in url]
    sqs.send_message(QueueUrl=url, MessageBody="lost")


def alarm(outputs: dict[str, str], labels: CustomLabels, monkeypatch: pytest.MonkeyPatch) -> None:
    boto3.client("cloudwatch").set_alarm_state(AlarmName="parts-errors", StateValue="ALARM", StateReason="test")


def forgotten(outputs: dict[str, str], labels: CustomLabels, monkeypatch: pytest.MonkeyPatch) -> None:
    labels.versions = {VERSION: "RUNNING"}


def full(outputs: dict[str, str], labels: CustomLabels, monkeypatch: pytest.MonkeyPatch) -> None:
    labels.versions = {VERSION: "RUNNING", f"{VERSION}4": "STARTING"}
    table = boto3.resource("dynamodb").Table(outputs["ApplicationTableName"])
    for arn in labels.versions:
        lease = {"lease_id": "l", "version_arn": arn, "started_at": 0, "expires_at": 9_999_999_999}
        stage = {"run_id": "r", "dataset": "parts", "task": "detection", "stage": "inference_test"}
        table.put_item(Item={"pk": f"LEASE#{arn}", "sk": "LEASE", **lease, **stage})


def many(outputs: dict[str, str], labels: CustomLabels, monkeypatch: pytest.MonkeyPatch) -> None:
    labels.versions = {f"{VERSION}{number}": "STOPPED" for number in range(4)}


def no_project(outputs: dict[str, str], labels: CustomLabels, monkeypatch: pytest.MonkeyPatch) -> None:
    labels.missing = {"parts-detection-staging"}


def elsewhere(outputs: dict[str, str], labels: CustomLabels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.doctor.REGIONS", frozenset({"us-east-1"}))


def broken(outputs: dict[str, str], labels: CustomLabels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.stack.Stack.status", "UPDATE_ROLLBACK_FAILED")


@pytest.mark.parametrize(
    ("induce", "name", "said"),
    [
        (not_confirmed, "e-mail", "not confirmed yet: qa@example.com"),
        (letters, "dead letters", "1 in UploadsDeadLetters"),
        (alarm, "alarms", "It raised errors"),
        (forgotten, "leases", VERSION),
        (full, "running models", "2 of 2 slots in use"),
        (many, "models", "4 of 5 in parts-detection-development"),
        (no_project, "Custom Labels", "missing: parts-detection-staging"),
        (elsewhere, "region", "eu-west-1 has no Custom Labels"),
        (broken, "stack", "parts is UPDATE_ROLLBACK_FAILED"),
    ],
)
def test_the_doctor_names_what_is_wrong(
    mlops: Any,
    outputs: dict[str, str],
    labels: CustomLabels,
    monkeypatch: pytest.MonkeyPatch,
    induce: Callable[..., None],
    name: str,
    said: str,
) -> None:
    induce(outputs, labels, monkeypatch)
    found = findings(mlops)

    assert list(found) == [name]
    assert said in found[name]
    assert mlops("doctor").exit_code == 1


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_a_decision_fills_in_the_form_behind_the_link(
    mlops: Any, monkeypatch: pytest.MonkeyPatch, decision: str
) -> None:
    sent: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(commands.decide, "approve", lambda link, fields: sent.append((link, fields)) or "Decided")
    result = mlops("--json", decision, "https://x/approval?token=t", "--approver", "Ada", input="0123ab\n")

    assert result.exit_code == 0, result.output
    fields = {"approver": "Ada", "confirmation": "0123ab", "comment": "", "decision": decision}
    assert sent == [("https://x/approval?token=t", fields)]


@pytest.mark.parametrize("reasons", [["F1 is low; very", "a, b"], ["one", "two", "three; four"]])
def test_several_reasons_are_each_on_a_line_of_their_own(
    mlops: Any, outputs: dict[str, str], reasons: list[str]
) -> None:
    run_id = put_run(outputs)
    boto3.resource("dynamodb").Table(outputs["ApplicationTableName"]).update_item(
        Key={"pk": f"RUN#{run_id}", "sk": "STAGE#development#eval_metric"},
        UpdateExpression="SET reasons = :r",
        ExpressionAttributeValues={":r": reasons},
    )

    assert answer(mlops("--json", "show", run_id))[0]["why"].split("\n") == reasons
    told = mlops("watch", run_id).stderr
    assert "".join(f"\n  {reason}" for reason in reasons) in told


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (
            "<style>x</style>" * 999 + '<section role="alert"><p>It&#39;s too long.</p></section><p>x</p>',
            "It's too long.",
        ),
        (
            "<head><title>t</title></head><h1>This link is unknown</h1>\n<p>Nothing.</p>",
            "This link is unknown Nothing.",
        ),
    ],
)
def test_what_a_page_refuses_is_told_in_its_words(page: str, said: str) -> None:
    refused = httpx.Response(400, text=page, request=httpx.Request("POST", "https://x/approval"))
    with pytest.raises(decide.ApprovalError) as error:
        decide._accepted(refused)

    assert str(error.value) == f"POST /approval answered 400: {said}"


@pytest.mark.parametrize("words", [("--comment", "x" * 1001), ("--approver", "x" * 101)])
def test_a_rollback_with_words_too_long_to_be_kept_is_not_asked_for(
    mlops: Any, outputs: dict[str, str], words: tuple[str, str]
) -> None:
    rows = boto3.resource("dynamodb").Table(outputs["ApplicationTableName"])
    for number in (1, 2):
        facts = {"run_id": f"r{number}", "version_arn": "v", "released_at": "t", "approver": "", "comment": ""}
        row = {"pk": "RELEASE#parts#classification#production", "lease_id": f"l{number}", "is_rollback": False, **facts}
        for sk in (f"HISTORY#{number}", "CURRENT"):
            rows.put_item(Item={"sk": sk, **row})
    result = mlops("rollback", "parts", "classification", *words)

    assert result.exit_code == 1
    assert "Shorten it" in result.stderr
