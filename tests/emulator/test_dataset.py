import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from local.rekognition import limits
from local.rekognition.manifests.dataset import Dataset, bucket_codes, can_split, read_dataset, split, with_images
from local.rekognition.manifests.failures import ManifestFileError
from local.rekognition.manifests.inspection import inspect
from local.rekognition.manifests.manifest import parse_manifest
from local.rekognition.manifests.storage import ObjectStorage, Reason, StorageError
from tests.emulator.datasets import boxes_line, line, picture


class Shelf(ObjectStorage):
    """Objects in memory, buckets with owners; a bucket named `flaky` answers for manifests and for nothing else."""

    def __init__(self, objects: Mapping[tuple[str, str], bytes], owners: Mapping[str, str] | None = None) -> None:
        self._objects = objects
        self._owners = owners or {}

    def read(self, bucket: str, key: str, limit: int, version: str | None = None) -> bytes:
        if bucket == "flaky" and not key.endswith(".manifest"):
            raise StorageError(Reason.UNAVAILABLE, "timed out")
        if (bucket, key) not in self._objects:
            raise StorageError(Reason.MISSING, key)
        if len(self._objects[bucket, key]) > limit:
            raise StorageError(Reason.TOO_LARGE, key)
        return self._objects[bucket, key]

    def check_bucket(self, bucket: str) -> None:
        pass

    def owner(self, bucket: str) -> str:
        return self._owners.get(bucket, "us")


def rows(*lines: dict[str, Any]) -> str:
    return "\n".join(json.dumps(entry) for entry in lines)


def dataset(*lines: dict[str, Any]) -> Dataset:
    return Dataset("parts", parse_manifest(rows(*lines)))


def test_images_of_another_owner_are_refused() -> None:
    found = bucket_codes(dataset(line("a.png", "ok", bucket="theirs")), Shelf({}, {"theirs": "them"}))

    assert list(found) == ["ERROR_INVALID_IMAGES_S3_BUCKET_OWNER"]


def test_failing_s3_is_told_from_bad_images() -> None:
    lines = [line(f"{number}.png", label, bucket="flaky") for number, label in enumerate(["ok", "scratch"] * 2)]
    shelf = Shelf({("flaky", "a.manifest"): rows(*lines).encode()})

    found = inspect(read_dataset(shelf, "flaky", "a.manifest"), None, shelf, decode=len)

    assert found.shared_codes == ("ERROR_FAILED_IMAGES_S3_COPY",)


def test_boxes_are_drawn_on_the_picture_as_the_engine_turns_it() -> None:
    line_of_upright = boxes_line("a.jpg", ("dent", 10, 10, 20, 20), size=(80, 96))
    shelf = Shelf({("parts", "a.jpg"): picture("ok", 1, size=(96, 80))})

    found = with_images(dataset(line_of_upright), shelf, lambda data: Image.new("RGB", (80, 96)))

    assert [entry.is_valid for entry in found.lines] == [True]


def test_manifest_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MANIFEST_BYTES", 10)

    with pytest.raises(ManifestFileError, match="size exceeds the maximum"):
        read_dataset(Shelf({("parts", "a.manifest"): b"{" * 11}), "parts", "a.manifest")


def test_manifest_with_too_many_lines_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MANIFEST_LINES", 2)

    with pytest.raises(ManifestFileError, match="size exceeds the maximum"):
        parse_manifest("{\n{\n{")


def test_split_of_seventy_images_is_56_and_14_and_always_the_same() -> None:
    whole = dataset(*(line(f"{number}.png", "ok" if number % 2 else "scratch") for number in range(70)))

    training, testing = split(whole)

    assert (len(training.lines), len(testing.lines)) == (56, 14)
    assert split(whole) == (training, testing)


@settings(deadline=None)
@given(st.lists(st.sets(st.sampled_from("abcd"), min_size=1), min_size=1, max_size=40))
def test_split_loses_no_image_and_no_training_label(label_sets: list[set[str]]) -> None:
    whole = dataset(*(line(f"{number}.png", *sorted(labels)) for number, labels in enumerate(label_sets)))
    counts = Counter(label for labels in label_sets for label in labels)

    training, testing = split(whole)

    assert can_split(whole) == all(count >= 2 for count in counts.values())
    assert sorted(line.source.key for line in training.lines + testing.lines) == sorted(
        line.source.key for line in whole.lines
    )
    assert len(testing.lines) <= max(len(label_sets) * 0.2 + len(counts), 1)
