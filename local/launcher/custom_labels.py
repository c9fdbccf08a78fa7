"""Amazon Rekognition: the Custom Labels service behind authentication and IAM of this cloud."""

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any

from local.launcher.rekognition_projects import RekognitionProjects

_REKOGNITION_TARGET = "RekognitionService."
# What a call needs beside its own action: the service does it for the caller. Source: the service authorization
# reference of Amazon Rekognition. What S3 allows is seen when S3 is used, with the caller's credentials.
_NAMED = ("ProjectArn", "ProjectVersionArn", "DatasetArn", "ResourceArn", "SourceProjectArn", "SourceProjectVersionArn")


def install_custom_labels(endpoint: str) -> None:
    """Amazon Rekognition is the Custom Labels service at `endpoint`, behind authentication and IAM of this cloud.

    `AWS::Rekognition::Project` creates and deletes its projects.
    """
    from ministack import app
    from ministack.core import router
    from ministack.services.cloudformation import provisioners

    router.SERVICE_PATTERNS["rekognition"] = {"target_prefixes": [_REKOGNITION_TARGET]}
    app.SERVICE_HANDLERS["rekognition"] = CustomLabelsFront(endpoint).handle
    projects = RekognitionProjects(endpoint)
    provisioners._RESOURCE_HANDLERS["AWS::Rekognition::Project"] = {
        "create": projects.create,
        "update": projects.update,
        "delete": projects.delete,
    }


def rekognition_permissions(operation: str, request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The pairs of action and resource that the caller of an operation needs."""
    arns = [str(request[name]) for name in (*_NAMED, "DestinationProjectArn") if name in request]
    arns += [str(entry.get("Arn")) for entry in request.get("Datasets") or ()]
    needed = [(operation, arn) for arn in arns or ["*"]]
    if operation == "CopyProjectVersion":
        needed.append(("CreateProjectVersion", str(request.get("DestinationProjectArn", "*"))))
    if source := (request.get("DatasetSource") or {}).get("DatasetArn"):
        needed.append(("ListDatasetEntries", str(source)))
    if "Tags" in request and operation != "TagResource":
        needed.append(("TagResource", needed[-1][1]))
    return [(f"rekognition:{action}", arn) for action, arn in needed]


class CustomLabelsFront:
    """Checks the rights of a caller, and passes its request on in the name of its account."""

    def __init__(self, endpoint: str) -> None:
        import urllib3

        self._endpoint, self._http = endpoint, urllib3.PoolManager(maxsize=16)

    async def handle(self, method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Any:
        """Answer a request whose signature has been verified."""
        from ministack.core.responses import get_account_id, get_region
        from ministack.core.router import extract_access_key_id

        key, account, region = extract_access_key_id(headers), get_account_id(), get_region()
        target = headers.get("x-amz-target", "")
        if refusal := self._refusal(key, region, target.removeprefix(_REKOGNITION_TARGET), body):
            return refusal
        signed = self._signed(target, body, account, region)
        signed["x-forward-access"] = _forward_access(key, account)
        return await asyncio.to_thread(self._pass_on, signed, body)

    @staticmethod
    def _refusal(key: str, region: str, operation: str, body: bytes) -> Any:
        from ministack.core.iam_actions import identity_denial_message
        from ministack.core.iam_evaluator import AuthError, enforce

        try:
            request = json.loads(body or b"{}")
        except ValueError:
            return None  # the service says what is wrong with it
        for action, resource in rekognition_permissions(operation, request if isinstance(request, dict) else {}):
            denied = enforce(key, action, "rekognition", region, resource_arn=resource)
            if not denied:
                continue
            if isinstance(denied, AuthError):
                return _rekognition_error(403, denied.code, denied.message)
            explicit = denied.decision == "Deny"
            message = identity_denial_message(action, denied.principal_arn, resource, explicit)
            return _rekognition_error(400, "AccessDeniedException", message)
        return None

    def _signed(self, target: str, body: bytes, account: str, region: str) -> dict[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
        request = AWSRequest("POST", f"{self._endpoint}/", headers, body)
        SigV4Auth(Credentials(account, "test"), "rekognition", region).add_auth(request)
        return dict(request.headers)

    def _pass_on(self, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        answer = self._http.request("POST", f"{self._endpoint}/", body=body, headers=headers, retries=False)
        kept = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
        return answer.status, kept, answer.data


def _forward_access(key: str, account: str) -> str:
    """Who calls, with the credentials to use S3 on the caller's behalf."""
    from ministack.core import iam_evaluator

    credential = iam_evaluator.resolve_credential(key, account)
    said = {
        "principal": credential.principal_arn,
        "credentials": {
            "access_key_id": key,
            "secret_access_key": credential.secret_access_key,
            "session_token": credential.session_token,
        },
    }
    return base64.b64encode(json.dumps(said).encode()).decode()


def _rekognition_error(status: int, code: str, message: str) -> tuple[int, dict[str, str], bytes]:
    body = {"__type": code, "Code": code, "Message": message}
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(body).encode()
