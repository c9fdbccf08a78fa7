# ruff: noqa: N803  - names of arguments are those of AWS
"""AWS as its documentation describes it, in memory and by simulated time: what the pipeline calls and no more.

Nothing here decides about faults: every call goes through `call`, which the history that is played gives.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Protocol

from botocore.exceptions import ClientError

from tests.unit.mlops.memory_table import MemoryTable

# (service, what is called, the act itself) -> its answer
Caller = Callable[[str, str, Callable[[], Any]], Any]


class Clock(Protocol):
    now: float


def refused(code: str, status: int = 400, **more: Any) -> ClientError:
    response = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(response, "Operation")  # type: ignore[arg-type]


class Client:
    """A client of boto3: every operation goes through `call`, pages of a listing as one operation."""

    def __init__(self, service: str, backend: Any, call: Caller) -> None:
        self._service, self._backend, self._call = service, backend, call

    def __getattr__(self, name: str) -> Any:
        if name == "meta":
            raise AttributeError(name)
        if name == "get_paginator":
            return self._paginator
        if name == "generate_presigned_url":
            return self._backend.generate_presigned_url
        operation = getattr(self._backend, name)
        return lambda **request: self._call(
            self._service, self._backend.label(name, request), lambda: operation(**request)
        )

    def _paginator(self, name: str) -> Any:
        operation = getattr(self._backend, name)
        return SimpleNamespace(
            paginate=lambda **request: self._call(
                self._service, self._backend.label(name, request), lambda: [operation(**request)]
            )
        )


class Backend:
    def label(self, name: str, request: Mapping[str, Any]) -> str:
        """What a call is called in a story: the operation, and what it is about where that says more."""
        return name


# ---------------------------------------------------------------- S3
@dataclass(frozen=True)
class Version:
    version_id: str
    data: bytes | None
    modified: float

    @property
    def etag(self) -> str:
        return hashlib.md5(self.data or b"").hexdigest()


class Body(io.BytesIO):
    def iter_lines(self) -> Iterator[bytes]:
        return (line.rstrip(b"\n") for line in self)

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        while part := self.read(size):
            yield part


@dataclass
class Objects(Backend):
    """Buckets with versions; a change of an object is told to `tell`, with a sequencer."""

    clock: Clock
    tell: Callable[[dict[str, Any]], None]
    buckets: dict[str, dict[str, list[Version]]] = field(default_factory=dict)
    _count: int = 0

    def label(self, name: str, request: Mapping[str, Any]) -> str:
        key = str(request.get("Key") or request.get("Prefix", ""))
        return f"{name} {key.rsplit('/', 1)[-1] if key.startswith('runs/') else key.split('/')[0]}"

    def put_object(self, Bucket: str, Key: str, Body: bytes, ContentType: str = "", **_: Any) -> dict[str, Any]:
        self._write(Bucket, Key, bytes(Body))
        return {}

    def delete_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        self._write(Bucket, Key, None)
        return {}

    def get_object(self, Bucket: str, Key: str, VersionId: str = "") -> dict[str, Any]:
        versions = self.buckets.get(Bucket, {}).get(Key, [])
        found = [v for v in versions if v.version_id == VersionId] if VersionId else versions[-1:]
        if not found or found[0].data is None:
            raise refused("NoSuchVersion" if VersionId else "NoSuchKey", 404)
        version = found[0]
        data = version.data or b""
        facts = {
            "ETag": f'"{version.etag}"',
            "LastModified": _moment(version.modified),
            "VersionId": version.version_id,
        }
        return {"Body": Body(data), "ContentLength": len(data), **facts}

    def list_objects_v2(self, Bucket: str, Prefix: str, Delimiter: str = "") -> dict[str, Any]:
        present = [(k, v) for k, v in self.present(Bucket).items() if k.startswith(Prefix)]
        if Delimiter:
            below = {k[len(Prefix) :].split(Delimiter)[0] for k, _ in present if Delimiter in k[len(Prefix) :]}
            return {"CommonPrefixes": [{"Prefix": f"{Prefix}{name}{Delimiter}"} for name in sorted(below)]}
        return {
            "Contents": [
                {"Key": k, "ETag": f'"{v.etag}"', "LastModified": _moment(v.modified), "Size": len(v.data or b"")}
                for k, v in sorted(present)
            ]
        }

    def generate_presigned_url(self, _: str, Params: Mapping[str, str], ExpiresIn: int) -> str:
        return f"https://{Params['Bucket']}.s3.example/{Params['Key']}?seconds={ExpiresIn}"

    def present(self, bucket: str) -> dict[str, Version]:
        """The newest version of every object that there is."""
        newest = {key: versions[-1] for key, versions in self.buckets.get(bucket, {}).items()}
        return {key: version for key, version in newest.items() if version.data is not None}

    def text(self, bucket: str, key: str) -> str | None:
        found = self.present(bucket).get(key)
        return (found.data or b"").decode() if found else None

    def _write(self, bucket: str, key: str, data: bytes | None) -> None:
        self._count += 1
        version = Version(f"v{self._count}", data, self.clock.now)
        self.buckets.setdefault(bucket, {}).setdefault(key, []).append(version)
        facts = {"key": key, "version-id": version.version_id, "sequencer": f"{self._count:016X}", "etag": version.etag}
        self.tell(
            {
                "id": f"s3-{self._count}",
                "source": "aws.s3",
                "detail-type": "Object Deleted" if data is None else "Object Created",
                "time": _moment(self.clock.now).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "resources": [f"arn:aws:s3:::{bucket}"],
                "detail": {"bucket": {"name": bucket}, "object": {**facts, "size": len(data or b"")}},
            }
        )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


# ---------------------------------------------------------------- DynamoDB
class Rows:
    """The application's table: conditional writes exact, reads consistent, the index up to `lag` seconds behind."""

    name = "application"

    def __init__(self, clock: Clock, call: Caller, lag: float) -> None:
        self.memory = MemoryTable()
        self.written: Callable[[str, Mapping[str, Any], Mapping[str, Any]], None] = lambda *_: None
        self._clock, self._call, self._lag = clock, call, lag
        self._made: dict[tuple[str, str], float] = {}

    def get_item(self, **request: Any) -> Any:
        return self._call("dynamodb", f"get_item {_kind(request['Key'])}", lambda: self.memory.get_item(**request))

    def query(self, **request: Any) -> Any:
        def act() -> Any:
            found = self.memory.query(**request)
            if request.get("IndexName"):
                late = self._clock.now - self._lag
                found["Items"] = [i for i in found["Items"] if self._made.get((i["pk"], i["sk"]), 0) <= late]
            return found

        return self._call("dynamodb", "query index" if request.get("IndexName") else "query", act)

    def put_item(self, **request: Any) -> Any:
        return self._write("put_item", request["Item"], request)

    def update_item(self, **request: Any) -> Any:
        return self._write("update_item", request["Key"], request)

    def delete_item(self, **request: Any) -> Any:
        return self._write("delete_item", request["Key"], request)

    def row(self, pk: str, sk: str) -> dict[str, Any]:
        return dict(self.memory.get_item({"pk": pk, "sk": sk}, ConsistentRead=True).get("Item", {}))

    def _write(self, name: str, key: Mapping[str, Any], request: dict[str, Any]) -> Any:
        def act() -> Any:
            before = self.row(key["pk"], key["sk"])
            answer = getattr(self.memory, name)(**request)
            self._made.setdefault((key["pk"], key["sk"]), self._clock.now)
            self.written(name, before, self.row(key["pk"], key["sk"]))
            return answer

        return self._call("dynamodb", f"{name} {_kind(key)}", act)


