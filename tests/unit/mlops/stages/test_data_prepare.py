"""What speaks against a training is told, however much it is."""

import json
from typing import Any

import pytest

from mlops.aws import buckets
from mlops.dataset.keys import run_key
from mlops.records import runs
from mlops.stages import data_prepare
from tests.unit.mlops.test_survival import DATASET, ref
from tests.unit.mlops.world import TASK, World

RUN = "parts-classification-000000000001"


def put_run(images: int) -> None:
    """A run all of whose images were deleted since."""
    store = buckets.artifacts_bucket()
    manifests = {side: run_key(RUN, f"manifests/{side}.manifest") for side in ("train", "test")}
    inventory = run_key(RUN, "images.jsonl")
    shape = {"etag": "e", "width": 99, "height": 99, "size": 99, "format": "PNG", "side": "train", "labels": ["bent"]}
    rows = [{"key": f"datasets/{DATASET}/train/bent/{number:05}.png", **shape} for number in range(images)]
    for key in manifests.values():
        store.write(key, "")
    store.write(inventory, "".join(f"{json.dumps(row)}\n" for row in rows))
    facts = {"outcome": "COMPLETED", "dataset": DATASET, "task": TASK, "manifests": manifests, "inventory": inventory}
    facts |= {"labels": ["bent", "normal"], "counts": {"test": {"bent": 1}}}
    store.write_json(run_key(RUN, "ground_truth.json"), facts)


@pytest.mark.parametrize("images", [1, 3000])
def test_the_artifact_has_every_reason_and_people_are_told_the_first_ones(world: World, images: int) -> None:
    put_run(images)
    told: list[dict[str, Any]] = []
    put = world._put_events
    world._put_events = lambda Entries: told.extend(json.loads(e["Detail"]) for e in Entries) or put(Entries)  # type: ignore  # noqa: N803
    data_prepare.prepare(RUN, "c")

    stage = runs.stage_of(ref(RUN, "data_prepare", "development"))
    artifact = run_key(RUN, "data_prepare.json")
    every = buckets.artifacts_bucket().read_json(artifact)["reasons"]
    assert len(every) >= images
    assert stage is not None
    assert stage.artifact == told[0]["artifact"] == artifact
    assert list(stage.reasons) == told[0]["reasons"]
    assert list(stage.reasons[:4]) == every[:4]
    assert (stage.reasons[-1] == f"and {len(every) - 50} more: {artifact}") == (images > 50)
