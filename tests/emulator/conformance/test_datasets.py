"""Datasets through boto3: made, changed, listed, distributed, trained from, deleted."""

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from tests.emulator.clients import error, error_code, new_project, output_lines, settled
from tests.emulator.datasets import boxes_line, line, put_manifest, put_pictures
from tests.emulator.processes import RunningService, wait_for
from tests.emulator.target import BUCKET, OUTPUT

_numbers = count()
Lines = list[Any]


def source(s3: Any, lines: Lines, key: str = "") -> dict[str, Any]:
    """A DatasetSource that names a manifest with these lines."""
    (asset,) = put_manifest(s3, key or f"datasets/{next(_numbers)}.manifest", lines)["Assets"]
    return {"GroundTruthManifest": asset["GroundTruthManifest"]}


def described(rekognition: Any, arn: str) -> dict[str, Any]:
    return rekognition.describe_dataset(DatasetArn=arn)["DatasetDescription"]


def done(rekognition: Any, arn: str) -> dict[str, Any]:
    """The description once nothing is in progress."""
    return wait_for(lambda: (d := described(rekognition, arn)) and not d["Status"].endswith("IN_PROGRESS") and d)


def make(rekognition: Any, s3: Any, lines: Lines | None = None, project: str = "", kind: str = "TRAIN") -> str:
    """Create a dataset with these lines, empty without, and wait for it."""
    given = {"DatasetSource": source(s3, lines)} if lines is not None else {}
    project = project or new_project(rekognition)
    arn = rekognition.create_dataset(ProjectArn=project, DatasetType=kind, **given)["DatasetArn"]
    done(rekognition, arn)
    return arn


def listed(rekognition: Any, arn: str, **filters: Any) -> list[dict[str, Any]]:
    pages = rekognition.get_paginator("list_dataset_entries").paginate(DatasetArn=arn, **filters)
    return [json.loads(entry) for page in pages for entry in page["DatasetEntries"]]


def keys(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["source-ref"].removeprefix(f"s3://{BUCKET}/") for entry in entries]


def update(rekognition: Any, arn: str, *lines: Any) -> None:
    text = "\n".join(entry if isinstance(entry, str) else json.dumps(entry) for entry in lines)
    rekognition.update_dataset_entries(DatasetArn=arn, Changes={"GroundTruth": text.encode()})


THREE = [line("a.png", "ok"), line("b.png", "scratch"), line("c.png", "ok", "scratch")]


def test_a_manifest_becomes_a_dataset_whose_lines_come_back_in_order(rekognition: Any, s3: Any) -> None:
    arn = make(rekognition, s3, THREE)

    entries = listed(rekognition, arn)
    assert [{k: v for k, v in entry.items() if k != "cl-metadata"} for entry in entries] == THREE
    assert all(entry["cl-metadata"] == {"is_labeled": True} for entry in entries)
    description = described(rekognition, arn)
    assert (description["Status"], description["StatusMessageCode"]) == ("CREATE_COMPLETE", "SUCCESS")
    assert description["DatasetStats"] == {
        "LabeledEntries": 3,
        "TotalEntries": 3,
        "TotalLabels": 2,
        "ErrorEntries": 0,
    }


def test_lines_are_listed_without_spaces_whatever_the_manifest_had(rekognition: Any, s3: Any) -> None:
    arn = make(rekognition, s3, THREE)

    for text in rekognition.list_dataset_entries(DatasetArn=arn)["DatasetEntries"]:
        assert text == json.dumps(json.loads(text), separators=(",", ":"))


def test_a_project_lists_its_datasets_and_has_one_of_each_kind(rekognition: Any, s3: Any) -> None:
    project = new_project(rekognition)
    arns = {kind: make(rekognition, s3, project=project, kind=kind) for kind in ("TRAIN", "TEST")}
    name = project.split("/")[1]
    (description,) = rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"]

    assert {d["DatasetType"]: d["DatasetArn"] for d in description["Datasets"]} == arns
    assert {d["Status"] for d in description["Datasets"]} == {"CREATE_COMPLETE"}
    again = {"ProjectArn": project, "DatasetType": "TRAIN"}
    assert error_code(rekognition.create_dataset, **again) == "ResourceAlreadyExistsException"
    assert error_code(rekognition.delete_project, ProjectArn=project) == "ResourceInUseException"


