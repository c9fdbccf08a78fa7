"""Every layout, from the folder to the account of a run: each picture with its labels, boxes, side and group."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import incoming
from mlops.dataset.keys import SPLITS
from mlops.dataset.manifests import parse_lines
from mlops.pictures.looking import MaskRules
from tests.unit.cli.layouts.samples import EVERY, Expected, Sample
from tests.unit.mlops.settling import OWN_SETTINGS, Uploads, bucket_with_events

DATASET = "parts"
PREFIX = f"datasets/{DATASET}/"
RULES = MaskRules(int(OWN_SETTINGS["MINIMUM_DEFECT_PIXELS"]), int(OWN_SETTINGS["MERGE_DISTANCE"]))


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    with bucket_with_events(monkeypatch) as uploads:
        yield uploads


def sent(uploads: Uploads, folder: Path, place: Path) -> incoming.Incoming:
    """What `mlops upload` makes of a folder, in the bucket and settled."""
    found = incoming.recognise(folder, DATASET, None, RULES, {})
    assert found
    for key, path in found.plan(place).files.items():
        uploads.put(key.removeprefix(PREFIX), path.read_bytes())
    # So small a folder would be dealt anew.
    uploads.put("dataset.json", b'{"split": "folders"}')
    uploads.settle()
    return found


def inventory(uploads: Uploads, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    body = uploads.s3.get_object(Bucket="artifacts", Key=run["inventory"])["Body"].read().decode()
    return {row["key"].removeprefix(PREFIX): row for row in parse_lines(body)}


def as_expected(row: dict[str, Any], boxes: list[dict[str, Any]]) -> tuple[Any, ...]:
    drawn = sorted((box["label"], (box["left"], box["top"], box["width"], box["height"])) for box in boxes)
    return tuple(row["labels"]), drawn, row.get("group", "")


def wanted(expected: Expected) -> tuple[Any, ...]:
    return expected.labels, sorted(expected.boxes), expected.group or ""


@pytest.mark.parametrize(("name", "sample"), EVERY, ids=[sample.__name__ for _, sample in EVERY])
def test_every_picture_of_a_layout_stands_in_the_account_as_its_folder_says(
    uploads: Uploads, tmp_path: Path, name: str, sample: Sample
) -> None:
    folder, place = tmp_path / "folder", tmp_path / "place"
    place.mkdir()
    expected = sample(folder)
    found = sent(uploads, folder, place)
    (labels,), drawn = uploads.runs(), uploads.runs("detection")
    rows = inventory(uploads, labels)
    boxes = inventory(uploads, drawn[0]) if drawn else {}
    keys = {path: path if found.is_as_it_is else f"images/{path}" for path in expected}

    assert found.recognised.layout == name
    assert rows.keys() == set(keys.values())
    for path, key in keys.items():
        own = boxes[key]["boxes"] if key in boxes else rows[key]["boxes"]
        assert as_expected(rows[key], own) == wanted(expected[path]), path
    sides = {path: rows[key]["side"] for path, key in keys.items()}
    assert {path: side for path, side in sides.items() if expected[path].side} == {
        path: entry.side for path, entry in expected.items() if entry.side
    }
    # What names no side is dealt, pictures of one part together.
    assert set(sides.values()) <= set(SPLITS)
    dealt = {(entry.group, sides[path]) for path, entry in expected.items() if entry.group and not entry.side}
    assert len(dealt) == len({group for group, _ in dealt})
    assert labels["refused"] == {} and labels["images"] == len(expected)
    assert labels["labels"] == sorted({label for entry in expected.values() for label in entry.labels})
    if any(entry.boxes for entry in expected.values()):
        assert drawn[0]["boxes"] == sum(len(entry.boxes) for entry in expected.values())
