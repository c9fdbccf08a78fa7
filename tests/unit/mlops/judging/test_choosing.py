"""Which inspections are put before a person."""

import pytest

from mlops.judging.choosing import (
    DISAGREE,
    RANDOM,
    UNLIKE,
    Candidate,
    Place,
    candidate,
    lot,
    place_of,
    reasons_of,
)
from mlops.judging.verdicts import DEFECT, OK, THEY_DISAGREE, UNSURE, Verdict

CLEAR = Verdict(OK, ("the classifier says normal",))


def others(count: int) -> list[Candidate]:
    return [Candidate(0.1 + i / 1000, f"other{i}", (UNSURE,)) for i in range(count)]


def drawn(count: int) -> list[Candidate]:
    return [Candidate(0.01 + i / 1000, f"random{i}", (RANDOM,)) for i in range(count)]


def test_a_clear_verdict_about_a_usual_picture_is_not_asked_about() -> None:
    assert reasons_of("a", CLEAR, is_unlike=False, share=0) == ()


@pytest.mark.parametrize(
    ("verdict", "is_unlike", "share", "reasons"),
    [
        (Verdict(UNSURE, ("near",)), False, 0.0, (UNSURE,)),
        (Verdict(UNSURE, ("one", "other", THEY_DISAGREE)), False, 0.0, (DISAGREE, UNSURE)),
        (Verdict(DEFECT, ()), True, 0.0, (UNLIKE,)),
        (CLEAR, False, 1.0, (RANDOM,)),
        (Verdict(UNSURE, ()), True, 1.0, (RANDOM, UNSURE, UNLIKE)),
    ],
)
def test_why_a_picture_is_asked_about(
    verdict: Verdict, is_unlike: bool, share: float, reasons: tuple[str, ...]
) -> None:
    assert reasons_of("a", verdict, is_unlike=is_unlike, share=share) == reasons


def test_chance_hits_about_the_share_and_always_the_same_pictures() -> None:
    names = [f"digest {number}" for number in range(20_000)]
    hit = [name for name in names if reasons_of(name, CLEAR, is_unlike=False, share=0.02)]

    assert 340 < len(hit) < 460
    assert hit == [name for name in names if reasons_of(name, CLEAR, is_unlike=False, share=0.02)]
    assert {name for name in names if lot(name, RANDOM) < 0.01} <= set(hit)


def test_a_day_has_room_for_so_many_and_no_more() -> None:
    late = Candidate(0.9, "late", (UNSURE,))

    assert place_of(late, others(4), 5) == Place(is_taken=True)
    assert place_of(late, others(5), 5) == Place(is_taken=False)
    assert place_of(late, [*others(4), late], 5) == Place(is_taken=True)


def test_what_was_drawn_by_chance_has_its_place_whatever_else_comes() -> None:
    new = Candidate(0.019, "new", (RANDOM, UNSURE))

    assert place_of(new, others(5), 5) == Place(is_taken=True, gives_way="other4")
    assert place_of(new, [*others(1), *drawn(4)], 5) == Place(is_taken=True, gives_way="other0")
    assert place_of(new, drawn(5), 5) == Place(is_taken=False)
    assert place_of(Candidate(0.001, "lower", (RANDOM,)), drawn(5), 5) == Place(is_taken=True, gives_way="random4")


def test_no_other_takes_the_place_of_what_was_drawn_by_chance() -> None:
    assert place_of(Candidate(0.0, "lowest", (UNSURE,)), drawn(5), 5) == Place(is_taken=False)


def test_what_somebody_works_on_gives_way_to_no_other_and_last_to_chance() -> None:
    new, answered = Candidate(0.019, "new", (RANDOM,)), {"other0", "other1", "other2"}

    assert place_of(new, others(3), 3, {"other2"}) == Place(is_taken=True, gives_way="other1")
    assert place_of(new, others(3), 3, answered) == Place(is_taken=True, gives_way="other2")
    assert place_of(new, drawn(3), 3, {"random2"}) == Place(is_taken=False)
    assert place_of(Candidate(0.001, "low", (RANDOM,)), drawn(3), 3, {"random2"}).gives_way == "random2"
    assert place_of(Candidate(0.0, "unsure", (UNSURE,)), others(3), 3, answered) == Place(is_taken=False)


def test_the_sample_of_a_day_is_the_same_whenever_somebody_answers() -> None:
    everything = [candidate(f"n{i}", f"d{i}", (RANDOM,) if i % 3 == 0 else (UNSURE,)) for i in range(200)]

    def sample_of(answers_every: int) -> set[str]:
        day: list[Candidate] = []
        fixed: set[str] = set()
        for number, new in enumerate(everything):
            place = place_of(new, day, 20, fixed)
            if place.is_taken:
                day = [one for one in day if one.name != place.gives_way] + [new]
            if number % answers_every == 0:
                fixed |= {one.name for one in day}
        return {one.name for one in day if one.is_random}

    lowest = {one.name for one in sorted(c for c in everything if c.is_random)[:20]}
    assert sample_of(1) == sample_of(5) == sample_of(1000) == lowest


def test_whatever_comes_in_whatever_order_the_same_stay() -> None:
    everything = [candidate(f"n{i}", f"d{i}", (RANDOM,) if i % 7 == 0 else (UNSURE,)) for i in range(200)]

    def day_of(arrivals: list[Candidate]) -> set[str]:
        day: list[Candidate] = []
        for new in arrivals:
            place = place_of(new, day, 20)
            if place.is_taken:
                day = [one for one in day if one.name != place.gives_way] + [new]
            assert len(day) <= 20
        return {one.name for one in day}

    assert day_of(everything) == day_of(everything[::-1])
    assert day_of(everything) == {one.name for one in sorted(c for c in everything if c.is_random)[:20]}
