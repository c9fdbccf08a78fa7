"""Overlap and matching of boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.rekognition.boxes import MATCHING_OVERLAP, Box, match, overlap

numbers = st.integers(0, 20)
lengths = st.integers(1, 12)
boxes = st.builds(Box, numbers, numbers, lengths, lengths)
scores = st.sampled_from([0.1, 0.3, 0.5, 0.9])
found_boxes = st.lists(st.tuples(scores, boxes), max_size=8)
true_boxes = st.lists(boxes, max_size=6)


def cells(box: Box) -> np.ndarray:
    grid = np.zeros((40, 40), bool)
    grid[int(box.top) : int(box.top + box.height), int(box.left) : int(box.left + box.width)] = True
    return grid


@given(boxes, boxes)
def test_overlap_is_what_counting_pixels_gives(one: Box, other: Box) -> None:
    shared = (cells(one) & cells(other)).sum() / (cells(one) | cells(other)).sum()

    assert overlap(one, other) == pytest.approx(shared)


@given(boxes)
def test_box_overlaps_itself_wholly(box: Box) -> None:
    assert overlap(box, box) == 1.0


def test_boxes_that_only_touch_do_not_overlap() -> None:
    assert overlap(Box(0, 0, 10, 10), Box(10, 0, 10, 10)) == 0.0


def test_empty_box_overlaps_nothing() -> None:
    assert overlap(Box(5, 5, 0, 0), Box(0, 0, 10, 10)) == 0.0


def test_overlap_of_exactly_one_half_matches() -> None:
    assert match([(0.9, Box(0, 0, 10, 5))], [Box(0, 0, 10, 10)]) == [0]


def test_overlap_just_below_one_half_does_not_match() -> None:
    assert match([(0.9, Box(0, 0, 10, 4.9))], [Box(0, 0, 10, 10)]) == [None]


def test_second_box_on_a_true_one_is_wrong_even_when_it_lies_better() -> None:
    truth = Box(0, 0, 10, 10)

    assert match([(0.4, truth), (0.8, Box(0, 0, 10, 7))], [truth]) == [None, 0]


def test_box_takes_the_true_one_that_it_overlaps_most() -> None:
    assert match([(0.9, Box(1, 0, 10, 10))], [Box(3, 0, 10, 10), Box(0, 0, 10, 10)]) == [1]


def test_box_falls_back_on_a_true_one_that_is_free() -> None:
    truths = [Box(0, 0, 10, 10), Box(2, 0, 10, 10)]

    assert match([(0.9, truths[0]), (0.8, truths[0])], truths) == [0, 1]


@given(found_boxes, true_boxes)
def test_true_and_found_boxes_are_used_once_at_most(found: list[tuple[float, Box]], truths: list[Box]) -> None:
    matched = match(found, truths)

    used = [truth for truth in matched if truth is not None]
    assert len(matched) == len(found)
    assert len(used) == len(set(used))
    assert all(
        overlap(box, truths[truth]) >= MATCHING_OVERLAP
        for (_, box), truth in zip(found, matched, strict=True)
        if truth is not None
    )


@given(found_boxes, true_boxes)
def test_no_pair_that_could_match_is_left(found: list[tuple[float, Box]], truths: list[Box]) -> None:
    matched = match(found, truths)

    free = [truth for index, truth in enumerate(truths) if index not in matched]
    unmatched = [box for (_, box), truth in zip(found, matched, strict=True) if truth is None]
    assert all(overlap(box, truth) < MATCHING_OVERLAP for box in unmatched for truth in free)


@given(found_boxes, true_boxes, st.randoms(use_true_random=False))
def test_order_of_boxes_does_not_matter(found: list[tuple[float, Box]], truths: list[Box], random: object) -> None:
    def pairs(some: list[tuple[float, Box]], true: list[Box]) -> list[tuple[float, Box, Box | None]]:
        matched = match(some, true)
        chosen = [None if index is None else true[index] for index in matched]
        return sorted(((score, box, truth) for (score, box), truth in zip(some, chosen, strict=True)), key=str)

    shuffled, others = list(found), list(truths)
    random.shuffle(shuffled)
    random.shuffle(others)

    assert pairs(shuffled, others) == pairs(found, truths)


@given(found_boxes, true_boxes, scores)
def test_weaker_boxes_change_nothing_for_stronger_ones(
    found: list[tuple[float, Box]], truths: list[Box], least: float
) -> None:
    strong = [position for position, (score, _) in enumerate(found) if score >= least]

    alone = match([found[position] for position in strong], truths)

    assert alone == [match(found, truths)[position] for position in strong]
