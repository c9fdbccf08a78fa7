"""The report of a run: one HTML file beside its artifacts that says how the run stands, and why, with its pictures."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from mlops import stack
from mlops.aws import buckets
from mlops.dataset.keys import run_key
from mlops.reading import evidence
from mlops.reading.mails import next_step
from mlops.reading.rendering import encoded
from mlops.records import releases, runs, table
from mlops.stage import ENVIRONMENTS

FILE = "report.html"


def write(run_id: str) -> None:
    """Write runs/<run_id>/report.html from all that is known now.

    Events of one run come at the same time and in any order: as long as the run has moved on while its report was
    written, it is written again. Raises LookupError when there is no such run.
    """
    while True:
        stages = evidence.stages_of(run_id)
        buckets.artifacts_bucket().write(run_key(run_id, FILE), _page(run_id, stages), "text/html; charset=utf-8")
        if evidence.stages_of(run_id) == stages:
            return


def _page(run_id: str, stages: Sequence[Mapping[str, Any]]) -> bytes:
    run = table.get(f"RUN#{run_id}", "RUN")
    if run is None:
        raise LookupError(f"there is no run {run_id} in the table")
    known = evidence.load(run_id, _tested_last(stages))
    decisive = evidence.outcome_of(stages)
    is_failed = bool(decisive and decisive["state"] == runs.FAILED)
    environment = str(decisive["environment"]) if decisive else ENVIRONMENTS[0]
    history = releases.history(run["dataset"], run["task"])
    released_in = {entry["environment"] for entry in history if entry["run_id"] == run_id}
    return encoded(
        "report.html",
        run_id=run_id,
        dataset=run["dataset"],
        task=run["task"],
        written_at=runs.now(),
        headline=headline_of(decisive, released_in),
        reasons=decisive["reasons"] if decisive and is_failed else [],
        next_step=next_step(str(decisive["stage"])) if decisive else "",
        stages=[{**stage, "took": _took(stage)} for stage in stages],
        pictures=evidence.embedded(known),
        lineage=evidence.lineage_of(known),
        releases=history[: evidence.MOST_SHOWN_RELEASES],
        earlier_releases=len(history[evidence.MOST_SHOWN_RELEASES :]),
        target=environment,
        stays_running=stack.is_wanted(environment) and not is_failed,
        **known,
    )


def headline_of(stage: Mapping[str, Any] | None, released_in: Collection[str] = ()) -> str:
    """How a run stands, in a few words, from the stage that says so and from where the run was released."""
    if stage is None:
        return "Nothing has begun"
    name, environment = stage["stage"], stage["environment"]
    match stage["state"]:
        case runs.FAILED:
            return f"Failed: {name} in {environment}"
        case runs.COMPLETED:
            return f"Released to {environment}" if environment in released_in else f"Passed: {name} in {environment}"
        case runs.WAITING:
            return f"{name} waits for {stage.get('waiting_for', 'its turn')}"
        case _:
            return f"Under way: {name} in {environment}"


def _tested_last(stages: Sequence[Mapping[str, Any]]) -> str:
    tested = [stage["environment"] for stage in stages if stage["stage"] == "inference_test" and stage.get("artifact")]
    return str(max(tested, key=ENVIRONMENTS.index, default=ENVIRONMENTS[0]))


def _took(stage: Mapping[str, Any]) -> str:
    if "finished_at" not in stage:
        return ""
    spent = datetime.fromisoformat(stage["finished_at"]) - datetime.fromisoformat(stage["started_at"])
    seconds = spent.total_seconds()
    if seconds < 1:
        return "less than 1 s" if seconds > 0 else "0 s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
