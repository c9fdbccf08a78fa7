"""AWS in one process: small fakes for what the package calls, events that find handlers.

Every call to AWS can be made the last one of its process: see `World.kill_after`.
"""

import json
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import SimpleNamespace
from typing import Any, Literal

import boto3
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
from botocore.exceptions import ClientError

from mlops import stack
from mlops.aws import clients, once
from mlops.judging import intervals
from mlops.records import drifts, results, table
from mlops.stack import Stack
from tests.simulation.cloud import OnceRows
from tests.unit.mlops.memory_s3 import MemoryS3, Now
from tests.unit.mlops.memory_table import MemoryTable

ACCOUNT = "111122223333"
TASK, DATASET = "classification", "parts"
PROJECTS = {
    TASK: {
        environment: f"arn:aws:rekognition:eu-west-1:{ACCOUNT}:project/s-{TASK}-{environment}/1"
        for environment in ("development", "staging", "production")
    }
}
SETTINGS = {
    "TABLE": "application",
    "IDEMPOTENCY_TABLE": "idempotency",
    "DATA_BUCKET": "data",
    "ARTIFACTS_BUCKET": "artifacts",
    "PROJECTS": json.dumps(PROJECTS),
    "STACK_ID": "arn:aws:cloudformation:eu-west-1:111122223333:stack/s/1",
    "PROJECTS_ELSEWHERE": "{}",
    "ROLES": "{}",
    "PRICES": json.dumps({"training": 1, "running": 4}),
    "BUCKETS": "{}",
    "STATUS_QUEUE_URL": "status",
    "SETTLE_QUEUE_URL": "settle",
    "INSPECTION_QUEUE_URL": "inspection",
    "SERVING_QUEUE_URL": "serving",
    "MOST_WAIT_MINUTES": "0",
    "ENOUGH_PICTURES": "1",
    "MAX_INFERENCE_UNITS": "1",
    "MONTHLY_BUDGET": "0",
    "SERVING_MODE": "on-demand",
    "SERVING_HOURS": "mon-fri 06:00-14:00",
    "SERVING_TIME_ZONE": "UTC",
    "TASKS": "both",
    "TOPIC_ARN": "topic",
    "APPROVAL_URL": "https://page.example/approval",
    "APPROVAL_DAYS": "7",
    "POLL_SECONDS": "0",
    "DEADLINE_HOURS": "1",
    "LEASE_MINUTES": "30",
    "TEST_IMAGES_PER_LABEL": "50",
    "INFERENCE_LIMITS": json.dumps({TASK: {"f1": 0.5, "accuracy": 0.5, "false_alarm_rate": 1}}),
    "GATES": json.dumps({TASK: {"f1": 0.5, "label_f1": 0.5, "labels": ""}}),
    "MATCH_IOU": "0.5",
    "ESCAPE_COST": "2",
    "OVERKILL_COST": "1",
    "GATE_ON": "value",
    "TOLERATED_LOSS": "0.05",
    "ALWAYS_ON": json.dumps({"staging": "false", "production": "true"}),
    "RUNNING_MODELS": "2",
    "PROJECT_MODELS": "100",
    "KEEP_MODELS": "20",
    "REVIEW_URL": "https://page.example/review",
    "REVIEW_SHARE": "2",
    "REVIEWS_PER_DAY": "50",
    "RETRAIN_AFTER": "50",
    "PARAMETER_PREFIX": "/s/models",
    "POWERTOOLS_METRICS_DISABLED": "true",
}


# Whose messages a queue holds.
READERS = {"settle": "ground_truth", "status": "model_status", "inspection": "inspect", "serving": "serve"}


def set_clock(monkeypatch: Any, **functions: Callable[..., float]) -> None:
    """Let the package live by another clock, of which these functions differ from those of the module `time`."""
    names = ("time", "monotonic", "sleep")
    clock = SimpleNamespace(**{name: functions.get(name, getattr(time, name)) for name in names})
    monkeypatch.setattr(stack, "here", lambda: replace(Stack.from_env(), clock=clock))


def forget() -> None:
    """What a process keeps, a new one does not know."""
    drifts._looks_then.cache_clear()
    results._points.cache_clear()


class Killed(BaseException):
    """The process of a function ended at a call to AWS."""


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "Operation")


