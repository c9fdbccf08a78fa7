"""How one instance of the service is configured."""

from dataclasses import dataclass
from pathlib import Path

from local.rekognition.access.faults import Fault
from local.rekognition.access.signatures import Keyring


@dataclass(frozen=True)
class Quotas:
    """What one account may use in one region; the defaults are those of a new AWS account."""

    trainings: int = 2
    running_models: int = 2
    inference_units: int = 5
    projects: int = 100
    versions_per_project: int = 100


@dataclass(frozen=True)
class Settings:
    """Everything the command line decides.

    `transition_seconds` is the least time any passing state lasts, so that a client polling faster than that
    sees every state, and `training_seconds` that of a training. `engine` is the dotted name of the module that trains
    and predicts. With a `keyring` signatures are verified. `control_plane_tps` bounds the calls a second of each
    operation but DetectCustomLabels, in each account and region. `faults` are errors to answer with. With
    `splits_training_dataset` a project without a testing dataset is trained on four fifths of the other one. With
    `stops_while_starting` a version can be stopped before it runs. To the pipe `changes` the ARN of every version is
    written whose status has changed by itself.
    """

    state_dir: Path
    account: str = "000000000000"
    s3_endpoint: str | None = None
    transition_seconds: float = 0.3
    training_seconds: float = 0.0
    tps_per_unit: float = 5.0
    quotas: Quotas = Quotas()
    engine: str = "local.rekognition.engine"
    row_normalized_confusion: bool = False
    nested_aggregates: bool = False
    keyring: Keyring | None = None
    control_plane_tps: float | None = None
    faults: tuple[Fault, ...] = ()
    splits_training_dataset: bool = False
    stops_while_starting: bool = False
    changes: Path | None = None