def test_a_dataset_is_copied_with_its_errors_and_goes_its_own_way(rekognition: Any, s3: Any) -> None:
    bad = {"source-ref": f"s3://{BUCKET}/x", "a": 1}
    original = make(rekognition, s3, [*THREE, *(line(f"{n}.png", "ok") for n in range(9)), bad])
    project = new_project(rekognition)
    copy = rekognition.create_dataset(ProjectArn=project, DatasetType="TEST", DatasetSource={"DatasetArn": original})[
        "DatasetArn"
    ]
    done(rekognition, copy)
    update(rekognition, original, line("a.png", "dent"))
    done(rekognition, original)

    assert len(listed(rekognition, copy)) == 13
    assert keys(listed(rekognition, copy, HasErrors=True)) == ["x"]
    assert listed(rekognition, copy, ContainsLabels=["dent"]) == []


def test_what_has_no_image_is_dropped_without_a_word(rekognition: Any, s3: Any) -> None:
    dropped = [
        "not json",
        "",
        "[]",
        json.dumps({"tag": 1}),
        json.dumps({"source-ref": "http://elsewhere/x.png"}),
        json.dumps(line("long.png", "ok") | {"filler": "x" * 100_000}),
        line("a.png", "scratch"),
    ]
    arn = make(rekognition, s3, [line("a.png", "ok"), *dropped])

    (entry,) = listed(rekognition, arn)
    assert entry["tag0-metadata"]["class-name"] == "ok"


def test_what_is_wrong_with_a_line_is_listed_in_it(rekognition: Any, s3: Any) -> None:
    bad_type = line("b.png", "ok", type="groundtruth/text")
    good = [line(f"{number}.png", "ok") for number in range(20)]
    arn = make(rekognition, s3, [*good, bad_type, {"source-ref": f"s3://{BUCKET}/c.png"}])
    by_key = dict(zip(keys(found := listed(rekognition, arn)), found, strict=True))

    codes = [entry["code"] for entry in by_key["b.png"]["tag0-metadata"]["cl-errors"]]
    assert codes == ["ERROR_UNSUPPORTED_USE_CASE_TYPE"]
    assert [entry["code"] for entry in by_key["b.png"]["cl-errors"]] == ["ERROR_NO_VALID_LABEL_ATTRIBUTES"]
    assert by_key["b.png"]["cl-metadata"] == {"is_labeled": False}
    assert "cl-errors" not in by_key["c.png"]
    assert described(rekognition, arn)["DatasetStats"]["ErrorEntries"] == 1


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"ContainsLabels": ["ok"]}, ["a.png", "c.png"]),
        ({"ContainsLabels": ["ok", "scratch"]}, ["a.png", "b.png", "c.png"]),
        ({"ContainsLabels": ["dent"]}, []),
        ({"Labeled": True}, ["a.png", "b.png", "c.png"]),
        ({"Labeled": False}, ["sub/d.png"]),
        ({"SourceRefContains": "sub/"}, ["sub/d.png"]),
        ({"SourceRefContains": "%"}, []),
        ({"HasErrors": True}, []),
        ({"HasErrors": False, "Labeled": True, "SourceRefContains": "/b.", "ContainsLabels": ["scratch"]}, ["b.png"]),
    ],
)
def test_entries_are_filtered(rekognition: Any, filtered: str, filters: dict[str, Any], expected: list[str]) -> None:
    assert keys(listed(rekognition, filtered, **filters)) == expected


@pytest.fixture(scope="module")
def filtered(rekognition: Any, s3: Any) -> str:
    return make(rekognition, s3, [*THREE, {"source-ref": f"s3://{BUCKET}/sub/d.png"}])


def test_labels_are_counted_in_images(rekognition: Any, s3: Any) -> None:
    boxed = boxes_line("b.png", ("ok", 1, 1, 20, 20), ("ok", 30, 30, 20, 20), ("dent", 2, 2, 9, 9))
    arn = make(rekognition, s3, [line("a.png", "ok"), boxed])

    assert rekognition.list_dataset_labels(DatasetArn=arn)["DatasetLabelDescriptions"] == [
        {"LabelName": "dent", "LabelStats": {"EntryCount": 1, "BoundingBoxCount": 1}},
        {"LabelName": "ok", "LabelStats": {"EntryCount": 2, "BoundingBoxCount": 1}},
    ]


