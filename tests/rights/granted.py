"""What the roles of the template may do, and whether that lets a call through."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from tests.infrastructure import template
from tests.infrastructure.policies import every_statement
from tests.infrastructure.template import as_list
from tests.simulation.deployed import NAMES

# Policies that name their roles, in place of roles that have them.
_BESIDES = {"template.RolesInOtherAccounts.0+": "RolesInOtherAccounts"}


@dataclass(frozen=True)
class Need:
    """A right that a call takes: an action on a resource, and what the call says that conditions may ask for."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Grant:
    """An action that a role may do with what a pattern meets. `condition`: (key, value) that a call must not deny."""

    role: str
    action: str
    pattern: str
    condition: tuple[tuple[str, str], ...] = ()

    @property
    def pair(self) -> tuple[str, str]:
        return self.role, self.action

    def lets(self, need: Need) -> bool:
        """Whether it lets a call do that."""
        met = all(need.context.get(key, value) == value for key, value in self.condition)
        return met and need.action == self.action and _meets(self.pattern, need.resource)


@cache
def grants() -> tuple[Grant, ...]:
    """Everything that the template itself grants to functions; roles are called by the names of their functions."""
    return tuple(grant for name in NAMES for grant in _of(name))


def _of(name: str) -> Iterator[Grant]:
    role = f"{template.logical_id(name)}Role"
    statements = [one for place, one in every_statement().items() if place.startswith(f"template.{role}.")]
    for place, policy in _BESIDES.items():
        if role in template.resources(optional=True)[policy]["Properties"]["Roles"]:
            statements.append(every_statement()[place])
    for statement in statements:
        # A trust policy grants nothing to the role, and what is denied is none of these.
        if statement["Effect"] != "Allow" or "Principal" in statement:
            continue
        operators = statement.get("Condition", {})
        assert set(operators) <= {"StringEqualsIfExists"}, f"teach the tests to read {operators}"
        condition = tuple(sorted(operators.get("StringEqualsIfExists", {}).items()))
        for action in statement["Action"]:
            for pattern in as_list(statement["Resource"]):
                yield Grant(name, action, pattern, condition)


def _meets(pattern: str, resource: str) -> bool:
    return _compiled(pattern).fullmatch(resource) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))))
