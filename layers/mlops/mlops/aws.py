"""The edges to AWS: the only modules that know boto3 are this one and `table`."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from mlops import words

SOURCE = "rekognition-mlops"
_RETRIES = Config(retries={"mode": "standard", "max_attempts": 8})
# The standard mode takes LimitExceededException for throttling and would sleep for a minute on a quota that is used up
# for hours: stages wait for that themselves.
_REKOGNITION_RETRIES = Config(retries={"mode": "legacy", "max_attempts": 4})
# Links are signed with version 4, without which S3 serves nothing that is encrypted, and name the bucket's Region.
_S3 = _RETRIES.merge(Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))
# A role is taken on for an hour. A client is used for half of one at most, and then by a function that may run for 15
# minutes more.
_ROLE_SECONDS, _ROLE_CLIENT_SECONDS = 3600, 1800


def setting(name: str) -> str:
    """An environment variable of the function; the template sets every one that a function reads."""
    return os.environ[name]


def json_setting(name: str) -> dict[str, Any]:
    """A setting that is a JSON object."""
    return dict(json.loads(setting(name)))


def stack_name() -> str:
    return setting("STACK_ID").split("/")[1]


@cache
def client(service: str) -> Any:
    return boto3.client(service, config=_config_of(service))  # type: ignore[call-overload]


def client_in(environment: str, service: str) -> Any:
    """A client for the account of an environment: with its role, where it has one, because it is another account."""
    role = role_of(environment)
    return _client_with(role, service, int(time.time() // _ROLE_CLIENT_SECONDS)) if role else client(service)


@lru_cache(maxsize=8)
def _client_with(role: str, service: str, _: int) -> Any:
    name = f"{SOURCE}-{os.environ.get('AWS_LAMBDA_FUNCTION_NAME', 'test')}"[:64]
    session = {"RoleArn": role, "RoleSessionName": name, "DurationSeconds": _ROLE_SECONDS}
    credentials = client("sts").assume_role(**session)["Credentials"]
    return boto3.client(  # type: ignore[call-overload]
        service,
        config=_config_of(service),
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def _config_of(service: str) -> Config:
    return {"rekognition": _REKOGNITION_RETRIES, "s3": _S3}.get(service, _RETRIES)


def role_of(environment: str) -> str:
    """ARN of the role to take on for what is in an environment; empty when it is in this account."""
    return str(json_setting("ROLES").get(environment, ""))


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def message_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", "")) or str(error)


class ObjectUnreadable(Exception):  # noqa: N818  - a fact about an object, not a fault of ours
    """S3 has an object and does not hand it out: it is archived, or its key is not ours. The message is S3's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")


_ABSENT = ("NoSuchKey", "NoSuchVersion", "NotFound", "404")
# Refusals of the moment: by S3, by KMS behind it, or of credentials that are about to be renewed.
_PASSING = ("SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "ExpiredToken", "OperationAborted", "NoSuchBucket")


def _is_passing(error: ClientError) -> bool:
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = code_of(error)
    return not 400 <= status < 500 or status == 429 or code in _PASSING or "Throttl" in code


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
            if code_of(error) in _ABSENT:
                return None
            raise

    def get(self, key: str, version_id: str = "") -> Mapping[str, Any] | None:
        """An object as GetObject answers, its newest version or a certain one; None when there is none.

        Raises ObjectUnreadable when S3 has it and does not hand it out, which another try will not change.
        """
        version = {"VersionId": version_id} if version_id else {}
        try:
            return dict(client("s3").get_object(Bucket=self.name, Key=key, **version))
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return None
            if _is_passing(error):
                raise
            raise ObjectUnreadable(code_of(error), message_of(error)) from error

    def link(self, key: str, seconds: int) -> str:
        """A URL that shows an object to whoever has it, for so long, with the rights of this function."""
        parameters = {"Bucket": self.name, "Key": key}
        return str(client("s3").generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds))

    @property
    def origin(self) -> str:
        """Where links lead: scheme and host."""
        place = urlsplit(self.link("-", 1))
        return f"{place.scheme}://{place.netloc}"

    def etag(self, key: str) -> str:
        """The etag of an object that may not be readable, as a listing tells it; empty when there is none."""
        return dict(self.list(key)).get(key, "")

    def write(self, key: str, content: str | bytes, content_type: str = "application/json") -> None:
        body = content.encode() if isinstance(content, str) else content
        client("s3").put_object(Bucket=self.name, Key=key, Body=body, ContentType=content_type)

    def write_json(self, key: str, document: Any) -> None:
        self.write(key, json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")

    def entries(self, prefix: str) -> Iterator[Mapping[str, Any]]:
        """Every object below a prefix, as ListObjectsV2 tells of it."""
        for page in client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            yield from page.get("Contents", ())

    def list(self, prefix: str) -> Iterator[tuple[str, str]]:
        """(key, etag) of every object below a prefix."""
        for entry in self.entries(prefix):
            yield entry["Key"], entry["ETag"].strip('"')

    def folders(self, prefix: str) -> Iterator[str]:
        """The names of the folders right below a prefix."""
        request = {"Bucket": self.name, "Prefix": prefix, "Delimiter": "/"}
        for page in client("s3").get_paginator("list_objects_v2").paginate(**request):
            yield from (entry["Prefix"].removeprefix(prefix).rstrip("/") for entry in page.get("CommonPrefixes", ()))


def data_bucket() -> Bucket:
    return Bucket(setting("DATA_BUCKET"))


def artifacts_bucket() -> Bucket:
    return Bucket(setting("ARTIFACTS_BUCKET"))


def put_event(detail_type: str, detail: Mapping[str, Any]) -> None:
    """Put one event of this stack on the default bus. PutEvents reports refusals in its answer: RuntimeError."""
    entry = {"Source": SOURCE, "DetailType": detail_type, "Detail": json.dumps(detail, sort_keys=True)}
    # Other stacks of the account are on the same bus: rules ask for the stack.
    answer = client("events").put_events(Entries=[{**entry, "Resources": [setting("STACK_ID")]}])
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"EventBridge refused {detail_type!r}: {answer['Entries'][0].get('ErrorMessage')}")


