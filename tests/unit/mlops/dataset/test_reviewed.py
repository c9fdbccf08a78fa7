"""Answers as lines of the annotation manifest."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from mlops.dataset import annotation_manifest
from mlops.dataset.annotation_manifest import Line
from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.reviewed import Answered, Filed, line_of, side_of, with_lines

BENT = Answered(
    digest="d1",
    extension="png",
    width=64,
    height=48,
    labels=("bent", 'ein ß \u2014 "x"'),
    boxes=(LabeledBox("bent", Box(1, 2, 3.5, 4)),),
    is_boxed=True,
    side="holdout",
    group="board 7",
    answered_at="2026-03-01T09:15:00.000+00:00",
    provenance={"key": "inspect/parts/1.png", "reviewer": "Ann", "reasons": ["random"]},
)
OTHERS = b'{"source-ref": "images/a.png"}\n\nnot json\n{"source-ref": "images/reviewed/x.png", "side": "train"}'


def read(answered: Answered) -> Line:
    (line,) = annotation_manifest.read([line_of(answered).encode()])
    assert isinstance(line, Line)
    return line


def test_a_line_is_read_as_it_was_answered() -> None:
    line = read(BENT)

    assert (line.source_ref, line.side, line.group) == ("images/reviewed/d1.png", "holdout", "board 7")
    assert (line.labels, line.image_size, line.remarks) == (BENT.labels, (64, 48), ())
    assert [(b.label, b.left, b.top, b.width, b.height) for b in line.boxes] == [("bent", 1, 2, 3.5, 4)]
    assert json.loads(line_of(BENT))["review"]["reviewer"] == "Ann"


def test_no_defect_has_no_boxes_and_a_defect_somewhere_says_nothing_of_them() -> None:
    normal = read(replace(BENT, labels=("normal",), boxes=()))
    somewhere = read(replace(BENT, labels=("bent",), boxes=(), is_boxed=False))

    assert (normal.is_boxed, normal.boxes, normal.labels) == (True, (), ("normal",))
    assert (somewhere.is_boxed, somewhere.labels) == (False, ("bent",))


def test_a_line_takes_the_place_of_the_one_before_and_others_stay() -> None:
    first = with_lines(OTHERS, {BENT.reference: line_of(BENT)})
    assert first.startswith(OTHERS) and first.count(b"images/reviewed/d1.png") == 1
    assert with_lines(first, {BENT.reference: line_of(BENT)}) == first

    mended = with_lines(first, {BENT.reference: line_of(replace(BENT, labels=("cut",)))})
    assert mended.count(b"images/reviewed/d1.png") == 1 and b"cut" in mended
    assert with_lines(mended, {BENT.reference: None}) == OTHERS + b"\n"
    assert with_lines(b"", {BENT.reference: line_of(BENT)}) == line_of(BENT).encode() + b"\n"


def test_what_is_filed_is_counted_by_side_and_label() -> None:
    manifest = with_lines(OTHERS, {BENT.reference: line_of(BENT)})
    filed = Filed.of(manifest)

    assert filed.references == {"images/reviewed/d1.png", "images/reviewed/x.png"}
    assert filed.counts["holdout"]["bent"] == 1
    assert filed.groups == {"board 7": "holdout"}
    assert Filed.of(OTHERS).plus(BENT) == filed
    assert filed.plus(BENT) is filed


@pytest.mark.parametrize(
    ("labels", "is_random", "side"),
    [
        (("bent",), True, "holdout"),
        (("bent",), False, "train"),
        (("full",), True, "train"),
        (("bent", "full"), True, "holdout"),
        (("never seen",), True, "train"),
        (("bent", "never seen"), True, "train"),
        (("BENT ",), True, "holdout"),
    ],
)
def test_what_chance_chose_is_held_out_until_it_is_enough(labels: tuple[str, ...], is_random: bool, side: str) -> None:
    filed = Filed(counts={"holdout": Counter({"full": 3, "bent": 2}), "train": Counter()})

    assert side_of(labels, filed, ("bent", "full"), is_random=is_random, enough=3) == side
