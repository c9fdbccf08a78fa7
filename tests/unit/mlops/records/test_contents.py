"""The bucket beside the records, in the order of keys."""

from collections.abc import Iterator

import pytest

from mlops.records.contents import Contents, entries_of
from tests.unit.mlops.settling import Uploads, bucket_with_events, picture


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    with bucket_with_events(monkeypatch) as uploads:
        yield uploads


def test_objects_meet_their_records_in_the_order_of_keys(uploads: Uploads) -> None:
    for name in ("train/cut/\uff5e.png", "train/cut/\U0001f600.png", "train/cut/a.png", "test/Cut/b.png"):
        uploads.put(name, picture(1))
    uploads.put("train/cut/lost.png", picture(2), is_told=False)
    uploads.delete("train/cut/a.png", is_told=False)
    uploads.put("readme.txt", b"no content")

    contents = Contents()
    found = {e.key.split("/", 2)[2]: (e.etag is not None, e.record is not None, e.is_recorded)
             for e in entries_of("parts", ("kind",), contents=contents)}  # fmt: skip
    assert list(found) == sorted(found, key=str.encode)
    assert found["train/cut/lost.png"] == (True, False, False)
    assert found["train/cut/a.png"] == (False, True, False)
    assert [seen for name, seen in found.items() if name[-5:] not in ("a.png", "t.png")] == [(True, True, True)] * 3
    assert contents.count == 4
    assert contents.mark == Contents.of("parts").mark


def test_a_later_piece_begins_behind_a_key(uploads: Uploads) -> None:
    uploads.usual()
    keys = [entry.key for entry in entries_of("parts", ())]

    assert [entry.key for entry in entries_of("parts", (), after=keys[4])] == keys[5:]
