"""The command line of a stack, on fakes of what it asks."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from cli.models import delete_models
from cli.stack import CommandRefused, Stack
from mlops.records import releases
from tests.unit.mlops.memory_table import MemoryTable


def entry(number: int, run_id: str, **changes: Any) -> dict[str, Any]:
    plain = {"version_arn": f"arn-{run_id}", "approver": "Ada", "comment": "", "is_rollback": False}
    times = {"released_at": f"2026-01-0{number}", "lease_id": f"lease-{number}"}
    key = {"pk": "RELEASE#line#classification#production", "sk": f"HISTORY#2026-01-0{number}#lease-{number}"}
    return {**key, "run_id": run_id, **plain, **times, **changes}


def stack(rows: list[dict[str, Any]], events: list[dict[str, Any]] | None = None) -> Stack:
    table = MemoryTable()
    for row in rows:
        table.put_item(row)
    outputs = [{"OutputKey": "ApplicationTableName", "OutputValue": "t"}]
    described = {"Stacks": [{"StackId": "arn:stack", "Outputs": outputs}]}

    def put(Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        (events if events is not None else []).extend(Entries)
        return {"FailedEntryCount": 0}

    clients = {
        "cloudformation": SimpleNamespace(describe_stacks=lambda StackName: described),  # noqa: N803
        "events": SimpleNamespace(put_events=put),
    }
    database = SimpleNamespace(Table={"t": table}.__getitem__)
    return Stack("parts", SimpleNamespace(client=clients.__getitem__, resource={"dynamodb": database}.__getitem__))


THREE = [entry(1, "a"), entry(2, "b"), entry(3, "c"), {**entry(3, "c"), "sk": "CURRENT"}]
PLACE = ("line", "classification", "production")


def test_releases_are_listed_newest_first_with_the_current_one_marked() -> None:
    given = stack(THREE)
    listed, current = releases.history(*PLACE, given.table), given.current(*PLACE)

    assert [(release.run_id, release == current) for release in listed] == [("c", True), ("b", False), ("a", False)]


@pytest.mark.parametrize(("asked", "meant"), [(None, "b"), ("a", "a")])
def test_rollback_asks_for_the_release_before_unless_told_otherwise(asked: str | None, meant: str) -> None:
    events: list[dict[str, Any]] = []

    given = stack(THREE, events)

    assert given.roll_back(*PLACE, asked, "Ada", "why") == meant
    (record,) = given.table.query(f"RUN#{meant}")
    assert {name: record[name] for name in ("pk", "approver", "comment", "environment", "is_rollback")} == {
        "pk": f"RUN#{meant}",
        "approver": "Ada",
        "comment": "why",
        "environment": "production",
        "is_rollback": True,
    }
    assert events[0]["DetailType"] == "Model Rollback Requested"
    assert events[0]["Resources"] == ["arn:stack"]
    assert json.loads(events[0]["Detail"]) == {
        "run_id": meant,
        "dataset": "line",
        "task": "classification",
        "environment": "production",
        "decision": record["sk"],
    }


def test_there_is_no_way_back_from_the_first_release() -> None:
    with pytest.raises(CommandRefused, match="nothing else was ever released"):
        stack([entry(1, "a"), {**entry(1, "a"), "sk": "CURRENT"}]).roll_back(*PLACE, None, "Ada", "")


def test_a_run_that_was_never_released_is_refused_with_those_that_were() -> None:
    with pytest.raises(CommandRefused, match="x is not an earlier release; these are: b, a"):
        stack(THREE).roll_back(*PLACE, "x", "Ada", "")


def test_models_are_stopped_then_deleted_then_their_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.models.POLL_SECONDS", 0)
    status = {"arn:p/parts-x/version/v1/1": "RUNNING", "arn:p/parts-x/version/v2/1": "STOPPED"}
    deleted: list[str] = []

    def stop(ProjectVersionArn: str) -> None:  # noqa: N803
        status[ProjectVersionArn] = "STOPPED"

    def described(**_: Any) -> list[dict[str, Any]]:
        return [{"ProjectVersionDescriptions": [{"ProjectVersionArn": a, "Status": s} for a, s in status.items()]}]

    rekognition = SimpleNamespace(
        describe_projects=lambda ProjectNames: {"ProjectDescriptions": [{"ProjectArn": "arn:p/parts-x/1"}]},  # noqa: N803
        get_paginator=lambda _: SimpleNamespace(paginate=described),
        stop_project_version=stop,
        delete_project_version=lambda **version: status.pop(version["ProjectVersionArn"]),
        delete_project=lambda **project: deleted.append(project["ProjectArn"]),
    )
    said: list[str] = []
    delete_models(Stack("parts", SimpleNamespace(client=lambda _: rekognition)), said.append)

    assert status == {}
    assert deleted == ["arn:p/parts-x/1"]
    assert said == ["stopping v1", "deleting v2", "deleting v1", "deleted parts-x"]
