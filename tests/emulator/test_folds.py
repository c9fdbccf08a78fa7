"""`mlops train --folds` beside the Custom Labels service: trained by quota, read, and nothing left behind."""

from types import SimpleNamespace
from typing import Any

import pytest

from cli import folds
from cli.datasets import Seen
from cli.stack import CommandRefused
from mlops.dataset.images import Image
from mlops.records.documents import GroundTruth
from mlops.records.table import Table
from tests.emulator.clients import new_name
from tests.emulator.datasets import put_pictures
from tests.emulator.processes import wait_for
from tests.emulator.target import BUCKET, OUTPUT
from tests.unit.mlops.memory_table import MemoryTable


@pytest.fixture
def stack(rekognition: Any, s3: Any) -> Any:
    name = new_name("folds")
    rekognition.create_project(ProjectName=f"{name}-classification-development")
    outputs = {"DataBucketName": BUCKET, "ArtifactsBucketName": OUTPUT}
    clients = {"rekognition": rekognition, "s3": s3}.__getitem__
    return SimpleNamespace(name=name, outputs=outputs, clients=clients, parameters={}, table=Table(MemoryTable()))


def seen(s3: Any, folder: str, counts: dict[str, int]) -> Seen:
    lines = put_pictures(s3, folder, counts)
    images = []
    for line in lines:
        key, label = line["source-ref"].removeprefix(f"s3://{BUCKET}/"), line["tag0-metadata"]["class-name"]
        images.append(Image(key, "e", (label,), "train", key, 96, 80, uploaded_at="2026-03-02T09:15:00"))
    return Seen("classification", GroundTruth(run_id="parts-classification-0123456789ab"), tuple(images))


def versions(stack: Any) -> list[str]:
    client = stack.clients("rekognition")
    name = f"{stack.name}-classification-development"
    (project,) = client.describe_projects(ProjectNames=[name])["ProjectDescriptions"]
    found = client.describe_project_versions(ProjectArn=project["ProjectArn"])["ProjectVersionDescriptions"]
    return [version["ProjectVersionArn"].split("/")[3] for version in found]


def test_more_folds_than_the_account_trains_at_once_are_all_trained_read_and_deleted(stack: Any, s3: Any) -> None:
    plan = folds.plan(stack, seen(s3, "folds", {"ok": 8, "scratch": 8}), 4)
    said: list[str] = []
    results = dict(folds.Training(stack, plan, pause=0.05, say=said.append).results())

    assert str(plan) == "4 trainings of about 45 minutes each, about USD 3.00"
    assert results == {number: {"ok": 1.0, "scratch": 1.0, "": 1.0} for number in range(1, 5)}
    assert len(said) == 4 and said[0] == "Fold 1 learns from 12 pictures and is tested on 4."
    wait_for(lambda: versions(stack) == [])


def test_a_training_that_fails_ends_with_its_reason_and_leaves_its_name_free(stack: Any, s3: Any) -> None:
    found = seen(s3, "folds-gone", {"ok": 4, "scratch": 4})
    gone = tuple(Image(f"{i.key}.gone", "e", i.labels, "train", i.key, 96, 80) for i in found.images)
    plan = folds.plan(stack, Seen(found.task, found.truth, gone), 2)

    with pytest.raises(CommandRefused, match=r"Training fold-\d-of-2-0123456789ab failed: The manifest") as refused:
        dict(folds.Training(stack, plan, pause=0.05, say=lambda _: None).results())
    wait_for(lambda: str(refused.value).split()[1] not in versions(stack))


def test_what_an_earlier_attempt_has_trained_is_read_and_not_trained_again(stack: Any, s3: Any) -> None:
    plan = folds.plan(stack, seen(s3, "folds-again", {"ok": 4, "scratch": 4}), 2)
    first = folds.Training(stack, plan, pause=0.05, say=lambda _: None)
    assert first._begin(plan.folds[0], has_company=False)
    said: list[str] = []
    results = dict(folds.Training(stack, plan, pause=0.05, say=said.append).results())

    assert results.keys() == {1, 2} and len(said) == 1
    wait_for(lambda: versions(stack) == [])
