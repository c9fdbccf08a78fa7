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


def changed(manifest: bytes, lines: dict[str, str | None]) -> bytes:
    return b"".join(with_lines([manifest], lines))


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
    first = changed(OTHERS, {BENT.reference: line_of(BENT)})
    assert first.startswith(OTHERS) and first.count(b"images/reviewed/d1.png") == 1
    assert changed(first, {BENT.reference: line_of(BENT)}) == first

    mended = changed(first, {BENT.reference: line_of(replace(BENT, labels=("cut",)))})
    assert mended.count(b"images/reviewed/d1.png") == 1 and b"cut" in mended
    assert changed(mended, {BENT.reference: None}) == OTHERS + b"\n"
    assert changed(b"", {BENT.reference: line_of(BENT)}) == line_of(BENT).encode() + b"\n"


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_manifest_goes_by_in_pieces_of_any_size_and_loses_nothing(size: int) -> None:
    overlong = b'{"source-ref": "images/reviewed/d1.png", "x": "' + b"y" * (1_100_000 if size > 7 else 10) + b'"}'
    given = OTHERS + b"\n" + overlong + b"\n" + line_of(BENT).encode()
    pieces = [given[start : start + size] for start in range(0, len(given), size)]
    found = b"".join(with_lines(pieces, {"images/reviewed/new.png": "{}"}))

    assert found == given + b"\n{}\n"


def test_a_manifest_in_another_encoding_is_read_and_written_in_utf_8() -> None:
    given = line_of(BENT).encode("utf-16")

    assert set(Filed.of([given]).lines) == {BENT.reference}
    assert changed(given, {"images/reviewed/new.png": "{}"}) == line_of(BENT).encode() + b"\n{}\n"


def test_whether_anything_changes_is_known_before_it_is_written() -> None:
    filed = Filed.of([line_of(BENT).encode()])

    assert not filed.differs_from({BENT.reference: line_of(BENT), "images/reviewed/gone.png": None})
    assert filed.differs_from({BENT.reference: line_of(replace(BENT, labels=("cut",)))})
    assert filed.differs_from({BENT.reference: None})
    assert filed.differs_from({"images/reviewed/new.png": line_of(BENT)})


@pytest.mark.parametrize(
    "line",
    [
        b'{"source-ref": "images/reviewed/x.png", "labels-metadata": 3}',
        b'{"source-ref": "images/reviewed/x.png", "labels": [0], "labels-metadata": {"class-map": {"0": 5}}}',
        b'{"source-ref": "images/reviewed/x.png", "side": ["train"], "group": {}}',
        b'{"source-ref": ["images/reviewed/x.png"], "y": "images/reviewed/x.png"}',
        b'["images/reviewed/x.png"]',
        b'{"source-ref": "images/reviewed/x.png", "x": ' + b"[" * 100_000,
        b'"images/reviewed/\xff',
    ],
)
def test_a_hostile_line_says_nothing_and_holds_up_nobody(line: bytes) -> None:
    filed = Filed.of([line, b"\n", line_of(BENT).encode()])

    assert (filed.sides, filed.groups) == ({BENT.reference: "holdout"}, {"board 7": "holdout"})
    assert changed(line, {BENT.reference: line_of(BENT)}).startswith(line)


def test_a_word_about_a_picture_of_the_dataset_is_no_data() -> None:
    opinion = replace(BENT, side="", same_as="test/bent/1.png")

    assert read(opinion).same_as == "test/bent/1.png" and read(opinion).side is None
    assert Filed.of([line_of(opinion).encode()]).sides == {}


def test_what_is_filed_is_counted_by_side_and_label() -> None:
    manifest = changed(OTHERS, {BENT.reference: line_of(BENT)})
    filed, others = Filed.of([manifest]), Filed.of([OTHERS])

    assert set(filed.lines) == {"images/reviewed/d1.png", "images/reviewed/x.png"}
    assert filed.counts["holdout"]["bent"] == 1
    assert filed.groups == {"board 7": "holdout"}
    others.add(BENT)
    others.add(BENT)
    assert (others.sides, others.counts, others.groups) == (filed.sides, filed.counts, filed.groups)


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
