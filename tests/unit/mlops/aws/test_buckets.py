"""Objects as they are written."""

from collections.abc import Iterator

import pytest

from mlops.aws import buckets
from tests.unit.mlops.world import World


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