def _kind(key: Mapping[str, Any]) -> str:
    pk, sk = str(key["pk"]).split("#")[0], str(key["sk"])
    if pk == "RUN" and sk.startswith("STAGE#"):
        return sk.split("#")[-1]
    return pk if pk in ("IMAGES", "LEASE", "WATCH", "KEPT", "WAITING") else f"{pk} {sk.split('#')[0]}"


@dataclass
class OnceRows(Backend):
    """The table of Powertools Idempotency, with the one condition that it writes under."""

    clock: Clock
    items: dict[str, dict[str, Any]] = field(default_factory=dict)

    def put_item(self, Item: dict[str, Any], ExpressionAttributeValues: Any, **_: Any) -> dict[str, Any]:
        held = self.items.get(Item["id"]["S"])
        if held and not self._may_be_replaced(held, ExpressionAttributeValues):
            raise refused("ConditionalCheckFailedException", Item=dict(held))
        self.items[Item["id"]["S"]] = dict(Item)
        return {}

    def get_item(self, Key: Any, **_: Any) -> dict[str, Any]:
        held = self.items.get(Key["id"]["S"])
        return {"Item": dict(held)} if held else {}

    def update_item(self, Key: Any, ExpressionAttributeValues: Any, **_: Any) -> dict[str, Any]:
        values = ExpressionAttributeValues
        changes = {"expiration": values[":expiry"], "status": values[":status"], "data": values[":response_data"]}
        self.items[Key["id"]["S"]] = {**Key, **self.items.get(Key["id"]["S"], {}), **changes}
        return {}

    def delete_item(self, Key: Any, **_: Any) -> dict[str, Any]:
        self.items.pop(Key["id"]["S"], None)
        return {}

    @staticmethod
    def _may_be_replaced(held: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
        if int(held["expiration"]["N"]) < int(values[":now"]["N"]):
            return True
        until = held.get("in_progress_expiration")
        is_at_work = held["status"] == values[":inprogress"]
        return bool(is_at_work and until and int(until["N"]) < int(values[":now_in_millis"]["N"]))


# ---------------------------------------------------------------- messages, events, mails, parameters
@dataclass
class Outgoing(Backend):
    """SQS, EventBridge, SNS and SSM, as far as functions call them."""

    sent: Callable[[str, dict[str, Any], int], None]
    put: Callable[[dict[str, Any]], None]
    published: Callable[[str, str], None]
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    _count: int = 0

    def label(self, name: str, request: Mapping[str, Any]) -> str:
        return f"{name} {request['Entries'][0]['DetailType']}" if name == "put_events" else name

    def send_message(self, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> dict[str, Any]:
        self.sent(QueueUrl, json.loads(MessageBody), DelaySeconds)
        return {}

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        for entry in Entries:
            self._count += 1
            kind = {"source": entry["Source"], "detail-type": entry["DetailType"], "resources": entry["Resources"]}
            self.put({"id": f"event-{self._count}", **kind, "detail": json.loads(entry["Detail"])})
        return {"FailedEntryCount": 0}

    def publish(self, TopicArn: str, Subject: str, Message: str) -> dict[str, Any]:
        self.published(Subject, Message)
        return {}

    def list_subscriptions_by_topic(self, TopicArn: str) -> dict[str, Any]:
        return {"Subscriptions": [{"SubscriptionArn": "arn:aws:sns:::topic:1"}]}

    def put_parameter(self, Name: str, Value: str, **_: Any) -> dict[str, Any]:
        self.parameters[Name] = json.loads(Value)
        return {}


# ---------------------------------------------------------------- Custom Labels
GOOD, NOT_TRAINED, MISSES_GATE, MISSES_TEST = "good", "fails in training", "misses the gate", "misses the test"
_TRUTH, _ANSWER = "rekognition-custom-labels-training-0", "rekognition-custom-labels-evaluation-0"
_PASSES = {"STARTING": "RUNNING", "STOPPING": "STOPPED", "COPYING_IN_PROGRESS": "COPYING_COMPLETED"}


@dataclass
class Model:
    """A project version: its status, until when that is passing, what comes then, and how good it is."""

    arn: str
    status: str
    until: float
    then: str
    quality: str
    lines: list[dict[str, Any]]

    @property
    def name(self) -> str:
        return self.arn.split("/")[3]


@dataclass
class CustomLabels(Backend):
    """Versions of all projects. Passing states take their time; the quotas are those of an account."""

    clock: Clock
    objects: Objects
    seconds: Callable[[str, str], float]
    quality: Callable[[str], str]
    trainings: int = 1
    running: int = 2
    copies: int = 1
    stops_while_starting: bool = False
    models: dict[str, Model] = field(default_factory=dict)
    trained: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    _count: int = 0

    def create_project_version(
        self,
        ProjectArn: str,
        VersionName: str,
        TestingData: Any,
        OutputConfig: Any,
        **_: Any,
    ) -> dict[str, Any]:
        self._require_free(ProjectArn, VersionName)
        if self._count_of("TRAINING_IN_PROGRESS") >= self.trainings:
            raise refused("LimitExceededException")
        place = TestingData["Assets"][0]["GroundTruthManifest"]["S3Object"]
        text = self.objects.text(place["Bucket"], place["Name"])
        if text is None:
            raise refused("InvalidS3ObjectException")
        lines = [json.loads(line) for line in text.split("\n") if line]
        quality = self.quality(VersionName)
        then = "TRAINING_FAILED" if quality == NOT_TRAINED else "TRAINING_COMPLETED"
        self.trained.append(VersionName)
        return self._make(ProjectArn, VersionName, "TRAINING_IN_PROGRESS", then, quality, lines, OutputConfig)

    def copy_project_version(
        self,
        SourceProjectVersionArn: str,
        DestinationProjectArn: str,
        VersionName: str,
        OutputConfig: Any,
        **_: Any,
    ) -> dict[str, Any]:
        source = self._find(SourceProjectVersionArn)
        self._require_free(DestinationProjectArn, VersionName)
        if source.status in ("TRAINING_IN_PROGRESS", "TRAINING_FAILED", "COPYING_IN_PROGRESS", "COPYING_FAILED"):
            raise refused("ResourceNotReadyException")
        if self._count_of("COPYING_IN_PROGRESS") >= self.copies:
            raise refused("LimitExceededException")
        status, then = "COPYING_IN_PROGRESS", "COPYING_COMPLETED"
        return self._make(DestinationProjectArn, VersionName, status, then, source.quality, source.lines, OutputConfig)

    def describe_project_versions(self, ProjectArn: str, VersionNames: list[str] | None = None) -> dict[str, Any]:
        found = [model for model in self._all() if model.arn.split("/")[1] == ProjectArn.split("/")[1]]
        asked = [model for model in found if VersionNames is None or model.name in VersionNames]
        return {"ProjectVersionDescriptions": [self._described(model) for model in asked]}

    def describe_projects(self, **_: Any) -> dict[str, Any]:
        return {"ProjectDescriptions": []}

    def start_project_version(self, ProjectVersionArn: str, MinInferenceUnits: int) -> dict[str, Any]:
        model = self._find(ProjectVersionArn)
        if model.status not in ("TRAINING_COMPLETED", "COPYING_COMPLETED", "STOPPED"):
            raise refused("ResourceInUseException")
        if self._count_of("STARTING", "RUNNING", "STOPPING") >= self.running:
            raise refused("LimitExceededException")
        self._pass(model, "STARTING")
        self.started.append(ProjectVersionArn)
        return {"Status": "STARTING"}

    def stop_project_version(self, ProjectVersionArn: str) -> dict[str, Any]:
        model = self._find(ProjectVersionArn)
        if model.status not in (("STARTING", "RUNNING") if self.stops_while_starting else ("RUNNING",)):
            raise refused("ResourceInUseException")
        self._pass(model, "STOPPING")
        return {"Status": "STOPPING"}

    def delete_project_version(self, ProjectVersionArn: str) -> dict[str, Any]:
        model = self._find(ProjectVersionArn)
        if model.status.endswith("ING") or model.status.endswith("IN_PROGRESS"):
            raise refused("ResourceInUseException")
        del self.models[ProjectVersionArn]
        return {"Status": "DELETING"}

    def detect_custom_labels(self, ProjectVersionArn: str, Image: Any, **_: Any) -> dict[str, Any]:
        model, shown = self._find(ProjectVersionArn), Image["S3Object"]
        if model.status != "RUNNING":
            raise refused("ResourceNotReadyException")
        try:
            self.objects.get_object(shown["Bucket"], shown["Name"], shown.get("Version", ""))
        except ClientError as error:
            raise refused("InvalidS3ObjectException") from error
        label = shown["Name"].split("/")[3]
        return {"CustomLabels": [{"Name": label if model.quality != MISSES_TEST else "else", "Confidence": 99.0}]}

    def of(self, *statuses: str) -> set[str]:
        return {model.arn for model in self._all() if model.status in statuses}

    def _all(self) -> list[Model]:
        for model in self.models.values():
            if model.until <= self.clock.now and model.then:
                model.status, model.then = model.then, ""
        return list(self.models.values())

    def _find(self, arn: str) -> Model:
        self._all()
        if arn not in self.models:
            raise refused("ResourceNotFoundException")
        return self.models[arn]

    def _count_of(self, *statuses: str) -> int:
        return len(self.of(*statuses))

    def _require_free(self, project: str, name: str) -> None:
        if any(m.name == name and m.arn.split("/")[1] == project.split("/")[1] for m in self._all()):
            raise refused("ResourceInUseException")

    def _pass(self, model: Model, status: str) -> None:
        seconds = self.seconds(status, model.name)
        model.status, model.then, model.until = status, _PASSES[status], self.clock.now + seconds

    def _make(
        self, project: str, name: str, status: str, then: str, quality: str, lines: list[dict[str, Any]], output: Any
    ) -> dict[str, Any]:
        self._count += 1
        arn = f"{project.rsplit('/', 1)[0]}/version/{name}/{int(self.clock.now * 1000) + self._count}"
        model = Model(arn, status, self.clock.now + self.seconds(status, name), then, quality, lines)
        self.models[arn] = model
        self._evaluate(model, output["S3Bucket"], output["S3KeyPrefix"])
        return {"ProjectVersionArn": arn}

    def _described(self, model: Model) -> dict[str, Any]:
        known: dict[str, Any] = {"ProjectVersionArn": model.arn, "Status": model.status, "StatusMessage": model.status}
        if model.quality != NOT_TRAINED and model.status != "TRAINING_IN_PROGRESS":
            place = {"Bucket": self._outputs[model.arn][0], "Name": f"{self._outputs[model.arn][1]}/summary.json"}
            known["EvaluationResult"] = {"Summary": {"S3Object": place}}
            shot = {**place, "Name": f"{self._outputs[model.arn][1]}/snapshot.json"}
            known["TestingDataResult"] = {"Output": {"Assets": [{"GroundTruthManifest": {"S3Object": shot}}]}}
            known["BillableTrainingTimeInSeconds"] = 600
        return known

    def _evaluate(self, model: Model, bucket: str, prefix: str) -> None:
        self._outputs[model.arn] = (bucket, prefix)
        labels = sorted({line["label-metadata"]["class-name"] for line in model.lines})
        right = 0.0 if model.quality == MISSES_GATE else 1.0
        results = [
            {
                "Label": label,
                "NumberOfTestingImages": 1,
                "Metrics": {"Precision": right, "Recall": right, "F1Score": right, "Threshold": 0.5},
            }
            for label in labels
        ]
        whole = {"F1Score": right, "Precision": right, "Recall": right}
        summary = {"Version": 1, "AggregatedEvaluationResults": whole, "LabelEvaluationResults": results}
        self.objects._write(bucket, f"{prefix}/summary.json", json.dumps(summary).encode())
        lines = []
        for line in model.lines:
            truth = line["label-metadata"]["class-name"]
            said = truth if right else next((label for label in labels if label != truth), "else")
            entry = {"source-ref": line["source-ref"]}
            for name, label, sure in ((_TRUTH, truth, 1.0), (_ANSWER, said, 0.9)):
                entry[f"{name}-metadata"] = {"class-name": label, "confidence": sure}
                entry[name] = 0
            lines.append(json.dumps(entry))
        self.objects._write(bucket, f"{prefix}/snapshot.json", "\n".join(lines).encode())

    _outputs: dict[str, tuple[str, str]] = field(default_factory=dict)
