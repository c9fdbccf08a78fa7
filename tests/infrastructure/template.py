"""The template as CloudFormation gets it: expanded by both its transforms, parameters at their defaults."""

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from samtranslator.translator.transform import transform

from tests.infrastructure.language_extensions import Template, expanded

ROOT = Path(__file__).parents[2]
PARTITION = {"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}
# The stack that the sample events in events/ belong to.
STACK_ID = "arn:aws:cloudformation:eu-west-1:111122223333:stack/rekognition-mlops/6d1f0c50-16f0-11f1-9c1e-0a5b3c7d9e11"
PSEUDO = {
    **PARTITION,
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "111122223333",
    "AWS::StackName": "parts",
    "AWS::StackId": STACK_ID,
}
# The names that the sample events in events/ give the two buckets.
BUCKETS = {
    "DataBucket": "rekognition-mlops-databucket-4x8qkz1n2m",
    "ArtifactsBucket": "rekognition-mlops-artifactsbucket-9p3vtw7c5d",
}
# Optional parameters, where a test wants them given.
OPTIONS = {
    "StagingRole": "arn:aws:iam::222233334444:role/staging",
    "ProductionRole": "arn:aws:iam::333344445555:role/production",
    "ConnectionArn": "arn:aws:codeconnections:eu-west-1:111122223333:connection/0a1b2c3d",
    "PermissionsBoundary": "arn:aws:iam::111122223333:policy/boundary",
    "LauncherArn": "arn:aws:iam::111122223333:role/launcher",
}
Resource = dict[str, Any]


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        return {}


@cache
def _source() -> str:
    return json.dumps(expanded())


@cache
def resources(optional: bool = False, stack: str = PSEUDO["AWS::StackName"]) -> dict[str, Resource]:
    """Every resource by its logical id. `Ref X` reads as "X", `GetAtt X.Arn` as "X.Arn", buckets by their names.

    With `optional`, as if every optional parameter were given.
    """
    return resources_of(json.loads(_source()), optional, stack)


def resources_of(
    source: Template, optional: bool = False, stack: str = PSEUDO["AWS::StackName"]
) -> dict[str, Resource]:
    """The same of a template without loops."""
    source = with_options(source) if optional else source
    for entry in source["Resources"].values():
        # Where `sam package` would put it.
        entry["Properties"] |= {
            name: "s3://code/x" for name in ("CodeUri", "ContentUri") if name in entry["Properties"]
        }
    given = {"NotificationEmail": "team@example.com"}
    with patch.dict(os.environ, {"AWS_DEFAULT_REGION": PSEUDO["AWS::Region"]}):
        translated = transform(source, given, _NoManagedPolicies())
    defaults = {name: parameter.get("Default") for name, parameter in source["Parameters"].items()}
    options = OPTIONS if optional else {}
    names = {**defaults, **given, **options, **PSEUDO, **BUCKETS, "AWS::StackName": stack}
    return dict(resolve(translated["Resources"], names))


def of_type(kind: str) -> dict[str, Resource]:
    """The properties of every resource of a CloudFormation type, by logical id."""
    return {name: entry["Properties"] for name, entry in resources().items() if entry["Type"] == kind}


def functions() -> dict[str, Resource]:
    return of_type("AWS::Lambda::Function")


def logical_id(function: str) -> str:
    """The function that runs functions/<function>/app.py."""
    return "".join(word.capitalize() for word in function.split("_")) + "Function"


def statements(role: str) -> list[dict[str, Any]]:
    """Every statement of a role, actions and resources as lists."""
    policies = resources()[role]["Properties"].get("Policies", [])
    return [listed(statement) for policy in policies for statement in as_list(policy["PolicyDocument"]["Statement"])]


def listed(statement: dict[str, Any]) -> dict[str, Any]:
    return {**statement, **{key: as_list(statement[key]) for key in ("Action", "Resource") if key in statement}}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def targets_of(event: dict[str, Any]) -> set[str]:
    """The functions that react to an event, directly or through their queue."""
    from moto.events.models import EventPattern

    rules = of_type("AWS::Events::Rule").values()
    matching = [rule for rule in rules if EventPattern.load(json.dumps(rule["EventPattern"])).matches_event(event)]
    sources = {m["EventSourceArn"]: m["FunctionName"] for m in of_type("AWS::Lambda::EventSourceMapping").values()}
    arns = [target["Arn"] for rule in matching for target in rule["Targets"]]
    return {sources.get(arn, arn.removesuffix(".Arn")) for arn in arns}


def samples() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(function, file name, event) of every sample event."""
    for path in sorted((ROOT / "events").glob("*/*.json")):
        yield path.parent.name, path.stem, json.loads(path.read_text(encoding="utf-8"))


def with_options(node: Any) -> Any:
    """A part of a template in which every condition holds."""
    if isinstance(node, list):
        return [with_options(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"Fn::If"}:
        return with_options(node["Fn::If"][1])
    return {key: with_options(value) for key, value in node.items()}


def resolve(node: Any, names: dict[str, Any]) -> Any:
    """A part of a template without intrinsic functions: names by their values, the others as they are spelled."""
    if isinstance(node, list):
        return [entry for entry in (resolve(entry, names) for entry in node) if entry != "AWS::NoValue"]
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        ((kind, value),) = node.items()
        if kind == "Ref":
            return names.get(value, value)
        if kind.startswith("Fn::"):
            return _intrinsic(kind, value, names)
    return {key: resolve(value, names) for key, value in node.items()}


def _intrinsic(kind: str, value: Any, names: dict[str, Any]) -> Any:
    match kind, value:
        case "Fn::GetAtt", list():
            return ".".join(value)
        case "Fn::GetAtt", str():
            return value
        case "Fn::Sub", str():
            return re.sub(r"\$\{([^}]+)\}", lambda found: str(names.get(found[1], found[1])), value)
        case "Fn::Sub", [text, more]:
            return _intrinsic(kind, text, {**names, **resolve(more, names)})
        case "Fn::Join", [separator, parts]:
            return separator.join(resolve(part, names) for part in parts)
        case "Fn::If", [_, _, otherwise]:
            # Every condition of the template asks whether an optional parameter is given; by default none is.
            return resolve(otherwise, names)
    raise NotImplementedError(f"teach the tests to read {kind}: {value}")