def test_an_update_adds_lines_and_replaces_those_about_the_same_images_in_place(rekognition: Any, s3: Any) -> None:
    arn = make(rekognition, s3, THREE)
    update(rekognition, arn, line("b.png", "dent"), line("d.png", "ok"))
    description = done(rekognition, arn)

    assert description["Status"] == "UPDATE_COMPLETE"
    assert description["LastUpdatedTimestamp"] > description["CreationTimestamp"]
    assert keys(listed(rekognition, arn)) == ["a.png", "b.png", "c.png", "d.png"]
    assert keys(listed(rekognition, arn, ContainsLabels=["dent"])) == ["b.png"]
    assert listed(rekognition, arn, ContainsLabels=["scratch"])[0]["source-ref"].endswith("c.png")


def test_listed_lines_can_be_handed_in_again(rekognition: Any, s3: Any) -> None:
    bad = line("b.png", "ok", type="groundtruth/text")
    arn = make(rekognition, s3, [*(line(f"{number}.png", "ok") for number in range(9)), bad])
    before = listed(rekognition, arn)
    update(rekognition, arn, *before)
    done(rekognition, arn)

    assert listed(rekognition, arn) == before


@pytest.mark.parametrize(
    "given",
    [{}, {"GroundTruthManifest": {}}, {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET}}}],
    ids=["empty", "no object", "no name"],
)
def test_a_source_that_names_nothing_is_refused(rekognition: Any, given: dict[str, Any]) -> None:
    request = {"ProjectArn": new_project(rekognition), "DatasetType": "TRAIN", "DatasetSource": given}

    assert error_code(rekognition.create_dataset, **request) == "InvalidParameterException"


def test_a_fifth_of_each_label_is_moved_into_the_empty_testing_dataset(rekognition: Any, s3: Any) -> None:
    project = new_project(rekognition)
    lines = [line(f"{label}/{number}.png", label) for label in ("ok", "scratch") for number in range(10)]
    training, testing = (
        make(rekognition, s3, given, project, kind) for given, kind in ((lines, "TRAIN"), (None, "TEST"))
    )
    rekognition.distribute_dataset_entries(Datasets=[{"Arn": training}, {"Arn": testing}])

    assert {done(rekognition, arn)["Status"] for arn in (training, testing)} == {"UPDATE_COMPLETE"}
    sides = [keys(listed(rekognition, arn)) for arn in (training, testing)]
    assert [len(side) for side in sides] == [16, 4]
    assert sorted(sides[0] + sides[1]) == sorted(
        f"{entry['source-ref']}".removeprefix(f"s3://{BUCKET}/") for entry in lines
    )
    assert {name.split("/")[0] for name in sides[1]} == {"ok", "scratch"}


def test_entries_are_distributed_between_the_two_datasets_of_a_project_only(rekognition: Any, s3: Any) -> None:
    project = new_project(rekognition)
    training, testing = (make(rekognition, s3, THREE, project, kind) for kind in ("TRAIN", "TEST"))
    other = make(rekognition, s3, None, kind="TEST")

    def refused(*arns: str) -> dict[str, Any]:
        return error(rekognition.distribute_dataset_entries, Datasets=[{"Arn": arn} for arn in arns])

    assert "not empty" in refused(training, testing)["Message"]
    assert refused(training, training)["Code"] == "InvalidParameterException"
    assert refused(training, other)["Code"] == "InvalidParameterException"


def test_a_project_with_datasets_is_trained_from_them(
    rekognition: Any, s3: Any, training_lines: Lines, testing_lines: Lines
) -> None:
    project = new_project(rekognition)
    make(rekognition, s3, training_lines, project)
    request = {"ProjectArn": project, "VersionName": "v1", "OutputConfig": {"S3Bucket": OUTPUT, "S3KeyPrefix": "ds"}}
    assert "TEST" in error(rekognition.create_project_version, **request)["Message"]
    make(rekognition, s3, testing_lines, project, "TEST")
    version = settled(rekognition, rekognition.create_project_version(**request)["ProjectVersionArn"])

    assert version["Status"] == "TRAINING_COMPLETED"
    assert version["EvaluationResult"]["F1Score"] == 1
    assert version["TrainingDataResult"]["Input"] == {}
    assert version["TestingDataResult"]["Input"] == {"AutoCreate": False}
    used = version["TrainingDataResult"]["Output"]["Assets"][0]["GroundTruthManifest"]["S3Object"]
    text = s3.get_object(Bucket=used["Bucket"], Key=used["Name"])["Body"].read().decode()
    rows = [json.loads(row) for row in text.splitlines()]
    assert [row["source-ref"] for row in rows] == [row["source-ref"] for row in training_lines]
    truths = [row["rekognition-custom-labels-training-0-metadata"]["class-name"] for row in rows]
    assert truths == [row["tag0-metadata"]["class-name"] for row in training_lines]


