"""Names as AWS would have them: policies still reach what CloudFormation names, and what we name ourselves fits."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import pytest

from tests.infrastructure.delivery import delivery, rights
from tests.infrastructure.language_extensions import parsed
from tests.infrastructure.policies import Statement, statements_of
from tests.infrastructure.template import ROOT, Resource, resources

RANDOM = ("1GRP3N0TVA1LD", "85C94J38RDE2")
# 10, 25, 29 and 60 characters.
STACKS = (
    "inspection",
    "rekognition-mlops-staging",
    "rekognition-mlops-development",
    "my-stack-of-many-words" + "-word" * 7 + "-to",
)
# What CloudFormation names, with the longest name that the service takes.
LONGEST = {
    "AWS::CloudWatch::Alarm": 255,
    "AWS::DynamoDB::Table": 255,
    "AWS::Events::Rule": 64,
    "AWS::IAM::Role": 64,
    "AWS::Lambda::Function": 64,
    "AWS::Logs::LogGroup": 512,
    "AWS::S3::Bucket": 63,
    "AWS::SNS::Topic": 256,
    "AWS::SQS::Queue": 80,
    "AWS::Scheduler::Schedule": 64,
}
# What the templates name themselves, and where.
LONGEST_OF_OURS = {
    ("AWS::ApiGatewayV2::Api", "Name"): 128,
    ("AWS::CloudWatch::Dashboard", "DashboardName"): 255,
    ("AWS::Lambda::LayerVersion", "LayerName"): 140,
    ("AWS::Logs::LogGroup", "LogGroupName"): 512,
    ("AWS::Rekognition::Project", "ProjectName"): 255,
    ("AWS::IAM::Role", "Path"): 512,
}


def names(stack: str, logical_id: str, kind: str) -> Iterator[str]:
    """Every name that CloudFormation may give: `<stack>-<logical id>-<random>`, cut to what the service takes.

    Documented is only that names are unique. Observed, in convox/rack#2297: of 64 characters 13 are random, and the
    stack's part and the logical id's share what is left, 25 and 24. Whether a short part leaves room to the other is
    not known: both is tried.
    """
    for random in RANDOM:
        room = LONGEST[kind] - len(random) - 2
        if len(stack) + len(logical_id) <= room:
            yield _spelled(kind, f"{stack}-{logical_id}-{random}")
            continue
        left, right = room - room // 2, room // 2
        yield _spelled(kind, f"{stack[:left]}-{logical_id[:right]}-{random}")
        yield _spelled(kind, f"{stack[: room - len(logical_id[:right])]}-{logical_id[:right]}-{random}")


def _spelled(kind: str, name: str) -> str:
    return name.lower() if kind == "AWS::S3::Bucket" else name


def test_names_are_cut_as_somebody_saw_them_cut() -> None:
    seen = "mylongerapp-playground-ne-InstancesLifecycleHandle-1GRP3N0TVA1LD"

    assert seen in set(names("mylongerapp-playground-new", "InstancesLifecycleHandler", "AWS::Lambda::Function"))


@pytest.mark.parametrize(("stack", "kind"), list(product(STACKS, LONGEST)))
def test_no_name_is_longer_than_its_service_takes(stack: str, kind: str) -> None:
    for logical_id in ("Role", "PromotionFunctionRollbackRequested"):
        assert all(len(name) <= LONGEST[kind] for name in names(stack, logical_id, kind))


def reaches(pattern: str, arn: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), arn) is not None


def of_kind(parts: dict[str, Resource], kind: str) -> dict[str, Resource]:
    return {name: entry["Properties"] for name, entry in parts.items() if entry["Type"] == kind}


def roles(stack: str) -> Iterator[str]:
    """The ARNs of the roles of a stack of template.yaml."""
    for logical_id, role in of_kind(resources(stack=stack), "AWS::IAM::Role").items():
        for name in names(stack, logical_id, "AWS::IAM::Role"):
            yield f"arn:aws:iam::111122223333:role{role.get('Path', '/')}{name}"


def rules(stack: str) -> Iterator[str]:
    for logical_id, rule in of_kind(resources(stack=stack), "AWS::Events::Rule").items():
        for name in [rule["Name"]] if "Name" in rule else names(stack, logical_id, "AWS::Events::Rule"):
            yield f"arn:aws:events:eu-west-1:111122223333:rule/{name}"


@pytest.mark.parametrize("stack", STACKS)
def test_events_of_every_rule_are_let_into_the_queues(stack: str) -> None:
    (statement,) = resources(stack=stack)["QueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    pattern = statement["Condition"]["ArnLike"]["aws:SourceArn"]

    assert [rule for rule in rules(stack) if not reaches(pattern, rule)] == []


@pytest.mark.parametrize("stack", STACKS)
def test_the_role_of_another_account_lets_every_role_of_the_stack_in_and_of_no_other_stack(stack: str) -> None:
    (statement,) = delivery("environment", PipelineStack=stack)["Role"]["Properties"]["AssumeRolePolicyDocument"][
        "Statement"
    ]
    pattern = statement["Condition"]["ArnLike"]["aws:PrincipalArn"]

    assert [role for role in roles(stack) if not reaches(pattern, role)] == []
    assert [role for role in roles(f"{stack}2") if reaches(pattern, role)] == []


def parts_named_after(stack: str, node: Any) -> list[str]:
    if isinstance(node, dict):
        return parts_named_after(stack, list(node.values()))
    if isinstance(node, list):
        return [found for entry in node for found in parts_named_after(stack, entry)]
    return [str(node)] if stack in str(node) else []


def test_no_policy_of_the_template_goes_by_a_name_that_may_be_cut() -> None:
    stack = STACKS[-1]
    found = {
        part for statement in statements_of(resources(stack=stack)) for part in parts_named_after(stack, statement)
    }

    # The name of a parameter is ours.
    models = f"arn:aws:ssm:eu-west-1:111122223333:parameter/{stack}/models/*"
    assert found == {models, f"{models}/staging", f"{models}/production"}


# The shortest name that delivery/pipeline.yaml takes, its default and the longest.
DELIVERED = [
    f"{name}-{environment}"
    for name in ("ab", "rekognition-mlops", "n" * 20)
    for environment in ("development", "staging", "production")
]
# Which statement of CloudFormationRole is for what.
SERVICES = {
    "AWS::CloudWatch::Alarm": ("Alarms", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:"),
    "AWS::DynamoDB::Table": ("Tables", "arn:aws:dynamodb:eu-west-1:111122223333:table/"),
    "AWS::Events::Rule": ("Rules", "arn:aws:events:eu-west-1:111122223333:rule/"),
    "AWS::Lambda::Function": ("Functions", "arn:aws:lambda:eu-west-1:111122223333:function:"),
    "AWS::S3::Bucket": ("Buckets", "arn:aws:s3:::"),
    "AWS::SNS::Topic": ("Topics", "arn:aws:sns:eu-west-1:111122223333:"),
    "AWS::SQS::Queue": ("Queues", "arn:aws:sqs:eu-west-1:111122223333:"),
    "AWS::Scheduler::Schedule": ("Schedules", "arn:aws:scheduler:eu-west-1:111122223333:schedule/default/"),
}


@cache
def rights_of_cloudformation(stack: str) -> dict[str, Statement]:
    role = delivery("pipeline", StackName=stack.rsplit("-", 1)[0])["CloudFormationRole"]["Properties"]
    return {statement["Sid"]: statement for statement in rights(role)}


@pytest.mark.parametrize(("stack", "kind"), list(product(DELIVERED, SERVICES)))
def test_cloudformation_reaches_what_it_names_itself(stack: str, kind: str) -> None:
    sid, prefix = SERVICES[kind]
    patterns = rights_of_cloudformation(stack)[sid]["Resource"]
    arns = [prefix + name for logical_id in of_kind(resources(), kind) for name in names(stack, logical_id, kind)]

    assert [arn for arn in arns if not any(reaches(pattern, arn) for pattern in patterns)] == []


@pytest.mark.parametrize("stack", DELIVERED)
@pytest.mark.parametrize("sid", ["Roles", "NewRoles", "PoliciesOfAws", "RolesOfFunctions"])
def test_cloudformation_reaches_the_roles_of_its_stacks_and_not_its_own(stack: str, sid: str) -> None:
    (pattern,) = rights_of_cloudformation(stack)[sid]["Resource"]
    # The pipeline may well be named like its stacks.
    pipeline = f"{stack.rsplit('-', 1)[0]}-pipeline"
    own = [
        f"arn:aws:iam::111122223333:role/rekognition-mlops/{n}"
        for n in names(pipeline, "PipelineRole", "AWS::IAM::Role")
    ]

    assert [role for role in roles(stack) if not reaches(pattern, role)] == []
    assert [role for role in own if reaches(pattern, role)] == []


@pytest.mark.parametrize(
    ("sid", "kind", "prefix"),
    [
        ("Roles", "AWS::IAM::Role", "arn:aws:iam::111122223333:role/rekognition-mlops/"),
        ("BoundedRoles", "AWS::IAM::Role", "arn:aws:iam::111122223333:role/rekognition-mlops/"),
        ("RolesOfTheProduct", "AWS::IAM::Role", "arn:aws:iam::111122223333:role/rekognition-mlops/"),
        ("Buckets", "AWS::S3::Bucket", "arn:aws:s3:::"),
        ("Topics", "AWS::SNS::Topic", "arn:aws:sns:eu-west-1:111122223333:"),
        ("Rules", "AWS::Events::Rule", "arn:aws:events:eu-west-1:111122223333:rule/"),
        ("Logs", "AWS::Logs::LogGroup", "arn:aws:logs:eu-west-1:111122223333:log-group:"),
    ],
)
def test_the_launch_role_reaches_what_cloudformation_names(sid: str, kind: str, prefix: str) -> None:
    (pattern,) = {s["Sid"]: s for s in rights(delivery("product")["LaunchRole"]["Properties"])}[sid]["Resource"]
    stack = "SC-111122223333-pp-a2b3c4d5e6f7g"
    arns = [prefix + name for part in of_kind(delivery("pipeline"), kind) for name in names(stack, part, kind)]

    assert arns
    assert [arn for arn in arns if not reaches(pattern, arn)] == []


OURS = [
    (name, field, LONGEST_OF_OURS[kind, field])
    for kind, field in LONGEST_OF_OURS
    for name in of_kind(resources(), kind)
    if field in of_kind(resources(), kind)[name]
]


@pytest.mark.parametrize(("name", "field", "longest"), OURS, ids=[f"{name}-{field}" for name, field, _ in OURS])
def test_a_name_of_ours_fits_for_the_longest_name_of_a_stack(name: str, field: str, longest: int) -> None:
    # CloudFormation takes 128 characters.
    assert len(resources(stack="s" * 128)[name]["Properties"][field]) <= longest


def test_every_name_of_ours_has_a_known_limit() -> None:
    found = {
        (entry["Type"], field)
        for entry in resources(stack=STACKS[-1]).values()
        for field, value in entry["Properties"].items()
        if re.fullmatch(r"(\w+)?Name|Path", field) and STACKS[-1] in str(value)
    }

    assert found <= set(LONGEST_OF_OURS)


# Names of SSM parameters must not begin with these, and those of the stacks begin with a stack's name.
@pytest.mark.parametrize("name", ["aws-models", "ssm"])
@pytest.mark.parametrize(
    ("template", "parameter"), [("pipeline", "StackName"), ("github", "StackName"), ("environment", "PipelineStack")]
)
def test_a_name_that_no_parameter_of_ssm_may_have_is_refused(template: str, parameter: str, name: str) -> None:
    asked = parsed(ROOT / f"delivery/{template}.yaml")["Parameters"][parameter]

    assert re.fullmatch(asked["AllowedPattern"], "rekognition-mlops")
    assert not re.fullmatch(asked["AllowedPattern"], name)
