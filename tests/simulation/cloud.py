# ruff: noqa: N803  - names of arguments are those of AWS
"""AWS as its documentation describes it, in memory and by simulated time: what the pipeline calls and no more.

Nothing here decides about faults: every call goes through `call`, which the history that is played gives.
"""

import hashlib
import io
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType, SimpleNamespace
from typing import IO, Any, Protocol

from botocore.exceptions import ClientError

from mlops.dataset.keys import SPLITS
from mlops.dataset.labels import NORMAL, label_of
from mlops.dataset.manifests import BOXES, labels_of
from tests.unit.mlops.memory_table import MemoryTable, projected


@dataclass(frozen=True)
class Call:
    """A call to AWS. `label` is what stories call it: the operation, and what it is about where that says more."""

    service: str
    operation: str
    request: Mapping[str, Any]
    label: str


# (what is called, the act itself) -> its answer
Caller = Callable[[Call, Callable[[], Any]], Any]


class Clock(Protocol):
    now: float


def refused(code: str, status: int = 400, **more: Any) -> ClientError:
    response = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(response, "Operation")  # type: ignore[arg-type]


# How a page of a listing names the next one, and how that is asked for.
_NEXT = {"list_objects_v2": ("NextContinuationToken", "ContinuationToken")}


class Client:
    """A client of boto3: every operation goes through `call`, and so does every page of a listing."""

    def __init__(self, service: str, backend: Any, call: Caller) -> None:
        self._service, self._backend, self._call = service, backend, call

    def __getattr__(self, name: str) -> Any:
        if name == "meta":
            raise AttributeError(name)
        if name == "get_paginator":
            return self._paginator
        if name == "generate_presigned_url":
            return self._backend.generate_presigned_url
        return lambda **request: self._made(name, request)

    def _made(self, name: str, request: dict[str, Any]) -> Any:
        operation = getattr(self._backend, name)
        call = Call(self._service, name, request, self._backend.label(name, request))
        return self._call(call, lambda: operation(**request))

    def _paginator(self, name: str) -> Any:
        told, asked = _NEXT.get(name, ("NextToken", "NextToken"))

        def pages(**request: Any) -> Iterator[Any]:
            token: dict[str, str] = {}
            while True:
                page = self._made(name, {**request, **token})
                yield page
                if told not in page:
                    return
                token = {asked: page[told]}

        return SimpleNamespace(paginate=pages)


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
    metadata: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""
    storage_class: str = "STANDARD"
    # Of what came in parts or is encrypted with a key of one's own, it is not the digest of the bytes.
    other_etag: str = ""

    @cached_property
    def etag(self) -> str:
        return self.other_etag or _md5(self.data or b"")


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class Body(io.BytesIO):
    def iter_lines(self) -> Iterator[bytes]:
        return (line.rstrip(b"\n") for line in self)

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        while part := self.read(size):
            yield part


_KINDS_OF_VERSIONS = {"Versions": False, "DeleteMarkers": True}


