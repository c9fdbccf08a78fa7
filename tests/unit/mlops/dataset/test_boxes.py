from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.dataset.boxes import Box, LabeledBox, grown, iou, match

boxes = st.builds(Box, *(st.integers(0, 20),) * 2, *(st.integers(1, 20),) * 2)
found_boxes = st.lists(st.builds(LabeledBox, st.sampled_from("ab"), boxes, st.floats(0, 1)), max_size=5)
true_boxes = st.lists(st.builds(LabeledBox, st.sampled_from("ab"), boxes), max_size=5)


def pixels(box: Box) -> set[tuple[int, int]]:
    xs = range(int(box.left), int(box.left + box.width))
    return {(x, y) for x in xs for y in range(int(box.top), int(box.top + box.height))}


@given(boxes, boxes)
def test_iou_is_that_of_the_pixels(one: Box, other: Box) -> None:
    shared = pixels(one) & pixels(other)

    assert iou(one, other) == pytest.approx(len(shared) / len(pixels(one) | pixels(other)))


@pytest.mark.parametrize("other", [Box(4, 0, 2, 2), Box(2, 2, 2, 2), Box(0, 0, 0, 0)])
def test_boxes_that_share_no_pixel_do_not_overlap(other: Box) -> None:
    assert iou(Box(0, 0, 2, 2), other) == 0


def test_the_surest_box_takes_the_truth_it_overlaps_most() -> None:
    truth = [LabeledBox("a", Box(0, 0, 10, 10)), LabeledBox("a", Box(4, 0, 10, 10))]
    found = [LabeledBox("a", Box(0, 0, 10, 10), 0.6), LabeledBox("a", Box(1, 0, 10, 10), 0.9)]

    assert match(truth, found, 0.5) == {1: 0}


def test_a_box_with_another_label_is_no_answer() -> None:
    assert match([LabeledBox("a", Box(0, 0, 9, 9))], [LabeledBox("b", Box(0, 0, 9, 9))], 0.5) == {}


def test_the_least_overlap_is_enough_and_less_is_not() -> None:
    truth, half = [LabeledBox("a", Box(0, 0, 10, 10))], [LabeledBox("a", Box(0, 0, 10, 5))]

    assert match(truth, half, 0.5) == {0: 0}
    assert match(truth, half, 0.51) == {}


@given(true_boxes, found_boxes, st.floats(0.05, 1))
def test_every_box_is_used_once_at_most(truth: list[LabeledBox], found: list[LabeledBox], least: float) -> None:
    matched = match(truth, found, least)

    assert len(set(matched.values())) == len(matched)
    assert all(
        truth[t].label == found[f].label and iou(truth[t].box, found[f].box) >= least for f, t in matched.items()
    )


@given(true_boxes, st.lists(st.builds(LabeledBox, st.sampled_from("ab"), boxes, st.floats(0, 1)), max_size=3))
def test_the_order_of_the_answers_does_not_matter(truth: list[LabeledBox], found: list[LabeledBox]) -> None:
    def pairs(order: tuple[LabeledBox, ...]) -> list[tuple[LabeledBox, LabeledBox]]:
        return sorted(
            ((order[f], truth[t]) for f, t in match(truth, order, 0.3).items()),
            key=lambda pair: (pair[0].label, pair[0].box, pair[0].confidence, pair[1].box),
        )

    assert all(pairs(order) == pairs(tuple(found)) for order in permutations(found))


@given(boxes, st.integers(1, 30))
def test_a_grown_box_holds_the_old_one_inside_the_frame(box: Box, least: int) -> None:
    larger = grown(box, least, 40, 40)

    assert pixels(box) <= pixels(larger) <= pixels(Box(0, 0, 40, 40))
    assert min(larger.width, larger.height) >= least
    assert max(larger.width, larger.height) <= max(box.width, box.height, least)
