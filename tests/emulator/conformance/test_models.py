from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.emulator.clients import (
    copy,
    describe,
    error,
    error_code,
    new_project,
    output,
    output_lines,
    project_of,
    settled,
    start,
    stop,
    train,
)
from tests.emulator.datasets import picture
from tests.emulator.processes import RunningService, wait_for
from tests.emulator.target import BUCKET, OUTPUT


@pytest.fixture(scope="module")
def running(rekognition: Any, trained: dict[str, Any]) -> Any:
    """Detect with a copy of the trained model that runs for the whole module."""
    arn = settled(rekognition, copy(rekognition, trained))["ProjectVersionArn"]
    start(rekognition, arn, units=5)

    def detect(image: bytes | dict[str, Any], **parameters: Any) -> list[dict[str, Any]]:
        source = {"Bytes": image} if isinstance(image, bytes) else image
        return rekognition.detect_custom_labels(ProjectVersionArn=arn, Image=source, **parameters)["CustomLabels"]

    yield detect
    stop(rekognition, arn)


@pytest.mark.parametrize(
    ("units", "code"),
    [
        ({"MinInferenceUnits": 6}, "LimitExceededException"),
        ({"MinInferenceUnits": 1, "MaxInferenceUnits": 6}, "LimitExceededException"),
        ({"MinInferenceUnits": 3, "MaxInferenceUnits": 2}, "InvalidParameterException"),
    ],
)
def test_inference_units_are_bounded(
    rekognition: Any, trained: dict[str, Any], units: dict[str, int], code: str
) -> None:
    arn = trained["ProjectVersionArn"]

    assert error_code(rekognition.start_project_version, ProjectVersionArn=arn, **units) == code


def test_running_model_quota_counts_until_a_model_is_stopped(
    launch: Callable[..., RunningService], s3: Any, training_lines: list[Any]
) -> None:
    client = launch("--max-running-models", 1).client()
    first = train(client, s3, training_lines)
    second = settled(client, copy(client, first))["ProjectVersionArn"]
    start(client, first["ProjectVersionArn"])
    third = {"ProjectVersionArn": second, "MinInferenceUnits": 1}
    assert error_code(client.start_project_version, **third) == "LimitExceededException"

    stop(client, first["ProjectVersionArn"])

    start(client, second)


def test_detection_names_the_label_of_bytes_and_of_an_object(running: Any, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="detect/it+is here.jpg", Body=picture("scratch", 9, form="JPEG"))

    assert [label["Name"] for label in running(picture("ok", 7))] == ["ok"]
    stored = {"S3Object": {"Bucket": BUCKET, "Name": "detect/it+is here.jpg"}}
    assert [label["Name"] for label in running(stored)] == ["scratch"]


def test_detection_of_image_labels_has_float32_confidences_and_no_geometry(running: Any) -> None:
    found = running(picture("ok", 7), MinConfidence=0)

    assert [label["Name"] for label in found] == ["ok", "scratch"]
    for label in found:
        assert set(label) == {"Name", "Confidence"}
        assert label["Confidence"] == float(np.float32(label["Confidence"]))
    assert found[0]["Confidence"] > found[1]["Confidence"]


def test_confidence_and_number_of_results_are_bounded_as_asked(running: Any) -> None:
    image = picture("ok", 7)
    every = running(image, MinConfidence=0)

    assert running(image, MinConfidence=every[0]["Confidence"]) == every[:1]
    assert running(image, MinConfidence=100) == []
    assert running(image, MinConfidence=0, MaxResults=1) == every[:1]


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (b"not a picture", "InvalidImageFormatException"),
        (picture("ok", 1, form="GIF"), "InvalidImageFormatException"),
        (picture("ok", 1)[:3000], "InvalidImageFormatException"),
        (picture("ok", 1, (64, 63)), "InvalidParameterException"),
        (picture("ok", 1, (64 * 21, 64)), "InvalidParameterException"),
        (picture("ok", 1, (4097, 300)), "ImageTooLargeException"),
        (bytes(4 * 1024 * 1024 + 1), "ImageTooLargeException"),
        ({"S3Object": {"Bucket": BUCKET, "Name": "nothing.png"}}, "InvalidS3ObjectException"),
        ({"S3Object": {"Bucket": "no-such-bucket", "Name": "a.png"}}, "InvalidS3ObjectException"),
        ({"S3Object": {"Bucket": BUCKET}}, "InvalidParameterException"),
        ({"Bytes": b"1", "S3Object": {"Bucket": BUCKET, "Name": "a.png"}}, "InvalidParameterException"),
        ({}, "InvalidParameterException"),
    ],
)
def test_images_beyond_the_limits_are_refused(running: Any, image: Any, code: str) -> None:
    assert error_code(running, image=image) == code


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (b"not a picture", "Request has invalid image format. The image is not a PNG or JPEG file that can be read."),
        (picture("ok", 1)[:3000], "Request has invalid image format. The image is damaged: it cannot be decoded."),
        (
            {"S3Object": {"Bucket": BUCKET, "Name": "nothing.png"}},
            "Unable to get object metadata from S3. Check object key, region and/or access permissions. "
            f"s3://{BUCKET}/nothing.png cannot be used: S3 answers NoSuchKey.",
        ),
    ],
)
def test_what_is_wrong_with_an_image_is_said_in_sentences_of_our_own(running: Any, image: Any, sentence: str) -> None:
    assert error(running, image=image)["Message"] == sentence