@dataclass
class Models:
    """Custom Labels: versions by ARN with their status; passing states pass when somebody looks.

    Whether a version that is `STARTING` can be stopped is not documented: `stops_while_starting` is either answer.
    """

    quota: int = 2
    said: Callable[[str], list[dict[str, Any]]] = lambda arn: [{"Name": "normal", "Confidence": 99.0}]
    asked: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    stops_while_starting: bool = False
    status: dict[str, str] = field(default_factory=dict)

    def describe_project_versions(self, ProjectArn: str, VersionNames: list[str]) -> dict[str, Any]:  # noqa: N803
        found = [arn for arn in self._of(ProjectArn) if arn.split("/")[3] in VersionNames]
        return {"ProjectVersionDescriptions": [self._described(arn) for arn in found]}

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(
            paginate=lambda ProjectArn: [  # noqa: N803
                {"ProjectVersionDescriptions": [self._described(arn) for arn in self._of(ProjectArn)]}
            ]
        )

    def copy_project_version(self, DestinationProjectArn: str, VersionName: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        arn = version_arn(DestinationProjectArn, VersionName)
        if arn in self.status:
            raise refused("ResourceInUseException")
        self.status[arn] = "COPYING_IN_PROGRESS"
        return {"ProjectVersionArn": arn}

    def start_project_version(self, ProjectVersionArn: str, **_: Any) -> None:  # noqa: N803
        if self.status[ProjectVersionArn] not in ("TRAINING_COMPLETED", "COPYING_COMPLETED", "STOPPED"):
            raise refused("ResourceInUseException")
        if len(self.running) >= self.quota:
            raise refused("LimitExceededException")
        self.status[ProjectVersionArn] = "STARTING"
        self.started.append(ProjectVersionArn)

    def stop_project_version(self, ProjectVersionArn: str) -> None:  # noqa: N803
        stoppable = ("STARTING", "RUNNING") if self.stops_while_starting else ("RUNNING",)
        if self.status.get(ProjectVersionArn) not in stoppable:
            raise refused("ResourceInUseException")
        self.status[ProjectVersionArn] = "STOPPED"

    def delete_project_version(self, ProjectVersionArn: str) -> None:  # noqa: N803
        if self.status.get(ProjectVersionArn) in ("STARTING", "RUNNING", "STOPPING", "COPYING_IN_PROGRESS"):
            raise refused("ResourceInUseException")
        del self.status[ProjectVersionArn]

    def detect_custom_labels(self, ProjectVersionArn: str, Image: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        if self.status[ProjectVersionArn] != "RUNNING":
            raise refused("ResourceNotReadyException")
        if "Bytes" in Image:
            self.asked.append(ProjectVersionArn)
            return {"CustomLabels": self.said(ProjectVersionArn)}
        return {"CustomLabels": [{"Name": Image["S3Object"]["Name"].split("/")[3], "Confidence": 99.0}]}

    @property
    def running(self) -> set[str]:
        return {arn for arn, status in self.status.items() if status in ("STARTING", "RUNNING")}

    def _of(self, project: str) -> list[str]:
        return [arn for arn in self.status if arn.split("/")[1] == project.split("/")[1]]

    def _described(self, arn: str) -> dict[str, Any]:
        passes = {"STARTING": "RUNNING", "COPYING_IN_PROGRESS": "COPYING_COMPLETED"}
        before = self.status[arn]
        self.status[arn] = passes.get(before, before)
        return {"ProjectVersionArn": arn, "Status": before}


def version_arn(project: str, run_id: str) -> str:
    return f"{project.rsplit('/', 1)[0]}/version/{run_id}/2"


@dataclass
class World:
    """The stack's state, the events on their way, and the number of the call at which a process dies."""

    models: Models = field(default_factory=Models)
    s3: Any = field(default_factory=MemoryS3)
    table: MemoryTable = field(default_factory=MemoryTable)
    once: OnceRows = field(default_factory=lambda: OnceRows(Now()))
    on_the_way: deque[tuple[str, dict[str, Any]]] = field(default_factory=deque)
    parameters: dict[str, str] = field(default_factory=dict)
    mails: list[str] = field(default_factory=list)
    released: list[dict[str, Any]] = field(default_factory=list)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    calls: int = 0
    dies_after: int = -1
    is_dead: bool = False
    died_in: str = ""

    def kill_after(self, call: int) -> None:
        """Let the process, which is a new one, end right after this call to AWS was carried out."""
        forget()
        self.calls, self.dies_after, self.died_in = 0, call, ""

    def carried_out(self, name: str, act: Callable[[], Any]) -> Any:
        """One call to AWS."""
        self.calls += 1
        # The dead call nobody, not even from a `finally`.
        if self.is_dead:
            raise Killed
        answer = act()
        if self.calls == self.dies_after:
            self.is_dead, self.died_in = True, name
            raise Killed
        return answer

    def client(self, service: str) -> Any:
        return _Counted(self, self._clients()[service])

    def _clients(self) -> Mapping[str, Any]:
        return {
            "rekognition": self.models,
            "events": SimpleNamespace(put_events=self._put_events),
            "sqs": SimpleNamespace(send_message=self._send_message, send_message_batch=self._send_messages),
            "sns": SimpleNamespace(publish=lambda **mail: self.mails.append(mail["Subject"])),
            "ssm": SimpleNamespace(put_parameter=lambda **p: self.parameters.update({p["Name"]: p["Value"]})),
            "s3": self.s3,
        }

    def _put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        for entry in Entries:
            event = {"source": stack.SOURCE, "detail-type": entry["DetailType"], "detail": json.loads(entry["Detail"])}
            event["id"] = uuid.uuid4().hex
            self.told.append((entry["DetailType"], event["detail"]))
            if entry["DetailType"] == "Model Released":
                self.released.append(event["detail"])
            self.on_the_way += [(handler, event) for handler in _handlers_of(event)]
        return {"FailedEntryCount": 0}

    def _send_message(self, QueueUrl: str, MessageBody: str, **_: Any) -> None:  # noqa: N803
        message = {"messageId": "1", "body": MessageBody}
        self.on_the_way.append((READERS[QueueUrl], {"Records": [message]}))

    def _send_messages(self, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        for entry in Entries:
            self._send_message(QueueUrl, entry["MessageBody"])
        return {}

    def run(self, handlers: Mapping[str, Callable[..., Any]], deliveries: int = 400) -> None:
        """Deliver events until none is left; what a process died of is delivered again, as Lambda and SQS do."""
        context = SimpleNamespace(
            function_name="f",
            memory_limit_in_mb=128,
            invoked_function_arn="arn",
            aws_request_id="r",
            # What a dead process had begun counts as abandoned at once.
            get_remaining_time_in_millis=lambda: 0,
        )
        for _ in range(deliveries):
            if not self.on_the_way:
                return
            name, event = self.on_the_way.popleft()
            try:
                handlers[name](event, context)
            except Killed:
                self.is_dead = False
                self.on_the_way.append((name, event))
        raise AssertionError(f"still busy after {deliveries} deliveries: {self.on_the_way[0]}")


class _Counted:
    """A client all calls of which go through the world."""

    def __init__(self, world: World, client: Any) -> None:
        self._world, self._client = world, client

    def __getattr__(self, name: str) -> Any:
        called = getattr(self._client, name)
        if name in ("get_paginator", "name"):
            return called
        if name == "meta":
            return SimpleNamespace(client=self)
        return lambda *args, **kwargs: self._world.carried_out(name, lambda: called(*args, **kwargs))


def _handlers_of(event: Mapping[str, Any]) -> Iterator[str]:
    """Which functions react to an event, as the template's rules say; there is a test of them of its own."""
    kind, detail = event["detail-type"], event["detail"]
    by_status = {"RUNNING": "inference_test", "COPYING_COMPLETED": "promotion"}
    asks_promotion = ("Model Approval Decided", "Model Rollback Requested", "Pipeline Stage Retry")
    if kind == "Model Status Change" and detail["status"] in by_status:
        yield by_status[detail["status"]]
    elif kind in asks_promotion or (kind == "Pipeline Stage Completed" and detail["stage"] == "inference_test"):
        yield "promotion"


@cache
def mocked(service: Literal["dynamodb", "s3"]) -> Any:
    """A client that every mocked account answers; to make one takes longer than most tests."""
    return boto3.client(service)


def make_tables_and_buckets() -> None:
    dynamodb = mocked("dynamodb")
    for name, keys in (("application", ("pk", "sk")), ("idempotency", ("id",))):
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": k, "KeyType": t} for k, t in zip(keys, ("HASH", "RANGE"), strict=False)],
            AttributeDefinitions=[{"AttributeName": k, "AttributeType": "S"} for k in keys],
        )
    make_buckets()


def make_buckets() -> None:
    for bucket in ("data", "artifacts"):
        mocked("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    mocked("s3").put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})


def install(world: World, monkeypatch: Any) -> None:
    """Make the package use this world."""
    forget()
    monkeypatch.setattr(clients, "client", world.client)
    counted = _Counted(world, world.table)
    monkeypatch.setattr(table, "_table", lambda: counted)
    seen = _Counted(world, world.once)
    store = DynamoDBPersistenceLayer(table_name=SETTINGS["IDEMPOTENCY_TABLE"], boto3_client=seen)
    monkeypatch.setattr(once, "_store", lambda: store)
    # How sure a number is has tests of its own; here it would be half of the time.
    monkeypatch.setattr(intervals, "_MOST_WEIGHTS", 0)
    monkeypatch.setattr(intervals, "_LEAST_DRAWS", 20)