@dataclass
class Objects(Backend):
    """Buckets with versions; a change of an object is told to `tell`, with a sequencer."""

    clock: Clock
    tell: Callable[[dict[str, Any]], None]
    page_size: int = 1000
    signed: Callable[[str, str], None] = lambda *_: None
    buckets: dict[str, dict[str, list[Version]]] = field(default_factory=dict)
    _count: int = 0
    _uploads: list[tuple[tuple[dict[str, str], str], dict[int, bytes]]] = field(default_factory=list)

    def label(self, name: str, request: Mapping[str, Any]) -> str:
        key = str(request.get("Key") or request.get("Prefix", ""))
        return f"{name} {key.rsplit('/', 1)[-1] if key.startswith('runs/') else key.split('/')[0]}"

    def put_object(
        self,
        Bucket: str,
        Key: str,
        Body: bytes | str | IO[bytes],
        IfMatch: str = "",
        IfNoneMatch: str = "",
        Metadata: Mapping[str, str] = MappingProxyType({}),
        ContentType: str = "",
        StorageClass: str = "STANDARD",
        ServerSideEncryption: str = "",
    ) -> dict[str, Any]:
        self._require(Bucket, Key, IfMatch, IfNoneMatch)
        etag = _md5(f"{self._count}".encode()) if ServerSideEncryption == "aws:kms" else ""
        return self._write(Bucket, Key, _as_bytes(Body), Metadata, ContentType, StorageClass, etag)

    def create_multipart_upload(
        self, Bucket: str, Key: str, Metadata: Mapping[str, str] = MappingProxyType({}), ContentType: str = ""
    ) -> dict[str, Any]:
        self._uploads.append(((dict(Metadata), ContentType), {}))
        return {"UploadId": str(len(self._uploads) - 1)}

    def upload_part(self, Bucket: str, Key: str, UploadId: str, PartNumber: int, Body: bytes) -> dict[str, Any]:
        self._uploads[int(UploadId)][1][PartNumber] = bytes(Body)
        return {"ETag": f'"{_md5(Body)}"'}

    def upload_part_copy(
        self,
        Bucket: str,
        Key: str,
        UploadId: str,
        PartNumber: int,
        CopySource: Mapping[str, str],
        CopySourceRange: str,
        CopySourceIfMatch: str,
    ) -> dict[str, Any]:
        self._require(CopySource["Bucket"], CopySource["Key"], CopySourceIfMatch)
        first, last = map(int, CopySourceRange.removeprefix("bytes=").split("-"))
        data = self.get_object(CopySource["Bucket"], CopySource["Key"])["Body"].read()[first : last + 1]
        self._uploads[int(UploadId)][1][PartNumber] = data
        return {"CopyPartResult": {"ETag": str(PartNumber)}}

    def complete_multipart_upload(
        self, Bucket: str, Key: str, UploadId: str, MultipartUpload: Any, IfMatch: str = "", IfNoneMatch: str = ""
    ) -> dict[str, Any]:
        self._require(Bucket, Key, IfMatch, IfNoneMatch)
        described, parts = self._uploads[int(UploadId)]
        sent = [parts[part["PartNumber"]] for part in MultipartUpload["Parts"]]
        digests = b"".join(bytes.fromhex(_md5(part)) for part in sent)
        return self._write(Bucket, Key, b"".join(sent), *described, other_etag=f"{_md5(digests)}-{len(sent)}")

    def abort_multipart_upload(self, Bucket: str, Key: str, UploadId: str) -> dict[str, Any]:
        return {}

    def head_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        version = self._newest(Bucket, Key)
        if version is None:
            # Of an answer without a body, the status is all that is known.
            raise refused("404", 404)
        return _facts(version)

    def _require(self, bucket: str, key: str, match: str = "", none_match: str = "") -> None:
        present = self._newest(bucket, key)
        if match and present is None:
            raise refused("NoSuchKey", 404)
        if present and (none_match or (match and match.strip('"') != present.etag)):
            raise refused("PreconditionFailed", 412)

    def delete_object(self, Bucket: str, Key: str, VersionId: str = "") -> dict[str, Any]:
        if not VersionId:
            return self._write(Bucket, Key, None)
        kept = [version for version in self.buckets[Bucket][Key] if version.version_id != VersionId]
        self.buckets[Bucket][Key] = kept
        return {}

    def get_object(self, Bucket: str, Key: str, VersionId: str = "") -> dict[str, Any]:
        versions = self.buckets.get(Bucket, {}).get(Key, [])
        found = [v for v in versions if v.version_id == VersionId] if VersionId else versions[-1:]
        if not found or found[0].data is None:
            raise refused("NoSuchVersion" if VersionId else "NoSuchKey", 404)
        if found[0].storage_class in ("GLACIER", "DEEP_ARCHIVE"):
            raise refused("InvalidObjectState", 403)
        return {"Body": Body(found[0].data or b""), **_facts(found[0])}

    def list_objects_v2(
        self, Bucket: str, Prefix: str = "", Delimiter: str = "", ContinuationToken: str = "", StartAfter: str = ""
    ) -> dict[str, Any]:
        present = {k: v for k, v in self.present(Bucket).items() if k.startswith(Prefix) and k > StartAfter}
        if Delimiter:
            below = {k[len(Prefix) :].split(Delimiter)[0] for k in present if Delimiter in k[len(Prefix) :]}
            folders = [f"{Prefix}{name}{Delimiter}" for name in below]
            found, more = paged(folders, ContinuationToken, self.page_size, "NextContinuationToken")
            return {"CommonPrefixes": [{"Prefix": name} for name in found], **more}
        found, more = paged(present, ContinuationToken, self.page_size, "NextContinuationToken")
        return {"Contents": [_listed(key, present[key]) for key in found], **more}

    def list_object_versions(self, Bucket: str, Prefix: str = "") -> dict[str, Any]:
        found = [
            ({"Key": key, "VersionId": version.version_id}, version.data is None)
            for key, versions in sorted(self.buckets.get(Bucket, {}).items())
            if key.startswith(Prefix)
            for version in reversed(versions)
        ]
        return {name: [entry for entry, gone in found if gone is of] for name, of in _KINDS_OF_VERSIONS.items()}

    def generate_presigned_url(self, _: str, Params: Mapping[str, str], ExpiresIn: int) -> str:
        # A link to nothing tells where links lead.
        if Params["Key"] != "-":
            self.signed(Params["Bucket"], Params["Key"])
        return f"https://{Params['Bucket']}.s3.example/{Params['Key']}?seconds={ExpiresIn}"

    def present(self, bucket: str) -> dict[str, Version]:
        """The newest version of every object that there is."""
        newest = {key: versions[-1] for key, versions in self.buckets.get(bucket, {}).items()}
        return {key: version for key, version in newest.items() if version.data is not None}

    def text(self, bucket: str, key: str) -> str | None:
        found = self._newest(bucket, key)
        return (found.data or b"").decode() if found else None

    def _newest(self, bucket: str, key: str) -> Version | None:
        """The newest version of an object; None where there is none, or it was deleted."""
        versions = self.buckets.get(bucket, {}).get(key)
        return versions[-1] if versions and versions[-1].data is not None else None

    def _write(
        self,
        bucket: str,
        key: str,
        data: bytes | None,
        metadata: Mapping[str, str] = MappingProxyType({}),
        content_type: str = "",
        storage_class: str = "STANDARD",
        other_etag: str = "",
    ) -> dict[str, Any]:
        self._count += 1
        described = dict(metadata), content_type, storage_class, other_etag
        version = Version(f"v{self._count}", data, self.clock.now, *described)
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
        return {"ETag": f'"{version.etag}"', "VersionId": version.version_id}


