import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.clients import (
    begin_training,
    describe,
    error_code,
    new_project,
    output,
    output_kinds,
    output_lines,
    settled,
    status,
    train,
)
from tests.emulator.datasets import line, picture, put_pictures, training_request
from tests.emulator.processes import REGION, RunningService, wait_for
from tests.emulator.target import BUCKET

CONTENT_ERROR_FILES = {"ManifestSummary", "TrainingManifestWithValidation", "TestingManifestWithValidation"}
ALL_FILES = CONTENT_ERROR_FILES | {"EvaluationResultSummary", "TrainingGroundTruth", "TestingGroundTruth"}


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A FIFO that holds a training until it is opened for writing."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


@contextmanager
def held(gate: Path) -> Iterator[None]:
    """Wait until a training has reached the gate; let it pass at the end."""
    with gate.open("wb"):
        yield


def version_name(arn: str) -> str:
    return arn.split("/")[3]


def summary_of(s3: Any, version: dict[str, Any]) -> dict[str, Any]:
    return json.loads(output(s3, version["ManifestSummary"]))


def codes(entries: list[dict[str, str]]) -> list[str]:
    return [entry["code"] for entry in entries]


def test_trained_version_is_described_as_documented(trained: dict[str, Any]) -> None:
    assert trained["Status"] == "TRAINING_COMPLETED"
    assert trained["StatusMessage"] == "The model is ready to run."
    assert trained["BillableTrainingTimeInSeconds"] >= 1
    assert trained["TrainingEndTimestamp"] > trained["CreationTimestamp"]
    assert trained["EvaluationResult"]["F1Score"] == 1.0
    assert trained["TestingDataResult"]["Input"]["AutoCreate"] is False
    assert trained["TestingDataResult"]["Output"]["AutoCreate"] is False
    assert "AutoCreate" not in trained["TrainingDataResult"]["Input"]
    name = trained["EvaluationResult"]["Summary"]["S3Object"]["Name"]
    project, version = trained["ProjectVersionArn"].split("/")[1], version_name(trained["ProjectVersionArn"])
    assert name == f"runs/{version}/EvaluationResultSummary-{project}-{version}.json"


def test_all_six_outputs_are_written(s3: Any, trained: dict[str, Any]) -> None:
    assert output_kinds(s3, version_name(trained["ProjectVersionArn"])) == ALL_FILES
    summary = json.loads(output(s3, trained["EvaluationResult"]["Summary"]))
    assert summary["EvaluationDetails"]["ProjectVersionArn"] == trained["ProjectVersionArn"]
    assert summary["EvaluationDetails"]["NumberOfTrainingImages"] == 11
    assert len(output_lines(s3, trained["TestingDataResult"]["Output"])) == 5
    assert len(output_lines(s3, trained["TrainingDataResult"]["Output"])) == 11
    assert summary_of(s3, trained)["statistics"]["training"] == {
        "use_case": "IMAGE_LEVEL_LABELS",
        "total_json_lines": 11,
        "valid_json_lines": 11,
        "invalid_json_lines": 0,
        "ignored_json_lines": 0,
        "error_json_line_indices": [],
        "errors": [],
    }


def test_manifest_is_split_four_to_one(rekognition: Any, s3: Any) -> None:
    lines = put_pictures(s3, "split", {"ok": 10, "scratch": 5})

    version = train(rekognition, s3, lines)

    assert version["TestingDataResult"]["Input"] == {"AutoCreate": True}
    training = {row["source-ref"] for row in output_lines(s3, version["TrainingDataResult"]["Output"])}
    testing = {row["source-ref"] for row in output_lines(s3, version["TestingDataResult"]["Output"])}
    assert (len(training), len(testing)) == (12, 3)
    assert training | testing == {row["source-ref"] for row in lines}
    assert any("scratch" in reference for reference in testing)


def test_bad_lines_are_reported_and_the_rest_is_used(rekognition: Any, s3: Any, testing_lines: list[Any]) -> None:
    training = put_pictures(s3, "dirty", {"ok": 10, "scratch": 9})
    s3.put_object(Bucket=BUCKET, Key="dirty/small.png", Body=picture("ok", 1, (63, 80)))
    s3.put_object(Bucket=BUCKET, Key="dirty/cut.png", Body=picture("ok", 1)[:2000])
    s3.put_object(Bucket=BUCKET, Key="dirty/long.png", Body=picture("ok", 1, (64 * 20 + 1, 64)))
    bad = [line(f"dirty/{name}.png", "ok") for name in ("small", "cut", "long")]
    ignored = [{"source-ref": f"s3://{BUCKET}/dirty/ok/0.png"}]

    version = train(rekognition, s3, [*training, *ignored, "{broken", *bad], testing_lines)

    assert version["Status"] == "TRAINING_COMPLETED"
    statistics = summary_of(s3, version)["statistics"]["training"]
    assert statistics["error_json_line_indices"] == [21, 22, 23, 24]
    counts = {name: statistics[f"{name}_json_lines"] for name in ("total", "valid", "invalid", "ignored")}
    assert counts == {"total": 24, "valid": 19, "invalid": 4, "ignored": 1}
    shown = output_lines(s3, version["TrainingDataResult"]["Validation"])
    assert codes(shown[20]["errors"]) == ["ERROR_INVALID_JSON_LINE"]
    assert [codes(row["errors"]) for row in shown[21:]] == [["ERROR_INVALID_IMAGE"]] * 3
    assert codes(shown[19]["warnings"]) == ["WARNING_UNANNOTATED_RECORD"]
    assert len(output_lines(s3, version["TrainingDataResult"]["Output"])) == 19


