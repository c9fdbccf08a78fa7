"""Runs are read from the table, shown, and summed up."""

import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from PIL import Image
from rich.console import Console

from cli.stack import Stack
from cli.upload import Plan, checked
from local.cloud import Mail
from local.runner import demo
from local.runner.console import Display
from local.runner.dataset import DatasetError, download, plan_of, settings_of, upload
from local.runner.demo import Journey
from local.runner.memory import FunctionMemory, memory_by_function
from local.runner.summary import summarise
from local.runner.timing import time_of
from mlops.stage import PIPELINE as STAGES

START = datetime(2026, 1, 1, tzinfo=UTC)
RUN_ID = "line-classification-0123456789ab"


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


@pytest.fixture
def rows() -> Any:
    table = boto3.resource("dynamodb").create_table(
        TableName="application",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "dataset_key", "created_at")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "runs-of-dataset",
                "KeySchema": [
                    {"AttributeName": "dataset_key", "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    facts = {"run_id": RUN_ID, "dataset": "line", "task": "classification", "created_at": START.isoformat()}
    table.put_item(Item={"pk": f"RUN#{RUN_ID}", "sk": "RUN", "dataset_key": "DATASET#line", **facts})
    return table


@pytest.fixture
def stack(rows: Any) -> Stack:
    given = Stack("line", boto3.Session())
    given.outputs = {"ApplicationTableName": "application"}
    return given


def put_stage(rows: Any, number: int, state: str = "COMPLETED", **facts: Any) -> None:
    stage, environment = STAGES[number]
    times = {"started_at": (START + timedelta(seconds=10 * number)).isoformat()}
    if state in ("COMPLETED", "FAILED"):
        times["finished_at"] = (START + timedelta(seconds=10 * number + 4)).isoformat()
    key = {"pk": f"RUN#{RUN_ID}", "sk": f"STAGE#{environment}#{stage}"}
    rows.put_item(Item={**key, "stage": stage, "environment": environment, "state": state, **times, **facts})


def put_release(rows: Any) -> None:
    facts = {"run_id": RUN_ID, "version_arn": "arn", "released_at": START.isoformat()}
    rows.put_item(Item={"pk": "RELEASE#line#classification#production", "sk": "CURRENT", **facts})


def plain_display() -> Display:
    return Display(Console(file=io.StringIO(), force_terminal=False, width=200))


def shown(display: Display) -> str:
    return display.console.file.getvalue()


def inbox(mails: list[Mail]) -> Callable[[], list[Mail]]:
    """Mails that arrive after the first look."""
    looks = iter([[]])
    return lambda: next(looks, mails)


def journey(stack: Stack, display: Display, mails: list[Mail] | None = None) -> Journey:
    return Journey(stack, "line", ("classification",), inbox(mails or []), display, START)


def test_stages_come_in_the_order_of_the_pipeline(rows: Any, stack: Stack) -> None:
    for number in (6, 2, 0):
        put_stage(rows, number)

    run = stack.runs("line")[0]

    assert [(stage.stage, stage.environment) for stage in run.stages] == [STAGES[0], STAGES[2], STAGES[6]]
    assert run.stages[0].seconds(START) == 4
    assert not run.is_complete
    assert stack.run("other") is None


def test_journey_ends_well_when_every_stage_is_complete_and_the_run_is_released(rows: Any, stack: Stack) -> None:
    for number in range(len(STAGES)):
        put_stage(rows, number)
    put_release(rows)

    assert journey(stack, plain_display()).travel() == ""


def test_journey_ends_with_the_stage_and_reasons_of_a_failure(rows: Any, stack: Stack) -> None:
    put_stage(rows, 3, "FAILED", reasons=["F1 0.61 is below 0.80", "two labels too few"])
    display, text = plain_display(), f"{RUN_ID} failed. Add images of the two labels."

    problem = journey(stack, display, [Mail("1", START, "a@example.com", "A stage failed", text, text)]).travel()

    assert problem == f"{RUN_ID} failed in eval_metric (development): F1 0.61 is below 0.80; two labels too few"
    assert "eval_metric (development)  FAILED  F1 0.61" in shown(display)
    assert "Add images of the two labels." in shown(display)


def test_journey_without_movement_ends_after_a_while(rows: Any, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "STALLED_SECONDS", 0.1)
    monkeypatch.setattr(demo, "POLL_SECONDS", 0.01)
    put_stage(rows, 2, "WAITING", waiting_for="TRAINING_COMPLETED")

    assert "Nothing moved" in journey(stack, plain_display()).travel()


def test_run_is_approved_once_however_many_mails_ask(rows: Any, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[str, str]] = []
    monkeypatch.setattr(demo, "approve", lambda link, answers: opened.append((link, answers["confirmation"])))
    for number in range(len(STAGES)):
        put_stage(rows, number)
    put_release(rows)
    text = f"Decide about {RUN_ID}\nhttp://127.0.0.1:1/approval?token=a\n"
    mails = [Mail(key, START, "a@example.com", "Decide", text, text) for key in ("1", "2")]

    journey(stack, plain_display(), mails).travel()

    assert opened == [("http://127.0.0.1:1/approval?token=a", RUN_ID[-6:])]


def test_plain_output_tells_each_change_once_without_control_codes(rows: Any, stack: Stack) -> None:
    put_stage(rows, 2, "WAITING", waiting_for="a free training slot")
    display = plain_display()

    with display.following():
        for _ in range(3):
            display.show(stack.runs("line"))

    assert shown(display) == f"{RUN_ID}  training (development)  WAITING  waits for a free training slot\n"


def test_terminal_output_shows_hostile_text_as_it_is(rows: Any, stack: Stack) -> None:
    put_stage(rows, 3, "FAILED", reasons=["label [red]x[/red] unknown"])
    display = Display(Console(file=io.StringIO(), force_terminal=True, width=200))

    with display.following():
        display.show(stack.runs("line"))

    assert "label [red]x[/red] unknown" in shown(display)


def test_summary_holds_metrics_of_the_last_environment_and_every_stage(rows: Any, stack: Stack, tmp_path: Path) -> None:
    put_stage(rows, 0)
    put_stage(rows, 6, "FAILED")
    test = {"f1": 0.9, "accuracy": 0.95, "per_label": {"a": {"f1": 0.9}}, "false_alarm_rate": 0.1}
    for name, content in {
        "eval_metric.json": {"service": {"f1": 0.97}},
        "development/inference_test.json": {"f1": 0.1},
        "staging/inference_test.json": test,
    }.items():
        path = tmp_path / "runs" / RUN_ID / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    run = stack.run(RUN_ID)

    summary = summarise({run.task: run}, tmp_path, 61.234)

    assert summary["wall_seconds"] == 61.2
    assert summary["tasks"]["classification"] == {
        "run_id": RUN_ID,
        "environment": "staging",
        "dataset": "line",
        "service_f1": 0.97,
        "inference_f1": 0.9,
        "inference_accuracy": 0.95,
        "per_label": {"a": {"f1": 0.9}},
        "false_alarm_rate": 0.1,
        "stages": [
            {"stage": "ground_truth", "environment": "development", "seconds": 4.0, "outcome": "COMPLETED"},
            {"stage": "inference_test", "environment": "staging", "seconds": 4.0, "outcome": "FAILED"},
        ],
    }


def test_summary_of_a_run_that_failed_early_has_no_metrics(rows: Any, stack: Stack, tmp_path: Path) -> None:
    put_stage(rows, 0, "FAILED")
    run, display = stack.run(RUN_ID), plain_display()

    summary = summarise({run.task: run}, tmp_path, 1)
    display.result(summary, [FunctionMemory("training", 90, 256)])

    assert summary["tasks"]["classification"]["service_f1"] is None
    assert "training" in shown(display)


def test_orchestration_is_what_is_left_of_a_run_without_training_inference_and_pictures(
    rows: Any, stack: Stack
) -> None:
    put_stage(rows, 0, pictures_seconds=Decimal("0.5"))
    put_stage(rows, 4, inference_seconds=Decimal("2.25"), pictures_seconds=Decimal("0.25"))
    version = {"CreationTimestamp": START, "TrainingEndTimestamp": START + timedelta(seconds=10)}

    time = time_of(stack.run(RUN_ID), version, START + timedelta(seconds=15), waiting=0.5)

    assert time.as_dict() == {
        "wall": 15,
        "training": 10,
        "inference": 2.25,
        "pictures": 0.75,
        "waiting": 0.5,
        "orchestration": 2,
    }


def test_upload_keeps_the_layout_and_sends_the_settings_last(tmp_path: Path) -> None:
    for name in ("train/good/1.png", "ground_truth/bent/2_mask.PNG", "readme.txt"):
        (tmp_path / "Line A" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "Line A" / name).write_bytes(b"x")
    s3, counts = boto3.client("s3"), []
    s3.create_bucket(Bucket="data")

    given = plan_of(tmp_path / "Line A", (), tmp_path)
    upload(s3, "data", given, lambda *count: counts.append(count))
    number = download(s3, "data", "datasets/", tmp_path / "copy")

    copied = sorted(path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*.*"))
    assert copied == [
        "datasets/line-a/dataset.json",
        "datasets/line-a/ground_truth/bent/2_mask.PNG",
        "datasets/line-a/train/good/1.png",
    ]
    assert (tmp_path / "copy/datasets/line-a/dataset.json").read_bytes() == b"{}"
    assert (number, counts) == (3, [(1, 3), (2, 3), (3, 3)])


def test_the_demo_recognises_folders_of_labels_without_sides_and_says_so(tmp_path: Path) -> None:
    folder, said = tmp_path / "Line 4", list[str]()
    for number, name in enumerate(("OK/1", "OK/2", "NG/1", "NG/2")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 72), (number, 0, 0)).save(folder / f"{name}.bmp")
    (folder / "NG/broken.bmp").write_bytes(b"BM")

    given = checked(plan_of(folder, (), tmp_path, said.append))

    assert said[:4] == [
        f"{folder} is read as folders of labels (ImageFolder): 4 pictures.",
        "Labels: NG (2); normal (2).",
        "Sides: dealt by the stack (4).",
        'Means "no defect": OK.',
    ]
    assert said[-1].startswith("Left out: NG/broken.bmp: is no picture")
    assert sorted(given.files) == [
        "datasets/line-4/annotations.manifest",
        "datasets/line-4/dataset.json",
        *(f"datasets/line-4/images/{name}.bmp" for name in ("NG/1", "NG/2", "OK/1", "OK/2")),
    ]
    assert (given.tasks, given.problems) == (("classification",), {})


def test_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no pictures"):
        plan_of(tmp_path, (), tmp_path)


def test_demo_says_what_cannot_be_used_and_goes_on_without_it() -> None:
    display, image = plain_display(), Path("1.png")
    files = {"datasets/line/train/good/1.png": image, "datasets/line/dataset.json": image}

    demo.say_what_is_wrong(Plan("line", files, {"train/good/2.png": "is no picture"}), display)

    assert "train/good/2.png: is no picture" in shown(display)


def test_demo_ends_where_the_settings_cannot_be_used() -> None:
    given = Plan("line", {"datasets/line/train/good/1.png": Path("1.png")}, {"dataset.json": "names no task"})

    with pytest.raises(DatasetError, match="Nothing was sent"):
        demo.say_what_is_wrong(given, plain_display())


def test_memory_is_the_peak_of_each_function() -> None:
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName="/aws/lambda/training")
    logs.create_log_group(logGroupName="/aws/lambda/idle")
    logs.create_log_stream(logGroupName="/aws/lambda/training", logStreamName="s")
    report = "REPORT RequestId: 1\tDuration: 5 ms\tBilled Duration: 5 ms\tMemory Size: 256 MB\tMax Memory Used: {} MB"
    now = int(datetime.now(UTC).timestamp() * 1000)
    events = [{"timestamp": now, "message": text} for text in (report.format(80), report.format(95), "REPORT of mine")]
    logs.put_log_events(logGroupName="/aws/lambda/training", logStreamName="s", logEvents=events)

    assert memory_by_function(logs) == [FunctionMemory("training", 95, 256)]


@pytest.mark.parametrize("given", [(), ("detection",)])
def test_detection_is_expected_where_there_are_masks(tmp_path: Path, given: tuple[str, ...]) -> None:
    folder = tmp_path / "line"
    for name in ("train/good/1.png", "train/bent/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (80, 72), len(name)).save(folder / name)
    assert checked(plan_of(folder, given, tmp_path)).tasks == (given or ("classification",))
    (folder / "ground_truth" / "bent").mkdir(parents=True)
    Image.new("L", (80, 72), 255).save(folder / "ground_truth" / "bent" / "1_mask.png")

    assert checked(plan_of(folder, given, tmp_path)).tasks == (given or ("classification", "detection"))


def test_tasks_of_the_command_line_replace_those_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text('{"split": "pool", "tasks": ["detection"]}')

    assert settings_of(tmp_path) == {"split": "pool", "tasks": ["detection"]}
    assert settings_of(tmp_path, ("classification",)) == {"split": "pool", "tasks": ["classification"]}


def test_settings_that_are_no_json_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text("{split: pool}")

    with pytest.raises(DatasetError, match=r"dataset\.json is not JSON"):
        settings_of(tmp_path)
