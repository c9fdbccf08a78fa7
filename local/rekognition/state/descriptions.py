"""Projects and versions in the shape in which Describe operations answer them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from local.rekognition.state.records import DatasetRecord, Project, ProjectVersion


def describe_project(project: Project, datasets: Sequence[DatasetRecord]) -> dict[str, Any]:
    """Write a ProjectDescription."""
    return {
        "ProjectArn": project.arn,
        "CreationTimestamp": project.created_ms / 1000,
        "Status": project.status,
        "Datasets": [
            {"CreationTimestamp": dataset.created_ms / 1000, "DatasetType": dataset.kind, "DatasetArn": dataset.arn}
            | _dataset_state(dataset)
            for dataset in datasets
        ],
        "Feature": "CUSTOM_LABELS",
    }


def describe_dataset(dataset: DatasetRecord, stats: Mapping[str, int]) -> dict[str, Any]:
    """Write a DatasetDescription."""
    times = {"CreationTimestamp": dataset.created_ms / 1000, "LastUpdatedTimestamp": dataset.updated_ms / 1000}
    return {**times, **_dataset_state(dataset), "DatasetStats": dict(stats)}


def _dataset_state(dataset: DatasetRecord) -> dict[str, Any]:
    return {
        "Status": dataset.status,
        "StatusMessage": dataset.status_message,
        "StatusMessageCode": dataset.status_code,
    }


def describe_version(version: ProjectVersion) -> dict[str, Any]:
    """Write a ProjectVersionDescription; what does not apply is left out."""
    description = {
        "ProjectVersionArn": version.arn,
        "CreationTimestamp": version.created_ms / 1000,
        "MinInferenceUnits": version.min_units,
        "MaxInferenceUnits": version.max_units,
        "Status": version.status,
        "StatusMessage": version.status_message,
        "BillableTrainingTimeInSeconds": version.billable_seconds,
        "TrainingEndTimestamp": version.training_ended_ms and version.training_ended_ms / 1000,
        "OutputConfig": {"S3Bucket": version.output_bucket, "S3KeyPrefix": version.output_prefix},
        "TrainingDataResult": _data_result(version, "Training", version.training_input),
        "TestingDataResult": _data_result(version, "Testing", version.testing_input),
        "EvaluationResult": _evaluation_result(version),
        "ManifestSummary": _asset(version, "ManifestSummary"),
        "KmsKeyId": version.kms_key_id,
        "SourceProjectVersionArn": version.source_version_arn,
        "VersionDescription": version.description,
        "Feature": "CUSTOM_LABELS",
    }
    return {name: value for name, value in description.items() if value is not None}


def _data_result(version: ProjectVersion, side: str, given: Mapping[str, Any]) -> dict[str, Any]:
    split = {"AutoCreate": bool(given.get("AutoCreate"))} if side == "Testing" else {}
    result: dict[str, Any] = {"Input": {**given, **split}}
    used = _asset(version, f"{side}GroundTruth")
    if used is not None:
        result["Output"] = {"Assets": [{"GroundTruthManifest": used}], **split}
    checked = _asset(version, f"{side}ManifestWithValidation")
    if checked is not None:
        result["Validation"] = {"Assets": [{"GroundTruthManifest": checked}]}
    return result


def _evaluation_result(version: ProjectVersion) -> dict[str, Any] | None:
    summary = _asset(version, "EvaluationResultSummary")
    if summary is None or version.f1_score is None:
        return None
    return {"F1Score": float(np.float32(version.f1_score)), "Summary": summary}


def _asset(version: ProjectVersion, kind: str) -> dict[str, Any] | None:
    key = version.outputs.get(kind)
    return None if key is None else {"S3Object": {"Bucket": version.output_bucket, "Name": key}}
