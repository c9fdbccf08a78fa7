"""Severstal: a CSV of run lengths, column by column from 1, a line for every kind of defect in a picture."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from cli.layouts.collecting import Collector, Found
from cli.layouts.files import MOST_PIXELS, Files, Unreadable
from cli.layouts.regions import boxes
from cli.layouts.sides import Word, word, word_of
from mlops.dataset.labels import NORMAL
from mlops.pictures.looking import MaskRules
from mlops.pictures.masks import Pixels
from mlops.words import counted

_MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    label: str
    runs: str


def recognises(files: Files) -> bool:
    return any(_columns(_first_line(files, path)) for path in _tables(files))


def _tables(files: Files) -> list[PurePosixPath]:
    """A sample of what to hand in says nothing of any picture."""
    return [path for path in files.ending(".csv") if "submission" not in path.name.lower()]


def _first_line(files: Files, path: PurePosixPath) -> str:
    return files.beginning(path).decode("utf-8-sig", "replace").split("\n")[0]


def _columns(head: str) -> dict[str, int] | None:
    names = {name.strip().strip('"').lower(): number for number, name in enumerate(head.split(","))}
    if "encodedpixels" not in names:
        return None
    return names if {"imageid", "classid"} <= names.keys() or "imageid_classid" in names else None


def read(files: Files, rules: MaskRules) -> Collector:
    """Every picture that a CSV names, and those beside them, which have no defect."""
    collector = Collector(files)
    for path in _tables(files):
        if _columns(_first_line(files, path)):
            try:
                _read_one(collector, path, rules)
            except Unreadable as refusal:
                collector.leave_out(path, str(refusal))
    for path in files.pictures:
        if not collector.is_known(path) and word_of(path.parent) is Word.TEST:
            collector.leave_out(path, "is a test picture without labels: it can only be inspected")
    return collector


def _read_one(collector: Collector, path: PurePosixPath, rules: MaskRules) -> None:
    rows: dict[PurePosixPath, list[_Row]] = defaultdict(list)
    for picture, row in _rows(collector, path):
        rows[picture].append(row)
    for picture, own in rows.items():
        _picture(collector, path, picture, own, rules)
    _take_clean(collector, {picture.parent for picture in rows}, word(path.stem))


def _rows(collector: Collector, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, _Row]]:
    lines = collector.files.text(path, _MOST_BYTES).split("\n")
    columns = _columns(lines[0]) or {}
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        try:
            yield _row(collector.files, path, number, [field.strip().strip('"') for field in line.split(",")], columns)
        except Unreadable as refusal:
            collector.leave_out(path, str(refusal), number)


def _row(
    files: Files, path: PurePosixPath, line: int, fields: list[str], columns: dict[str, int]
) -> tuple[PurePosixPath, _Row]:
    if len(fields) != len(columns):
        raise Unreadable(f"has {len(fields)} fields instead of {len(columns)}: mend it")
    if "imageid" in columns:
        name, number = fields[columns["imageid"]], fields[columns["classid"]]
    else:
        name, _, number = fields[columns["imageid_classid"]].rpartition("_")
    picture = files.named(name, path.parent, word(path.stem))
    runs = fields[columns["encodedpixels"]]
    if runs and not number:
        raise Unreadable("has run lengths without a class: mend it")
    return picture, _Row(line, f"class_{number}", runs)


def _picture(
    collector: Collector, path: PurePosixPath, picture: PurePosixPath, rows: list[_Row], rules: MaskRules
) -> None:
    try:
        size = collector.files.size(picture)
    except Unreadable as refusal:
        collector.leave_out(picture, str(refusal))
        return
    marked = [row for row in rows if row.runs]
    found: list[Found] = []
    for row in marked:
        try:
            found += boxes(row.label, unpacked(row.runs, *size), rules)
        except Unreadable as refusal:
            collector.leave_out(path, str(refusal), row.line)
    labels = {row.label for row in marked} or {NORMAL}
    side = word(path.stem) or word_of(picture.parent)
    collector.picture(picture, labels, found, side=side, source=path)


def unpacked(runs: str, width: int, height: int) -> Pixels:
    """Pairs of first pixel, counted down the columns from 1, and length, as (height, width). Raises Unreadable."""
    if width * height > MOST_PIXELS:
        raise Unreadable(f"is of a picture with more than {MOST_PIXELS} pixels: make it smaller")
    try:
        numbers = np.array(runs.split(), np.int64)
    except (ValueError, OverflowError):
        raise Unreadable("has run lengths that are no whole numbers: mend it") from None
    starts, lengths = numbers[::2] - 1, numbers[1::2]
    if len(numbers) % 2 or (lengths < 1).any() or (starts < 0).any():
        raise Unreadable("has run lengths that are no pairs of first pixel and length: mend it")
    if (lengths > width * height).any() or (starts > width * height - lengths).any():
        raise Unreadable(f"has run lengths beyond its picture of {width} x {height} px: mend it")
    changes = np.zeros(width * height + 1, np.int32)
    np.add.at(changes, starts, 1)
    np.add.at(changes, starts + lengths, -1)
    return (np.cumsum(changes[:-1]) > 0).reshape(width, height).T


def _take_clean(collector: Collector, folders: set[PurePosixPath], side: Word | None) -> None:
    """Pictures beside those that the CSV names: it lists defects, not pictures."""
    clean = [path for path in collector.files.pictures if path.parent in folders and not collector.is_known(path)]
    for path in clean:
        collector.picture(path, (NORMAL,), side=side or word_of(path.parent))
    if clean:
        collector.notes.append(f'{counted(len(clean), "picture")} that no line names taken as "{NORMAL}"')
