"""The clients of AWS: in this account, or with the role of an environment that is in another one."""

import os
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import boto3
from botocore import handlers
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import JSONParser, ResponseParser, ResponseParserFactory, RestXMLParser
from botocore.session import get_session
from botocore.utils import parse_timestamp

from mlops import stack

_BEFORE_S3_IS_PARSED = "before-parse.s3.*"
_look_closely = handlers._handle_200_error  # type: ignore[attr-defined]  # its stubs leave it out
_RETRIES = Config(retries={"mode": "standard", "max_attempts": 8})
# The standard mode takes LimitExceededException for throttling and would sleep for a minute on a quota that is used up
# for hours: stages wait for that themselves.
_REKOGNITION_RETRIES = Config(retries={"mode": "legacy", "max_attempts": 4})
# Links are signed with version 4, without which S3 serves nothing that is encrypted, and name the bucket's Region.
_S3 = _RETRIES.merge(Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))
# A role is taken on for an hour. A client is used for half of one at most, and then by a function that may run for 15
# minutes more.
_ROLE_SECONDS, _ROLE_CLIENT_SECONDS = 3600, 1800


@cache
def client(service: str) -> Any:
    """A client with the function's own rights, made once."""
    _make_session()
    return boto3.client(service, config=_config_of(service))  # type: ignore[call-overload]


@cache
def table(name: str) -> Any:
    """A table of DynamoDB by its name, made once."""
    _make_session()
    return boto3.resource("dynamodb", config=_RETRIES).Table(name)


def _make_session() -> None:
    """What makes clients, where nobody else has made it."""
    if boto3.DEFAULT_SESSION is None:
        core = get_session()
        core.register_component("response_parser_factory", _Parsers())
        core.unregister(_BEFORE_S3_IS_PARSED, _look_closely)
        core.get_component("event_emitter").register_first(_BEFORE_S3_IS_PARSED, _look_for_error)
        boto3.setup_default_session(botocore_session=core)


def _look_for_error(response_dict: dict[str, Any], **known: Any) -> None:
    """S3 may answer 200 and tell of an error, or break off. botocore parses every answer for this and once more for
    what it says; a listing that ends as one should is neither."""
    body = response_dict["body"]
    if not (isinstance(body, bytes) and body.endswith(b"</ListBucketResult>")):
        _look_closely(response_dict=response_dict, **known)


class _Parsers(ResponseParserFactory):
    """Those of botocore, without what takes most of the time of hundreds of pages."""

    def __init__(self) -> None:
        super().__init__()
        self.set_parser_defaults(timestamp_parser=_time)

    def create_parser(self, protocol_name: str) -> ResponseParser:
        own = {"json": _JSONParser, "rest-xml": _XMLParser}.get(protocol_name)
        return own(timestamp_parser=_time) if own else super().create_parser(protocol_name)


class _JSONParser(JSONParser):
    def _handle_map(self, shape: Any, value: Any) -> Any:
        # boto3 reads the values of an item. botocore looks for bytes in each of them, of which the table has none.
        if shape.name == "AttributeMap":
            return value
        return super()._handle_map(shape, value)  # type: ignore[misc]  # its stubs leave it out


class _XMLParser(RestXMLParser):
    def _handle_structure(self, shape: Any, node: Any) -> Any:
        # Of an object in a listing, these three are used.
        if shape.name != "Object":
            return super()._handle_structure(shape, node)  # type: ignore[misc]
        found = {child.tag.rpartition("}")[2]: child.text or "" for child in node}
        return {"Key": found["Key"], "ETag": found["ETag"], "LastModified": _time(found["LastModified"])}


def _time(value: Any) -> datetime:
    """A time as AWS writes it; botocore tries every form that people use."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return parse_timestamp(value)


def client_in(environment: str, service: str) -> Any:
    """A client for the account of an environment: with its role, where it has one, because it is another account."""
    if not (role := stack.here().role_of(environment)):
        return client(service)
    return _client_with(role, service, int(stack.here().clock.time() // _ROLE_CLIENT_SECONDS))


# The number counts half hours: with the next one a client is made anew, before its credentials end.
@lru_cache(maxsize=8)
def _client_with(role: str, service: str, _: int) -> Any:
    name = f"{stack.SOURCE}-{os.environ.get('AWS_LAMBDA_FUNCTION_NAME', 'test')}"[:64]
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


def code_of(error: ClientError) -> str:
    """The code of an error that AWS answered, empty when it has none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def message_of(error: ClientError) -> str:
    """What AWS says about an error, without our wrapping."""
    return str(error.response.get("Error", {}).get("Message", "")) or str(error)