def test_stored_image_over_15_megabytes_is_refused(running: Any, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="huge.png", Body=bytes(15 * 1024 * 1024 + 1))

    code = error_code(running, image={"S3Object": {"Bucket": BUCKET, "Name": "huge.png"}})

    assert code == "ImageTooLargeException"


def test_copy_behaves_like_its_source_and_rewrites_its_outputs(
    rekognition: Any, s3: Any, trained: dict[str, Any]
) -> None:
    version = settled(rekognition, copy(rekognition, trained, Tags={"line": "a"}))
    arn = version["ProjectVersionArn"]

    assert (version["Status"], version["StatusMessage"]) == ("COPYING_COMPLETED", "The model is ready to run.")
    assert version["SourceProjectVersionArn"] == trained["ProjectVersionArn"]
    assert version["EvaluationResult"]["F1Score"] == trained["EvaluationResult"]["F1Score"]
    place = version["EvaluationResult"]["Summary"]["S3Object"]["Name"]
    project, name = arn.split("/")[1], arn.split("/")[3]
    assert place == f"runs/{name}/EvaluationResultSummary-{project}-{name}.json"
    assert output(s3, version["EvaluationResult"]["Summary"]) == output(s3, trained["EvaluationResult"]["Summary"])
    assert output_lines(s3, version["TestingDataResult"]["Output"])
    assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"line": "a"}


def test_copy_outlives_its_source(rekognition: Any, s3: Any, training_lines: list[Any]) -> None:
    source = train(rekognition, s3, training_lines)
    arn = settled(rekognition, copy(rekognition, source))["ProjectVersionArn"]
    rekognition.delete_project_version(ProjectVersionArn=source["ProjectVersionArn"])
    wait_for(lambda: describe(rekognition, source["ProjectVersionArn"]) is None)

    start(rekognition, arn)
    found = rekognition.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": picture("scratch", 3)})
    stop(rekognition, arn)

    assert [label["Name"] for label in found["CustomLabels"]] == ["scratch"]


def test_copy_without_a_prefix_writes_to_the_root_of_the_bucket(rekognition: Any, trained: dict[str, Any]) -> None:
    version = settled(rekognition, copy(rekognition, trained, OutputConfig={"S3Bucket": OUTPUT}))

    assert version["ManifestSummary"]["S3Object"]["Name"].startswith("ManifestSummary-")


def test_copy_that_cannot_write_its_outputs_fails(rekognition: Any, trained: dict[str, Any]) -> None:
    version = settled(rekognition, copy(rekognition, trained, OutputConfig={"S3Bucket": "no-such-bucket"}))

    assert version["Status"] == "COPYING_FAILED"
    assert version["StatusMessage"] == "Unable to write to output S3 bucket."


def test_copy_needs_a_trained_source_of_the_named_project_in_this_account_and_region(
    rekognition: Any, s3: Any, trained: dict[str, Any]
) -> None:
    def code(**changes: str) -> str:
        return error_code(copy, rekognition=rekognition, source=trained, destination=destination, **changes)

    destination, arn = new_project(rekognition), trained["ProjectVersionArn"]
    failed = train(rekognition, s3, ["{"])["ProjectVersionArn"]

    assert code(SourceProjectArn=destination) == "InvalidParameterException"
    assert code(SourceProjectVersionArn=arn.replace("eu-west-1", "us-east-1")) == "InvalidParameterException"
    assert code(SourceProjectVersionArn=arn.replace("000000000000", "1" * 12)) == "AccessDeniedException"
    assert code(SourceProjectVersionArn=f"{arn}9") == "ResourceNotFoundException"
    own_project = {"SourceProjectArn": project_of(rekognition, failed)}
    assert code(SourceProjectVersionArn=failed, **own_project) == "ResourceInUseException"
