"""What is released where: one current version for each dataset, task and environment, and an append-only history."""

import json
from collections.abc import Mapping
from typing import Any

from boto3.dynamodb.conditions import Attr

from mlops import stack
from mlops.aws import buckets, clients
from mlops.dataset.keys import run_key
from mlops.records import table
from mlops.stage import StageRef

CURRENT = "CURRENT"


def partition(dataset: str, task: str, environment: str) -> str:
    return f"RELEASE#{dataset}#{task}#{environment}"


def current(dataset: str, task: str, environment: str) -> dict[str, Any] | None:
    """The release that is in force, None before the first one."""
    return table.get(partition(dataset, task, environment), CURRENT)


def answers_in(environment: str, ref: StageRef) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The release that is in force in an environment, and what its version answered in its last test there."""
    release = current(ref.dataset, ref.task, environment)
    if release is None:
        return None, []
    text = buckets.artifacts_bucket().read_if_exists(run_key(release["run_id"], f"{environment}/inference_test.json"))
    return release, json.loads(text)["answers"] if text else []


def record(ref: StageRef, result: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Write a release into the history, once for each test, and make it current unless a later test has been released.

    Returns the entry as it stands in the history.
    """
    pk = partition(ref.dataset, ref.task, ref.environment)
    sk = f"HISTORY#{result['tested_at']}#{result['lease_id']}"
    before = table.get(pk, CURRENT) or {}
    facts = {**ref.as_detail(), "tested_at": result["tested_at"], "lease_id": result["lease_id"]}
    item = {**facts, "previous_version_arn": before.get("version_arn", ""), **entry}
    if not table.put({"pk": pk, "sk": sk, **item}, Attr("pk").not_exists()):
        item = table.get(pk, sk) or item
    names = {name: value for name, value in item.items() if name not in ("pk", "sk")}
    later = Attr("tested_at").not_exists() | Attr("tested_at").lte(result["tested_at"])
    table.put({"pk": pk, "sk": CURRENT, **names}, later)
    return {**names, "pk": pk, "sk": sk}


def history(dataset: str, task: str) -> list[dict[str, Any]]:
    """Every release of a dataset's task in staging and production, newest first."""
    places = [partition(dataset, task, environment) for environment in ("staging", "production")]
    rows = [row for place in places for row in table.query(place, "HISTORY#")]
    return sorted(rows, key=lambda row: str(row["released_at"]), reverse=True)


def was_released(ref: StageRef) -> dict[str, Any] | None:
    """The last time a run was released in an environment, None when it never was."""
    rows = table.query(partition(ref.dataset, ref.task, ref.environment), "HISTORY#")
    return max((row for row in rows if row["run_id"] == ref.run_id), key=lambda row: row["sk"], default=None)


def parameter(dataset: str, task: str, environment: str) -> str:
    """The name of the SSM parameter that says which version is current."""
    return f"{stack.setting('PARAMETER_PREFIX')}/{dataset}/{task}/{environment}"


def publish(entry: Mapping[str, Any], is_running: bool) -> None:
    """Let consumers read the current version: an SSM parameter that holds JSON, in the environment's own account."""
    names = ("version_arn", "run_id", "released_at")
    value = {**{name: entry[name] for name in names}, "is_running": is_running}
    clients.client_in(entry["environment"], "ssm").put_parameter(
        Name=parameter(entry["dataset"], entry["task"], entry["environment"]),
        Description="The current version of a Rekognition Custom Labels model",
        Value=json.dumps(value, sort_keys=True),
        Type="String",
        Overwrite=True,
    )
