"""Every code with which training and datasets report what is wrong with their input, where it is reported, and how."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local.cloud import LocalCloud
from tests.emulator.clients import new_project, output, output_kinds, output_lines, train
from tests.emulator.datasets import boxes_line, line, picture, put_manifest, put_pictures
from tests.emulator.processes import wait_for
from tests.emulator.roles import policy
from tests.emulator.target import BUCKET

Line = dict[str, Any] | str
CONTENT_ERROR_FILES = {"ManifestSummary", "TrainingManifestWithValidation", "TestingManifestWithValidation"}

LINE_MESSAGES = {
    "ERROR_MISSING_SOURCE_REF": "The source-ref key is missing.",
    "ERROR_INVALID_SOURCE_REF_FORMAT": "The format of the source-ref value is invalid.",
    "ERROR_NO_LABEL_ATTRIBUTES": "No label attributes found.",
    "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT": "The format of the label attribute tag0 is invalid.",
    "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT": "The format of the label attribute metadata is invalid.",
    "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE": "One or more bounding boxes has a missing confidence value.",
    "ERROR_MISSING_CLASS_MAP_ID": "One of more class ids is missing from the class map.",
    "ERROR_INVALID_JSON_LINE": "The JSON Line has an invalid format.",
    "ERROR_NO_VALID_LABEL_ATTRIBUTES": "No valid label attributes found.",
    "ERROR_UNSUPPORTED_USE_CASE_TYPE": (
        "The use case type of the tag0-metadata label attribute metadata is unsupported. Check the type field."
    ),
    "ERROR_INVALID_LABEL_NAME_LENGTH": None,
    "ERROR_INVALID_IMAGE": "The image is invalid. Check S3 path and/or image properties.",
    "ERROR_INVALID_IMAGE_DIMENSION": "The image dimension(s) do not conform to allowed dimensions.",
    "ERROR_INVALID_BOUNDING_BOX": "The bounding box has off frame values.",
    "ERROR_BOUNDING_BOX_TOO_SMALL": "The height and width of the bounding box is too small.",
    "ERROR_TOO_MANY_BOUNDING_BOXES": "There are more bounding boxes than the allowed maximum.",
    "ERROR_NO_VALID_ANNOTATIONS": "No valid annotations found.",
    "WARNING_UNANNOTATED_RECORD": "Record is unannotated.",
    "WARNING_NO_ANNOTATIONS": "No annotations were found.",
    "WARNING_NO_ATTRIBUTE_ANNOTATIONS": "No attribute annotations were found.",
}
CONTENT_MESSAGES = {
    "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST": "The manifest file contains too many invalid rows.",
    "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS": "The manifest file contains images from multiple S3 buckets.",
    "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET": "The permissions for the images S3 bucket are invalid.",
    "ERROR_INVALID_IMAGES_S3_BUCKET_OWNER": "Invalid owner id for images S3 bucket.",
    "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT": (
        "The manifest file contains insufficient labeled images per label to perform auto-split."
    ),
    "ERROR_MANIFEST_TOO_FEW_LABELS": "The manifest file has too few labels.",
    "ERROR_MANIFEST_TOO_MANY_LABELS": "The manifest file has too many labels.",
    "ERROR_INSUFFICIENT_LABEL_OVERLAP": (
        "Less than 50% label overlap between the training and testing manifest files."
    ),
    "ERROR_MANIFEST_TOO_FEW_USABLE_LABELS": "The manifest file has too few usable labels.",
    "ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP": (
        "Less than 50% usable label overlap between the training and testing manifest files."
    ),
    "ERROR_FAILED_IMAGES_S3_COPY": "Failed to copy images from S3 bucket.",
    "ERROR_TOO_MANY_RECORDS_IN_ERROR": "The manifest file has too many terminal errors.",
}


def codes(found: list[dict[str, str]]) -> list[str]:
    return [entry["code"] for entry in found]


def some(label: str, number: int) -> list[dict[str, Any]]:
    return [line(f"none/{label}/{index}.png", label) for index in range(number)]


# Lines


def without(document: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in keys}


def labelled(key: str, **changes: Any) -> dict[str, Any]:
    return line(f"codes/{key}.png", "ok") | changes


def boxed(key: str, *boxes: Any, **changes: Any) -> dict[str, Any]:
    return boxes_line(f"codes/{key}.png", *(boxes or [DENT]), **changes)


DENT = ("dent", 10, 12, 30, 24)
VALUE, METADATA, BOX = ("boxes",), ("boxes-metadata",), ("boxes", "annotations", 1)
# A line, and what is said of it: code, and the path to the object that holds the list.
LABEL_LINES: list[tuple[Line, list[tuple[str, tuple[str | int, ...]]]]] = [
    (without(labelled("a"), "source-ref"), [("ERROR_MISSING_SOURCE_REF", ())]),
    (labelled("b", **{"source-ref": "https://parts/b.png"}), [("ERROR_INVALID_SOURCE_REF_FORMAT", ())]),
    (without(labelled("c"), "tag0-metadata"), [("ERROR_NO_LABEL_ATTRIBUTES", ())]),
    (labelled("d", tag0="ok"), [("ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", ())]),
    (
        line("codes/e.png", "ok", confidence=2),
        [("ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", ("tag0-metadata",))],
    ),
    ("{broken", [("ERROR_INVALID_JSON_LINE", ())]),
    (
        line("codes/f.png", "ok", type="groundtruth/image-classification-multilabel"),
        [("ERROR_UNSUPPORTED_USE_CASE_TYPE", ("tag0-metadata",)), ("ERROR_NO_VALID_LABEL_ATTRIBUTES", ())],
    ),
    (
        line("codes/g.png", "x" * 257),
        [("ERROR_INVALID_LABEL_NAME_LENGTH", ("tag0-metadata",)), ("ERROR_NO_VALID_LABEL_ATTRIBUTES", ())],
    ),
    (without(labelled("h"), "tag0", "tag0-metadata"), [("WARNING_UNANNOTATED_RECORD", ())]),
]
BOX_LINES: list[tuple[Line, list[tuple[str, tuple[str | int, ...]]]]] = [
    (boxed("i", objects=[{}]), [("ERROR_MISSING_BOUNDING_BOX_CONFIDENCE", METADATA)]),
    (boxed("j", **{"class-map": {"7": "dent"}}), [("ERROR_MISSING_CLASS_MAP_ID", METADATA)]),
    (boxed("k", DENT, ("dent", 90, 12, 30, 24)), [("ERROR_INVALID_BOUNDING_BOX", BOX)]),
    (boxed("l", DENT, ("dent", 40, 40, 1, 1)), [("ERROR_BOUNDING_BOX_TOO_SMALL", BOX)]),
    (boxed("m", *[DENT] * 51), [("ERROR_TOO_MANY_BOUNDING_BOXES", VALUE), ("ERROR_NO_VALID_ANNOTATIONS", ())]),
    (
        boxed("n", ("dent", -1, 12, 30, 24)),
        [("ERROR_NO_VALID_ANNOTATIONS", VALUE), ("ERROR_NO_VALID_ANNOTATIONS", ())],
    ),
    (
        boxes_line("codes/o.png"),
        [("WARNING_NO_ATTRIBUTE_ANNOTATIONS", VALUE), ("WARNING_NO_ANNOTATIONS", ())],
    ),
]
IMAGE_LINES: list[tuple[Line, list[tuple[str, tuple[str | int, ...]]]]] = [
    (line("codes/absent.png", "scratch"), [("ERROR_INVALID_IMAGE", ())]),
]
BOXED_IMAGE_LINES: list[tuple[Line, list[tuple[str, tuple[str | int, ...]]]]] = [
    (boxes_line("codes/small.png", ("dent", 5, 5, 9, 9), size=(96, 63)), [("ERROR_INVALID_IMAGE_DIMENSION", ())]),
]
LINES = {"labels": LABEL_LINES, "boxes": BOX_LINES, "images": IMAGE_LINES, "boxed images": BOXED_IMAGE_LINES}
REPORTED = [
    (group, number, code, where)
    for group, lines in LINES.items()
    for number, (_, said) in enumerate(lines)
    for code, where in said
]


@pytest.fixture(scope="module")
def shown(rekognition: Any, s3: Any) -> dict[str, list[dict[str, Any]]]:
    """The validation manifests of trainings that fail, and so cost nothing, in the order of their lines."""
    s3.put_object(Bucket=BUCKET, Key="codes/small.png", Body=picture("ok", 1, (96, 63)))
    good = put_pictures(s3, "codes/good", {"ok": 3})
    lines = {group: [document for document, _ in said] for group, said in LINES.items()}
    # One label is too few, with pictures or without the bad ones; boxes that nothing tests do not overlap.
    sets = {
        "labels": ([*lines["labels"], *good], good),
        "boxes": ([*lines["boxes"], *(boxed(f"more-{n}") for n in range(9))], good),
        "images": ([*lines["images"], *good, *padding(9)], [*good, *some("scratch", 1)]),
        "boxed images": ([*lines["boxed images"], *padding(9)], [boxed("small", ("dent", 5, 5, 9, 9))]),
    }
    versions = {group: train(rekognition, s3, *given) for group, given in sets.items()}
    assert {version["Status"] for version in versions.values()} == {"TRAINING_FAILED"}
    return {group: output_lines(s3, version["TrainingDataResult"]["Validation"]) for group, version in versions.items()}


def padding(number: int) -> list[dict[str, Any]]:
    """Lines that are ignored, so that bad ones are no more than a fifth."""
    return [{"source-ref": f"s3://{BUCKET}/codes/padding-{index}.png"} for index in range(number)]


def at(document: Any, where: tuple[str | int, ...]) -> Any:
    for step in where:
        document = document[step]
    return document


@pytest.mark.parametrize(("group", "number", "code", "where"), REPORTED)
def test_a_line_is_shown_with_what_is_wrong_where_it_is_wrong(
    shown: dict[str, list[dict[str, Any]]], group: str, number: int, code: str, where: tuple[str | int, ...]
) -> None:
    row = shown[group][number]
    found = at(row, where)["warnings" if code.startswith("WARNING") else "errors"]

    assert code in codes(found)
    (message,) = (entry["message"] for entry in found if entry["code"] == code)
    assert message == LINE_MESSAGES[code] or LINE_MESSAGES[code] is None


def test_a_line_that_is_no_json_is_replaced_by_its_error(shown: dict[str, list[dict[str, Any]]]) -> None:
    number = [document for document, _ in LABEL_LINES].index("{broken")

    assert shown["labels"][number].keys() == {"errors"}


def test_every_code_of_a_line_is_reported_somewhere() -> None:
    assert {code for _, _, code, _ in REPORTED} == LINE_MESSAGES.keys()


@pytest.fixture(scope="module")
def entries(rekognition: Any, s3: Any) -> dict[str, dict[str, Any]]:
    """The same lines as a dataset lists them, by their image."""
    bad = [document for group in ("labels", "boxes") for document, _ in LINES[group]]
    found = listed_dataset(rekognition, s3, [*bad, *(labelled(f"good-{n}") for n in range(80))])
    return {entry["source-ref"]: entry for entry in found}


def listed_dataset(rekognition: Any, s3: Any, lines: list[Line]) -> list[dict[str, Any]]:
    arn = dataset(rekognition, s3, lines)["arn"]
    pages = rekognition.get_paginator("list_dataset_entries").paginate(DatasetArn=arn)
    return [json.loads(entry) for page in pages for entry in page["DatasetEntries"]]


def dataset(rekognition: Any, s3: Any, lines: list[Line], project: str = "", kind: str = "TRAIN") -> dict[str, Any]:
    """Create a dataset from a manifest; return its description with its ARN, once it is there or has failed."""
    (asset,) = put_manifest(s3, "codes/dataset.manifest", lines)["Assets"]
    project = project or new_project(rekognition)
    arn = rekognition.create_dataset(ProjectArn=project, DatasetType=kind, DatasetSource=asset)["DatasetArn"]
    return finished(rekognition, arn)


def finished(rekognition: Any, arn: str) -> dict[str, Any]:
    def description() -> dict[str, Any] | None:
        found = rekognition.describe_dataset(DatasetArn=arn)["DatasetDescription"]
        return None if found["Status"].endswith("IN_PROGRESS") else {**found, "arn": arn}

    return wait_for(description)


IN_DATASETS = [
    (group, number, code, where)
    for group, number, code, where in REPORTED
    if group in ("labels", "boxes") and str(LINES[group][number][0]).count(f"s3://{BUCKET}") and "WARN" not in code
]


@pytest.mark.parametrize(("group", "number", "code", "where"), IN_DATASETS)
def test_a_dataset_lists_a_line_with_what_is_wrong(
    entries: dict[str, dict[str, Any]], group: str, number: int, code: str, where: tuple[str | int, ...]
) -> None:
    document, _ = LINES[group][number]
    assert isinstance(document, dict)
    row = entries[document["source-ref"]]

    assert code in codes(at(row, where)["cl-errors"])
    assert not row["cl-metadata"]["is_labeled"] or where == BOX


# Whole manifests


@dataclass(frozen=True)
class Sets:
    """What fails with a code: training lines, testing lines or None for a split, and which side is blamed."""

    training: list[Line]
    testing: list[Line] | None
    side: str = "training"


BAD_SETS: dict[str, Sets] = {
    "ERROR_MANIFEST_TOO_FEW_LABELS": Sets(list(some("ok", 5)), None),
    "ERROR_MANIFEST_TOO_MANY_LABELS": Sets([row for n in range(251) for row in some(f"label {n}", 2)], None),
    "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT": Sets([*some("ok", 5), *some("scratch", 1)], None),
    "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST": Sets([*some("ok", 6), *some("scratch", 5), *["{"] * 3], None),
    "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS": Sets(
        [*some("ok", 5), *some("scratch", 5), line("a.png", "ok", bucket="another-bucket")], None
    ),
    "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET": Sets(
        [line(f"{n}.png", label, bucket="no-such-bucket") for n, label in enumerate(["ok", "scratch"] * 3)], None
    ),
    "ERROR_TOO_MANY_RECORDS_IN_ERROR": Sets(
        [*some("ok", 5), *some("scratch", 5)], [*some("ok", 1001), *some("scratch", 1)], "testing"
    ),
    "ERROR_INSUFFICIENT_LABEL_OVERLAP": Sets(
        [*some("a", 2), *some("b", 2), *some("c", 2)], [*some("a", 2), *some("d", 2)], "both"
    ),
}


def check_failure(s3: Any, version: dict[str, Any], code: str, side: str) -> None:
    """Check that a training failed with a code: in the status message, and in the summary on the side to blame."""
    assert version["Status"] == "TRAINING_FAILED"
    summary = json.loads(output(s3, version["ManifestSummary"]))
    found = summary["errors"] if side == "both" else summary["statistics"][side]["errors"]
    assert {"code": code, "message": CONTENT_MESSAGES[code]} in found
    assert CONTENT_MESSAGES[code] in version["StatusMessage"]
    assert "EvaluationResult" not in version
    assert "BillableTrainingTimeInSeconds" not in version
    assert "Output" not in version["TrainingDataResult"]


@pytest.mark.parametrize("code", BAD_SETS)
def test_bad_content_fails_with_its_code(rekognition: Any, s3: Any, code: str) -> None:
    sets = BAD_SETS[code]
    version = train(rekognition, s3, sets.training, sets.testing)

    check_failure(s3, version, code, sets.side)
    assert output_kinds(s3, version["ProjectVersionArn"].split("/")[3]) == CONTENT_ERROR_FILES


def test_one_testing_label_is_too_few(rekognition: Any, s3: Any) -> None:
    version = train(rekognition, s3, [*some("ok", 5), *some("scratch", 5)], some("ok", 3))

    check_failure(s3, version, "ERROR_MANIFEST_TOO_FEW_LABELS", "testing")


def test_labels_are_judged_again_without_the_bad_images(rekognition: Any, s3: Any) -> None:
    good = put_pictures(s3, "usable", {"ok": 8})
    s3.put_object(Bucket=BUCKET, Key="usable/not.png", Body=b"not a picture")
    testing = put_pictures(s3, "usable-test", {"ok": 3, "scratch": 2})
    version = train(rekognition, s3, [*good, line("usable/not.png", "scratch")], testing)

    check_failure(s3, version, "ERROR_MANIFEST_TOO_FEW_USABLE_LABELS", "training")


def test_usable_labels_must_overlap(rekognition: Any, s3: Any) -> None:
    training = put_pictures(s3, "overlap", {"ok": 2, "scratch": 2, "dent": 2})
    testing = put_pictures(s3, "overlap-test", {"ok": 6, "other": 6})
    version = train(rekognition, s3, training, [*testing, line("overlap-test/absent.png", "dent")])

    check_failure(s3, version, "ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP", "both")


@pytest.mark.costs
def test_pictures_that_s3_does_not_hand_out_are_not_copied(rekognition: Any, s3: Any) -> None:
    archived = put_pictures(s3, "archive", {"ok": 2, "scratch": 2})
    for number in range(2):
        key = f"archive/ok/{number}.png"
        s3.put_object(Bucket=BUCKET, Key=key, Body=picture("ok", number), StorageClass="GLACIER")
    version = train(rekognition, s3, archived, archived)

    check_failure(s3, version, "ERROR_FAILED_IMAGES_S3_COPY", "both")


@pytest.fixture
def two_accounts(tmp_path_factory: pytest.TempPathFactory, s3_url: str) -> Iterator[Callable[[str], Any]]:
    """Clients of an account by service, in a local cloud where the bucket `theirs` belongs to another one."""
    with LocalCloud(tmp_path_factory.mktemp("cloud") / "state") as cloud:
        cloud.client("s3").create_bucket(Bucket=BUCKET)
        other = cloud.client("s3", "222222222222")
        other.create_bucket(Bucket="theirs")
        actions = ["s3:ListBucket", "s3:GetObject", "s3:GetBucketAcl"]
        places = ["arn:aws:s3:::theirs", "arn:aws:s3:::theirs/*"]
        ours = {"AWS": "arn:aws:iam::000000000000:root"}
        shared = {"Effect": "Allow", "Principal": ours, "Action": actions, "Resource": places}
        other.put_bucket_policy(Bucket="theirs", Policy=policy(shared))
        yield cloud.client


def test_pictures_of_another_owner_are_refused(two_accounts: Callable[[str], Any]) -> None:
    rekognition, s3 = two_accounts("rekognition"), two_accounts("s3")
    lines = [line(f"{n}.png", label, bucket="theirs") for n, label in enumerate(["ok", "scratch"] * 3)]
    version = train(rekognition, s3, lines, OutputConfig={"S3Bucket": BUCKET})

    check_failure(s3, version, "ERROR_INVALID_IMAGES_S3_BUCKET_OWNER", "training")


def test_every_code_of_a_manifest_is_provoked() -> None:
    elsewhere = {
        "ERROR_MANIFEST_TOO_FEW_USABLE_LABELS",
        "ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP",
        "ERROR_FAILED_IMAGES_S3_COPY",
        "ERROR_INVALID_IMAGES_S3_BUCKET_OWNER",
    }
    assert BAD_SETS.keys() | elsewhere == CONTENT_MESSAGES.keys()


# Files that are no manifests

FILES = {
    "The manifest file is empty.": ("empty.manifest", b"\n"),
    "The manifest file extension or contents are invalid.": ("no-extension", b"{}\n"),
    # The other limit, of a gigabyte, answers the same.
    "The manifest file size exceeds the maximum supported size.": ("long.manifest", b"{}\n" * 250_001),
}


@pytest.mark.parametrize("sentence", FILES)
def test_an_unusable_file_fails_with_its_sentence_and_writes_nothing(rekognition: Any, s3: Any, sentence: str) -> None:
    check_file(rekognition, s3, *FILES[sentence], sentence)


@pytest.mark.parametrize(("key", "data"), [("binary.manifest", b"\xff\x00"), ("absent.manifest", None)])
def test_what_is_no_text_or_not_there_has_invalid_contents(
    rekognition: Any, s3: Any, key: str, data: bytes | None
) -> None:
    check_file(rekognition, s3, key, data, "The manifest file extension or contents are invalid.")


def check_file(rekognition: Any, s3: Any, key: str, data: bytes | None, sentence: str) -> None:
    if data is not None:
        s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    asset = {"Assets": [{"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": key}}}]}
    version = train(rekognition, s3, some("ok", 1), TrainingData=asset)

    assert (version["Status"], version["StatusMessage"]) == ("TRAINING_FAILED", sentence)
    assert "ManifestSummary" not in version
    assert output_kinds(s3, version["ProjectVersionArn"].split("/")[3]) == set()


def test_missing_buckets_fail_with_their_sentences(rekognition: Any, s3: Any) -> None:
    lines = some("ok", 2)
    asset = {"Assets": [{"GroundTruthManifest": {"S3Object": {"Bucket": "no-such-bucket", "Name": "a.manifest"}}}]}
    unreadable = train(rekognition, s3, lines, TrainingData=asset)
    unwritable = train(rekognition, s3, lines, OutputConfig={"S3Bucket": "no-such-bucket"})

    assert unreadable["StatusMessage"] == "The S3 bucket permissions are incorrect."
    assert unwritable["StatusMessage"] == "Unable to write to output S3 bucket."


# Datasets

BAD_DATASETS: dict[str, list[Line]] = {
    "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT": ["no json at all"],
    "ERROR_MANIFEST_TOO_MANY_LABELS": [line(f"{n}.png", f"label {n}") for n in range(251)],
    "ERROR_TOO_MANY_RECORDS_IN_ERROR": [line("a.png", "ok"), {"source-ref": f"s3://{BUCKET}/x", "a": 1}],
    "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM": ["{}"] * 250_001,
}


@pytest.mark.parametrize("code", BAD_DATASETS)
def test_a_manifest_that_cannot_become_a_dataset_fails_with_its_code(rekognition: Any, s3: Any, code: str) -> None:
    description = dataset(rekognition, s3, BAD_DATASETS[code])

    assert (description["Status"], description["StatusMessageCode"]) == ("CREATE_FAILED", "CLIENT_ERROR")
    assert description["StatusMessage"].startswith(f"{code}: ")


@pytest.mark.parametrize(
    ("bucket", "code"),
    [
        (BUCKET, "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT"),
        ("nobodys-bucket", "ERROR_INVALID_PERMISSIONS_MANIFEST_S3_BUCKET"),
    ],
)
def test_a_manifest_that_cannot_be_read_fails_with_its_code(rekognition: Any, s3: Any, bucket: str, code: str) -> None:
    place = {"GroundTruthManifest": {"S3Object": {"Bucket": bucket, "Name": "missing.manifest"}}}
    request = {"ProjectArn": new_project(rekognition), "DatasetType": "TRAIN", "DatasetSource": place}
    arn = rekognition.create_dataset(**request)["DatasetArn"]

    assert finished(rekognition, arn)["StatusMessage"].startswith(code)


def test_too_few_images_of_a_label_are_not_distributed(rekognition: Any, s3: Any) -> None:
    project = new_project(rekognition)
    lines = [*some("ok", 1), *some("scratch", 1)]
    arns = [dataset(rekognition, s3, lines, project)["arn"], dataset(rekognition, s3, [], project, "TEST")["arn"]]
    rekognition.distribute_dataset_entries(Datasets=[{"Arn": arn} for arn in arns])

    for arn in arns:
        description = finished(rekognition, arn)
        assert description["Status"] == "UPDATE_FAILED"
        assert description["StatusMessage"].startswith("ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_DISTRIBUTE")
    entries = rekognition.list_dataset_entries(DatasetArn=arns[0])["DatasetEntries"]
    assert len(entries) == 2
