"""What uploads become: one run for one content, whatever events come, late, twice, or never."""

from collections.abc import Iterator
from typing import Any

import pytest

from mlops.aws import buckets
from mlops.records.table import OWN
from mlops.stages import ground_truth
from tests.unit.mlops.settling import Uploads, bucket_with_events, picture


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    with bucket_with_events(monkeypatch) as uploads:
        yield uploads


def test_an_undeleted_picture_is_trained_on_again(uploads: Uploads) -> None:
    uploads.usual()
    uploads.settle()
    uploads.delete("train/cut/0.png")
    uploads.settle()
    uploads.delete("train/cut/0.png", VersionId=uploads.versions("train/cut/0.png", "DeleteMarkers")[0])
    uploads.put("train/cut/new.png", picture(99))
    uploads.settle()

    assert sorted(run["images"] for run in uploads.runs()) == [11, 12, 13]


def test_an_earlier_version_that_is_brought_back_is_the_picture(uploads: Uploads) -> None:
    uploads.usual()
    uploads.settle()
    uploads.put("train/cut/0.png", picture(77))
    uploads.settle()
    uploads.delete("train/cut/0.png", VersionId=uploads.versions("train/cut/0.png")[0])
    uploads.settle()

    assert len(uploads.runs()) == 2


@pytest.mark.parametrize("lost", ["created", "replaced", "deleted"])
def test_what_no_event_told_of_is_looked_at_before_a_run_starts(uploads: Uploads, lost: str) -> None:
    uploads.usual()
    if lost == "deleted":
        uploads.delete("train/cut/0.png", is_told=False)
    else:
        key = "train/cut/0.png" if lost == "replaced" else "train/cut/more.png"
        uploads.put(key, picture(99), is_told=False)
    uploads.put("train/cut/last.png", picture(98))
    uploads.settle()

    (run,) = uploads.runs()
    assert run["images"] == {"created": 14, "replaced": 13, "deleted": 12}[lost]


@pytest.mark.parametrize("name", [".DS_Store", "train/cut/Thumbs.db", "readme.txt"])
def test_what_an_earlier_release_recorded_of_litter_holds_up_no_dataset(uploads: Uploads, name: str) -> None:
    uploads.usual()
    uploads.put(name, b"x", is_told=False)
    key = f"datasets/parts/{name}"
    row = {"pk": "IMAGES#parts#0", "sk": key, "kind": "unknown", "state": "REFUSED", "etag": "e", "sequencer": "0"}
    OWN.put({**row, "folder": "", "label": "", "reason": "not part of the layout"})
    uploads.settle()

    (run,) = uploads.runs()
    assert (run["images"], run["refused"]) == (12, {})


def test_late_events_change_nothing(uploads: Uploads) -> None:
    uploads.usual()
    uploads.put("train/cut/late.png", picture(99), is_told=False)
    uploads.settle()
    uploads.tell("Object Created", "train/cut/late.png")
    uploads.settle()

    assert len(uploads.runs()) == 1


def test_a_record_that_stays_wrong_is_told_by_name(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops.stages.ingest.look_again", lambda *_: None)
    uploads.usual()
    uploads.put("train/cut/lost.png", picture(99), is_told=False)

    with pytest.raises(TimeoutError, match=r"train/cut/lost\.png"):
        uploads.settle()


@pytest.mark.parametrize("storage", ["GLACIER", "DEEP_ARCHIVE"])
def test_a_picture_that_is_archived_is_refused_by_name_and_the_others_go_on(uploads: Uploads, storage: str) -> None:
    uploads.usual()
    uploads.put("train/cut/archived.png", picture(99), StorageClass=storage)
    uploads.settle()

    (run,) = uploads.runs()
    assert run["images"] == 12
    assert "S3 does not hand it out (InvalidObjectState" in run["refused"]["datasets/parts/train/cut/archived.png"]


def test_a_picture_that_was_restored_is_trained_on_when_the_dataset_settles_again(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads.usual()
    with monkeypatch.context() as locked:
        locked.setattr(buckets.Bucket, "get", _denied)
        uploads.put("train/cut/locked.png", picture(99))
        uploads.settle()
    uploads.put("train/cut/last.png", picture(98))
    uploads.settle()

    assert sorted(run["images"] for run in uploads.runs()) == [12, 14]


_get = buckets.Bucket.get


def _denied(bucket: buckets.Bucket, key: str) -> Any:
    if bucket.name == "data":
        raise buckets.ObjectUnreadable("AccessDenied", "Access Denied")
    return _get(bucket, key)


@pytest.mark.parametrize("again", ["in parts", "as it was"])
def test_the_same_bytes_are_trained_on_once_whatever_their_etag(uploads: Uploads, again: str) -> None:
    uploads.usual()
    uploads.settle()
    if again == "in parts":
        uploads.put_in_parts("train/cut/0.png", picture(100))
    else:
        uploads.put("train/cut/0.png", picture(100), ServerSideEncryption="aws:kms")
    uploads.settle()

    assert len(uploads.runs()) == 1


def test_a_picture_that_was_sent_again_between_manifest_and_training_is_the_same(uploads: Uploads) -> None:
    uploads.usual()
    uploads.settle()
    uploads.put_in_parts("train/cut/0.png", picture(100))

    reasons, _ = uploads.prepared(uploads.runs()[0])
    assert reasons == []


@pytest.mark.parametrize("change", ["replaced", "deleted"])
def test_a_picture_that_changed_between_manifest_and_training_is_named(uploads: Uploads, change: str) -> None:
    uploads.usual()
    uploads.settle()
    if change == "deleted":
        uploads.delete("train/cut/0.png")
    else:
        uploads.put("train/cut/0.png", picture(99))

    reasons, _ = uploads.prepared(uploads.runs()[0])
    (reason,) = reasons
    assert reason.startswith(f"datasets/parts/train/cut/0.png was {change} after its manifest was written")


def test_dataset_json_shortens_the_wait_for_what_came_before_it(uploads: Uploads) -> None:
    uploads.usual(count=2)
    uploads.put("dataset.json", b"{}")

    *before, (_, last) = uploads.messages
    assert {delay for _, delay in before} == {60}
    assert last == 10


def test_what_comes_after_dataset_json_is_waited_for(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads.put("dataset.json", b"{}")
    early = uploads.messages.pop()[0]
    # A second passes: that is how exactly S3 tells the time.
    OWN.update("DATASET#parts", "ACTIVITY", {"complete_at": "2020-01-01T00:00:00"})
    uploads.put("train/cut/0.png", picture(1))
    ground_truth.settle(early)

    assert uploads.runs() == []
    assert [delay for _, delay in uploads.messages] == [60]


def test_dataset_json_alone_starts_nothing(uploads: Uploads) -> None:
    uploads.put("dataset.json", b"{}")
    uploads.settle()

    assert uploads.runs() == uploads.events == []
