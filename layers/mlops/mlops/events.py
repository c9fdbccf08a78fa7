"""The events that the stack puts and reads: one class a kind, with the fields of its detail.

An event says where to look and is no authority: whoever reads one looks up what it tells of.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from mlops import codec
from mlops.codec import SOMETIMES, Json
from mlops.stack import SOURCE
from mlops.stage import StageRef


@dataclass(frozen=True)
class Event:
    """What all kinds have in common."""

    detail_type: ClassVar[str]

    def as_detail(self) -> Json:
        """The event's `detail` as it is put."""
        return codec.object_of(self)

    def as_entry(self, stack_arn: str) -> dict[str, object]:
        """An entry of PutEvents. Other stacks of the account are on the same bus: rules ask for the stack."""
        detail = json.dumps(self.as_detail(), sort_keys=True)
        return {"Source": SOURCE, "DetailType": self.detail_type, "Resources": [stack_arn], "Detail": detail}

    @classmethod
    def of(cls, detail: Json) -> Self:
        """Read a detail of any release of the stack. Raises codec.Unreadable when something is missing."""
        return codec.read(cls, detail)


@dataclass(frozen=True)
class _OfStage(Event):
    """An event about one stage of one run."""

    run_id: str
    dataset: str
    task: str
    stage: str
    environment: str

    @property
    def ref(self) -> StageRef:
        """The stage that the event is about."""
        return StageRef(self.run_id, self.dataset, self.task, self.stage, self.environment)


@dataclass(frozen=True)
class ModelStatusChange(_OfStage):
    """A watched version has another status; `cause` is what its stage was asked for by."""

    detail_type = "Model Status Change"

    version_arn: str
    status: str
    project_arn: str = ""
    version_name: str = ""
    previous_status: str = ""
    cause: str = ""
    message: str = ""


@dataclass(frozen=True)
class PipelineStageCompleted(_OfStage):
    """A stage has ended well; `artifact` is the key of what it leaves, and there are no reasons."""

    detail_type = "Pipeline Stage Completed"

    reasons: tuple[str, ...] = ()
    artifact: str = ""


@dataclass(frozen=True)
class PipelineStageFailed(_OfStage):
    """A stage has failed, for these reasons, of which `artifact` has all."""

    detail_type = "Pipeline Stage Failed"

    reasons: tuple[str, ...] = ()
    artifact: str = ""


@dataclass(frozen=True)
class PipelineStageRetry(_OfStage):
    """A stage is asked for again: for a version, for what an artifact has, or else for the run.

    `is_rollback` is what an earlier release of the stack said instead of naming the decision.
    """

    detail_type = "Pipeline Stage Retry"

    version_arn: str = field(default="", metadata=SOMETIMES)
    artifact_key: str = field(default="", metadata=SOMETIMES)
    decision: str = field(default="", metadata=SOMETIMES)
    is_rollback: bool = field(default=False, metadata=SOMETIMES)

    @classmethod
    def earlier(cls, detail: Json) -> Json:
        """An earlier release of the stack had one field, `artifact`, for whatever it was about."""
        subject = str(detail.get("artifact", ""))
        kinds = {"version_arn": subject.startswith("arn:"), "artifact_key": subject.startswith("runs/")}
        return {**{name: subject for name, is_it in kinds.items() if is_it}, **detail}


@dataclass(frozen=True)
class ModelApprovalDecided(Event):
    """A person let a version into an environment, or not; `approval` names the record of it."""

    detail_type = "Model Approval Decided"

    run_id: str
    dataset: str
    task: str
    environment: str
    approval: str
    decision: str = ""
    approver: str = ""
    comment: str = ""

    def as_detail(self) -> Json:
        """`target` says the same as `environment`: rules of an earlier release, and of other people, ask for it."""
        return {**super().as_detail(), "target": self.environment}

    @classmethod
    def earlier(cls, detail: Json) -> Json:
        """An earlier release of the stack had `target` alone."""
        return {**detail, "environment": detail.get("environment") or detail["target"]}


@dataclass(frozen=True)
class ModelReleased(Event):
    """A version became the current one of an environment."""

    detail_type = "Model Released"

    run_id: str
    dataset: str
    task: str
    environment: str
    version_arn: str
    previous_version_arn: str = ""
    is_running: bool = False


@dataclass(frozen=True)
class ModelRollbackRequested(Event):
    """Somebody wants a run back; `decision` names the record of who, in the table."""

    detail_type = "Model Rollback Requested"

    run_id: str
    dataset: str
    task: str
    environment: str
    decision: str = ""


@dataclass(frozen=True)
class ModelsSwept(Event):
    """Models that nobody might use were stopped."""

    detail_type = "Models Swept"

    version_arns: tuple[str, ...]
    swept_at: str


@dataclass(frozen=True)
class ModelsDeleted(Event):
    """Models of one project that were never released were deleted."""

    detail_type = "Models Deleted"

    version_arns: tuple[str, ...]
    deleted_at: str


@dataclass(frozen=True)
class PartInspected(Event):
    """A new picture has its verdict; the result file has the rest, while no later version of the object has come.

    `version_id` is the version of the object, `digest` the SHA-256 of its bytes, under which its record is found.
    `labels` are the surest that count, of either task, and `min_confidence` by task their operating points.
    `to_review` says that there is a reason to put it before a person.
    """

    detail_type = "Part Inspected"

    dataset: str
    key: str
    verdict: str
    labels: tuple[str, ...] = ()
    version_arns: tuple[str, ...] = ()
    result: str = ""
    version_id: str = ""
    digest: str = ""
    min_confidence: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    to_review: bool = False


@dataclass(frozen=True)
class InspectionDayEnded(Event):
    """A day (UTC, YYYY-MM-DD) on which pictures of a dataset were inspected is over."""

    detail_type = "Inspection Day Ended"

    dataset: str
    day: str


@dataclass(frozen=True)
class InspectionDayReported(Event):
    """The report of such a day is there; `artifact` is its key, `counts` says how many pictures have which verdict."""

    detail_type = "Inspection Day Reported"

    dataset: str
    day: str
    artifact: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ReviewAnswered(Event):
    """A person said what a picture shows; `review` is the SHA-256 of its bytes, the record has the answer."""

    detail_type = "Review Answered"

    dataset: str
    review: str


@dataclass(frozen=True)
class RetrainingRequested(Event):
    """Somebody wants what was answered to become data now, and a run to begin."""

    detail_type = "Retraining Requested"

    dataset: str


@dataclass(frozen=True)
class DriftFound(Event):
    """Inspected pictures do not look like those that trained, or are answered otherwise; the artifact has the rest."""

    detail_type = "Drift Found"

    dataset: str
    measures: tuple[str, ...]
    found_at: str
    artifact: str = ""


@dataclass(frozen=True)
class ServingRefused(Event):
    """Pictures wait, the first of them since a time, and no model is started for them, for these reasons."""

    detail_type = "Serving Refused"

    dataset: str
    reasons: tuple[str, ...]
    waiting: str
    refused_at: str
    since: str = ""


KINDS: Mapping[str, type[Event]] = {
    kind.detail_type: kind
    for kind in (
        *(ModelStatusChange, PipelineStageCompleted, PipelineStageFailed, PipelineStageRetry),
        *(ModelApprovalDecided, ModelReleased, ModelRollbackRequested, ModelsSwept, ModelsDeleted),
        *(InspectionDayEnded, InspectionDayReported),
        *(PartInspected, ServingRefused, ReviewAnswered, RetrainingRequested, DriftFound),
    )
}
