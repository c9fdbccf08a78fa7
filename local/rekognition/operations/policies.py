"""Project policies: which other accounts may copy which versions of a project."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from local.rekognition.access.identity import Caller, scope_of_arn
from local.rekognition.errors import ServiceError, limit_exceeded
from local.rekognition.limits import POLICIES_PER_PROJECT
from local.rekognition.operations.service import Answer, Request, Service, decode_token, encode_token
from local.rekognition.state.records import Project

_ACTION = "rekognition:CopyProjectVersion"
_MEMBERS = {"Sid", "Effect", "Principal", "Action", "Resource"}
# What follows `project/NAME/version/` in the ARN of a version, and whom `Principal` may name. Nothing else could ever
# be the version or the caller of a copy, and a policy that is taken has to count: so no wildcards inside of either.
_VERSION = re.compile(r"[a-zA-Z0-9_.\-]{1,255}/[0-9]+")
_PRINCIPAL = re.compile(r"\*|[0-9]{12}|arn:aws[a-z\-]*:(iam|sts)::[0-9]{12}:(root|(role|user|assumed-role)/[^*?]+)")
Policy = Mapping[str, Any]


def put_project_policy(service: Service, caller: Caller, request: Request) -> Answer:
    """PutProjectPolicy: attach a policy; a change names the revision that it replaces."""
    project = service.project(caller.scope, request["ProjectArn"])
    _check_document(request["PolicyDocument"], project)
    name, now = request["PolicyName"], service.store.new_creation_ms()
    existing = project.policies.get(name)
    if existing is None:
        _check_new(project, request)
    elif "PolicyRevisionId" not in request:
        message = f"The project {project.name} has a policy named {name}. To change it, pass its PolicyRevisionId."
        raise ServiceError("ResourceAlreadyExistsException", message)
    else:
        _check_revision(existing, request)
    policy = {
        "document": request["PolicyDocument"],
        "revision": secrets.token_hex(16),
        "created_ms": existing["created_ms"] if existing else now,
        "updated_ms": now,
    }
    service.store.put(replace(project, policies={**project.policies, name: policy}))
    return {"PolicyRevisionId": policy["revision"]}


def list_project_policies(service: Service, caller: Caller, request: Request) -> Answer:
    """ListProjectPolicies: by name; the token is the last name of the page before."""
    project = service.project(caller.scope, request["ProjectArn"])
    after = decode_token(request["NextToken"]) if request.get("NextToken") else ""
    names = sorted(name for name in project.policies if name > after)
    size = request.get("MaxResults", POLICIES_PER_PROJECT)
    answer: Answer = {"ProjectPolicies": [_described(project, name) for name in names[:size]]}
    if len(names) > size:
        answer["NextToken"] = encode_token(names[size - 1])
    return answer


def delete_project_policy(service: Service, caller: Caller, request: Request) -> Answer:
    """DeleteProjectPolicy: with a revision, only while that is the current one."""
    project = service.project(caller.scope, request["ProjectArn"])
    existing = project.policies.get(request["PolicyName"])
    if existing is None:
        message = f"The project {project.name} has no policy named {request['PolicyName']}."
        raise ServiceError("ResourceNotFoundException", message)
    _check_revision(existing, request)
    rest = {name: policy for name, policy in project.policies.items() if name != request["PolicyName"]}
    service.store.put(replace(project, policies=rest))
    return {}


def check_copy(caller: Caller, source: Project | None, version_arn: str) -> None:
    """Raise ServiceError AccessDeniedException unless the caller may copy a version of the `source` project.

    Within one account no policy is needed, but one may deny. An unknown project of another account is denied, too.
    """
    statements = _statements_of(source) if source else []
    about = [statement for statement in statements if _is_about(statement, caller, version_arn)]
    effects = {statement["Effect"] for statement in about}
    is_own = scope_of_arn(version_arn).account == caller.scope.account
    if "Deny" not in effects and (is_own or "Allow" in effects):
        return
    raise ServiceError(
        "AccessDeniedException",
        f"User: {caller.principal} is not authorized to perform: {_ACTION} on resource: {version_arn} "
        f"{'with an explicit deny in a' if 'Deny' in effects else 'because no'} project policy"
        f"{'' if 'Deny' in effects else ' allows it'}",
    )


def _check_new(project: Project, request: Request) -> None:
    if "PolicyRevisionId" in request:
        message = f"The project {project.name} has no policy named {request['PolicyName']}: leave out PolicyRevisionId."
        raise ServiceError("InvalidPolicyRevisionIdException", message)
    if len(project.policies) >= POLICIES_PER_PROJECT:
        message = f"The project {project.name} has {POLICIES_PER_PROJECT} policies, the most it may have."
        raise limit_exceeded(f"{message} Delete one first.")


def _check_revision(policy: Policy, request: Request) -> None:
    if request.get("PolicyRevisionId", policy["revision"]) != policy["revision"]:
        message = f"{request['PolicyRevisionId']} is not the current revision of {request['PolicyName']}."
        raise ServiceError("InvalidPolicyRevisionIdException", message)


def _described(project: Project, name: str) -> dict[str, Any]:
    policy = project.policies[name]
    return {
        "ProjectArn": project.arn,
        "PolicyName": name,
        "PolicyRevisionId": policy["revision"],
        "PolicyDocument": policy["document"],
        "CreationTimestamp": policy["created_ms"] / 1000,
        "LastUpdatedTimestamp": policy["updated_ms"] / 1000,
    }


def _check_document(text: str, project: Project) -> None:
    try:
        statements = _statements(text)
    except (ValueError, RecursionError, AttributeError) as error:
        raise _malformed("it is not a JSON object.") from error
    if not statements:
        raise _malformed("it has no Statement.")
    for statement in statements:
        _check_statement(statement, project)


def _check_statement(statement: Any, project: Project) -> None:
    if not isinstance(statement, dict):
        raise _malformed("a Statement is no object.")
    if missing := _MEMBERS - {"Sid"} - statement.keys():
        raise _malformed(f"a Statement has no {sorted(missing)[0]}.")
    if unknown := statement.keys() - _MEMBERS:
        raise _malformed(f"a Statement has {sorted(unknown)[0]}, which is not allowed here.")
    if statement["Effect"] not in ("Allow", "Deny"):
        raise _malformed("Effect is neither Allow nor Deny.")
    if _list(statement["Action"]) != [_ACTION]:
        raise _malformed(f"the only Action is {_ACTION}.")
    _check_principals(statement)
    version_of_project = project.arn.rpartition("/")[0] + "/version/"
    if not _list(statement["Resource"]):
        raise _malformed("Resource names no model version.")
    for resource in map(str, _list(statement["Resource"])):
        version = resource.removeprefix(version_of_project)
        if version == resource or not _VERSION.fullmatch(version):
            raise _malformed(f"Resource {resource} is not the ARN of one model version of this project.")


def _check_principals(statement: Mapping[str, Any]) -> None:
    principal = statement["Principal"]
    if isinstance(principal, dict) and set(principal) != {"AWS"}:
        raise _malformed("Principal may have AWS only.")
    if not _principals(statement):
        raise _malformed("Principal names no AWS account, role or user.")
    for name in _principals(statement):
        if not _PRINCIPAL.fullmatch(name):
            raise _malformed(f"Principal {name} is no AWS account, role or user.")


def _malformed(why: str) -> ServiceError:
    return ServiceError("MalformedPolicyDocumentException", f"The policy document is malformed: {why}")


def _statements_of(project: Project) -> list[Any]:
    return [statement for policy in project.policies.values() for statement in _statements(policy["document"])]


def _statements(text: str) -> list[Any]:
    return _list(json.loads(text).get("Statement", []))


def _is_about(statement: Mapping[str, Any], caller: Caller, version_arn: str) -> bool:
    names = _names(caller)
    return version_arn in _list(statement["Resource"]) and not names.isdisjoint(_principals(statement))


def _principals(statement: Mapping[str, Any]) -> list[str]:
    principal = statement["Principal"]
    named = principal.get("AWS", []) if isinstance(principal, dict) else principal
    return [_without_path(str(name)) for name in _list(named)]


def _without_path(principal: str) -> str:
    """Return a role without its path, which a session of it does not tell; its name is unique in the account."""
    account, separator, name = principal.partition(":role/")
    return account + separator + name.rpartition("/")[2]


def _names(caller: Caller) -> set[str]:
    """What a policy may call a caller: itself, its role, its account, everybody."""
    account, principal = caller.scope.account, caller.principal
    names = {"*", account, f"arn:aws:iam::{account}:root", principal}
    if ":assumed-role/" in principal:
        names.add(f"arn:aws:iam::{account}:role/{principal.split('/')[1]}")
    return names


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
