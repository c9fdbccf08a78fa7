"""Answers become data: once, on one side for ever, whatever dies on the way; and people are asked once a day."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import pytest

from functions.retraining.app import handler
from mlops.dataset.keys import parse_upload
from mlops.dataset.object_record import ACCEPTED, record_for
from mlops.events import DriftFound, Event, PartInspected, RetrainingRequested, ReviewAnswered
from mlops.judging.appearance import Statistics
from mlops.judging.choosing import RANDOM, Candidate
from mlops.records import activity, images, releases, reviews
from mlops.records.releases import Release
from mlops.records.reviews import ANSWERED, CLOSED, Answer, Review
from mlops.stages import retraining
from tests.unit.mlops.records.test_reviews import NOW, REVIEW, Clock
from tests.unit.mlops.settling import picture
from tests.unit.mlops.world import TASK, Killed, World, set_clock

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


def answered(world: World, name: str, *labels: str, **changes: Any) -> None:
    review = replace(REVIEW, digest=name, picture=f"reviews/parts/{name}.png", **changes)
    reviews.begin(review)
    world.s3.put_object(Bucket="artifacts", Key=review.picture, Body=picture(1))
    reviews.answer(review, "ann", Answer(labels, (), is_boxed=labels == ("normal",)), "Ann")


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


TESTED = "test/bent/1.png"
LOOKS = Statistics(100.5, 40.25, 0.5, 100, 101, 102, 80, 72)


def in_the_dataset(reference: str, digest: str, looks: Statistics = LOOKS) -> None:
    """A picture that somebody uploaded and `ingest` has recorded."""
    upload = parse_upload(f"datasets/parts/{reference}")
    seen = {"digest": digest, "looks": "0f" * 8, "statistics": asdict(looks)}
    images.write_record(replace(record_for(upload), state=ACCEPTED, **seen), "1")


@pytest.mark.parametrize(
    ("digest", "fingerprint"),
    [
        pytest.param("own", "", id="the same bytes"),
        pytest.param("other", LOOKS.fingerprint("0f" * 8), id="the same pixels in another file"),
    ],
)
def test_a_picture_that_the_dataset_has_is_not_filed_a_second_time(world: World, digest: str, fingerprint: str) -> None:
    in_the_dataset(TESTED, "own")
    answered(world, digest, "cut", reasons=(RANDOM,), fingerprint=fingerprint)
    retraining.file_answers("parts")

    (line,) = manifest(world)
    assert line["same-as"] == TESTED and "side" not in line
    assert not any(key.startswith("images/reviewed/") for key in keys(world))
    review = found(digest)
    assert (review.state, review.side, review.same_as) == (CLOSED, "", TESTED)
    reviews.answer(review, "ann", Answer(), "Ann")
    retraining.file_answers("parts")
    assert manifest(world) == []


def test_a_picture_that_is_like_another_and_not_the_same_is_data_of_its_own(world: World) -> None:
    in_the_dataset(TESTED, "own")
    answered(world, "d1", "bent", fingerprint=replace(LOOKS, brightness=100.501).fingerprint("0f" * 8))
    retraining.file_answers("parts")

    assert [line["side"] for line in manifest(world)] == ["train"]


def test_what_nobody_has_labelled_yet_becomes_data_by_its_answer(world: World) -> None:
    in_the_dataset("images/new.png", "d1")
    answered(world, "d1", "bent")
    retraining.file_answers("parts")

    assert [line.get("same-as") for line in manifest(world)] == [None]


def test_one_picture_in_two_files_has_one_side_and_is_filed_once(world: World) -> None:
    answered(world, "png", "bent", reasons=(RANDOM,), fingerprint="f")
    retraining.file_answers("parts")
    answered(world, "tiff", "bent", fingerprint="f")
    retraining.file_answers("parts")

    first, second = manifest(world)
    assert first["side"] == "holdout"
    assert second["same-as"] == "images/reviewed/png.png" and "side" not in second


def test_a_side_outlives_the_row_that_gave_it(world: World) -> None:
    answered(world, "d1", "bent", reasons=(RANDOM,))
    row = {"pk": "REVIEW#parts#d1", "sk": "REVIEW"}
    assert "expires_at" not in world.table.get_item(Key=row, ConsistentRead=True)["Item"]
    retraining.file_answers("parts")
    world.table.delete_item(Key=row)
    answered(world, "d1", "bent")
    retraining.file_answers("parts")

    assert [line["side"] for line in manifest(world)] == ["holdout"]


def test_two_that_file_at_the_same_time_put_a_part_on_one_side(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.s3.put_object(Bucket="data", Key="datasets/parts/dataset.json", Body=json.dumps({"groups": "(board[0-9]+)"}))
    answered(world, "d1", "bent", key="inspect/parts/board1_a.png")
    answered(world, "d2", "bent", key="inspect/parts/board1_b.png", reasons=(RANDOM,))
    # Each sees what the other does not see yet, and the second comes while the first is at work.
    of_state, copy, seen = reviews.of_state, retraining._copy, ["d1", "d2"]

    def some_of_state(dataset: str, state: str, *more: Any) -> list[Review]:
        found = list(of_state(dataset, state, *more))
        own = seen.pop(0) if state == ANSWERED and seen else ""
        return [review for review in found if review.digest == own] if own else found

    def copy_while_another_files(*given: Any) -> bool:
        if len(seen) == 1:
            retraining.file_answers("parts")
        return copy(*given)

    monkeypatch.setattr(reviews, "of_state", some_of_state)
    monkeypatch.setattr(retraining, "_copy", copy_while_another_files)
    retraining.file_answers("parts")

    assert {(line["source-ref"], line["side"]) for line in manifest(world)} == {
        ("images/reviewed/d1.png", "train"),
        ("images/reviewed/d2.png", "train"),
    }


def test_what_is_wrong_with_one_dataset_does_not_hold_up_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRAIN_AFTER", "1")
    world.s3.put_object(Bucket="data", Key="datasets/a/train/bent/1.png", Body=b"-")
    answered(world, "d1", "bent", dataset="a")
    reviews.begin(REVIEW)
    file_answers = retraining.file_answers

    def refuse(dataset: str) -> list[str]:
        if dataset == "a":
            raise TimeoutError("written by others")
        return file_answers(dataset)

    monkeypatch.setattr(retraining, "file_answers", refuse)
    with pytest.raises(ExceptionGroup) as raised:
        retraining.hourly()

    assert [str(fault) for fault in raised.value.exceptions] == ["written by others"]
    assert world.mails == ["1 picture of parts to look at"]


def test_a_hostile_line_of_the_manifest_stops_nothing(world: World) -> None:
    hostile = '{"source-ref": "images/reviewed/x.png", "labels": [0], "labels-metadata": {"class-map": {"0": 5}}}'
    world.s3.put_object(Bucket="data", Key=MANIFEST, Body=hostile)
    answered(world, "d1", "bent")

    assert retraining.file_answers("parts") == ["images/reviewed/d1.png"]
    assert manifest(world)[0] == json.loads(hostile)


def test_after_so_many_answers_and_never_with_zero(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRAIN_AFTER", "2")
    answered(world, "d1", "bent")
    answered(world, "nobody can tell")
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


def test_what_is_true_in_production_is_told_every_hour_where_enough_pictures_tell(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("POWERTOOLS_METRICS_DISABLED")
    place = {"dataset": "parts", "task": TASK, "environment": "production"}
    releases.record(Release("r1", "arn", "2026-03-01", **place))
    for number in range(30):
        reviews.reserve("parts", REVIEW.day, Candidate(0.01, f"d{number}", (RANDOM,)), 50)
        answered(world, f"d{number}", "bent" if number < 2 else "normal", verdict="ok", reasons=(RANDOM,))
    retraining.hourly()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "ProductionRate" in line]
    told = {line["Rate"]: round(line["ProductionRate"][0], 1) for line in lines}
    # Two defective parts are too few to say how many escape, and of none nothing is known.
    assert told == {**dict.fromkeys(("overkill", "unsure", "overkill, at least", "unsure, at least"), 0.0)} | {
        "overkill, at most": 12.1,
        "unsure, at most": 11.4,
    }
    assert {line["Dataset"] for line in lines} == {"parts"}


def test_a_mail_that_could_not_be_sent_is_sent_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reviews.begin(REVIEW)

    def refuse(*_: str) -> None:
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr("mlops.aws.messages.send_mail", refuse)
        with pytest.raises(ExceptionGroup):
            retraining.hourly()
    assert retraining.hourly() == []
    Clock.now += 3600
    assert retraining.hourly() == ["asked for reviews of parts"]
    assert world.mails == ["1 picture of parts to look at"]


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


def deliver(event: Event | None = None) -> None:
    """Call the function as EventBridge does with this event, or as its schedule does."""
    told = {"detail-type": event.detail_type, "detail": event.as_detail()} if event else {}
    handler(
        told, SimpleNamespace(function_name="f", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="r")
    )


def test_the_answer_that_was_missing_files_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRAIN_AFTER", "2")
    answered(world, "d1", "bent")
    deliver(ReviewAnswered("parts", "d1"))
    assert found("d1").state == ANSWERED
    answered(world, "d2", "bent")
    deliver(ReviewAnswered("parts", "d2"))
    deliver(ReviewAnswered("parts", "d2"))

    assert len(manifest(world)) == 2 and activity.of("parts").generation == 1


def test_whoever_asks_waits_for_no_more_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRAIN_AFTER", "0")
    answered(world, "d1", "bent")
    deliver(RetrainingRequested("parts"))
    deliver(RetrainingRequested("parts"))

    assert len(manifest(world)) == 1 and activity.of("parts").generation == 1
    with pytest.raises(PermissionError, match="no dataset others"):
        deliver(RetrainingRequested("others"))


@pytest.mark.parametrize(("enough", "filed"), [("50", 1), ("0", 0)])
def test_drift_files_what_is_answered_unless_nothing_is_to_be_trained(
    world: World, monkeypatch: pytest.MonkeyPatch, enough: str, filed: int
) -> None:
    monkeypatch.setenv("RETRAIN_AFTER", enough)
    answered(world, "d1", "bent")
    drifted = DriftFound("parts", ("brightness",), "2026-03-02T09:00:00+00:00", "datasets/parts/drift.json")
    deliver(drifted)
    deliver(drifted)

    assert sum(key.startswith("images/reviewed/") for key in keys(world)) == filed
    assert activity.of("parts").generation == filed


def test_every_hour_somebody_is_asked(world: World) -> None:
    reviews.begin(REVIEW)
    deliver()
    assert world.mails == ["1 picture of parts to look at"]


def test_an_event_of_another_kind_is_a_fault(world: World) -> None:
    with pytest.raises(ValueError, match="nothing is filed"):
        retraining.handle(PartInspected("parts", "inspect/parts/1.png", "ok"))
