"""Reports, each one HTML file. Of a run beside its artifacts: how the run stands, and why, with its pictures. Of a day
beside its answers: what the new pictures were judged to be."""

from collections.abc import Collection, Sequence

from mlops import stack
from mlops.aws import buckets, messages
from mlops.dataset.keys import day_key, run_key
from mlops.events import InspectionDayReported
from mlops.judging.verdicts import DEFECT
from mlops.reading import days, evidence, production
from mlops.reading.mails import next_step
from mlops.reading.rendering import encoded
from mlops.records import inspections, releases, runs
from mlops.records.runs import Stage
from mlops.stage import ENVIRONMENTS
from mlops.words import counted

FILE = "report.html"


def write(run_id: str) -> None:
    """Write runs/<run_id>/report.html from all that is known now.

    Events of one run come at the same time and in any order: as long as the run has moved on while its report was
    written, it is written again. Raises LookupError when there is no such run.
    """
    while True:
        # Read before the page is written: what comes meanwhile differs from it afterwards.
        stages = runs.stages_of(run_id)
        buckets.artifacts_bucket().write(run_key(run_id, FILE), _page(run_id, stages))
        if runs.stages_of(run_id) == stages:
            return


def write_day(dataset: str, day: str) -> None:
    """Write results/<dataset>/<day>.html from the inspections of a day (UTC), and tell of it; nothing without any."""
    known = days.summed_up(inspections.of_day(dataset, day))
    if not known.pictures:
        return
    pictures, key = days.pictures_of(known), day_key(dataset, day, ".html")
    page = encoded(
        "day.html",
        dataset=dataset,
        day=day,
        headline=f"{known.counts[DEFECT]} of {counted(known.pictures, 'picture')} called defective",
        known=known,
        pictures=pictures,
        others=days.named(known, pictures),
        most_named=days.MOST_NAMED,
        bucket=stack.here().artifacts_bucket,
        production=production.of(dataset).lines(),
    )
    buckets.artifacts_bucket().write(key, page)
    messages.put_event(InspectionDayReported(dataset, day, key, known.counts))


def _page(run_id: str, stages: Sequence[Stage]) -> bytes:
    run = runs.find(run_id)
    if run is None:
        raise LookupError(f"there is no run {run_id} in the table")
    known = evidence.load(run_id, _tested_last(stages))
    decisive = evidence.outcome_of(stages)
    is_failed = bool(decisive and decisive.state == runs.FAILED)
    environment = decisive.environment if decisive else ENVIRONMENTS[0]
    history = releases.history(run.dataset, run.task)
    released_in = {release.environment for release in history if release.run_id == run_id}
    return encoded(
        "report.html",
        run_id=run_id,
        dataset=run.dataset,
        task=run.task,
        written_at=runs.now(),
        headline=headline_of(decisive, released_in),
        reasons=decisive.reasons if decisive and is_failed else [],
        next_step=next_step(decisive.stage) if decisive else "",
        stages=[(stage, _took(stage)) for stage in stages],
        pictures=evidence.embedded(known),
        lineage=evidence.lineage_of(known),
        releases=history[: evidence.MOST_SHOWN_RELEASES],
        earlier_releases=len(history[evidence.MOST_SHOWN_RELEASES :]),
        target=environment,
        stays_running=stack.here().is_wanted(environment) and not is_failed,
        **known.by_name(),
    )


def headline_of(stage: Stage | None, released_in: Collection[str] = ()) -> str:
    """How a run stands, in a few words, from the stage that says so and from where the run was released."""
    if stage is None:
        return "Nothing has begun"
    name, environment = stage.stage, stage.environment
    match stage.state:
        case runs.FAILED:
            return f"Failed: {name} in {environment}"
        case runs.COMPLETED:
            return f"Released to {environment}" if environment in released_in else f"Passed: {name} in {environment}"
        case runs.WAITING:
            return f"{name} waits for {stage.waiting_for or 'its turn'}"
        case _:
            return f"Under way: {name} in {environment}"


def _tested_last(stages: Sequence[Stage]) -> str:
    tested = [stage.environment for stage in stages if stage.stage == "inference_test" and stage.artifact]
    return max(tested, key=ENVIRONMENTS.index, default=ENVIRONMENTS[0])


def _took(stage: Stage) -> str:
    if not stage.finished_at:
        return ""
    seconds = stage.seconds(stage.finished_at)
    if seconds < 1:
        return "less than 1 s" if seconds > 0 else "0 s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
