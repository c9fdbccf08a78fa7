"""The hourly look at what no event told of."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from mlops.records import activity, approvals, overlooked, runs
from mlops.records.table import OWN
from mlops.stage import StageRef
from tests.unit.mlops.settling import Uploads, bucket_with_events, picture
from tests.unit.mlops.world import Killed

ACTIVITY = ("DATASET#parts", "ACTIVITY")


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    with bucket_with_events(monkeypatch) as uploads:
        yield uploads


def later() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=30)


def test_a_dataset_that_no_event_told_of_is_trained_on(uploads: Uploads) -> None:
    for index in range(12):
        label = ("good", "cut")[index % 2]
        uploads.put(f"train/{label}/{index}.png", picture(index), is_told=False)

    assert overlooked.sweep(later()) == ["asked whether parts has settled"]
    uploads.settle()
    assert [run["images"] for run in uploads.runs()] == [12]


@pytest.mark.parametrize("change", ["created", "replaced", "deleted"])
def test_a_change_that_no_event_told_of_is_found(uploads: Uploads, change: str) -> None:
    uploads.usual()
    uploads.settle()
    if change == "deleted":
        uploads.delete("train/cut/0.png", is_told=False)
    else:
        # S3 tells the time to the second; what is replaced within it is found by its number or not at all.
        OWN.update(*ACTIVITY, {"settled": "12 objects, newest 2020-01-01T00:00:00+00:00"})
        uploads.put(f"train/cut/{0 if change == 'replaced' else 'new'}.png", picture(99), is_told=False)
    overlooked.sweep(later())
    uploads.settle()

    assert len(uploads.runs()) == 2


def test_a_dataset_that_is_as_it_settled_is_left_alone(uploads: Uploads) -> None:
    uploads.usual()
    uploads.settle()

    assert [done for done in overlooked.sweep(later()) if "settled" in done] == []
    assert uploads.messages == []


def test_what_has_just_come_is_left_to_its_events(uploads: Uploads) -> None:
    uploads.put("train/cut/0.png", picture(1), is_told=False)

    assert overlooked.sweep() == []


def test_runs_from_before_anything_was_noted_are_not_trained_again(uploads: Uploads) -> None:
    uploads.usual()
    uploads.settle()
    OWN.update(*ACTIVITY, {"settled": None})

    assert [done for done in overlooked.sweep(later()) if "settled" in done] == []
    assert "12 objects" in activity.of("parts").settled


def test_a_stage_that_never_began_although_its_input_is_there_is_begun(uploads: Uploads) -> None:
    uploads.usual()
    uploads.settle()
    (run,) = uploads.runs()
    key = f"runs/{run['run_id']}/ground_truth.json"

    assert overlooked.sweep(later()) == [f"wrote ground_truth.json of {run['run_id']} again"]
    assert len(uploads.s3.list_object_versions(Bucket="artifacts", Prefix=key)["Versions"]) == 1
    assert uploads.runs() == [run]


def test_a_stage_that_began_or_is_too_old_is_left_alone(uploads: Uploads) -> None:
    uploads.usual()
    uploads.settle()
    (run,) = uploads.runs()

    assert overlooked.sweep(later() + timedelta(days=2)) == []
    uploads.prepared(run)
    assert overlooked.sweep(later()) == [f"wrote training_input.json of {run['run_id']} again"]


def test_a_run_that_died_half_written_and_was_overtaken_by_other_uploads_ends(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message comes again, is out of date by then, and starts nothing."""
    uploads.usual()
    with monkeypatch.context() as patch:
        patch.setattr("mlops.records.runs.complete", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            uploads.settle()
    (half,) = runs.of_dataset("parts")
    assert not any("ended" in done for done in overlooked.sweep(later())), "it may still go on"

    uploads.put("train/cut/new.png", picture(99))
    uploads.settle()
    assert f"ended ground_truth of {half.run_id}" in overlooked.sweep(later())
    found = runs.read(half.run_id)
    assert found is not None and found.failure is not None and "changed before" in found.failure.reasons[0]
    assert not any("ended" in done for done in overlooked.sweep(later()))


def test_a_decision_that_nobody_was_told_of_is_passed_on_once(uploads: Uploads) -> None:
    ref = StageRef("parts-classification-1", "parts", "classification", "approve2staging", "staging")
    asked, open_one = (approvals.begin(ref, "a.json", "d", token) for token in ("token", "another"))
    approvals.decide(asked, approvals.APPROVED, "Ada", "", {"source_ip": "192.0.2.1", "user_agent": "x"})
    now = datetime.now(UTC)

    assert overlooked.sweep(now) == []
    assert overlooked.sweep(later()) == ["passed on what Ada decided about parts-classification-1"]
    assert overlooked.sweep(later()) == []
    assert [(kind, told["approval"]) for kind, told in uploads.events] == [("Model Approval Decided", asked.name)]
    assert approvals.find(open_one.name) == open_one
