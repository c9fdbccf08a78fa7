"""Who calls, and what things are called: account and region from the SigV4 scope, ARNs from names."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from local.rekognition.errors import ServiceError

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[a-z0-9-]+)/rekognition/aws4_request")
_ACCOUNT = re.compile(r"\d{12}")


@dataclass(frozen=True)
class Scope:
    """One account in one region; the two never see each other's resources."""

    account: str
    region: str

    def project_arn(self, project_name: str, created_ms: int) -> str:
        """Name a project; the last segment is its creation time in epoch milliseconds."""
        return f"arn:aws:rekognition:{self.region}:{self.account}:project/{project_name}/{created_ms}"

    def dataset_arn(self, project_name: str, kind: str, created_ms: int) -> str:
        """Name a dataset of the kind TRAIN or TEST."""
        resource = f"project/{project_name}/dataset/{kind.lower()}/{created_ms}"
        return f"arn:aws:rekognition:{self.region}:{self.account}:{resource}"

    def version_arn(self, project_name: str, version_name: str, created_ms: int) -> str:
        """Name a project version."""
        resource = f"project/{project_name}/version/{version_name}/{created_ms}"
        return f"arn:aws:rekognition:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True)
class Credentials:
    """AWS credentials of a caller: S3 is used with their rights, as AWS does by forward access."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


@dataclass(frozen=True)
class Caller:
    """Who signed a request. `principal` is an ARN; without `credentials` S3 is used with the service's own."""

    scope: Scope
    principal: str
    credentials: Credentials | None = None


def scope_of_arn(arn: str) -> Scope:
    """Read account and region from an ARN that passed the service model's pattern."""
    _, _, _, region, account, _ = arn.split(":", 5)
    return Scope(account, region)


def caller_of_request(headers: Mapping[str, str], default_account: str) -> Caller:
    """Read who calls from a request's headers; the signature itself is not checked.

    An access key id of twelve digits names the account, as in other local clouds; the caller is its root then. A front
    that has checked signature and rights itself says in `x-forward-access` for whom it asks: base64 of a JSON object
    with `principal` and `credentials`. Raises ServiceError when the request is not signed for `rekognition`.
    """
    scope = _scope(headers.get("authorization", ""), default_account)
    if "x-forward-access" not in headers:
        return Caller(scope, f"arn:aws:iam::{scope.account}:root")
    try:
        said = json.loads(base64.b64decode(headers["x-forward-access"], validate=True))
        return Caller(scope, said["principal"], Credentials(**said["credentials"]))
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise ServiceError("InvalidSignatureException", "x-forward-access is malformed.", 403) from error


def _scope(authorization: str, default_account: str) -> Scope:
    credential = _CREDENTIAL.search(authorization)
    if credential is None:
        message = (
            "Sign the request with AWS Signature Version 4 for the service `rekognition`; any credentials will do."
        )
        raise ServiceError("MissingAuthenticationTokenException", message, 403)
    key = credential["key"]
    return Scope(key if _ACCOUNT.fullmatch(key) else default_account, credential["region"])
