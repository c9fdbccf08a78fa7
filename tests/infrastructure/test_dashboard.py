"""The dashboard shows what there is, and what it shows is really told."""

import json
import re
from itertools import combinations

import pytest

from mlops.aws import telemetry
from tests.infrastructure.template import functions, of_type, resources

(DASHBOARD,) = of_type("AWS::CloudWatch::Dashboard").values()
WIDGETS = json.loads(DASHBOARD["DashboardBody"])["widgets"]
TITLES = [widget["properties"]["title"] for widget in WIDGETS]
METRICS = [metric for w in WIDGETS for metric in w["properties"].get("metrics", ()) if isinstance(metric[0], str)]
SEARCHES = [
    metric[0]["expression"]
    for w in WIDGETS
    for metric in w["properties"].get("metrics", ())
    if isinstance(metric[0], dict) and "SEARCH" in metric[0]["expression"]
]


def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The dimensions of every metric that the package tells, by its name."""
    monkeypatch.setenv("STACK_ID", "arn:aws:cloudformation:eu-west-1:111122223333:stack/parts/1")
    stage = dict.fromkeys(("run_id", "dataset", "task", "stage", "environment"), "x")
    telemetry.stage_ended(stage, "COMPLETED", 1.0, [])
    telemetry.run_cost("x", "training", 1.0)
    telemetry.inspection_cost("x", 1.0)
    telemetry.models_running("staging", 1)
    telemetry.models_stopped([])
    telemetry.subscriptions(0)
    telemetry.drifted("x", {}, 0)
    telemetry.part_inspected("x", "x", "ok")
    telemetry.in_production("x", {"escapes": (0.1, 0.05, 0.2)})
    telemetry.oldest_picture(0)
    directives = [json.loads(line)["_aws"]["CloudWatchMetrics"][0] for line in capsys.readouterr().out.splitlines()]
    assert {directive["Namespace"] for directive in directives} == {"rekognition-mlops"}
    return {d["Metrics"][0]["Name"]: set(d["Dimensions"][0]) for d in directives}


def test_every_metric_of_our_own_is_one_that_is_told_with_these_dimensions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = told(capsys, monkeypatch)
    own = [metric for metric in METRICS if metric[0] == "rekognition-mlops"]
    alarms = [a for a in of_type("AWS::CloudWatch::Alarm").values() if a["Namespace"] == "rekognition-mlops"]

    assert own and alarms
    for _, name, *rest in own:
        assert {word for word in rest[::2] if isinstance(word, str)} == known[name]
    for alarm in alarms:
        assert {dimension["Name"] for dimension in alarm["Dimensions"]} == known[alarm["MetricName"]]


@pytest.mark.parametrize("search", SEARCHES)
def test_every_search_names_a_metric_that_is_told_with_all_its_dimensions(
    search: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = re.search(r"\{(.+?)\}", search)
    name = re.search('MetricName="(.+?)"', search)

    assert schema and name
    namespace, *dimensions = schema[1].split(",")
    assert namespace == '"rekognition-mlops"'
    assert set(dimensions) == told(capsys, monkeypatch)[name[1]]


def test_what_is_true_in_production_is_shown() -> None:
    assert any('MetricName="ProductionRate"' in search for search in SEARCHES)


def test_every_queue_is_shown_by_its_age_or_as_dead_letters() -> None:
    shown = {(metric[1], metric[3].removesuffix(".QueueName")) for metric in METRICS if metric[0] == "AWS/SQS"}
    work = {name for name, queue in of_type("AWS::SQS::Queue").items() if "RedrivePolicy" in queue}
    dead = set(of_type("AWS::SQS::Queue")) - work

    assert shown == {("ApproximateAgeOfOldestMessage", queue) for queue in work} | {
        ("ApproximateNumberOfMessagesVisible", queue) for queue in dead
    }


@pytest.mark.parametrize("name", ["Errors", "Duration"])
def test_every_function_is_shown(name: str) -> None:
    shown = {metric[3] for metric in METRICS if metric[:2] == ["AWS/Lambda", name]}

    assert shown == set(functions())


def test_every_alarm_is_shown() -> None:
    (widget,) = [w for w in WIDGETS if w["type"] == "alarm"]

    assert {arn.removesuffix(".Arn") for arn in widget["properties"]["alarms"]} == set(
        of_type("AWS::CloudWatch::Alarm")
    )


def test_failures_are_looked_for_in_the_log_of_every_function() -> None:
    (widget,) = [w for w in WIDGETS if w["type"] == "log"]
    searched = set(re.findall("SOURCE '(.+?)'", widget["properties"]["query"]))
    groups = {resources()[f["LoggingConfig"]["LogGroup"]]["Properties"]["LogGroupName"] for f in functions().values()}

    assert searched == groups


def test_no_widget_covers_another() -> None:
    for a, b in combinations(WIDGETS, 2):
        beside = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
        assert beside or a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"], (a, b)


@pytest.mark.parametrize("widget", WIDGETS, ids=TITLES)
def test_a_widget_stays_within_the_24_columns(widget: dict[str, int]) -> None:
    assert widget["x"] + widget["width"] <= 24
