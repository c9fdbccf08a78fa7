"""The edges to AWS: the only modules that know boto3 are this one and `table`."""

import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

SOURCE = "rekognition-mlops"


def setting(name: str) -> str:
    """An environment variable of the function; the template sets every one that a function reads."""
    return os.environ[name]


def json_setting(name: str) -> dict[str, Any]:
    """A setting that is a JSON object."""
    return dict(json.loads(setting(name)))


@cache
def client(service: str) -> Any:
    return boto3.client(service, config=Config(retries={"mode": "standard", "max_attempts": 8}))  # type: ignore[call-overload]


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def message_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", "")) or str(error)


class Bucket:
    """Objects of one bucket as text and JSON."""

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self, key: str) -> str:
        return self.read_bytes(key).decode()

    def read_bytes(self, key: str) -> bytes:
        return bytes(client("s3").get_object(Bucket=self.name, Key=key)["Body"].read())

    def read_json(self, key: str) -> Any:
        return json.loads(self.read(key))

    def read_if_exists(self, key: str) -> str | None:
        data = self.find(key)
        return None if data is None else data.decode()

    def find(self, key: str) -> bytes | None:
        """The bytes of an object, None when there is none."""
        try:
            return self.read_bytes(key)
        except ClientError as error:
            if code_of(error) in ("NoSuchKey", "404"):
                return None
            raise

    def get(self, key: str, etag: str) -> Mapping[str, Any] | None:
        """The object while it still has this etag; None when it was replaced or deleted."""
        try:
            return dict(client("s3").get_object(Bucket=self.name, Key=key, IfMatch=f'"{etag}"'))
        except ClientError as error:
            if code_of(error) in ("NoSuchKey", "404", "PreconditionFailed", "412"):
                return None
            raise

    def exists(self, key: str) -> bool:
        try:
            client("s3").head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if code_of(error) in ("NoSuchKey", "NotFound", "404"):
                return False
            raise
        return True

    def write(self, key: str, content: str | bytes, content_type: str = "application/json") -> None:
        body = content.encode() if isinstance(content, str) else content
        client("s3").put_object(Bucket=self.name, Key=key, Body=body, ContentType=content_type)

    def write_json(self, key: str, document: Any) -> None:
        self.write(key, json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")

    def list(self, prefix: str) -> Iterator[tuple[str, str]]:
        """(key, etag) of every object below a prefix."""
        for page in client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            for entry in page.get("Contents", ()):
                yield entry["Key"], entry["ETag"].strip('"')


def data_bucket() -> Bucket:
    return Bucket(setting("DATA_BUCKET"))


def artifacts_bucket() -> Bucket:
    return Bucket(setting("ARTIFACTS_BUCKET"))


def put_event(detail_type: str, detail: Mapping[str, Any]) -> None:
    """Put one event on the default bus. PutEvents reports refusals in its answer: those raise RuntimeError."""
    entry = {"Source": SOURCE, "DetailType": detail_type, "Detail": json.dumps(detail, sort_keys=True)}
    answer = client("events").put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"EventBridge refused {detail_type!r}: {answer['Entries'][0].get('ErrorMessage')}")


def send_message(queue_url: str, body: Mapping[str, Any], delay_seconds: int = 0) -> None:
    client("sqs").send_message(
        QueueUrl=queue_url, MessageBody=json.dumps(body, sort_keys=True), DelaySeconds=min(delay_seconds, 900)
    )


def send_mail(subject: str, text: str) -> None:
    """Publish to the topic. Subjects are ASCII, below 100 characters and on one line, as SNS demands."""
    plain = " ".join(subject.split()).encode("ascii", "replace").decode()
    client("sns").publish(TopicArn=setting("TOPIC_ARN"), Subject=plain[:99], Message=text)


def projects() -> dict[str, dict[str, str]]:
    """ARNs of the Rekognition projects by task and environment."""
    return json_setting("PROJECTS")


def project_name(arn: str) -> str:
    return arn.split("/")[1]


def running_versions(project: str) -> Iterator[str]:
    """ARNs of the versions of a project that are starting or running."""
    pages = client("rekognition").get_paginator("describe_project_versions").paginate(ProjectArn=project)
    for page in pages:
        for version in page["ProjectVersionDescriptions"]:
            if version["Status"] in ("STARTING", "RUNNING"):
                yield version["ProjectVersionArn"]


def describe_version(project: str, version_name: str) -> dict[str, Any] | None:
    """The description of a project version, None when there is none of that name."""
    try:
        found = client("rekognition").describe_project_versions(ProjectArn=project, VersionNames=[version_name])
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise
    return next(iter(found["ProjectVersionDescriptions"]), None)
