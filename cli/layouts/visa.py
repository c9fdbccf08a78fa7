"""VisA: `Data/Images/{Normal,Anomaly}`, `Data/Masks/Anomaly`, and CSV files that name defects and sides."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from cli.layouts.collecting import Collector, Found
from cli.layouts.files import Files, Unreadable, inside
from cli.layouts.masked import take
from cli.layouts.regions import boxes, by_shade, shades
from cli.layouts.sides import Word, word
from mlops.dataset.labels import NORMAL, means_no_defect
from mlops.pictures.looking import MaskRules

_MOST_BYTES = 1 << 26


@dataclass
class _Tables:
    """What the CSV files say, by picture: kinds of defects and where they stand, and sides."""

    kinds: dict[PurePosixPath, tuple[str, ...]] = field(default_factory=dict)
    places: dict[PurePosixPath, str] = field(default_factory=dict)
    sides: dict[PurePosixPath, Word] = field(default_factory=dict)


def recognises(files: Files) -> bool:
    return any(_folder(path) for path in files.pictures)


def _folder(path: PurePosixPath) -> str:
    """`Normal` or `Anomaly` for a picture of this layout, empty for others."""
    above = path.parts[:-1]
    return above[-1] if len(above) > 1 and above[-2] == "Images" and above[-1] in ("Normal", "Anomaly") else ""


def _mask(files: Files, path: PurePosixPath) -> PurePosixPath | None:
    mask = path.parent.parent.with_name("Masks") / path.parent.name / f"{path.stem}.png"
    return mask if mask in files else None


def read(files: Files, rules: MaskRules) -> Collector:
    collector = Collector(files)
    tables = _tables(collector)
    meanings = _meanings(collector, tables)
    for path in files.pictures:
        if folder := _folder(path):
            _picture(collector, path, folder, tables, meanings, rules)
    return collector


def _picture(
    collector: Collector,
    path: PurePosixPath,
    folder: str,
    tables: _Tables,
    meanings: dict[tuple[PurePosixPath, int], str],
    rules: MaskRules,
) -> None:
    kinds = tables.kinds.get(path, ()) or (folder,)
    side, mask = tables.sides.get(path), _mask(collector.files, path)
    if means_no_defect(folder) != all(map(means_no_defect, kinds)):
        collector.leave_out(path, f"lies in {folder}, but {tables.places[path]} calls it {', '.join(kinds)}: mend one")
    elif len(kinds) == 1:
        take(collector, path, kinds[0], [mask] if mask else [], rules, side=side)
    else:
        found: list[Found] = []
        if mask:
            collector.ignore((mask,))
            try:
                found = _boxes_of_kinds(collector.files, path, mask, kinds, meanings, rules)
            except Unreadable as refusal:
                collector.leave_out(mask, str(refusal))
        declared = collector.files.size(path) if found else None
        collector.picture(path, kinds, found, side=side, masks=[mask] if mask and found else [], declared=declared)


def _boxes_of_kinds(
    files: Files,
    path: PurePosixPath,
    mask: PurePosixPath,
    kinds: tuple[str, ...],
    meanings: dict[tuple[PurePosixPath, int], str],
    rules: MaskRules,
) -> list[Found]:
    """The boxes of a mask that numbers several kinds of defects. Raises Unreadable when nobody knows which is which."""
    found: list[Found] = []
    for shade, marked in by_shade(shades(files, mask, files.frame(path))):
        kind = meanings.get((path.parent, shade))
        if kind not in kinds:
            raise Unreadable(
                f"marks {' and '.join(kinds)}, and no picture with one of them alone says which shade {shade} is"
            )
        found += boxes(kind, marked, rules)
    return found


def _meanings(collector: Collector, tables: _Tables) -> dict[tuple[PurePosixPath, int], str]:
    """Which kind a shade of a product's masks stands for, learned from pictures that show one kind alone."""
    if not any(len(kinds) > 1 for kinds in tables.kinds.values()):
        return {}
    seen: dict[tuple[PurePosixPath, int], set[str]] = defaultdict(set)
    for path, kinds in tables.kinds.items():
        mask = _mask(collector.files, path)
        if len(kinds) == 1 and kinds[0] != NORMAL and mask:
            try:
                for shade, _ in by_shade(shades(collector.files, mask, collector.files.frame(path))):
                    seen[path.parent, shade].add(kinds[0])
            except Unreadable:  # told when the picture itself is read
                continue
    return {key: next(iter(kinds)) for key, kinds in seen.items() if len(kinds) == 1}


def _tables(collector: Collector) -> _Tables:
    found = _Tables()
    for path in collector.files.ending(".csv"):
        try:
            # Of several ways to deal sides, the one for a single class is that of every picture.
            is_split = path.parent.name == "split_csv"
            if not is_split or path.stem == "1cls":
                _read_table(collector, path, found)
        except (Unreadable, csv.Error) as refusal:
            collector.leave_out(path, str(refusal))
    return found


def _read_table(collector: Collector, path: PurePosixPath, found: _Tables) -> None:
    for line, row in _rows(collector.files, path):
        try:
            picture = _named(collector.files, path, row["image"])
        except Unreadable as refusal:
            # Sides are dealt for all products, of which only one may be here.
            if "split" not in row:
                collector.leave_out(path, str(refusal), line)
            continue
        if side := word(row.get("split", "")):
            found.sides[picture] = side
        else:
            found.places[picture] = f"{path} line {line}"
            kinds = tuple(sorted({kind.strip() for kind in row.get("label", "").split(",")} - {""}))
            found.kinds[picture] = tuple(NORMAL if means_no_defect(kind) else kind for kind in kinds)


def _named(files: Files, path: PurePosixPath, reference: str) -> PurePosixPath:
    """Paths begin with the folder of the product, which may be the one that is read."""
    wanted = inside(reference)
    for place in (path.parent, path.parent.parent, PurePosixPath()):
        for own in (wanted, PurePosixPath(*wanted.parts[1:])):
            if place / own in files:
                return place / own
    raise Unreadable(f"names the picture {reference[:200]!r}, which is not in the folder: add it, or delete this")


def _rows(files: Files, path: PurePosixPath) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(files.text(path, _MOST_BYTES)), restval="")
    if "image" not in (reader.fieldnames or ()):
        raise Unreadable("has no column called image: export it again")
    for row in reader:
        yield reader.line_num, {str(name): value for name, value in row.items() if isinstance(value, str)}
