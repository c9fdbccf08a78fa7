"""What two templates differ in as CloudFormation reads them: without loops and anchors, rights as sets.

python -m tests.infrastructure.compare OLD NEW      # each a file, or a commit whose template.yaml is meant
"""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.infrastructure.language_extensions import Template, expanded
from tests.infrastructure.template import ROOT, Resource, as_list, resources_of

# What is compared as it is written.
_SECTIONS = ("Parameters", "Conditions", "Outputs")
_TERMS = ("Principal", "Condition")
_READ_BY_SAM = {"PythonRuntime", "Architecture"}


def differences(old: Template, new: Template) -> list[str]:
    """What only one of two templates without loops says: `- ...` the old one, `+ ...` the new one."""
    before, after = set(facts(old)), set(facts(new))
    return sorted([f"- {fact}" for fact in before - after] + [f"+ {fact}" for fact in after - before], key=_by_fact)


def facts(template: Template) -> Iterator[str]:
    """Everything that a template says, a line each; of resources without and with everything that is optional."""
    for section in _SECTIONS:
        yield from _lines(section, template.get(section, {}))
    names, numbered = _numbered(template)
    for optional in (False, True):
        parts = resources_of(json.loads(json.dumps(numbered)), optional)
        for name, entry in parts.items():
            for fact in _of(name, entry, parts):
                yield re.sub(r"\b77\d{4}\b", lambda found: names[found[0]], fact) + " (optional)" * optional


def _numbered(template: Template) -> tuple[dict[str, str], Template]:
    """A template in which every parameter has a number of its own for a default, and what they stand for: many have the
    same default, and JSON takes numbers in any place."""
    numbers = {name: 770000 + n for n, name in enumerate(sorted(set(template["Parameters"]) - _READ_BY_SAM))}
    parameters = {
        name: {**parameter, "Default": numbers.get(name, parameter.get("Default"))}
        for name, parameter in template["Parameters"].items()
    }
    return {str(number): name for name, number in numbers.items()}, {**template, "Parameters": parameters}


def _of(name: str, entry: Resource, parts: dict[str, Resource]) -> Iterator[str]:
    """A role has the rights of every policy that it names or that names it; where they are written is not compared."""
    properties = dict(entry.get("Properties", {}))
    if entry["Type"] in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        return
    if entry["Type"] == "AWS::IAM::Role":
        inline = properties.pop("Policies", [])
        managed = properties.pop("ManagedPolicyArns", [])
        shared = [part["Properties"] for key, part in parts.items() if key in managed or name in _roles_of(part)]
        yield from (f"{name} has {arn}" for arn in managed if arn not in parts)
        for policy in [*inline, *shared]:
            yield from _rights(name, policy["PolicyDocument"])
    yield from _lines(name, {**entry, "Properties": properties})


def _roles_of(part: Resource) -> list[str]:
    return part["Properties"].get("Roles", []) if part["Type"].startswith("AWS::IAM::") else []


def _rights(where: str, document: dict[str, Any]) -> Iterator[str]:
    for statement in as_list(document["Statement"]):
        terms = [f"{key} {json.dumps(statement[key], sort_keys=True)}" for key in _TERMS if key in statement]
        for action in as_list(statement["Action"]):
            for resource in as_list(statement.get("Resource", "its role")):
                yield " ".join([f"{where}: {statement['Effect']} {action} on {resource}", *terms])


def _lines(where: str, node: Any) -> Iterator[str]:
    if isinstance(node, dict) and "Statement" in node:
        yield from _rights(where, node)
    elif isinstance(node, dict | list) and node:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _lines(f"{where}.{key}", value)
    elif isinstance(node, str) and node[:1] in ("{", "["):
        # How JSON is broken into lines does not matter.
        try:
            yield from _lines(where, json.loads(node))
        except ValueError:
            yield f"{where} = {json.dumps(' '.join(node.split()))}"
    else:
        yield f"{where} = {json.dumps(node)}"


def _by_fact(line: str) -> str:
    return line[2:]


def _text(source: str) -> str:
    """A file, or what template.yaml is in a commit."""
    if Path(source).is_file():
        return Path(source).read_text(encoding="utf-8")
    command = ["git", "show", f"{source}:template.yaml"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def main(old: str, new: str) -> int:
    logging.disable()  # SAM tells of its own metrics.
    found = differences(expanded(text=_text(old)), expanded(text=_text(new)))
    print("\n".join(found) or "The same resources, the same rights.")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:3]))
