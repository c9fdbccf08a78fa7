"""On which side an image was dealt: whoever deals first is right, and nobody reads or writes everything at once."""

import json

import pytest

from mlops.aws import buckets
from mlops.records import sides
from mlops.records.sides import Overtaken, Sides, known_sides
from mlops.stages import ground_truth
from tests.unit.mlops.settling import Uploads, bucket_with_events, picture
from tests.unit.mlops.world import World

KEYS = [f"datasets/parts/train/cut/{number}.png" for number in range(10)]


def written(world: World) -> dict[str, int]:
    found = world.s3.list_objects_v2(Bucket="artifacts", Prefix="datasets/parts/").get("Contents", ())
    texts = {entry["Key"]: buckets.artifacts_bucket().read_json(entry["Key"]) for entry in found}
    return {key.removeprefix("datasets/parts/"): len(content) for key, content in texts.items()}


def test_sides_are_remembered_in_pieces_of_a_bounded_size(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides, "_PIECE", 4)
    for number in range(1, 11):
        Sides("parts", KEYS).remember(dict.fromkeys(KEYS[:number], "train"))

    assert written(world) == {"sides/0000.json": 4, "sides/0001.json": 4, "sides/0002.json": 2}
    assert dict(known_sides("parts")) == dict.fromkeys(KEYS, "train")
    assert Sides("parts", KEYS[3:5]).known == dict.fromkeys(KEYS[3:5], "train")


def test_of_two_that_deal_at_once_the_first_one_wins(world: World) -> None:
    one, other = Sides("parts", KEYS), Sides("parts", KEYS)
    one.remember({KEYS[0]: "train"})

    with pytest.raises(Overtaken):
        other.remember({KEYS[0]: "test", KEYS[1]: "test"})
    assert dict(known_sides("parts")) == {KEYS[0]: "train"}


def test_what_is_known_already_is_not_written_again(world: World) -> None:
    Sides("parts", KEYS).remember({KEYS[0]: "train"})
    Sides("parts", KEYS).remember({KEYS[0]: "train"})

    assert len(world.s3.list_objects_v2(Bucket="artifacts", Prefix="datasets/parts/sides/")["Contents"]) == 1


def test_a_side_that_had_to_change_is_that_of_the_last_piece(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides, "_PIECE", 2)
    Sides("parts", KEYS).remember(dict.fromkeys(KEYS[:5], "test"))
    Sides("parts", KEYS).remember({KEYS[0]: "holdout"})

    assert dict(known_sides("parts"))[KEYS[0]] == Sides("parts", KEYS).known[KEYS[0]] == "holdout"


def test_the_sides_of_earlier_releases_go_on(world: World) -> None:
    buckets.artifacts_bucket().write_json("datasets/parts/sides.json", {KEYS[0]: "test", "gone.png": "train"})
    remembered = Sides("parts", KEYS)
    assert remembered.known == {KEYS[0]: "test"}
    remembered.remember({KEYS[0]: "test", KEYS[1]: "train"})

    # Of the old object nothing is read any more.
    world.s3.delete_object(Bucket="artifacts", Key="datasets/parts/sides.json")
    assert dict(known_sides("parts")) == {KEYS[0]: "test", "gone.png": "train", KEYS[1]: "train"}


def test_whoever_is_overtaken_deals_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another settling remembers sides between reading and writing: both runs have the same ones."""
    remember, turned = Sides.remember, dict[str, str]()

    def overtaken(remembered: Sides, dealt: dict[str, str]) -> None:
        if not turned:
            turned.update({key: {"train": "holdout"}.get(side, "train") for key, side in dealt.items()})
            remember(Sides("parts", dealt), turned)
        remember(remembered, dealt)

    with bucket_with_events(monkeypatch) as uploads:
        monkeypatch.setattr(ground_truth.Sides, "remember", overtaken)
        uploads.usual()
        uploads.settle()

        (run,) = uploads.runs()
        rows = buckets.artifacts_bucket().read(f"runs/{run['run_id']}/images.jsonl").splitlines()
        assert {row["key"]: row["side"] for row in map(json.loads, rows)} == dict(known_sides("parts")) == turned


def test_a_replaced_or_deleted_picture_keeps_its_side(monkeypatch: pytest.MonkeyPatch) -> None:
    with bucket_with_events(monkeypatch) as uploads:
        uploads.usual()
        uploads.settle()
        before = dict(known_sides("parts"))
        change(uploads)

        assert dict(known_sides("parts")) == before


def change(uploads: Uploads) -> None:
    uploads.put("train/cut/0.png", picture(77))
    uploads.delete("train/cut/1.png")
    uploads.settle()
    uploads.put("train/cut/1.png", picture(78))
    uploads.settle()
