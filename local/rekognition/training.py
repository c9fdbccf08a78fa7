"""One training from manifests to a model, its evaluation and the files in the output bucket."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from local.rekognition.dataset import Dataset
from local.rekognition.evaluation import Evaluation, EvaluationContext, evaluate, snapshot, summary_document
from local.rekognition.failures import OUTPUT_NOT_WRITABLE, ManifestFileError
from local.rekognition.inspection import Inspection, inspect, usable_manifest, validation_manifest
from local.rekognition.storage import ObjectStorage, StorageError

READY = "The model is ready to run."
_PREDICTED_AT_ONCE = 32


class Classifier(Protocol):
    """A trained model."""

    labels: tuple[str, ...]

    def predict(self, images: list[bytes]) -> np.ndarray:
        """Return float32 scores of shape (images, labels), 0 to 1."""

    def save(self, path: Path) -> None:
        """Write the model to a file or folder at `path`."""


class Engine(Protocol):
    """The module that learns; `local.rekognition.engine` is the one we ship."""

    LabeledImage: Any
    ClassificationModel: Any

    def train_classifier(self, images: Sequence[Any]) -> Classifier:
        """Train on labelled images."""

    def decode_image(self, data: bytes) -> Any:
        """Decode a picture. Raises ValueError."""


@dataclass(frozen=True)
class TrainingJob:
    """What a worker needs to know, besides where S3 is."""

    version_arn: str
    project_name: str
    version_name: str
    output_bucket: str
    output_prefix: str
    training_input: Mapping[str, Any]
    testing_input: Mapping[str, Any]
    normalize_rows: bool = False


@dataclass(frozen=True)
class TrainingOutcome:
    """How a training ended; `outputs` maps kinds of output objects to their keys."""

    succeeded: bool
    message: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    f1_score: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)


def output_key(prefix: str, kind: str, project_name: str, version_name: str) -> str:
    """Return the key of an output object."""
    name = f"{kind}-{project_name}-{version_name}.json"
    return f"{prefix.removesuffix('/')}/{name}" if prefix else name


def train(job: TrainingJob, storage: ObjectStorage, engine: Engine, folder: Path) -> TrainingOutcome:
    """Train, evaluate and publish; `folder` receives `model` and, in `outputs`, a copy of every object written.

    What is wrong with the input ends in a failed outcome; anything raised is a fault of this service.
    """
    (folder / "outputs").mkdir(parents=True)
    try:
        _check_output(job, storage)
        found = inspect(job.training_input, job.testing_input, storage, engine.decode_image)
        if found.findings:
            outputs = _publish(job, storage, folder, _validation_files(found))
            return TrainingOutcome(False, " ".join(finding.message for finding in found.findings), outputs)
        return _train_on(found, job, storage, engine, folder)
    except ManifestFileError as error:
        return TrainingOutcome(False, str(error))


def _check_output(job: TrainingJob, storage: ObjectStorage) -> None:
    try:
        storage.check_bucket(job.output_bucket)
    except StorageError as error:
        raise ManifestFileError(OUTPUT_NOT_WRITABLE) from error


def _train_on(
    found: Inspection, job: TrainingJob, storage: ObjectStorage, engine: Engine, folder: Path
) -> TrainingOutcome:
    model = engine.train_classifier(_labeled_images(found.training, engine))
    evaluation = _evaluated(model, found.testing)
    model.save(folder / "model")
    files = _validation_files(found) | _result_files(found, evaluation, job)
    outputs = _publish(job, storage, folder, files)
    return TrainingOutcome(True, READY, outputs, evaluation.f1, evaluation.thresholds)


def _labeled_images(dataset: Dataset, engine: Engine) -> list[Any]:
    lines = sorted(dataset.valid_lines, key=lambda line: line.key)
    return [
        engine.LabeledImage(name=line.key, data=dataset.images[line.source], labels=tuple(sorted(line.label_set)))
        for line in lines
    ]


def _evaluated(model: Classifier, testing: Dataset) -> Evaluation:
    lines = testing.valid_lines
    images = [testing.images[line.source] for line in lines]
    batches = (images[start : start + _PREDICTED_AT_ONCE] for start in range(0, len(images), _PREDICTED_AT_ONCE))
    scores = np.concatenate([model.predict(batch) for batch in batches])
    return evaluate(model.labels, scores, [line.label_set for line in lines])


def _validation_files(found: Inspection) -> dict[str, str]:
    return {
        "ManifestSummary": json.dumps(found.summary_document()),
        "TrainingManifestWithValidation": validation_manifest(found.training),
        "TestingManifestWithValidation": validation_manifest(found.testing),
    }


def _result_files(found: Inspection, evaluation: Evaluation, job: TrainingJob) -> dict[str, str]:
    training, testing = found.training.valid_lines, found.testing.valid_lines
    ended = datetime.now(UTC)
    context = EvaluationContext(job.version_arn, len(training), ended, job.normalize_rows)
    return {
        "TrainingGroundTruth": usable_manifest(found.training),
        "TestingGroundTruth": "".join(f"{line}\n" for line in snapshot(evaluation, testing, ended)),
        "EvaluationResultSummary": json.dumps(summary_document(evaluation, context)),
    }


def _publish(job: TrainingJob, storage: ObjectStorage, folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    outputs = {}
    for kind, text in files.items():
        (folder / "outputs" / kind).write_text(text, encoding="utf-8")
        outputs[kind] = output_key(job.output_prefix, kind, job.project_name, job.version_name)
    write_outputs(storage, folder / "outputs", job.output_bucket, outputs)
    return outputs


def write_outputs(storage: ObjectStorage, folder: Path, bucket: str, outputs: Mapping[str, str]) -> None:
    """Write the kept copy of every output object to its key. Raises ManifestFileError with the service's sentence."""
    try:
        for kind, key in outputs.items():
            storage.write(bucket, key, (folder / kind).read_bytes())
    except StorageError as error:
        raise ManifestFileError(OUTPUT_NOT_WRITABLE) from error
