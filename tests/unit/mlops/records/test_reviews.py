"""Reviews: one person at a time, one answer, places of a day, links that expire."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mlops.dataset.boxes import Box, LabeledBox
from mlops.judging.choosing import RANDOM, Candidate
from mlops.judging.verdicts import Found
from mlops.records import review_links, reviews
from mlops.records.reviews import ANSWERED, CLOSED, WAITING, Answer, Review
from tests.unit.mlops.world import World, set_clock

NOW = 1_772_400_000.0
REVIEW = Review(
    dataset="parts",
    digest="d1",
    key="inspect/parts/line 2/1.png",
    picture="reviews/parts/d1.png",
    width=64,
    height=48,
    reasons=("unsure",),
    verdict="unsure",
    said=("the classifier says bent 51.0 (counts from 50.0)",),
    inspected_at="2026-03-01T09:15:00.000+00:00",
    labels=(Found("bent", 51.0),),
    boxes=(Found("bent", 91.25, Box(1, 2, 3, 4)),),
    run_ids={"classification": "r1"},
)
BENT = Answer(("bent",), (LabeledBox("bent", Box(1, 2, 3.5, 4)),), is_boxed=True)


class Clock:
    """A clock that tests move on."""

    now = NOW


@pytest.fixture(autouse=True)
def clock(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Clock]]:
    Clock.now = NOW
    set_clock(monkeypatch, time=lambda: Clock.now)
    yield Clock


def found(digest: str = "d1") -> Review:
    review = reviews.find("parts", digest)
    assert review
    return review


def waiting() -> list[str]:
    return [review.digest for review in reviews.of_state("parts", WAITING)]


def test_a_review_is_read_as_it_was_written_and_written_once() -> None:
    assert reviews.begin(REVIEW)
    assert not reviews.begin(replace(REVIEW, key="inspect/parts/other.png"))
    assert found() == REVIEW
    assert reviews.find("others", "d1") is None
    assert (REVIEW.day, REVIEW.path) == ("2026-03-01", "line 2/1.png")


def test_one_reviewer_at_a_time(clock: type[Clock]) -> None:
    reviews.begin(REVIEW)

    assert reviews.take(REVIEW, "ann")
    assert reviews.take(REVIEW, "ann")
    assert not reviews.take(REVIEW, "ben")
    assert not reviews.answer(found(), "ben", BENT, "Ben")
    clock.now += reviews.LOCK_SECONDS
    assert reviews.take(REVIEW, "ben")
    assert not reviews.answer(found(), "ann", BENT, "Ann")


def test_an_answer_is_kept_with_who_gave_it_and_when() -> None:
    reviews.begin(REVIEW)
    reviews.take(REVIEW, "ann")

    assert reviews.answer(found(), "ann", BENT, "Ann")
    kept = found()
    assert (kept.state, kept.answer, kept.reviewer, kept.revision) == (ANSWERED, BENT, "Ann", 1)
    assert kept.answered_at.startswith("2026-03-01T21:20:00")
    assert waiting() == []
    assert [review.digest for review in reviews.of_state("parts", ANSWERED)] == ["d1"]


def test_nobody_else_answers_again_and_whoever_did_may_mend_it() -> None:
    reviews.begin(REVIEW)
    reviews.answer(found(), "ann", BENT, "Ann")

    assert not reviews.answer(found(), "ben", Answer(("normal",)), "Ben")
    assert reviews.answer(found(), "ann", Answer(("normal",)), "Ann")
    assert not reviews.answer(replace(found(), revision=1), "ann", BENT, "Ann")
    assert found().answer.labels == ("normal",)


def test_what_nobody_can_tell_never_becomes_data_unless_it_was() -> None:
    reviews.begin(REVIEW)
    reviews.answer(found(), "ann", Answer(), "Ann")
    assert found().state == CLOSED

    reviews.answer(found(), "ann", BENT, "Ann")
    assert reviews.settle(found(), "train").side == "train"
    reviews.answer(found(), "ann", Answer(), "Ann")
    assert found().state == ANSWERED


def test_a_side_is_given_once() -> None:
    reviews.begin(REVIEW)
    stale = found()

    assert reviews.settle(stale, "holdout").side == "holdout"
    assert reviews.settle(stale, "train").side == "holdout"
    assert reviews.settle(found(), "", "test/bent/1.png") == found()
    assert found().same_as == ""


def test_sides_of_parts_and_the_first_file_of_a_picture_are_written_once() -> None:
    assert reviews.settle_group("parts", "board 1", "holdout") == "holdout"
    assert reviews.settle_group("parts", "board 1", "train") == "holdout"
    assert reviews.settle_group("others", "board 1", "train") == "train"
    assert reviews.settle_picture("parts", "f", "images/reviewed/a.png") == "images/reviewed/a.png"
    assert reviews.settle_picture("parts", "f", "images/reviewed/b.png") == "images/reviewed/a.png"


def test_every_answer_is_kept_with_who_gave_it_and_when(clock: type[Clock]) -> None:
    reviews.begin(REVIEW)
    for labels in (("bent",), ("cut",), ("normal",)):
        reviews.answer(found(), "ann", Answer(labels), f"Ann {labels[0]}")
        clock.now += 60

    earlier = reviews.earlier(found())
    assert [(given.answer.labels, given.reviewer) for given in earlier] == [
        (("bent",), "Ann bent"),
        (("cut",), "Ann cut"),
    ]
    assert earlier[0].answered_at < earlier[1].answered_at < found().answered_at


def test_an_answer_that_was_refused_leaves_no_earlier_one() -> None:
    reviews.begin(REVIEW)
    reviews.answer(found(), "ann", BENT, "Ann")
    reviews.answer(found(), "ben", Answer(("normal",)), "Ben")

    assert reviews.earlier(found()) == []


def test_an_answer_that_changed_meanwhile_is_not_taken_for_filed() -> None:
    reviews.begin(REVIEW)
    reviews.answer(found(), "ann", BENT, "Ann")
    old = found()
    reviews.answer(old, "ann", Answer(("normal",)), "Ann")

    assert not reviews.note_filed(old)
    assert reviews.note_filed(found())
    assert found().state == CLOSED


def test_what_is_put_off_waits_behind_the_others() -> None:
    reviews.begin(REVIEW)
    reviews.begin(replace(REVIEW, digest="d2", inspected_at="2026-03-01T10:00:00.000+00:00"))
    reviews.take(REVIEW, "ann")

    assert not reviews.put_off(REVIEW, "ben")
    assert reviews.put_off(REVIEW, "ann")
    assert waiting() == ["d2", "d1"]


def test_a_day_has_so_many_places_and_whoever_gives_way_is_withdrawn() -> None:
    for number in range(2):
        name = f"d{number}"
        assert reviews.reserve("parts", "2026-03-01", Candidate(0.5 + number / 10, name, ("unsure",)), 2)
        reviews.begin(replace(REVIEW, digest=name))
    assert not reviews.reserve("parts", "2026-03-01", Candidate(0.9, "late", ("unsure",)), 2)
    assert reviews.reserve("parts", "2026-03-01", Candidate(0.5, "d0", ("unsure",)), 2)
    assert reviews.reserve("parts", "2026-03-01", Candidate(0.01, "drawn", (RANDOM,)), 2)

    assert waiting() == ["d0"]
    assert reviews.reserve("parts", "2026-03-02", Candidate(0.9, "late", ("unsure",)), 2)


def test_what_somebody_works_on_is_not_withdrawn_and_keeps_out_nothing_that_chance_draws() -> None:
    reviews.reserve("parts", "2026-03-01", Candidate(0.5, "d1", ("unsure",)), 1)
    reviews.begin(REVIEW)
    reviews.take(REVIEW, "ann")

    assert not reviews.reserve("parts", "2026-03-01", Candidate(0.01, "other", ("unsure",)), 1)
    assert reviews.reserve("parts", "2026-03-01", Candidate(0.01, "drawn", (RANDOM,)), 1)
    assert waiting() == ["d1"]
    assert reviews.drawn("parts", "2026-03-01") == {"drawn"}


def test_a_day_of_which_all_is_answered_still_has_room_for_what_chance_draws() -> None:
    for number in range(30):
        reviews.reserve("parts", "2026-03-01", Candidate(0.5, f"d{number}", ("unsure",)), 30)
        reviews.begin(replace(REVIEW, digest=f"d{number}"))
        reviews.answer(found(f"d{number}"), "ann", BENT, "Ann")
    for number in range(3):
        assert reviews.reserve("parts", "2026-03-01", Candidate(0.01, f"drawn{number}", (RANDOM,)), 30)

    assert reviews.drawn("parts", "2026-03-01") == {"drawn0", "drawn1", "drawn2"}


def test_a_link_leads_to_one_dataset_until_it_expires(world: World, clock: type[Clock]) -> None:
    review_links.begin("parts", "token", 7)
    link = review_links.find("token")

    assert link and link.dataset == "parts"
    assert review_links.find("other") is None and review_links.find("") is None
    assert "token" not in json.dumps(list(map(str, world.table.snapshot().items()))).replace("token_hash", "")
    clock.now += 7 * 86400
    assert review_links.find("token") is None


def test_one_mail_a_day() -> None:
    assert review_links.claim_mail("parts", "2026-03-01")
    assert not review_links.claim_mail("parts", "2026-03-01")
    assert review_links.claim_mail("others", "2026-03-01")
    review_links.note_mailed("parts", "2026-03-01")
    assert not review_links.claim_mail("parts", "2026-03-01")
    assert review_links.claim_mail("parts", "2026-03-02")


def test_a_mail_that_was_claimed_and_never_sent_may_be_sent_by_another(clock: type[Clock]) -> None:
    review_links.claim_mail("parts", "2026-03-01")
    clock.now += 900
    assert review_links.claim_mail("parts", "2026-03-01")
