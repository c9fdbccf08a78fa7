"""Objects as they are written."""

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
