"""Objects as they are written."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from mlops.aws import buckets
from tests.unit.mlops.world import World, make_buckets, mocked, refused


@pytest.fixture
def world(world: World) -> Iterator[World]:
    """With the SDK's own client of S3: what is sent, and how, is the subject."""
    with mock_aws():
        make_buckets()
        world.s3 = mocked("s3")
        yield world


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("a.json", "application/json"),
        ("a b.png", "image/png"),
        ("100%.jpg", "image/jpeg"),
        ("results/parts/2026-03-02.jsonl", "application/jsonlines"),
        ("manifests/train.manifest", "application/jsonlines"),
        ("report.html", "text/html; charset=utf-8"),
        ("nothing", "application/octet-stream"),
    ],
)
def test_an_object_is_of_the_kind_that_its_key_says(world: World, key: str, kind: str) -> None:
    buckets.artifacts_bucket().write(key, "content")

    assert world.s3.get_object(Bucket="artifacts", Key=key)["ContentType"] == kind


def test_long_texts_are_sent_in_parts_and_read_line_by_line(world: World) -> None:
    lines = [f"{number} \u2028 {'x' * 1_000_000}" for number in range(20)]
    buckets.artifacts_bucket().write_lines("long.manifest", lines)

    found = world.s3.head_object(Bucket="artifacts", Key="long.manifest")
    assert found["ETag"].strip('"').endswith("-3")
    assert found["ContentType"] == "application/jsonlines"
    assert list(buckets.artifacts_bucket().lines("long.manifest")) == lines


def test_short_texts_are_sent_at_once(world: World) -> None:
    for lines in ([], ["a"], ["a", "b"]):
        buckets.artifacts_bucket().write_lines("short.manifest", lines)

        assert buckets.artifacts_bucket().read("short.manifest") == "".join(f"{line}\n" for line in lines)


def test_what_cannot_be_finished_leaves_nothing_behind(world: World) -> None:
    def lines() -> Iterator[str]:
        yield from ("x" * 9_000_000 for _ in range(2))
        raise TimeoutError("the lines ended early")

    with pytest.raises(TimeoutError):
        buckets.artifacts_bucket().write_lines("long.manifest", lines())

    assert "Uploads" not in world.s3.list_multipart_uploads(Bucket="artifacts")
    assert buckets.artifacts_bucket().find("long.manifest") is None


def test_the_newest_stays_whoever_writes_last(world: World) -> None:
    bucket = buckets.artifacts_bucket()
    bucket.write("a.json", "of an earlier release")
    assert bucket.write_newest("a.json", b"second", "2")
    assert not bucket.write_newest("a.json", b"first", "1")
    assert bucket.write_newest("a.json", b"second again", "2")

    assert (bucket.read("a.json"), bucket.order_of("a.json"), bucket.order_of("b.json")) == ("second again", "2", "")


def test_the_newest_stays_when_both_write_at_the_same_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket, put = buckets.artifacts_bucket(), world.s3.put_object

    def overtaken(**request: Any) -> Any:
        if request["Body"] == b"first":
            put(Bucket="artifacts", Key="a.json", Body=b"second", Metadata={"order": "2"})
        return put(**request)

    monkeypatch.setattr(world.s3, "put_object", overtaken)

    assert not bucket.write_newest("a.json", b"first", "1")
    assert bucket.read("a.json") == "second"


@pytest.mark.parametrize("size", [10, buckets.LEAST_PART], ids=["small", "large"])
def test_bytes_are_written_behind_others_and_what_is_large_stays_in_s3(
    world: World, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    bucket = buckets.artifacts_bucket()
    bucket.write("a.jsonl", b"x" * size + b"tail")
    etag, sent = bucket.head("a.jsonl")[0], []
    for name in ("put_object", "upload_part"):
        call = getattr(world.s3, name)
        monkeypatch.setattr(world.s3, name, lambda call=call, **r: (sent.append(len(r["Body"])), call(**r))[1])

    assert bucket.write_behind("a.jsonl", size, b"new", etag, {"noted": "1"})
    assert bucket.read_bytes("a.jsonl") == b"x" * size + b"new"
    assert bucket.head("a.jsonl")[1] == {"noted": "1"}
    assert world.s3.head_object(Bucket="artifacts", Key="a.jsonl")["ContentType"] == "application/jsonlines"
    assert sum(sent) <= min(size, 100) + 3


@pytest.mark.parametrize("size", [10, buckets.LEAST_PART], ids=["small", "large"])
def test_bytes_are_written_behind_those_that_were_looked_at_and_no_others(
    world: World, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    bucket, conditions = buckets.artifacts_bucket(), []
    bucket.write("a.jsonl", b"x" * size)

    def refuse(**request: Any) -> Any:
        conditions.append(request["IfMatch"])
        raise refused("PreconditionFailed")

    for name in ("put_object", "complete_multipart_upload"):
        monkeypatch.setattr(world.s3, name, refuse)

    assert not bucket.write_behind("a.jsonl", size, b"new", "the etag", {})
    assert conditions == ["the etag"]
