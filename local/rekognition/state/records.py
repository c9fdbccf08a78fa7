"""What the service remembers: projects and their versions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from local.rekognition.use_case import UseCase


class ProjectStatus(StrEnum):
    """The states of a project that this service passes through."""

    CREATED = "CREATED"
    DELETING = "DELETING"


class VersionStatus(StrEnum):
    """The states of a project version."""

    TRAINING_IN_PROGRESS = "TRAINING_IN_PROGRESS"
    TRAINING_COMPLETED = "TRAINING_COMPLETED"
    TRAINING_FAILED = "TRAINING_FAILED"
    COPYING_IN_PROGRESS = "COPYING_IN_PROGRESS"
    COPYING_COMPLETED = "COPYING_COMPLETED"
    COPYING_FAILED = "COPYING_FAILED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    FAILED = "FAILED"
    DELETING = "DELETING"


class DatasetStatus(StrEnum):
    """The states of a dataset."""

    CREATE_IN_PROGRESS = "CREATE_IN_PROGRESS"
    CREATE_COMPLETE = "CREATE_COMPLETE"
    CREATE_FAILED = "CREATE_FAILED"
    UPDATE_IN_PROGRESS = "UPDATE_IN_PROGRESS"
    UPDATE_COMPLETE = "UPDATE_COMPLETE"
    UPDATE_FAILED = "UPDATE_FAILED"
    DELETE_IN_PROGRESS = "DELETE_IN_PROGRESS"


DATASET_BUSY = frozenset(
    {DatasetStatus.CREATE_IN_PROGRESS, DatasetStatus.UPDATE_IN_PROGRESS, DatasetStatus.DELETE_IN_PROGRESS}
)
STARTABLE = frozenset(
    {VersionStatus.TRAINING_COMPLETED, VersionStatus.COPYING_COMPLETED, VersionStatus.STOPPED, VersionStatus.FAILED}
)
DELETABLE = STARTABLE | {VersionStatus.TRAINING_FAILED, VersionStatus.COPYING_FAILED}
TRAINED = STARTABLE | {VersionStatus.STARTING, VersionStatus.RUNNING, VersionStatus.STOPPING}
TAKING_A_MODEL_SLOT = frozenset({VersionStatus.STARTING, VersionStatus.RUNNING, VersionStatus.STOPPING})


@dataclass(frozen=True)
class Project:
    """A project; `created_ms` is epoch milliseconds and unique in the whole service.

    `policies` are its project policies by name: `document`, `revision`, `created_ms` and `updated_ms` of each.
    """

    arn: str
    name: str
    created_ms: int
    status: ProjectStatus = ProjectStatus.CREATED
    tags: Mapping[str, str] = field(default_factory=dict)
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class ProjectVersion:
    """A trained, copied or failed model.

    `training_input` and `testing_input` are the request's TrainingData and TestingData. `outputs` maps the kind of
    each object written (`EvaluationResultSummary`, ...) to its key in `output_bucket`. `thresholds` are the assumed
    thresholds, 0 to 1 by label. `use_case` is the kind of the model, once it is trained.
    """

    arn: str
    project_arn: str
    project_name: str
    name: str
    created_ms: int
    status: VersionStatus
    output_bucket: str
    output_prefix: str = ""
    status_message: str = ""
    training_input: Mapping[str, Any] = field(default_factory=dict)
    testing_input: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    use_case: str = UseCase.IMAGE_LEVEL_LABELS
    f1_score: float | None = None
    status_since_ms: int | None = None
    training_ended_ms: int | None = None
    billable_seconds: int | None = None
    min_units: int | None = None
    max_units: int | None = None
    kms_key_id: str | None = None
    description: str | None = None
    source_version_arn: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetRecord:
    """A dataset of a project; its entries are kept apart, by `created_ms`. `kind` is TRAIN or TEST."""

    arn: str
    project_arn: str
    kind: str
    created_ms: int
    status: DatasetStatus
    updated_ms: int
    status_message: str = ""
    status_code: str = "SUCCESS"
    tags: Mapping[str, str] = field(default_factory=dict)
