"""The stack as its template has it: what an event comes to, how often it is tried again, what comes regularly."""

import importlib
import json
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from moto.events.models import EventPattern

from tests.infrastructure import template

_SECONDS = {"minute": 60.0, "hour": 3600.0}
NAMES = tuple(sorted(path.parent.name for path in (template.ROOT / "functions").glob("*/app.py")))


@dataclass(frozen=True)
class Function:
    """What the template says of a function, and its handler."""

    name: str
    handler: Callable[[Any, Any], Any]
    timeout: float
    retries: int


@dataclass(frozen=True)
class Queue:
    """What the template says of a queue that a function reads."""

    name: str
    function: str
    visibility: float
    most_receives: int
    batch: int


@cache
def functions() -> dict[str, Function]:
    configs = {c["FunctionName"]: c for c in template.of_type("AWS::Lambda::EventInvokeConfig").values()}
    found = {}
    for name in NAMES:
        logical = template.logical_id(name)
        handler = importlib.import_module(f"functions.{name}.app").handler
        timeout = float(template.functions()[logical]["Timeout"])
        found[name] = Function(name, handler, timeout, int(configs[logical]["MaximumRetryAttempts"]))
    return found


@cache
def queues() -> dict[str, Queue]:
    found = {}
    for mapping in template.of_type("AWS::Lambda::EventSourceMapping").values():
        queue = mapping["EventSourceArn"].removesuffix(".Arn")
        facts = template.of_type("AWS::SQS::Queue")[queue]
        receives = int(facts["RedrivePolicy"]["maxReceiveCount"])
        reader = name_of(mapping["FunctionName"])
        found[queue] = Queue(queue, reader, float(facts["VisibilityTimeout"]), receives, int(mapping["BatchSize"]))
    return found


@cache
def schedules() -> dict[str, float]:
    """Functions that are called regularly, and after how many seconds each time."""
    found = {}
    for schedule in template.of_type("AWS::Scheduler::Schedule").values():
        rate = re.fullmatch(r"rate\((\d+) (minute|hour)s?\)", schedule["ScheduleExpression"])
        assert rate, f"teach the histories when {schedule['ScheduleExpression']} is"
        found[name_of(schedule["Target"]["Arn"].removesuffix(".Arn"))] = int(rate[1]) * _SECONDS[rate[2]]
    return found


@cache
def name_of(logical_id: str) -> str:
    return next(name for name in NAMES if template.logical_id(name) == logical_id)


@cache
def _rules() -> dict[str, list[tuple[EventPattern, list[str]]]]:
    by_kind: dict[str, list[tuple[EventPattern, list[str]]]] = defaultdict(list)
    for rule in template.of_type("AWS::Events::Rule").values():
        targets = [target["Arn"].removesuffix(".Arn") for target in rule["Targets"]]
        for kind in rule["EventPattern"]["detail-type"]:
            by_kind[kind].append((EventPattern.load(json.dumps(rule["EventPattern"])), targets))
    return by_kind


def targets_of(event: dict[str, Any]) -> list[str]:
    """Logical ids of the functions and queues that an event comes to, each as often as rules name it."""
    detail = event["detail"]
    if "object" in detail:
        names = (detail["bucket"]["name"], _alike(detail["object"]["key"]))
    else:
        names = tuple(str(detail.get(n, "-")) for n in ("stage", "status", "environment", "target", "to_review"))
    return _targets(event["detail-type"], names, _Unhashed(event))


def _alike(key: str) -> str:
    """One key for many that no rule tells apart: rules name the first folder, and what a run writes."""
    first, *rest = key.split("/")
    return f"{first}/{'/'.join(rest[1:]) if first == 'runs' else ''}"


class _Unhashed:
    def __init__(self, event: dict[str, Any]) -> None:
        self.event = event

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return True


@lru_cache(maxsize=4096)
def _targets(kind: str, _: tuple[str, ...], whole: _Unhashed) -> list[str]:
    matching = (targets for pattern, targets in _rules().get(kind, ()) if pattern.matches_event(whole.event))
    return [target for targets in matching for target in targets]
