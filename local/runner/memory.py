"""How much memory each function used, from the REPORT lines of its log."""

import re
from dataclasses import dataclass
from typing import Any

REPORT = re.compile(r"^REPORT RequestId:.*Memory Size: (\d+) MB\s+Max Memory Used: (\d+) MB")
GROUP_PREFIX = "/aws/lambda/"


@dataclass(frozen=True)
class FunctionMemory:
    """The largest use of memory by one function, and its limit, in MB."""

    function: str
    used: int
    limit: int


def memory_by_function(logs: Any) -> list[FunctionMemory]:
    """One entry for each function that ran, sorted by name."""
    groups = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=GROUP_PREFIX)
    names = sorted(group["logGroupName"] for page in groups for group in page["logGroups"])
    found = [_peak(logs, name) for name in names]
    return [memory for memory in found if memory]


def _peak(logs: Any, group: str) -> FunctionMemory | None:
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern="REPORT")
    reports = [REPORT.match(event["message"]) for page in pages for event in page["events"]]
    sizes = [(int(report[2]), int(report[1])) for report in reports if report]
    if not sizes:
        return None
    used, limit = max(sizes)
    return FunctionMemory(group.removeprefix(GROUP_PREFIX), used, limit)
