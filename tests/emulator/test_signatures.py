"""Signatures verified by known keys, and throttled operations."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as Keys

from local.rekognition.access.identity import Credentials
from local.rekognition.access.signatures import Key, Keyring
from local.rekognition.errors import ServiceError
from tests.emulator.clients import begin_training, error_code, error_code_of, new_project, settled
from tests.emulator.processes import REGION, RunningService

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYRING = Keyring({"AKIDEXAMPLE": Key(Credentials("AKIDEXAMPLE", SECRET), "111122223333")})


def signed(body: bytes = b"{}", secret: str = SECRET, key: str = "AKIDEXAMPLE") -> dict[str, str]:
    """Headers of a request as boto3 signs it, names in lower case."""
    request = AWSRequest("POST", "http://127.0.0.1:4567/", {"X-Amz-Target": "RekognitionService.X"}, body)
    SigV4Auth(Keys(key, secret), "rekognition", REGION).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()} | {"host": "127.0.0.1:4567"}


def test_a_signature_of_a_known_key_is_accepted() -> None:
    assert KEYRING.verify(signed(), b"{}").account == "111122223333"


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        (signed(secret="another"), b"{}", "InvalidSignatureException"),
        (signed(), b'{"changed": 1}', "InvalidSignatureException"),
        (signed() | {"x-amz-target": "RekognitionService.Y"}, b"{}", "InvalidSignatureException"),
        (signed(key="AKIDUNKNOWN"), b"{}", "UnrecognizedClientException"),
        (signed() | {"x-amz-security-token": "stolen"}, b"{}", "UnrecognizedClientException"),
        (signed() | {"authorization": "AWS4-HMAC-SHA256 nothing"}, b"{}", "IncompleteSignatureException"),
        (signed() | {"x-amz-date": "today"}, b"{}", "IncompleteSignatureException"),
    ],
    ids=["secret", "body", "header", "key", "token", "form", "date"],
)
def test_anything_else_is_refused(headers: dict[str, str], body: bytes, code: str) -> None:
    with pytest.raises(ServiceError) as refused:
        KEYRING.verify(headers, body)

    assert (refused.value.code, refused.value.status) == (code, 403)


@pytest.mark.parametrize("year", [2025, 2099])
def test_a_signature_of_another_time_is_refused(year: int) -> None:
    with pytest.raises(ServiceError, match="not yet current or expired"):
        KEYRING.verify(signed(), b"{}", datetime(year, 1, 1, tzinfo=UTC))


def test_a_service_with_keys_serves_their_owners_only(launch: Callable[..., RunningService], tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text(
        f"[ada]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = {SECRET}\naccount = 111122223333\n"
    )
    url = launch("--credentials", file).url

    def client(secret: str) -> Any:
        keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": secret}
        config = Config(retries={"total_max_attempts": 1})
        return boto3.client("rekognition", endpoint_url=url, region_name=REGION, config=config, **keys)

    assert new_project(client(SECRET)).split(":")[4] == "111122223333"
    assert error_code(client("wrong").describe_projects) == "InvalidSignatureException"


def test_training_with_a_known_key_uses_s3_with_it(
    launch: Callable[..., RunningService], s3: Any, training_lines: list[Any], tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text("[x]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
    client = launch("--credentials", file).client()

    assert settled(client, begin_training(client, s3, training_lines))["Status"] == "TRAINING_COMPLETED"


def test_a_file_without_keys_is_refused_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("[x]\naws_access_key_id = a\n")

    with pytest.raises(KeyError, match="aws_secret_access_key"):
        Keyring.read(file)


def test_operations_are_throttled_each_by_itself_when_asked_to(launch: Callable[..., RunningService]) -> None:
    client = launch("--control-plane-tps", 2).client()
    codes = [error_code_of(client.describe_projects) for _ in range(8)]

    assert codes[:2] == [None, None]
    assert "ThrottlingException" in codes
    assert error_code(client.create_project, ProjectName="?") == "ValidationException"
