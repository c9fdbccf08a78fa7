"""What the dashboard and the alarms look at: metrics in CloudWatch's embedded format, each a line of the log.

Every combination of values of the dimensions is a metric of its own, and billed so. Only what has few values is one;
which run it was is a field of the line, for CloudWatch Logs Insights.
"""

from collections.abc import Mapping, Sequence

from mlops import stack


def stage_ended(stage: Mapping[str, str], outcome: str, seconds: float, reasons: Sequence[str]) -> None:
    """A stage of a run took so long; its sample count is how many ended so. A line holds 256 kB: see `words.within`."""
    dimensions = {"Environment": stage["environment"], "Stage": stage["stage"], "Outcome": outcome}
    fields = {name: stage[name] for name in ("run_id", "dataset", "task")}
    _put("StageSeconds", "Seconds", seconds, dimensions, {**fields, "reasons": list(reasons)})


def run_cost(run_id: str, kind: str, usd: float) -> None:
    """A training or a test of a run cost so many US dollars, as estimated."""
    _put("CostUSD", "None", usd, {"Kind": kind}, {"run_id": run_id})


def models_running(environment: str, count: int) -> None:
    """So many models run in an environment."""
    _put("ModelsRunning", "Count", count, {"Environment": environment}, {})


def models_stopped(version_arns: Sequence[str]) -> None:
    """The sweeper had to stop these."""
    _put("ModelsStopped", "Count", len(version_arns), {}, {"version_arns": list(version_arns)})


def part_inspected(dataset: str, key: str, verdict: str) -> None:
    """A new picture has its verdict."""
    _put("PartsInspected", "Count", 1, {"Verdict": verdict}, {"dataset": dataset, "key": key})


def inspection_cost(dataset: str, usd: float) -> None:
    """Models ran for new pictures, which cost so many US dollars since it was last told."""
    _put("CostUSD", "None", usd, {"Kind": "inspection"}, {"dataset": dataset})


def drifted(dataset: str, measures: Mapping[str, float], count: int) -> None:
    """So many measures of the last inspected pictures of a dataset have drifted, of all these, with their indices."""
    _put("DriftedMeasures", "Count", count, {}, {"dataset": dataset, "measures": dict(measures)})


def in_production(dataset: str, rates: Mapping[str, tuple[float, float, float]]) -> None:
    """What is true in production of a dataset: every rate with both ends of its interval, all of 100."""
    for name, bounds in rates.items():
        for rate, share in zip((name, f"{name}, at least", f"{name}, at most"), bounds, strict=True):
            _put("ProductionRate", "Percent", 100 * share, {"Dataset": dataset, "Rate": rate}, {})


def oldest_picture(seconds: float) -> None:
    """The new picture that has waited longest for a model came so long ago."""
    _put("OldestPictureSeconds", "Seconds", seconds, {}, {})


def subscriptions(count: int) -> None:
    """So many addresses have confirmed that they want the mails."""
    _put("Subscriptions", "Count", count, {}, {})


def _put(name: str, unit: str, value: float, dimensions: Mapping[str, str], fields: Mapping[str, object]) -> None:
    # Not for everybody who imports this room: the command line has no Powertools, and measures nothing.
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    given = {"Stack": stack.here().name, **dimensions}
    with single_metric(name, MetricUnit(unit), value, namespace=stack.SOURCE, default_dimensions=given) as metric:
        for field, content in fields.items():
            metric.add_metadata(field, content)