def some(label: str, number: int) -> list[dict[str, Any]]:
    return [line(f"none/{label}/{index}.png", label) for index in range(number)]


@pytest.mark.parametrize(
    "changes",
    [
        {"TrainingData": None, "TestingData": None},
        {"TestingData": None},
        {"TrainingData": None},
        {"TestingData": {}},
        {"TestingData": {"Assets": []}},
        {"TestingData": {"Assets": [{"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET}}}]}},
        {"TestingData": {"AutoCreate": True, "Assets": [{}]}},
        {"OutputConfig": {"S3KeyPrefix": "runs"}},
        {"FeatureConfig": {"ContentModeration": {"ConfidenceThreshold": 50}}},
    ],
)
def test_requests_that_make_no_sense_are_refused_at_once(rekognition: Any, s3: Any, changes: dict[str, Any]) -> None:
    request = training_request(s3, "refused", some("ok", 2)) | changes
    request = {name: value for name, value in request.items() if value is not None}

    code = error_code(rekognition.create_project_version, ProjectArn=new_project(rekognition), **request)

    assert code == "InvalidParameterException"


def test_service_answers_and_guards_its_quota_while_it_trains(
    launch: Callable[..., RunningService], s3: Any, gate: Path, training_lines: list[Any], testing_lines: list[Any]
) -> None:
    client = launch("--max-trainings", 1, TRAINING_GATE=str(gate)).client()
    first = begin_training(client, s3, training_lines, testing_lines)

    with held(gate):
        description = describe(client, first)
        assert description["Status"] == "TRAINING_IN_PROGRESS"
        assert not {"TrainingEndTimestamp", "EvaluationResult", "ManifestSummary"} & description.keys()
        for forbidden in (client.delete_project_version, client.stop_project_version):
            assert error_code(forbidden, ProjectVersionArn=first) == "ResourceInUseException"
        start = {"ProjectVersionArn": first, "MinInferenceUnits": 1}
        assert error_code(client.start_project_version, **start) == "ResourceInUseException"
        image = {"Bytes": picture("ok", 1)}
        code = error_code(client.detect_custom_labels, ProjectVersionArn=first, Image=image)
        assert code == "ResourceNotReadyException"
        request = training_request(s3, "second", training_lines)
        code = error_code(client.create_project_version, ProjectArn=new_project(client), **request)
        assert code == "LimitExceededException"
        assert output_kinds(s3, version_name(first)) == set()
        client.tag_resource(ResourceArn=first, Tags={"set": "meanwhile"})

    assert settled(client, first)["Status"] == "TRAINING_COMPLETED"
    assert client.list_tags_for_resource(ResourceArn=first)["Tags"] == {"set": "meanwhile"}


def test_training_process_that_dies_fails_the_version(rekognition: Any, s3: Any) -> None:
    lines = put_pictures(s3, "crash", {"ok": 4, "crash": 4})

    version = train(rekognition, s3, lines)

    assert version["Status"] == "TRAINING_FAILED"
    assert "ended unexpectedly (exit code -9)" in version["StatusMessage"]
    assert "TrainingEndTimestamp" in version


def test_versions_are_listed_newest_first_and_by_name(rekognition: Any, s3: Any, training_lines: list[Any]) -> None:
    project = new_project(rekognition)
    arns = [begin_training(rekognition, s3, training_lines, project=project) for _ in range(3)]

    paginator = rekognition.get_paginator("describe_project_versions")
    pages = list(paginator.paginate(ProjectArn=project, PaginationConfig={"PageSize": 2}))
    listed = [version["ProjectVersionArn"] for page in pages for version in page["ProjectVersionDescriptions"]]
    names = [version_name(arns[1]), "unknown"]
    named = rekognition.describe_project_versions(ProjectArn=project, VersionNames=names)

    assert listed == arns[::-1]
    assert [version["ProjectVersionArn"] for version in named["ProjectVersionDescriptions"]] == [arns[1]]
    wait_for(lambda: all(status(rekognition, arn) == "TRAINING_COMPLETED" for arn in arns))


def test_request_is_echoed_in_the_description(rekognition: Any, s3: Any, training_lines: list[Any]) -> None:
    extras = {"VersionDescription": "first try", "KmsKeyId": "alias/parts", "Tags": {"line": "a"}}

    version = train(rekognition, s3, training_lines, **extras)

    assert (version["VersionDescription"], version["KmsKeyId"]) == ("first try", "alias/parts")
    tags = rekognition.list_tags_for_resource(ResourceArn=version["ProjectVersionArn"])["Tags"]
    assert tags == {"line": "a"}


def test_manifest_version_in_s3_is_honoured(rekognition: Any, s3: Any, training_lines: list[Any]) -> None:
    s3.create_bucket(Bucket="versioned", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    good = "".join(f"{json.dumps(row)}\n" for row in training_lines).encode()
    wanted = s3.put_object(Bucket="versioned", Key="a.manifest", Body=good)["VersionId"]
    s3.put_object(Bucket="versioned", Key="a.manifest", Body=b"{")
    manifest = {"Bucket": "versioned", "Name": "a.manifest", "Version": wanted}

    version = train(rekognition, s3, [], TrainingData={"Assets": [{"GroundTruthManifest": {"S3Object": manifest}}]})

    assert version["Status"] == "TRAINING_COMPLETED"
