"""What takes longer than a function has goes on in pieces: each picture once, whatever comes twice."""

import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlops.aws import buckets
from mlops.records import activity, contents
from mlops.records.images import record_of
from mlops.stages import data_prepare, ground_truth, ingest
from tests.unit.mlops.settling import Uploads, bucket_with_events, picture
from tests.unit.mlops.world import set_clock

COUNT = 9


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    with bucket_with_events(monkeypatch) as uploads:
        yield uploads


@pytest.fixture
def looked(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a picture was looked at again; each time takes 25 seconds."""
    found: Counter[str] = Counter()
    look, passed = ingest.look_again, [0.0]

    def look_again(key: str, window: Any = None) -> None:
        found[key] += 1
        passed[0] += 25
        look(key, window)

    monkeypatch.setattr(ingest, "look_again", look_again)
    set_clock(monkeypatch, time=lambda: uploads.now, monotonic=lambda: passed[0])
    return found


def deep(seed: int, largest: int) -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, largest, (72, 80)).astype(np.uint16)).save(data, "PNG")
    return data.getvalue()


def with_deep_pictures(uploads: Uploads) -> None:
    """Nine of ten bits, and at last one of sixteen, for which all have to be prepared anew."""
    uploads.usual()
    for number in range(COUNT):
        uploads.put(f"train/cut/deep{number}.png", deep(number, 1 << 10))
    uploads.put("train/good/deepest.png", deep(99, 1 << 16))


def test_pictures_are_prepared_anew_in_pieces_and_each_of_them_once(
    uploads: Uploads, looked: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    entries = buckets.Bucket.entries
    monkeypatch.setattr(buckets.Bucket, "entries", lambda *given: listed.append(given[-1]) or entries(*given))
    with_deep_pictures(uploads)
    told = []
    while uploads.messages:
        ground_truth.settle(uploads.messages.pop(0)[0])
        told.append(activity.of("parts").progress)

    assert set(looked.values()) == {1} and len(looked) == COUNT
    # A look at everything before and after; between them each piece begins where the one before it ended.
    assert listed == ["", "", *(sorted(looked)[place] for place in (2, 5, 8)), ""]
    assert told == ["", *(f"looked again at {n} of {COUNT} files" for n in (3, 6, 9)), "", ""]
    (run,) = uploads.runs()
    assert run["window"] == [0, 65535]
    assert run["images"] == 12 + COUNT + 1


def test_a_piece_that_comes_twice_looks_at_nothing_twice(uploads: Uploads, looked: Counter[str]) -> None:
    with_deep_pictures(uploads)
    while uploads.messages:
        message, _ = uploads.messages.pop(0)
        ground_truth.settle(message)
        if "mending" in message:
            ground_truth.settle(message)

    assert set(looked.values()) == {1}
    assert len(uploads.runs()) == 1


def test_pieces_end_when_something_new_comes(uploads: Uploads, looked: Counter[str]) -> None:
    with_deep_pictures(uploads)
    ground_truth.settle(uploads.messages.pop(0)[0])
    (piece, _) = uploads.messages.pop(0)
    uploads.put("train/cut/new.png", picture(500))
    before = looked.total()
    ground_truth.settle(piece)

    assert looked.total() == before
    assert all("mending" not in message for message, _ in uploads.messages)
    uploads.settle()
    assert [run["images"] for run in uploads.runs()] == [12 + COUNT + 2]


def test_events_that_were_lost_are_made_up_for_in_pieces(uploads: Uploads, looked: Counter[str]) -> None:
    uploads.usual()
    for number in range(COUNT):
        uploads.put(f"train/cut/lost{number}.png", picture(700 + number), is_told=False)
    uploads.settle()

    assert set(looked.values()) == {1} and len(looked) == COUNT
    assert [run["images"] for run in uploads.runs()] == [12 + COUNT]


def test_what_was_sent_again_is_compared_with_its_record_and_not_read(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads.usual()
    uploads.settle()
    (run,) = uploads.runs()
    for number in range(6):
        uploads.put_in_parts(f"train/cut/{number}.png", picture(100 + number))
    known = record_of("datasets/parts/train/cut/0.png")
    assert known and known.etag.endswith("-1")
    monkeypatch.setattr(buckets.Bucket, "get", lambda *_: pytest.fail("a picture was read"))

    assert uploads.prepared(run) == ([], uploads.prepared(run)[1])


def test_what_nobody_has_looked_at_is_read_up_to_a_limit(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads.usual()
    uploads.settle()
    (run,) = uploads.runs()
    sizes = []
    with monkeypatch.context() as unheard:
        unheard.setattr(uploads, "tell", lambda *_: None)
        for number in range(6):
            uploads.put_in_parts(f"train/cut/{number}.png", picture(100 + number))
            sizes.append(len(picture(100 + number)))
    monkeypatch.setattr(data_prepare, "_MOST_COMPARED", sum(sizes[:4]))

    reasons, _ = uploads.prepared(run)
    assert [reason.split()[0] for reason in reasons] == [f"datasets/parts/train/cut/{n}.png" for n in (4, 5)]


def test_a_dataset_is_read_page_by_page(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a listing of a million objects, as of the records, no more is held than two pages."""
    made = [0]

    def objects(*_: object) -> Iterator[dict[str, Any]]:
        for number in range(10_000):
            made[0] = number
            yield {"Key": f"datasets/parts/train/cut/{number:06}.png", "ETag": '"e"', "LastModified": contents._NEVER}

    monkeypatch.setattr(buckets.Bucket, "entries", objects)
    for number, entry in enumerate(contents.entries_of("parts", ())):
        assert entry.key.endswith(f"/{number:06}.png")
        assert made[0] <= number + 1