def paged(names: Iterable[str], after: str, size: int, token: str) -> tuple[list[str], dict[str, str]]:
    """The next names of a listing in their order, and with what to ask for those that follow."""
    left = sorted(name for name in names if name > after)
    return left[:size], {token: left[size - 1]} if len(left) > size else {}


def _as_bytes(body: bytes | str | IO[bytes]) -> bytes:
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else body.read()


def _facts(version: Version) -> dict[str, Any]:
    return {
        "ETag": f'"{version.etag}"',
        "LastModified": _moment(version.modified),
        "VersionId": version.version_id,
        "ContentLength": len(version.data or b""),
        "ContentType": version.content_type,
        "Metadata": dict(version.metadata),
    }


def _listed(key: str, version: Version) -> dict[str, Any]:
    size = len(version.data or b"")
    return {"Key": key, "ETag": f'"{version.etag}"', "LastModified": _moment(version.modified), "Size": size}


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


# ---------------------------------------------------------------- DynamoDB
_OF_PROJECTIONS = ("ProjectionExpression", "ExpressionAttributeNames")


class Rows:
    """The application's table: conditional writes exact, reads consistent, the index up to `lag` seconds behind."""

    name = "application"

    def __init__(self, clock: Clock, call: Caller, lag: float, page_size: int = 1000) -> None:
        self.memory = MemoryTable()
        self.written: Callable[[str, Mapping[str, Any], Mapping[str, Any]], None] = lambda *_: None
        self._clock, self._call, self._lag, self._page_size = clock, call, lag, page_size
        # What the index has, and what has not come to it yet: when it was written, where, and what.
        self._index = MemoryTable()
        self._late: deque[tuple[float, dict[str, str], dict[str, Any]]] = deque()

    def get_item(self, **request: Any) -> Any:
        label = f"get_item {_kind(request['Key'])}"
        return self._made("get_item", request, label, lambda: self.memory.get_item(**request))

    def batch_get_item(self, **request: Any) -> Any:
        kinds = dict.fromkeys(map(_kind, request["RequestItems"][self.name]["Keys"]))
        label = f"batch_get_item {', '.join(kinds)}"
        return self._made("batch_get_item", request, label, lambda: self.memory.batch_get_item(**request))

    @property
    def meta(self) -> SimpleNamespace:
        """As a table of boto3 has the client that reads several rows at once."""
        return SimpleNamespace(client=self)

    def query(self, ExclusiveStartKey: Mapping[str, Any] | None = None, **request: Any) -> Any:
        is_index = bool(request.get("IndexName"))

        def act() -> Any:
            # Pages go by the keys of items, whether they are told or not.
            whole = {name: given for name, given in request.items() if name not in _OF_PROJECTIONS}
            found = (self._up_to_date() if is_index else self.memory).query(**whole)["Items"]
            if ExclusiveStartKey:
                start = _order(ExclusiveStartKey, is_index)
                found = [item for item in found if _order(item, is_index) > start]
            page = found[: self._page_size]
            more = {"LastEvaluatedKey": page[-1]} if len(found) > len(page) else {}
            return {"Items": projected(page, *map(request.get, _OF_PROJECTIONS)), **more}

        return self._made("query", request, "query index" if is_index else "query", act)

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
            after = self.row(key["pk"], key["sk"])
            self._late.append((self._clock.now, {"pk": key["pk"], "sk": key["sk"]}, after))
            self.written(name, before, after)
            return answer

        return self._made(name, request, f"{name} {_kind(key)}", act)

    def _made(self, operation: str, request: Mapping[str, Any], label: str, act: Callable[[], Any]) -> Any:
        return self._call(Call("dynamodb", operation, {"TableName": self.name, **request}, label), act)

    def _up_to_date(self) -> MemoryTable:
        while self._late and self._late[0][0] <= self._clock.now - self._lag:
            _, key, item = self._late.popleft()
            if item:
                self._index.put_item(item)
            else:
                self._index.delete_item(key)
        return self._index


