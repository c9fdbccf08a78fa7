"""The documents of a run: each is one dataclass, written by its stage and read by everybody else through here.

Earlier releases of the stack wrote fewer fields; what they did not write has its default (`mlops.codec`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from mlops import codec
from mlops.aws import buckets
from mlops.codec import INLINE, SOMETIMES, Json
from mlops.dataset.dataset_json import DatasetSettings
from mlops.dataset.keys import run_key
from mlops.dataset.splits import Split
from mlops.dataset.tiles import WHOLE, Tiling
from mlops.judging.comparison import Comparison
from mlops.judging.evaluation import Evaluation
from mlops.judging.inference import Judged
from mlops.judging.mistakes import Shown
from mlops.stage import StageRef

_Document = TypeVar("_Document")
_Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class LookAlikes:
    """Pairs of keys of pictures that look nearly alike, as many as a person may look at."""

    on_different_sides: tuple[tuple[str, str], ...] = ()
    with_different_labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class GroundTruth:
    """`ground_truth.json`: what a run is made of, and why files are left out of it.

    `counts` are images by side and label, `manifests` and `overlays` keys by side and by label, `inventory` the key of
    the lines about its images. `label_names` has the label of folders that are called otherwise, `prepared` how often
    what was done to pictures. `window` is that of pictures of more than eight bits, `tiles` how they are cut for the
    service. `refused` has reasons by key, of the first of `refused_files`; `refused_list` is the key of the lines that
    name all.
    """

    run_id: str = ""
    dataset: str = ""
    task: str = ""
    outcome: str = ""
    reasons: tuple[str, ...] = ()
    digest: str = ""
    settings: DatasetSettings = field(default_factory=DatasetSettings)
    split: Split = field(default_factory=lambda: Split("", ""))
    label_names: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    look_alikes: LookAlikes = field(default_factory=LookAlikes)
    window: tuple[int, int] | None = None
    tiles: Tiling = field(default=WHOLE, metadata=SOMETIMES)
    prepared: Mapping[str, int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    counts: _Counts = field(default_factory=dict)
    images: int = 0
    boxes: int = 0
    left_out_tasks: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    refused_files: int = 0
    refused_list: str = ""
    manifests: Mapping[str, str] = field(default_factory=dict)
    inventory: str = ""
    overlays: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def earlier(cls, told: Json) -> Json:
        """Earlier releases of the stack named every refused file here."""
        all_named = {"refused_files": len(told.get("refused") or ()), "refused_list": ""}
        return told if told.get("refused_list") else {**told, **all_named}

    @property
    def refused_in(self) -> str:
        """The key of the object that names every refused file."""
        return self.refused_list or key_of(GroundTruth, self.run_id)

    @property
    def brought_to_eight_bits_by(self) -> tuple[int, int] | None:
        """The window of its deep pictures; earlier releases of the stack wrote only the one that dataset.json names."""
        return self.window or self.settings.window


@dataclass(frozen=True)
class TrainingInput:
    """`training_input.json`: what a version is trained from, under which name, and what somebody who decides should
    know."""

    ref: StageRef = field(metadata=INLINE)
    digest: str = ""
    labels: tuple[str, ...] = ()
    counts: _Counts = field(default_factory=dict)
    manifests: Mapping[str, str] = field(default_factory=dict)
    version_name: str = ""
    output_prefix: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """`data_prepare.json`: why a run is not trained."""

    ref: StageRef = field(metadata=INLINE)
    outcome: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class EvalMetric:
    """`eval_metric.json`: the gate's word about a version."""

    ref: StageRef = field(metadata=INLINE)
    evaluation: Evaluation = field(metadata=INLINE)
    version_arn: str = ""
    outcome: str = ""


@dataclass(frozen=True)
class InferenceTest:
    """`<environment>/inference_test.json`: what the test under a lease found, which a decision may have asked for.

    `images_from` is the side of its images, `gallery` what is drawn of them. `answers` are lines that earlier releases
    of the stack kept here.
    """

    ref: StageRef = field(metadata=INLINE)
    judged: Judged = field(metadata=INLINE)
    version_arn: str = ""
    lease_id: str = ""
    decision: str = ""
    images_from: str = ""
    tiles: Tiling = field(default=WHOLE, metadata=SOMETIMES)
    tested_at: str = ""
    comparison: Comparison = field(default_factory=Comparison)
    outcome: str = ""
    gallery: tuple[Shown, ...] = ()
    answers: tuple[Json, ...] = field(default=(), metadata=SOMETIMES)

    @property
    def points(self) -> dict[str, float]:
        """The operating points that the version was tested at, 0 to 100; empty of an earlier release's."""
        return {label: one.point for label, one in sorted(self.judged.operating_points.items())}


NAMES: Mapping[type, str] = {
    GroundTruth: "ground_truth.json",
    TrainingInput: "training_input.json",
    Refusal: "data_prepare.json",
    EvalMetric: "eval_metric.json",
    # What of it only judging needs.
    Evaluation: "eval_metric.json",
}


def key_of(kind: type, run_id: str) -> str:
    """Where a run has its document of a kind."""
    return run_key(run_id, NAMES[kind])


def key_of_test(run_id: str, environment: str) -> str:
    """Where the result of a run's test in an environment is."""
    return run_key(run_id, f"{environment}/inference_test.json")


def find(kind: type[_Document], run_id: str) -> _Document | None:
    """The document of a run, None where there is none."""
    return read(kind, key_of(kind, run_id))


def require(kind: type[_Document], run_id: str) -> _Document:
    """The document of a run. Raises LookupError when there is none."""
    found = find(kind, run_id)
    if found is None:
        raise LookupError(f"there is no {key_of(kind, run_id)}")
    return found


def find_test(run_id: str, environment: str) -> InferenceTest | None:
    """The result of a run's test in an environment, None where there is none."""
    return read(InferenceTest, key_of_test(run_id, environment))


def write(document: GroundTruth | TrainingInput | Refusal | EvalMetric, run_id: str) -> str:
    """Write a document of a run; returns its key."""
    key = key_of(type(document), run_id)
    buckets.artifacts_bucket().write_json(key, codec.plain(document))
    return key


def write_test(test: InferenceTest) -> str:
    """Write the result of a test; returns its key."""
    key = key_of_test(test.ref.run_id, test.ref.environment)
    buckets.artifacts_bucket().write_json(key, codec.plain(test))
    return key


def read(kind: type[_Document], key: str) -> _Document | None:
    """The document under a key of the artifacts bucket, None where there is none."""
    text = buckets.artifacts_bucket().read_if_exists(key)
    return codec.read(kind, json.loads(text)) if text else None