def test_a_project_with_datasets_is_not_trained_from_manifests(rekognition: Any, s3: Any) -> None:
    project = new_project(rekognition)
    make(rekognition, s3, THREE, project)
    asset = put_manifest(s3, "other.manifest", THREE)
    request = {"ProjectArn": project, "VersionName": "v1", "OutputConfig": {"S3Bucket": OUTPUT}}
    refused = error(rekognition.create_project_version, **request, TrainingData=asset, TestingData=asset)

    assert refused["Code"] == "InvalidParameterException"
    assert "has datasets" in refused["Message"]


def test_a_busy_dataset_is_not_trained_from(launch: Callable[..., RunningService], s3: Any) -> None:
    client = launch("--transition-seconds", 0.7).client()
    project = new_project(client)
    for kind in ("TRAIN", "TEST"):
        client.create_dataset(ProjectArn=project, DatasetType=kind)
    request = {"ProjectArn": project, "VersionName": "v1", "OutputConfig": {"S3Bucket": OUTPUT}}

    assert error_code(client.create_project_version, **request) == "ResourceInUseException"


def test_datasets_carry_tags(rekognition: Any, s3: Any) -> None:
    arn = rekognition.create_dataset(ProjectArn=new_project(rekognition), DatasetType="TRAIN", Tags={"line": "a"})[
        "DatasetArn"
    ]
    rekognition.tag_resource(ResourceArn=arn, Tags={"team": "b"})

    assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"line": "a", "team": "b"}


def test_entries_survive_a_restart_and_what_was_under_way_has_failed(
    launch: Callable[..., RunningService], s3: Any, tmp_path: Any
) -> None:
    first = launch("--state", tmp_path / "state", "--transition-seconds", 5)
    client = first.client()
    project = new_project(client)
    kept = client.create_dataset(ProjectArn=project, DatasetType="TRAIN")["DatasetArn"]
    done_or_not = client.create_dataset(ProjectArn=project, DatasetType="TEST")["DatasetArn"]
    first.stop()
    again = launch("--state", tmp_path / "state").client()

    for arn in (kept, done_or_not):
        description = described(again, arn)
        assert (description["Status"], description["StatusMessageCode"]) == ("CREATE_FAILED", "SERVICE_ERROR")
    update(again, kept, *THREE)
    assert done(again, kept)["DatasetStats"]["TotalEntries"] == 3


def test_pictures_of_lines_are_looked_at_in_training_only(rekognition: Any, s3: Any) -> None:
    put_pictures(s3, "few", {"ok": 1})
    arn = make(rekognition, s3, [line("few/ok/0.png", "ok"), line("not/there.png", "ok")])

    assert described(rekognition, arn)["DatasetStats"]["ErrorEntries"] == 0


def test_a_training_dataset_alone_is_split_when_the_service_may(
    launch: Callable[..., RunningService], s3: Any, training_lines: Lines
) -> None:
    client = launch("--split-training-dataset").client()
    project = new_project(client)
    make(client, s3, training_lines, project)
    request = {"ProjectArn": project, "VersionName": "v1", "OutputConfig": {"S3Bucket": OUTPUT, "S3KeyPrefix": "split"}}
    version = settled(client, client.create_project_version(**request)["ProjectVersionArn"])

    assert version["Status"] == "TRAINING_COMPLETED"
    assert version["TestingDataResult"]["Input"] == {"AutoCreate": True}
    sides = [version[side]["Output"] for side in ("TrainingDataResult", "TestingDataResult")]
    used = [row["source-ref"] for side in sides for row in output_lines(s3, side)]
    assert sorted(used) == sorted(row["source-ref"] for row in training_lines)