def _order(item: Mapping[str, Any], is_index: bool) -> tuple[str, ...]:
    return (*((str(item.get("created_at", "")),) if is_index else ()), str(item["pk"]), str(item["sk"]))


# What rows of these are about says nothing in a story.
_ALIKE = ("IMAGES", "LEASE", "WATCH", "KEPT", "WAITING", "ARRIVALS", "SERVING", "SPENT")


def _kind(key: Mapping[str, Any]) -> str:
    pk, sk = str(key["pk"]).split("#")[0], str(key["sk"])
    if pk == "RUN" and sk.startswith("STAGE#"):
        return sk.split("#")[-1]
    return pk if pk in _ALIKE else f"{pk} {sk.split('#')[0]}"


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
    # Whether the last entry of what comes next is not taken, which the answer says and no error does.
    refuses_one: bool = False
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    _count: int = 0

    def label(self, name: str, request: Mapping[str, Any]) -> str:
        return f"{name} {request['Entries'][0]['DetailType']}" if name == "put_events" else name

    def send_message(self, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> dict[str, Any]:
        self.sent(QueueUrl, json.loads(MessageBody), DelaySeconds)
        return {}

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:
        taken, failed = self._divided(Entries)
        for entry in taken:
            self.sent(QueueUrl, json.loads(entry["MessageBody"]), 0)
        return {"Failed": [{"Id": entry["Id"], "Message": "try again"} for entry in failed]} if failed else {}

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        taken, failed = self._divided(Entries)
        for entry in taken:
            self._count += 1
            kind = {"source": entry["Source"], "detail-type": entry["DetailType"], "resources": entry["Resources"]}
            self.put({"id": f"event-{self._count}", **kind, "detail": json.loads(entry["Detail"])})
        told = [{"EventId": "1"} for _ in taken] + [
            {"ErrorCode": "InternalFailure", "ErrorMessage": "?"} for _ in failed
        ]
        return {"FailedEntryCount": len(failed), "Entries": told}

    def _divided(self, entries: list[Any]) -> tuple[list[Any], list[Any]]:
        taken = len(entries) - self.refuses_one
        self.refuses_one = False
        return entries[:taken], entries[taken:]

    def publish(self, TopicArn: str, Subject: str, Message: str) -> dict[str, Any]:
        self.published(Subject, Message)
        return {}

    def list_subscriptions_by_topic(self, TopicArn: str, **_: Any) -> dict[str, Any]:
        return {"Subscriptions": [{"SubscriptionArn": "arn:aws:sns:::topic:1"}]}

    def put_parameter(self, Name: str, Value: str, **_: Any) -> dict[str, Any]:
        self.parameters[Name] = json.loads(Value)
        return {}


# ---------------------------------------------------------------- Custom Labels
GOOD, NOT_TRAINED, MISSES_GATE, MISSES_TEST = "good", "fails in training", "misses the gate", "misses the test"
# Pixels of every picture, and where a defect is in those that have one: left, top, width, height.
SIZE, DEFECT = (80, 72), (20, 10, 30, 40)
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

    @property
    def is_detector(self) -> bool:
        return "detection" in self.arn.split("/")[1]


def shown_by(data: bytes) -> str:
    """What a picture shows that nobody has labelled."""
    return (NORMAL, "cut")[hashlib.sha256(data).digest()[0] % 2]


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
    page_size: int = 1000
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

    def describe_project_versions(
        self, ProjectArn: str, VersionNames: list[str] | None = None, NextToken: str = ""
    ) -> dict[str, Any]:
        found = {model.arn: model for model in self._all() if model.arn.split("/")[1] == ProjectArn.split("/")[1]}
        asked = [arn for arn, model in found.items() if VersionNames is None or model.name in VersionNames]
        page, more = paged(asked, NextToken, self.page_size, "NextToken")
        return {"ProjectVersionDescriptions": [self._described(found[arn]) for arn in page], **more}

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
        model = self._find(ProjectVersionArn)
        if model.status != "RUNNING":
            raise refused("ResourceNotReadyException")
        label = self._shown(Image)
        if model.quality == MISSES_TEST:
            return {"CustomLabels": [{"Name": "else", "Confidence": 99.0}] if not model.is_detector else []}
        if not model.is_detector:
            return {"CustomLabels": [{"Name": label, "Confidence": 99.0}]}
        if label == NORMAL:
            return {"CustomLabels": []}
        (left, top, width, height), (wide, high) = DEFECT, SIZE
        box = {"Left": left / wide, "Top": top / high, "Width": width / wide, "Height": height / high}
        return {"CustomLabels": [{"Name": label, "Confidence": 99.0, "Geometry": {"BoundingBox": box}}]}

    def _shown(self, image: Any) -> str:
        """What a picture shows: what the folder says in which it lies, or else what its bytes say."""
        if "Bytes" in image:
            return shown_by(image["Bytes"])
        place = image["S3Object"]
        try:
            found = self.objects.get_object(place["Bucket"], place["Name"], place.get("Version", ""))
        except ClientError as error:
            raise refused("InvalidS3ObjectException") from error
        folders = place["Name"].split("/")
        return label_of(folders[3]) if folders[2] in SPLITS else shown_by(found["Body"].read())

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
        tested = [line for line in model.lines if labels_of(line)]
        labels = sorted({label for line in tested for label in labels_of(line)})
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
        evaluated = _boxes_evaluated if model.is_detector else _labels_evaluated
        lines = [json.dumps(evaluated(line, labels, bool(right))) for line in tested]
        self.objects._write(bucket, f"{prefix}/snapshot.json", "\n".join(lines).encode())

    _outputs: dict[str, tuple[str, str]] = field(default_factory=dict)


def _labels_evaluated(line: Mapping[str, Any], labels: list[str], is_right: bool) -> dict[str, Any]:
    truth, *_ = labels_of(line)
    said = truth if is_right else next((label for label in labels if label != truth), "else")
    entry: dict[str, Any] = {"source-ref": line["source-ref"]}
    for name, label, sure in ((_TRUTH, truth, 1.0), (_ANSWER, said, 0.9)):
        entry[f"{name}-metadata"] = {"class-name": label, "confidence": sure}
        entry[name] = 0
    return entry


def _boxes_evaluated(line: Mapping[str, Any], _: list[str], is_right: bool) -> dict[str, Any]:
    drawn, told = line[BOXES], line[f"{BOXES}-metadata"]
    found = drawn["annotations"] if is_right else []
    return {
        "source-ref": line["source-ref"],
        _TRUTH: drawn,
        f"{_TRUTH}-metadata": told,
        _ANSWER: {**drawn, "annotations": found},
        f"{_ANSWER}-metadata": {**told, "objects": [{"confidence": 0.9} for _ in found]},
    }
