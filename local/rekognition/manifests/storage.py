"""Amazon S3 as the service needs it: bounded reads, writes, and the three reasons why either fails."""

import os
from enum import Enum
from typing import Any

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.rekognition.access.identity import Credentials

_MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "404"})
_DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "403", "NoSuchBucket", "InvalidAccessKeyId"})


class Reason(Enum):
    """Why S3 did not do as asked."""

    MISSING = "missing"
    DENIED = "denied"
    TOO_LARGE = "too large"
    UNAVAILABLE = "unavailable"


class StorageError(Exception):
    """S3 refused or failed; `reason` says which."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ObjectStorage:
    """Objects in S3, in one region, as somebody may use them; without `credentials`, with those of this process."""

    def __init__(self, region: str, endpoint: str | None = None, credentials: Credentials | None = None) -> None:
        self._client = _client(region, endpoint, credentials)

    def read(self, bucket: str, key: str, limit: int, version: str | None = None) -> bytes:
        """Return an object of at most `limit` bytes. Raises StorageError."""
        selected = {"VersionId": version} if version else {}
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key, **selected)
            with answer["Body"] as body:
                data: bytes = body.read(limit + 1)
        except (ClientError, BotoCoreError) as error:
            raise _translated(error, f"s3://{bucket}/{key}") from error
        if len(data) > limit:
            raise StorageError(Reason.TOO_LARGE, f"s3://{bucket}/{key} is larger than {limit} bytes")
        return data

    def write(self, bucket: str, key: str, data: bytes) -> None:
        """Store a JSON object. Raises StorageError."""
        try:
            self._client.put_object(Bucket=bucket, Key=key, Body=data, ContentType="application/json")
        except (ClientError, BotoCoreError) as error:
            raise _translated(error, f"s3://{bucket}/{key}") from error

    def check_bucket(self, bucket: str) -> None:
        """Raise StorageError unless the bucket exists and is ours to use."""
        try:
            self._client.head_bucket(Bucket=bucket)
        except (ClientError, BotoCoreError) as error:
            # A HEAD answer has no body, hence no code: a missing bucket also shows as 404.
            reason = _translated(error, "").reason
            denied = Reason.DENIED if reason is Reason.MISSING else reason
            raise StorageError(denied, f"s3://{bucket} {_said(error)}") from error

    def owner(self, bucket: str) -> str:
        """Return the canonical id of a bucket's owner. Raises StorageError."""
        try:
            return str(self._client.get_bucket_acl(Bucket=bucket)["Owner"]["ID"])
        except (ClientError, BotoCoreError) as error:
            raise _translated(error, f"s3://{bucket}") from error


def _client(region: str, endpoint: str | None, credentials: Credentials | None) -> Any:
    options: dict[str, Any] = {"config": Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=20)}
    if endpoint is not None:
        # On loopback, bucket names are no host names, and nothing goes through a proxy.
        options["config"] = options["config"].merge(Config(s3={"addressing_style": "path"}, proxies={}))
        options["endpoint_url"] = endpoint
        options |= _root_of_a_local_cloud()
    if credentials is not None:
        options |= {
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
            "aws_session_token": credentials.session_token,
        }
    return boto3.session.Session().client("s3", region_name=region, **options)


def _root_of_a_local_cloud() -> dict[str, str]:
    if "AWS_ACCESS_KEY_ID" in os.environ or "AWS_PROFILE" in os.environ:
        return {}
    return {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


def _translated(error: ClientError | BotoCoreError, what: str) -> StorageError:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    reason = Reason.MISSING if code in _MISSING else Reason.DENIED if code in _DENIED else Reason.UNAVAILABLE
    return StorageError(reason, f"{what} {_said(error)}")


def _said(error: ClientError | BotoCoreError) -> str:
    """Say what became of a call, in our own words: botocore's are about the call, and for its log."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    return f"cannot be used: S3 answers {code}." if code else "cannot be used: S3 does not answer."
