"""Answers become data: once, on one side for ever, whatever dies on the way; and people are asked once a day."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from mlops.judging.choosing import RANDOM
from mlops.records import activity, reviews
from mlops.records.reviews import ANSWERED, CLOSED, Answer, Review
from mlops.stages import retraining
from tests.unit.mlops.records.test_reviews import NOW, REVIEW, Clock
from tests.unit.mlops.settling import picture
from tests.unit.mlops.world import Killed, World, set_clock

MANIFEST = "datasets/parts/annotations.manifest"
OWN = '{"source-ref": "images/a.png", "side": "train"}'


@pytest.fixture(autouse=True)
def _world(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    Clock.now = NOW
    set_clock(monkeypatch, time=lambda: Clock.now)
    monkeypatch.setenv("SETTLE_SECONDS", "60")
    truth = json.dumps({"labels": ["bent", "normal"], "counts": {"train": {"bent": 9, "normal": 9}}})
    world.s3.put_object(Bucket="artifacts", Key="runs/r1/ground_truth.json", Body=truth)
    world.s3.put_object(Bucket="data", Key="datasets/parts/train/bent/1.png", Body=b"-")
    yield


def answered(world: World, name: str, *labels: str, **changes: Any) -> Review:
    review = replace(REVIEW, digest=name, picture=f"reviews/parts/{name}.png", **changes)
    reviews.begin(review)
    world.s3.put_object(Bucket="artifacts", Key=review.picture, Body=picture(1))
    reviews.answer(review, "ann", Answer(labels, (), is_boxed=labels == ("normal",)), "Ann")
    return found(name)


def found(name: str) -> Review:
    review = reviews.find("parts", name)
    assert review
    return review


def manifest(world: World) -> list[dict[str, Any]]:
    body = world.s3.get_object(Bucket="data", Key=MANIFEST)["Body"].read().decode()
    return [json.loads(line) for line in body.splitlines()]


def keys(world: World) -> set[str]:
    entries = world.s3.list_objects_v2(Bucket="data", Prefix="datasets/parts/").get("Contents", ())
    return {entry["Key"].removeprefix("datasets/parts/") for entry in entries}


def test_answers_become_pictures_and_lines_beside_those_that_were_there(world: World) -> None:
    world.s3.put_object(Bucket="data", Key=MANIFEST, Body=OWN)
    answered(world, "d1", "bent")
    answered(world, "d2", "normal", reasons=(RANDOM,))

    assert retraining.file_answers("parts") == ["images/reviewed/d1.png", "images/reviewed/d2.png"]
    own, first, second = manifest(world)
    assert own == json.loads(OWN)
    assert (first["side"], first["review"]["reviewer"], first["review"]["key"]) == ("train", "Ann", REVIEW.key)
    assert second["side"] == "holdout"
    assert {"images/reviewed/d1.png", "images/reviewed/d2.png"} <= keys(world)
    assert activity.of("parts").generation == 1
    assert {found(name).state for name in ("d1", "d2")} == {CLOSED}


def test_filed_again_nothing_changes(world: World) -> None:
    answered(world, "d1", "bent")
    retraining.file_answers("parts")
    before = world.table.snapshot(), manifest(world)

    assert retraining.file_answers("parts") == []
    assert (world.table.snapshot(), manifest(world)) == before


def test_a_mended_answer_changes_its_line_and_never_its_side(world: World) -> None:
    answered(world, "d1", "bent")
    retraining.file_answers("parts")
    reviews.answer(found("d1"), "ann", Answer(("normal",), (), is_boxed=True), "Ann")
    retraining.file_answers("parts")
    (line,) = manifest(world)
    assert (line["labels-metadata"]["class-map"], line["side"]) == ({"0": "normal"}, "train")

    reviews.answer(found("d1"), "ann", Answer(), "Ann")
    retraining.file_answers("parts")
    assert manifest(world) == []
    reviews.answer(found("d1"), "ann", Answer(("bent",)), "Ann")
    retraining.file_answers("parts")
    assert [line["side"] for line in manifest(world)] == ["train"]


def test_what_chance_chose_is_held_out_until_there_is_enough_of_its_label(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_IMAGES_PER_LABEL", "2")
    for number in range(4):
        answered(world, f"d{number}", "bent", reasons=(RANDOM,))
    answered(world, "new", "new label", reasons=(RANDOM,))
    retraining.file_answers("parts")

    sides = {line["source-ref"].split("/")[-1]: line["side"] for line in manifest(world)}
    assert sides == {"d0.png": "holdout", "d1.png": "holdout", "d2.png": "train", "d3.png": "train", "new.png": "train"}


def test_a_part_stays_on_the_side_that_its_other_pictures_have(world: World) -> None:
    settings = json.dumps({"groups": "(board[0-9]+)"})
    world.s3.put_object(Bucket="data", Key="datasets/parts/dataset.json", Body=settings)
    for key in ("test/bent/board1_a.png", "holdout/bent/board2_a.png"):
        world.s3.put_object(Bucket="data", Key=f"datasets/parts/{key}", Body=b"-")
    for number in (1, 2, 3):
        answered(world, f"d{number}", "bent", key=f"inspect/parts/board{number}_b.png")
    answered(world, "d4", "bent", key="inspect/parts/board3_c.png", reasons=(RANDOM,))
    retraining.file_answers("parts")

    sides = {line["source-ref"].split("/")[-1]: line["side"] for line in manifest(world)}
    assert sides == {"d2.png": "holdout", "d3.png": "train", "d4.png": "train"}


def test_whoever_uploads_a_manifest_of_their_own_loses_no_answer(world: World) -> None:
    answered(world, "d1", "bent")
    retraining.file_answers("parts")
    world.s3.put_object(Bucket="data", Key=MANIFEST, Body=OWN)
    retraining.file_answers("parts")

    assert [line["source-ref"] for line in manifest(world)] == ["images/a.png", "images/reviewed/d1.png"]


def test_a_manifest_that_somebody_writes_meanwhile_is_not_overwritten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(world, "d1", "bent")
    world.s3.put_object(Bucket="data", Key=MANIFEST, Body=OWN)
    copy, calls = retraining._copy, []

    def copy_while_another_writes(*args: Any) -> bool:
        if not calls:
            world.s3.put_object(Bucket="data", Key=MANIFEST, Body=OWN.replace("a.png", "b.png"))
        calls.append(args)
        return copy(*args)

    monkeypatch.setattr(retraining, "_copy", copy_while_another_writes)
    retraining.file_answers("parts")

    assert [line["source-ref"] for line in manifest(world)] == ["images/b.png", "images/reviewed/d1.png"]


def test_a_picture_that_is_gone_does_not_hold_up_the_others(world: World) -> None:
    answered(world, "d1", "bent")
    answered(world, "d2", "bent")
    world.s3.delete_object(Bucket="artifacts", Key="reviews/parts/d1.png")

    assert retraining.file_answers("parts") == ["images/reviewed/d2.png"]


def test_after_so_many_answers_and_never_with_zero(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRAIN_AFTER", "2")
    answered(world, "d1", "bent")
    answered(world, "unknown")
    assert not retraining.after_answer("parts")
    answered(world, "d2", "bent")
    monkeypatch.setenv("RETRAIN_AFTER", "0")
    assert not retraining.after_answer("parts")
    monkeypatch.setenv("RETRAIN_AFTER", "2")
    assert retraining.after_answer("parts")
    assert not retraining.after_answer("parts")


def test_one_mail_a_day_and_none_when_nothing_waits(world: World) -> None:
    assert retraining.hourly() == []
    reviews.begin(REVIEW)
    assert retraining.hourly() == ["asked for reviews of parts"]
    assert retraining.hourly() == []
    Clock.now += 86400
    assert retraining.hourly() == ["asked for reviews of parts"]
    assert world.mails == ["1 picture of parts to look at"] * 2


def test_killed_at_any_call_no_answer_is_lost_and_no_picture_filed_twice(world: World) -> None:
    def begin() -> None:
        answered(world, "d1", "bent")
        answered(world, "d2", "normal", reasons=(RANDOM,))

    begin()
    before = world.table.snapshot()
    world.kill_after(-1)
    retraining.file_answers("parts")
    calls, expected = world.calls, manifest(world)
    assert calls > 10
    for call in range(1, calls + 1):
        world.table.restore(before)
        for key in (MANIFEST, "datasets/parts/images/reviewed/d1.png", "datasets/parts/images/reviewed/d2.png"):
            world.s3.delete_object(Bucket="data", Key=key)
        world.kill_after(call)
        with suppress(Killed):
            retraining.file_answers("parts")
        world.is_dead = False
        retraining.file_answers("parts")
        assert manifest(world) == expected
        assert list(reviews.of_state("parts", ANSWERED)) == []
        assert activity.of("parts").generation >= 1
