"""Folds: every picture tests once, what belongs together stays together, and what comes of them is a spread."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import folds
from cli.stack import CommandRefused
from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.images import Image

LABELS = ("bent", "cut", "normal")


def image(number: int, label: str, group: str = "", side: str = "train", boxed: bool = False) -> Image:
    boxes = (LabeledBox(label, Box(1, 2, 30, 40)),) if boxed else ()
    key = f"datasets/parts/{side}/{label}/{number}.png"
    return Image(key, "e", (label,), side, f"{number}", 99, 99, boxes=boxes, group=group)


pictures = st.lists(st.tuples(st.sampled_from(LABELS), st.integers(0, 30)), min_size=20, max_size=120)


@given(pictures, st.integers(2, 6))
def test_every_picture_tests_once_and_those_of_a_part_stand_together(drawn: list[tuple[str, int]], count: int) -> None:
    images = [image(n, label, f"{label}{part}") for n, (label, part) in enumerate(drawn)]
    parts = {label: {one.group for one in images if one.labels == (label,)} for label in LABELS}
    if any(len(groups) == 1 for groups in parts.values()) or sum(map(len, parts.values())) < count:
        with pytest.raises(CommandRefused):
            folds.deal("classification", images, count)
        return
    dealt = folds.deal("classification", images, count)

    assert Counter(one.key for fold in dealt for one in fold.test) == Counter(one.key for one in images)
    for fold in dealt:
        assert {one.key for one in fold.train} == {one.key for one in images} - {one.key for one in fold.test}
        assert not {one.group for one in fold.train} & {one.group for one in fold.test}
    for label, groups in parts.items():
        tested = sum(any(one.labels == (label,) for one in fold.test) for fold in dealt)
        assert tested == min(len(groups), count)


def test_what_is_held_out_and_what_no_detector_learns_from_is_in_no_fold() -> None:
    images = [image(n, "bent", boxed=True) for n in range(6)]
    images += [image(9, "normal"), image(10, "bent", side="holdout", boxed=True)]

    dealt = folds.deal("detection", images, 3)

    assert {one.key for fold in dealt for one in fold.test} == {one.key for one in images[:6]}


def test_a_label_of_one_part_is_refused_by_name() -> None:
    images = [image(n, "bent") for n in range(4)] + [image(n, "cut", group="k1") for n in range(5, 9)]

    with pytest.raises(CommandRefused, match=r"only one part of cut"):
        folds.deal("classification", images, 2)


def test_a_spread_tells_of_the_folds_that_tested_a_label_and_of_the_mean() -> None:
    shown = folds.spreads({1: {"bent": 0.5, "cut": 1.0, "": 0.75}, 2: {"bent": 0.9, "": 0.9}})

    assert [spread.as_row() for spread in shown] == [
        {"label": "bent", "f1": "0.700", "spread": "0.283", "lowest": "0.500", "highest": "0.900", "folds": 2},
        {"label": "cut", "f1": "1.000", "spread": "-", "lowest": "1.000", "highest": "1.000", "folds": 1},
        {"label": "mean", "f1": "0.825", "spread": "0.106", "lowest": "0.750", "highest": "0.900", "folds": 2},
    ]