def send_message(queue_url: str, body: Mapping[str, Any], delay_seconds: int = 0) -> None:
    client("sqs").send_message(
        QueueUrl=queue_url, MessageBody=json.dumps(body, sort_keys=True), DelaySeconds=min(delay_seconds, 900)
    )


def subscribers() -> int:
    """How many addresses have confirmed their subscription to the mails."""
    pages = client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=setting("TOPIC_ARN"))
    found = [entry["SubscriptionArn"] for page in pages for entry in page["Subscriptions"]]
    return sum(arn.startswith("arn:") for arn in found)


def send_mail(subject: str, text: str) -> None:
    """Publish to the topic. Subjects are ASCII, below 100 characters and on one line, as SNS demands.

    One that is not comes whole at the head of the text.
    """
    line = " ".join(subject.split())
    plain = words.subject(line.encode("ascii", "replace").decode())
    client("sns").publish(
        TopicArn=setting("TOPIC_ARN"), Subject=plain, Message=text if plain == line else f"{line}\n\n{text}"
    )


def projects() -> dict[str, dict[str, str]]:
    """ARNs of the Rekognition projects by task and environment; those of other accounts in place of the stack's own."""
    elsewhere = json_setting("PROJECTS_ELSEWHERE")
    return {
        task: own | {environment: arn for environment, arn in elsewhere.get(task, {}).items() if arn}
        for task, own in json_setting("PROJECTS").items()
    }


def all_projects() -> Iterator[tuple[str, str]]:
    """(environment, ARN) of every project: also the stack's own where another account's took its place."""
    for by_task in (json_setting("PROJECTS"), json_setting("PROJECTS_ELSEWHERE")):
        for environments in by_task.values():
            yield from ((environment, arn) for environment, arn in environments.items() if arn)


def project_name(arn: str) -> str:
    return arn.split("/")[1]


def account_of(arn: str) -> str:
    return arn.split(":")[4]


def place_of(arn: str) -> tuple[str, str]:
    """The environment and the project of a project or version. Raises LookupError when it is none of the stack's."""
    for environment, project in all_projects():
        if project.split("/")[:2] == arn.split("/")[:2]:
            return environment, project
    raise LookupError(f"{arn} is in no project of this stack")


def rekognition(arn: str) -> Any:
    """The client for a project or version: with its environment's role when it is in that role's account."""
    environment, _ = place_of(arn)
    role = role_of(environment)
    is_there = bool(role) and account_of(role) == account_of(arn)
    return client_in(environment, "rekognition") if is_there else client("rekognition")


def versions_in(project: str) -> list[dict[str, Any]]:
    """The descriptions of all versions of a project, oldest first."""
    pages = rekognition(project).get_paginator("describe_project_versions").paginate(ProjectArn=project)
    found = [version for page in pages for version in page["ProjectVersionDescriptions"]]
    # The end of an ARN is when the version was made, in milliseconds.
    return sorted(found, key=lambda version: int(version["ProjectVersionArn"].rsplit("/", 1)[-1]))


def running_versions(project: str) -> Iterator[str]:
    """ARNs of the versions of a project that are starting or running."""
    for version in versions_in(project):
        if version["Status"] in ("STARTING", "RUNNING"):
            yield version["ProjectVersionArn"]


def describe_version(project: str, version_name: str) -> dict[str, Any] | None:
    """The description of a project version, None when there is none of that name."""
    try:
        found = rekognition(project).describe_project_versions(ProjectArn=project, VersionNames=[version_name])
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise
    return next(iter(found["ProjectVersionDescriptions"]), None)
