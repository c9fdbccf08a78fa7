"""Every statement of every policy of every template, with ARNs as AWS would see them."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tests.infrastructure.delivery import GIVEN, delivery, delivery_with_options
from tests.infrastructure.template import Resource, as_list, resources

_HERE = "eu-west-1:111122223333"
# What `GetAtt X.Arn` is, by the type of X.
_ARNS = {
    "AWS::CodeBuild::Project": f"arn:aws:codebuild:{_HERE}:project/",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{_HERE}:table/",
    "AWS::Events::Rule": f"arn:aws:events:{_HERE}:rule/",
    "AWS::IAM::Role": "arn:aws:iam::111122223333:role/",
    "AWS::KMS::Key": f"arn:aws:kms:{_HERE}:key/",
    "AWS::Lambda::Function": f"arn:aws:lambda:{_HERE}:function:",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{_HERE}:log-group:",
    "AWS::S3::Bucket": "arn:aws:s3:::",
    "AWS::SNS::Topic": f"arn:aws:sns:{_HERE}:",
    "AWS::SQS::Queue": f"arn:aws:sqs:{_HERE}:",
}
# What is referred to by its ARN.
_REFERRED_TO_BY_ARN = ("AWS::SNS::Topic",)
Statement = dict[str, Any]


def templates(optional: bool) -> Iterator[tuple[str, dict[str, Resource]]]:
    """(name, resources) of each template, without or with everything that is optional."""
    yield "template", resources(optional)
    for name in GIVEN:
        yield name, delivery_with_options(name) if optional else delivery(name)


@cache
def every_statement() -> Mapping[str, Statement]:
    """Statements by their place, such as pipeline.BuildRole.2; those with everything optional end in `+`."""
    found: dict[str, Statement] = {}
    for optional in (False, True):
        for template, parts in templates(optional):
            for name, entry in parts.items():
                for number, statement in enumerate(_statements(entry, parts)):
                    place = f"{template}.{name}.{statement.get('Sid', number)}"
                    if found.setdefault(place, statement) != statement:
                        found[f"{place}+"] = statement
    return found


def statements_of(parts: Mapping[str, Resource]) -> Iterator[Statement]:
    """Every statement of a template."""
    return _statements(list(parts.values()), parts)


def _statements(node: Any, parts: Mapping[str, Resource]) -> Iterator[Statement]:
    if isinstance(node, list):
        for entry in node:
            yield from _statements(entry, parts)
    elif isinstance(node, dict):
        for statement in as_list(node.get("Statement", [])):
            plain = {key: _with_arns(value, parts) for key, value in statement.items() if value != "AWS::NoValue"}
            yield {**plain, **{key: as_list(plain[key]) for key in ("Action", "Resource") if key in plain}}
        for value in node.values():
            yield from _statements(value, parts)


def _with_arns(node: Any, parts: Mapping[str, Resource]) -> Any:
    if isinstance(node, list):
        return [_with_arns(entry, parts) for entry in node]
    if isinstance(node, dict):
        return {key: _with_arns(value, parts) for key, value in node.items()}
    found = re.match(r"(\w+)(\.Arn)?", str(node))
    if not found or found[1] not in parts or str(node).startswith("arn:"):
        return node
    kind, rest = parts[found[1]]["Type"], str(node)[found.end() :]
    if not found[2] and (kind not in _REFERRED_TO_BY_ARN or rest):
        return node
    # CloudFormation gives a log group's ARN with the streams in it.
    return _ARNS[kind] + found[1] + (":*" if kind == "AWS::Logs::LogGroup" else "") + rest
