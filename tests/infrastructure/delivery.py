"""The templates of delivery/ as CloudFormation gets them, parameters at their defaults or as given."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tests.infrastructure.language_extensions import parsed
from tests.infrastructure.template import OPTIONS, PSEUDO, ROOT, Resource, listed, resolve, with_options

GIVEN: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "pipeline": {"NotificationEmail": "team@example.com"},
        "product": {
            "Version": "1.0.0",
            "TemplateUrl": "https://templates.example/pipeline/1.0.0.yaml",
            "TemplateBucket": "templates",
            "SupportEmail": "help@example.com",
        },
        "github": {"Repository": "acme/parts", "CloudFormationRole": "arn:aws:iam::111122223333:role/cloudformation"},
        "environment": {
            "Environment": "staging",
            "PipelineAccount": "111122223333",
            "SourceAccount": "111122223333",
            "DataBucket": "data",
        },
    }
)


def delivery(name: str, **given: str) -> dict[str, Resource]:
    """Every resource of delivery/<name>.yaml by its logical id, `Ref X` as "X", `GetAtt X.Arn` as "X.Arn"."""
    source = parsed(ROOT / "delivery" / f"{name}.yaml")
    defaults = {key: parameter.get("Default") for key, parameter in source["Parameters"].items()}
    resources = {
        key: resource
        for key, resource in source["Resources"].items()
        if not str(resource.get("Condition", "")).startswith(("HasLauncher", "HasConnection"))
    }
    return dict(resolve(resources, {**defaults, **GIVEN[name], **PSEUDO, **given}))


def delivery_with_options(name: str) -> dict[str, Resource]:
    """The same as if every optional parameter were given."""
    source = parsed(ROOT / "delivery" / f"{name}.yaml")
    defaults = {key: parameter.get("Default") for key, parameter in source["Parameters"].items()}
    return dict(resolve(with_options(source["Resources"]), {**defaults, **GIVEN[name], **OPTIONS, **PSEUDO}))


def of_kind(resources: Mapping[str, Resource], kind: str) -> dict[str, Resource]:
    """The properties of every resource of a CloudFormation type, by logical id."""
    return {name: entry["Properties"] for name, entry in resources.items() if entry["Type"] == kind}


def rights(role: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every statement of a role, actions and resources as lists."""
    return [listed(statement) for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]
