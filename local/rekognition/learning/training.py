"""One training from manifests to a model, its evaluation and the files in the output bucket."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.rekognition.learning.evaluation import Evaluation, EvaluationContext, summary_document, truth_manifest
from local.rekognition.learning.kinds import KINDS
from local.rekognition.learning.models import Engine
from local.rekognition.manifests.dataset import Dataset, read_asset, stored_dataset
from local.rekognition.manifests.failures import OUTPUT_NOT_WRITABLE, ManifestFileError
from local.rekognition.manifests.inspection import Inspection, inspect, validation_manifest
from local.rekognition.manifests.storage import ObjectStorage, StorageError
from local.rekognition.use_case import UseCase

READY = "The model is ready to run."


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
    nest_aggregates: bool = False


@dataclass(frozen=True)
class TrainingOutcome:
    """How a training ended; `outputs` maps kinds of output objects to their keys."""

    succeeded: bool
    message: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    f1_score: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    use_case: str = UseCase.IMAGE_LEVEL_LABELS


def dataset_file(kind: str) -> str:
    """Return the name of the file, beside the work order, with the entries of a dataset of this kind."""
    return f"{kind.lower()}.jsonl"


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
        given = _given(job, storage, folder.parent)
        found = inspect(*given, storage, engine.decode_image)
        if found.findings:
            outputs = _publish(job, storage, folder, _validation_files(found))
            return TrainingOutcome(False, " ".join(finding.message for finding in found.findings), outputs)
        return _train_on(found, job, storage, engine, folder)
    except ManifestFileError as error:
        return TrainingOutcome(False, str(error))


def _given(job: TrainingJob, storage: ObjectStorage, work: Path) -> tuple[Dataset, Dataset | None]:
    """Read both sets; the second is None when it is to be split off the first."""

    def read(kind: str, data: Mapping[str, Any]) -> Dataset:
        entries = work / dataset_file(kind)
        return stored_dataset(entries.read_text(encoding="utf-8")) if entries.exists() else read_asset(storage, data)

    training = read("TRAIN", job.training_input)
    return training, None if job.testing_input.get("AutoCreate") else read("TEST", job.testing_input)


def _check_output(job: TrainingJob, storage: ObjectStorage) -> None:
    try:
        storage.check_bucket(job.output_bucket)
    except StorageError as error:
        raise ManifestFileError(OUTPUT_NOT_WRITABLE) from error


def _train_on(
    found: Inspection, job: TrainingJob, storage: ObjectStorage, engine: Engine, folder: Path
) -> TrainingOutcome:
    use_case = found.training.use_case
    assert use_case is not None, "training data without findings has usable lines"
    kind = KINDS[use_case]
    model = kind.train(found.training, engine)
    evaluation = kind.test(model, found.testing)
    model.save(folder / "model")
    files = _validation_files(found) | _result_files(found, evaluation, job)
    outputs = _publish(job, storage, folder, files)
    return TrainingOutcome(True, READY, outputs, evaluation.f1, evaluation.thresholds, use_case)


def _validation_files(found: Inspection) -> dict[str, str]:
    return {
        "ManifestSummary": json.dumps(found.summary_document()),
        "TrainingManifestWithValidation": validation_manifest(found.training),
        "TestingManifestWithValidation": validation_manifest(found.testing),
    }


def _result_files(found: Inspection, evaluation: Evaluation, job: TrainingJob) -> dict[str, str]:
    training, testing = found.training.valid_lines, found.testing.valid_lines
    ended = datetime.now(UTC)
    context = EvaluationContext(job.version_arn, len(training), ended, job.normalize_rows, job.nest_aggregates)
    return {
        "TrainingGroundTruth": _text(truth_manifest(evaluation.labels, training)),
        "TestingGroundTruth": _text(evaluation.snapshot(testing, ended)),
        "EvaluationResultSummary": json.dumps(summary_document(evaluation, context)),
    }


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


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
