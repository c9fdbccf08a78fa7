"""Who calls, and what things are called: account and region from the SigV4 scope, ARNs from names."""

import re
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

    def version_arn(self, project_name: str, version_name: str, created_ms: int) -> str:
        """Name a project version."""
        resource = f"project/{project_name}/version/{version_name}/{created_ms}"
        return f"arn:aws:rekognition:{self.region}:{self.account}:{resource}"


def scope_of_arn(arn: str) -> Scope:
    """Read account and region from an ARN that passed the service model's pattern."""
    _, _, _, region, account, _ = arn.split(":", 5)
    return Scope(account, region)


def scope_of_request(authorization: str, default_account: str) -> Scope:
    """Read account and region from an Authorization header; the signature itself is not checked.

    An access key id of twelve digits names the account, as in other local clouds.
    Raises ServiceError when the request is not signed for `rekognition`.
    """
    credential = _CREDENTIAL.search(authorization)
    if credential is None:
        message = (
            "Sign the request with AWS Signature Version 4 for the service `rekognition`; any credentials will do."
        )
        raise ServiceError("MissingAuthenticationTokenException", message, 403)
    key = credential["key"]
    return Scope(key if _ACCOUNT.fullmatch(key) else default_account, credential["region"])
