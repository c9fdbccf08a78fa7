"""Models that stay running: which, and how many may.

In every account one slot for running models stays free for tests, whatever is kept. So a test can always start in the
end, and every test ends: nothing waits for something that waits for it.
"""

from typing import Any

from boto3.dynamodb.conditions import Attr

from mlops import arns, stack
from mlops.records import table
from mlops.stage import StageRef

_KEY = ("KEPT", "MODELS")


def keep(ref: StageRef, version_arn: str) -> bool:
    """Keep a version running in place of the one kept for the same dataset, task and environment, if there is room."""
    room = int(stack.setting("RUNNING_MODELS")) - 1
    while True:
        row = _row()
        models = {**row["models"], slot(ref): version_arn}
        account = arns.account_of(version_arn)
        if sum(arns.account_of(arn) == account for arn in models.values()) > room:
            return False
        if _replace(row, models):
            return True


def drop(ref: StageRef) -> None:
    """Keep nothing running for a dataset, task and environment."""
    while slot(ref) in (row := _row())["models"]:
        if _replace(row, {name: arn for name, arn in row["models"].items() if name != slot(ref)}):
            return


def drop_all() -> None:
    """Keep nothing running."""
    while (row := _row())["models"]:
        if _replace(row, {}):
            return


def kept() -> set[str]:
    """ARNs of all versions that are to run."""
    return set(_row()["models"].values())


def slot(ref: StageRef) -> str:
    return f"{ref.dataset}#{ref.task}#{ref.environment}"


def _row() -> dict[str, Any]:
    return table.get(*_KEY) or {"models": {}, "revision": 0}


def _replace(row: dict[str, Any], models: dict[str, str]) -> bool:
    unchanged = Attr("revision").eq(row["revision"]) if row["revision"] else Attr("pk").not_exists()
    item = {"pk": _KEY[0], "sk": _KEY[1], "models": models, "revision": int(row["revision"]) + 1}
    return table.put(item, unchanged)
