"""Reading runs: which stage is where, since when, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cli.items import plain, query

STAGES = (
    ("ground_truth", "development"),
    ("data_prepare", "development"),
    ("training", "development"),
    ("eval_metric", "development"),
    ("inference_test", "development"),
    ("approve2staging", "staging"),
    ("inference_test", "staging"),
    ("approve2production", "production"),
    ("inference_test", "production"),
)


@dataclass(frozen=True)
class Stage:
    """One stage of a run. `state` is IN_PROGRESS, WAITING, COMPLETED or FAILED.

    `inference_seconds` is how long a model was asked, `pictures_seconds` how long pictures were read and drawn.
    """

    stage: str
    environment: str
    state: str
    started_at: datetime
    finished_at: datetime | None = None
    reasons: tuple[str, ...] = ()
    waiting_for: str = ""
    inference_seconds: float = 0.0
    pictures_seconds: float = 0.0

    @property
    def why(self) -> str:
        """The reasons, each on a line of its own, or what the stage waits for."""
        return "\n".join(self.reasons) or self.waiting_for

    @property
    def name(self) -> str:
        return f"{self.stage} ({self.environment})"

    def seconds(self, now: datetime) -> float:
        """How long the stage took, or has taken until `now`."""
        return ((self.finished_at or now) - self.started_at).total_seconds()


@dataclass(frozen=True)
class Run:
    """One run with the stages it has begun, in the order of the pipeline."""

    run_id: str
    dataset: str
    task: str
    created_at: datetime
    stages: tuple[Stage, ...]

    @property
    def failure(self) -> Stage | None:
        return next((stage for stage in self.stages if stage.state == "FAILED"), None)

    @property
    def is_complete(self) -> bool:
        completed = {(stage.stage, stage.environment) for stage in self.stages if stage.state == "COMPLETED"}
        return completed.issuperset(STAGES)


class RunTable:
    """The application's table, as far as it tells about runs."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb, self._table = dynamodb, table

    def runs_of(self, dataset: str) -> list[Run]:
        """All runs of a dataset, oldest first."""
        rows = query(self._dynamodb, self._table, f"DATASET#{dataset}", "dataset_key", IndexName="runs-of-dataset")
        return [run for row in rows if (run := self.read(row["run_id"]))]

    def read(self, run_id: str) -> Run | None:
        """One run, None when it does not exist (yet)."""
        items = query(self._dynamodb, self._table, f"RUN#{run_id}", ConsistentRead=True)
        rows = {row["sk"]: row for row in items}
        if "RUN" not in rows:
            return None
        run, stages = rows["RUN"], [_stage(row) for sk, row in rows.items() if sk.startswith("STAGE#")]
        return Run(
            run_id=run_id,
            dataset=run["dataset"],
            task=run["task"],
            created_at=_time(run["created_at"]),
            stages=tuple(sorted(stages, key=_place)),
        )

    def released(self, dataset: str, task: str, environment: str) -> str | None:
        """The run whose version is the current one of an environment."""
        row = self._current(dataset, task, environment)
        return str(row["run_id"]) if row else None

    def released_at(self, dataset: str, task: str, environment: str) -> datetime | None:
        """When the current release of an environment was made."""
        row = self._current(dataset, task, environment)
        return _time(row["released_at"]) if row else None

    def _current(self, dataset: str, task: str, environment: str) -> dict[str, Any] | None:
        key = {"pk": {"S": f"RELEASE#{dataset}#{task}#{environment}"}, "sk": {"S": "CURRENT"}}
        item = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return plain(item) if item else None


def _stage(row: Mapping[str, Any]) -> Stage:
    return Stage(
        stage=row["stage"],
        environment=row["environment"],
        state=row["state"],
        started_at=_time(row["started_at"]),
        finished_at=_time(row["finished_at"]) if row.get("finished_at") else None,
        reasons=tuple(row.get("reasons") or ()),
        waiting_for=row.get("waiting_for") or "",
        inference_seconds=float(row.get("inference_seconds", 0)),
        pictures_seconds=float(row.get("pictures_seconds", 0)),
    )


def _place(stage: Stage) -> tuple[int, datetime]:
    known = (stage.stage, stage.environment) in STAGES
    return (STAGES.index((stage.stage, stage.environment)) if known else len(STAGES), stage.started_at)


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
