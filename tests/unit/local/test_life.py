"""The story of `make life` by numbers, and its curve."""

from xml.etree import ElementTree as ET

import pytest

from local.runner.curve import SPAN, Chapter, curve
from local.runner.life import verdict_on
from local.runner.reviewing import review_link

RIGHT, ESCAPE, OVERKILL = ("ok", False), ("ok", True), ("defect", False)


def chapters(*wrong: int) -> list[Chapter]:
    return [Chapter(f"<{number}>", (RIGHT,) * (100 - count) + (ESCAPE,) * count) for number, count in enumerate(wrong)]


@pytest.mark.parametrize(
    ("wrong", "before", "during", "after", "problem"),
    [
        ((2, 30, 3), [], ["brightness"], [], ""),
        ((2, 30, 3), [], [], [], "after the change: none"),
        ((2, 30, 3), ["size"], ["size"], [], "Drift before: ['size']"),
        ((2, 30, 3), [], ["brightness"], ["brightness"], "still found after the release: brightness"),
        ((2, 30, 29), [], ["brightness"], [], "did not recover"),
        ((2, 30, 16), [], ["brightness"], [], "did not recover"),
    ],
)
def test_it_is_right_again_when_it_is_about_as_right_as_before(
    wrong: tuple[int, ...], before: list[str], during: list[str], after: list[str], problem: str
) -> None:
    said = verdict_on(chapters(*wrong), before, during, after)

    assert problem in said and bool(said) == bool(problem)


def test_escapes_and_overkill_are_wrong_and_what_is_left_to_a_person_is_not() -> None:
    chapter = Chapter("x", (RIGHT, ESCAPE, OVERKILL, ("unsure", True), ("defect", True)))

    assert (chapter.wrong.count, chapter.wrong.of) == (2, 5)


def test_the_curve_is_a_picture_with_a_point_for_every_part_after_the_first_ones() -> None:
    drawn = ET.fromstring(curve(chapters(2, 30, 3), {200: "drift found", 300: "released"}))
    lines = [one.attrib["points"].split() for one in drawn.iter("{http://www.w3.org/2000/svg}polyline")]

    # Each chapter begins anew; of parts without any defect nobody can say how many escape.
    assert len(lines[1]) == 3 * (100 - SPAN + 1)
    assert "<1>" in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]


def test_the_link_stands_alone_on_its_line() -> None:
    assert review_link("Open\n\nhttps://x/review?token=abc\n\nnow") == "https://x/review?token=abc"
    assert review_link("see https://x/review?token=abc") is None
