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
    project_of,
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


def test_waiter_sees_training_complete(
    rekognition: Any, s3: Any, training_lines: list[Any], testing_lines: list[Any]
) -> None:
    arn = begin_training(rekognition, s3, training_lines, testing_lines)
    assert status(rekognition, arn) == "TRAINING_IN_PROGRESS"

    rekognition.get_waiter("project_version_training_completed").wait(
        ProjectArn=project_of(rekognition, arn),
        VersionNames=[version_name(arn)],
        WaiterConfig={"Delay": 0.05, "MaxAttempts": 400},
    )

    assert status(rekognition, arn) == "TRAINING_COMPLETED"


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


TOO_FEW = "ERROR_MANIFEST_TOO_FEW_LABELS"
BAD_SETS = {
    "one label": (some("ok", 5), None, "training", TOO_FEW),
    "251 labels": (
        [row for n in range(251) for row in some(f"label {n}", 2)],
        None,
        "training",
        TOO_FEW.replace("FEW", "MANY"),
    ),
    "single image of a label": (
        [*some("ok", 5), *some("scratch", 1)],
        None,
        "training",
        "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT",
    ),
    "three of fourteen lines broken": (
        [*some("ok", 6), *some("scratch", 5), "{", "{", "{"],
        None,
        "training",
        "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST",
    ),
    "two buckets": (
        [*some("ok", 5), *some("scratch", 5), line("a.png", "ok", bucket="another-bucket")],
        None,
        "training",
        "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS",
    ),
    "bucket of nobody": (
        [line(f"{n}.png", label, bucket="no-such-bucket") for n, label in enumerate(["ok", "scratch"] * 3)],
        None,
        "training",
        "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET",
    ),
    "one testing label": ([*some("ok", 5), *some("scratch", 5)], some("ok", 3), "testing", TOO_FEW),
    "1001 testing images of a label": (
        [*some("ok", 5), *some("scratch", 5)],
        [*some("ok", 1001), *some("scratch", 1)],
        "testing",
        "ERROR_TOO_MANY_RECORDS_IN_ERROR",
    ),
    "labels that differ": (
        [*some("a", 2), *some("b", 2), *some("c", 2)],
        [*some("a", 2), *some("d", 2)],
        "both",
        "ERROR_INSUFFICIENT_LABEL_OVERLAP",
    ),
}


@pytest.mark.parametrize(("training", "testing", "side", "code"), BAD_SETS.values(), ids=BAD_SETS.keys())
def test_bad_content_fails_with_its_code(
    rekognition: Any, s3: Any, training: list[Any], testing: list[Any] | None, side: str, code: str
) -> None:
    version = train(rekognition, s3, training, testing)

    assert version["Status"] == "TRAINING_FAILED"
    summary = summary_of(s3, version)
    errors = summary["errors"] if side == "both" else summary["statistics"][side]["errors"]
    assert code in codes(errors)
    assert next(entry["message"] for entry in errors if entry["code"] == code) in version["StatusMessage"]
    assert output_kinds(s3, version_name(version["ProjectVersionArn"])) == CONTENT_ERROR_FILES
    assert "EvaluationResult" not in version
    assert "BillableTrainingTimeInSeconds" not in version
    assert "Output" not in version["TrainingDataResult"]


def test_labels_are_judged_again_without_the_bad_images(rekognition: Any, s3: Any) -> None:
    good = put_pictures(s3, "usable", {"ok": 8})
    s3.put_object(Bucket=BUCKET, Key="usable/not.png", Body=b"not a picture")
    bad = [line("usable/not.png", "scratch")]
    testing = put_pictures(s3, "usable-test", {"ok": 3, "scratch": 2})

    version = train(rekognition, s3, [*good, *bad], testing)

    summary = summary_of(s3, version)
    assert codes(summary["statistics"]["training"]["errors"]) == ["ERROR_MANIFEST_TOO_FEW_USABLE_LABELS"]


def test_usable_labels_must_overlap(rekognition: Any, s3: Any) -> None:
    training = put_pictures(s3, "overlap", {"ok": 2, "scratch": 2, "dent": 2})
    testing = put_pictures(s3, "overlap-test", {"ok": 6, "other": 6})
    s3.put_object(Bucket=BUCKET, Key="overlap-test/bad.png", Body=b"not a picture")

    version = train(rekognition, s3, training, [*testing, line("overlap-test/bad.png", "dent")])

    assert codes(summary_of(s3, version)["errors"]) == ["ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP"]


@pytest.mark.parametrize(
    ("key", "data", "sentence"),
    [
        ("empty.manifest", b"\n", "The manifest file is empty."),
        ("no-extension", b"{}\n", "The manifest file extension or contents are invalid."),
        ("binary.manifest", b"\xff\x00", "The manifest file extension or contents are invalid."),
        ("absent.manifest", None, "The manifest file extension or contents are invalid."),
    ],
)
def test_unusable_manifest_file_fails_with_its_sentence_and_writes_nothing(
    rekognition: Any, s3: Any, key: str, data: bytes | None, sentence: str
) -> None:
    if data is not None:
        s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    asset = {"Assets": [{"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": key}}}]}

    version = train(rekognition, s3, some("ok", 1), TrainingData=asset)

    assert (version["Status"], version["StatusMessage"]) == ("TRAINING_FAILED", sentence)
    assert "ManifestSummary" not in version
    assert output_kinds(s3, version_name(version["ProjectVersionArn"])) == set()


def test_missing_buckets_fail_with_their_sentences(rekognition: Any, s3: Any, training_lines: list[Any]) -> None:
    asset = {"Assets": [{"GroundTruthManifest": {"S3Object": {"Bucket": "no-such-bucket", "Name": "a.manifest"}}}]}

    unreadable = train(rekognition, s3, training_lines, TrainingData=asset)
    unwritable = train(rekognition, s3, training_lines, OutputConfig={"S3Bucket": "no-such-bucket"})

    assert unreadable["StatusMessage"] == "The S3 bucket permissions are incorrect."
    assert unwritable["StatusMessage"] == "Unable to write to output S3 bucket."


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


def test_version_name_is_taken_once_per_project(rekognition: Any, s3: Any, trained: dict[str, Any]) -> None:
    arn = trained["ProjectVersionArn"]
    request = training_request(s3, version_name(arn), some("ok", 2))

    code = error_code(rekognition.create_project_version, ProjectArn=project_of(rekognition, arn), **request)

    assert code == "ResourceInUseException"


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


def test_version_quota(launch: Callable[..., RunningService], s3: Any, training_lines: list[Any]) -> None:
    client = launch("--max-versions", 1).client()
    project = new_project(client)
    begin_training(client, s3, training_lines, project=project)

    request = training_request(s3, "one-too-many", training_lines)

    assert error_code(client.create_project_version, ProjectArn=project, **request) == "LimitExceededException"


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
