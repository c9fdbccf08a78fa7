"""AWS Signature Version 4, checked against known keys, and what S3 may be used for on behalf of their owners."""

import configparser
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPMessage
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys

from local.rekognition.access.identity import Credentials
from local.rekognition.errors import ServiceError

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[a-z0-9-]+)/rekognition/aws4_request, *"
    r"SignedHeaders=(?P<headers>[a-z0-9;-]+), *Signature=(?P<signature>[0-9a-f]{64})"
)
_MAX_SKEW_SECONDS = 15 * 60


@dataclass(frozen=True)
class Key:
    """A known access key, and the account that it belongs to (empty: the service's)."""

    credentials: Credentials
    account: str = ""


class Keyring:
    """The keys that the service knows, by access key id."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self._keys = keys

    @classmethod
    def read(cls, path: Path) -> "Keyring":
        """Read a file in the format of ~/.aws/credentials; `account` may say whose key it is.

        Raises OSError, configparser.Error or KeyError.
        """
        file = configparser.ConfigParser(default_section="", interpolation=None)
        file.read_string(path.read_text(encoding="utf-8"))
        keys = {}
        for section in file.sections():
            profile = file[section]
            secret, token = profile["aws_secret_access_key"], profile.get("aws_session_token")
            credentials = Credentials(profile["aws_access_key_id"], secret, token)
            keys[credentials.access_key_id] = Key(credentials, profile.get("account", ""))
        return cls(keys)

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime | None = None) -> Key:
        """Return the key that signed a request. Raises ServiceError (403) when none did."""
        found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if found is None:
            raise _refused("IncompleteSignatureException", "The Authorization header is no Signature Version 4.")
        key = self._keys.get(found["key"])
        if key is None or key.credentials.session_token != headers.get("x-amz-security-token"):
            raise _refused("UnrecognizedClientException", "The security token included in the request is invalid.")
        _check_time(headers.get("x-amz-date", ""), found["date"], now or datetime.now(UTC))
        expected = _signature(found, key.credentials, headers, body)
        if not {"host", "x-amz-date"} <= set(found["headers"].split(";")) or not hmac.compare_digest(
            expected, found["signature"]
        ):
            message = (
                "The request signature we calculated does not match the signature you provided. "
                "Check your AWS Secret Access Key and signing method."
            )
            raise _refused("InvalidSignatureException", message)
        return key


class _Recalculation(SigV4Auth):
    """Signs the headers that were signed, and no others."""

    def __init__(self, keys: Keys, region: str, signed: list[str]) -> None:
        super().__init__(keys, "rekognition", region)
        self._signed = signed

    def headers_to_sign(self, request: AWSRequest) -> HTTPMessage:
        chosen = HTTPMessage()
        for name in self._signed:
            chosen[name] = request.headers.get(name, "")
        return chosen


def _signature(found: re.Match[str], credentials: Credentials, headers: Mapping[str, str], body: bytes) -> str:
    signed = found["headers"].split(";")
    given = {name: headers.get(name, "") for name in signed}
    request = AWSRequest("POST", f"http://{headers.get('host', '')}/", given, body)
    request.context["timestamp"] = headers["x-amz-date"]
    keys = Keys(credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
    auth = _Recalculation(keys, found["region"], signed)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return str(auth.signature(text, request))


def _check_time(stamp: str, date: str, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise _refused("IncompleteSignatureException", "X-Amz-Date is missing or malformed.") from error
    if stamp[:8] != date or abs((now - signed_at).total_seconds()) > _MAX_SKEW_SECONDS:
        raise _refused("InvalidSignatureException", f"Signature not yet current or expired: {stamp}.")


def _refused(code: str, message: str) -> ServiceError:
    return ServiceError(code, message, 403)
