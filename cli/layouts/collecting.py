"""What readers have in common: boxes cut to their pictures, labels written one way, every file accounted for."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import PurePosixPath

from cli.layouts.contents import Box, Labelled, LeftOut, Recognised
from cli.layouts.files import Files, Unreadable
from cli.layouts.frame import Frame
from cli.layouts.sides import Word, meanings
from mlops.dataset.labels import NORMAL, as_written, likeness, looks_like_no_defect, unified
from mlops.dataset.limits import MAX_BOXES, MAX_LABEL_NAME
from mlops.words import counted, some

# More of one file would hide what is wrong with the others, and take memory without bound.
MOST_NAMED = 100
_UPRIGHT = 1


@dataclass(frozen=True, slots=True)
class Found:
    """A box as an annotation file has it: edges in pixels, which may be any numbers; `line` is where it stands."""

    label: str
    left: float
    top: float
    right: float
    bottom: float
    _: KW_ONLY
    line: int | None = None
    where: str = ""


class Collector:
    """Takes what a reader finds in one folder, in any order, and makes a `Recognised` of it."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.notes: list[str] = []
        self._pictures: dict[PurePosixPath, Labelled] = {}
        self._places: dict[PurePosixPath, str] = {}
        self._sides: dict[PurePosixPath, Word | None] = {}
        self._disagreeing: set[PurePosixPath] = set()
        self._seen: set[PurePosixPath] = set()
        self._left_out: dict[PurePosixPath, list[LeftOut]] = defaultdict(list)
        self._more: Counter[PurePosixPath] = Counter()
        self._cut: set[PurePosixPath] = set()
        self._taken_upright: set[PurePosixPath] = set()
        self._taken_as_stored: set[PurePosixPath] = set()
        self._normal: set[str] = set()
        for path in files.outside:
            self.leave_out(
                path,
                "is a link to a folder, to nowhere or out of the folder that is read: put the files themselves here",
            )
        for path in files.closed:
            self.leave_out(path, "is a folder that cannot be read: mend its rights, or move it away")
        for path in files.unnamed:
            self.leave_out(path, "its name is not written in UTF-8, as after unpacking a ZIP file: rename it")

    def leave_out(self, path: PurePosixPath, why: str, line: int | None = None) -> None:
        self._seen.add(path)
        if len(self._left_out[path]) < MOST_NAMED:
            self._left_out[path].append(LeftOut(path, line, why))
        else:
            self._more[path] += 1

    def ignore(self, paths: Iterable[PurePosixPath]) -> None:
        """Files that are accounted for: masks, and what belongs to a layout without being labelled."""
        self._seen.update(paths)

    def is_known(self, path: PurePosixPath) -> bool:
        return path in self._seen

    def picture(
        self,
        path: PurePosixPath,
        labels: Collection[str] = (),
        boxes: Sequence[Found] = (),
        *,
        side: Word | None = None,
        group: str | None = None,
        masks: Sequence[PurePosixPath] = (),
        source: PurePosixPath | None = None,
        declared: tuple[int, int] | None = None,
        shows_upright: bool = False,
        where: str = "",
        line: int | None = None,
    ) -> None:
        """Take a picture. Its labels are those given and those of its boxes; without any it has no defect.

        `source` is the annotation file, to be named where something is wrong, `line` the one in it or `where` what it
        calls the picture; `declared` is the size that it states.
        `shows_upright`: where EXIF turns a picture and its size does not tell what its boxes were drawn on, it was the
        upright picture, for the tools that write this layout show that.
        """
        self._seen.update((path, *masks))
        named = source or path
        try:
            width, height = self.files.size(path)
        except Unreadable as refusal:
            self.leave_out(path, str(refusal))
            return
        drawn_on = self._drawn_on(path, declared, shows_upright)
        if drawn_on is None:
            self.leave_out(
                path, f"is {width} x {height} px, but {named} says {_size(declared)}: label the picture as it is"
            )
            return
        stored = (_as_stored(box, drawn_on) for box in boxes)
        kept = [kept for box in stored if (kept := self._fitting(box, (width, height), path, named))]
        if kept and _is_doubtful(self.files.frame(path), declared):
            (self._taken_upright if shows_upright else self._taken_as_stored).add(path)
        # Of what was wrongly marked, nobody can say that it shows no defect.
        lost = [box.label for box in boxes] if boxes and not kept else []
        place = f"{named} {where or f'line {line}' if where or line else ''}".rstrip()
        known = [name for name in (*labels, *lost) if self._is_label(name, named, line)]
        if not known and (lost or labels):
            self.leave_out(path, f"{place} gives it no label that can be used: mend that file")
            return
        what = _labels(known, kept), tuple(kept), tuple(masks), group
        self._add(Labelled(path, width, height, None, *what), side, place)

    def _drawn_on(self, path: PurePosixPath, declared: tuple[int, int] | None, shows_upright: bool) -> Frame | None:
        """The picture that boxes were drawn on, as EXIF turns it or not; None when the sizes contradict each other."""
        seen = self.files.frame(path)
        if declared not in (None, seen.size, seen.upright):
            return None
        is_upright = shows_upright if _is_doubtful(seen, declared) else declared == seen.upright
        return seen if is_upright else Frame(*seen.size)

    def _fitting(self, box: Found, size: tuple[int, int], path: PurePosixPath, named: PurePosixPath) -> Box | None:
        """The part of a box that lies in its picture, None for one that is left out."""
        width, height = size
        edges = (box.left, box.top, box.right, box.bottom)
        about = f"{box.where or 'a box'} of {path.name}" if named != path else box.where or "a box"
        if not all(map(math.isfinite, edges)):
            self.leave_out(named, f"{about} has an edge that is no finite number: draw it again", box.line)
            return None
        if box.right <= box.left or box.bottom <= box.top:
            self.leave_out(named, f"{about} has no area: draw it again", box.line)
            return None
        if not self._is_label(box.label, named, box.line):
            return None
        left, top, right, bottom = max(box.left, 0), max(box.top, 0), min(box.right, width), min(box.bottom, height)
        if right <= left or bottom <= top:
            self.leave_out(named, f"{about} lies outside the picture of {width} x {height} px: draw it again", box.line)
            return None
        if (left, top, right, bottom) != edges:
            self._cut.add(path)
            return Box(box.label, left, top, right - left, bottom - top)
        return Box(box.label, left, top, box.right - left, box.bottom - top)

    def _is_label(self, name: str, named: PurePosixPath, line: int | None = None) -> bool:
        plain = as_written(name)
        if plain and len(plain) <= MAX_LABEL_NAME and plain.isprintable():
            return True
        shown = repr(plain[:40])
        self.leave_out(named, f"the label {shown} cannot be used: 1 to {MAX_LABEL_NAME} characters on one line", line)
        return False

    def _add(self, new: Labelled, side: Word | None, place: str) -> None:
        if new.path in self._disagreeing:
            return
        old = self._pictures.get(new.path)
        if old is None:
            self._pictures[new.path], self._places[new.path], self._sides[new.path] = new, place, side
        elif (old, self._sides[new.path]) != (new, side):
            self._disagreeing.add(new.path)
            del self._pictures[new.path]
            other = self._places[new.path]
            where = f"{other} and {place} say" if other != place else f"{place} says"
            self.leave_out(new.path, f"{where} different things about it: keep one of them")

    def finished(self, layout: str, names: Mapping[str, str]) -> Recognised:
        """What was found, with labels called as `names` say: new name by old one, in any way of writing it."""
        for path in self.files.pictures:
            if path not in self._seen:
                self.leave_out(path, "nothing says what it shows: label it, or move it away")
        pictures = self._with_one_spelling({likeness(old): new for old, new in names.items()})
        left_out = [entry for path in sorted(self._left_out) for entry in self._told(path)]
        return Recognised(
            layout, pictures, tuple(left_out), tuple(self._remarks(pictures)), tuple(sorted(self._normal))
        )

    @property
    def written(self) -> set[str]:
        """All labels as they are written."""
        labels = {label for picture in self._pictures.values() for label in picture.labels}
        return labels | {box.label for picture in self._pictures.values() for box in picture.boxes}

    def _told(self, path: PurePosixPath) -> list[LeftOut]:
        entries = self._left_out[path]
        more = self._more[path]
        return [*entries, LeftOut(path, None, f"and {more} more of this file")] if more else entries

    def _with_one_spelling(self, names: Mapping[str, str]) -> tuple[Labelled, ...]:
        """Pictures with labels that look alike written one way, and `normal` for what means "no defect"."""
        called = {label: names.get(likeness(label), label) for label in self.written}
        spelled = unified(called.values())
        for label in sorted(set(spelled.values()) - {NORMAL}):
            if alike := [repr(own) for own in called.keys() & spelled.keys() if spelled[own] == label and own != label]:
                self.notes.append(f"{some(sorted(alike))} is taken for {label!r}: it looks the same")
        final = {label: spelled[name] for label, name in called.items()}
        self._normal = {as_written(label) for label, name in final.items() if name == NORMAL} - {NORMAL}
        sides = meanings(self._sides[path] for path in self._pictures)
        return tuple(
            replace(_spelled(self._pictures[path], final), side=sides.get(self._sides[path]))
            for path in sorted(self._pictures)
        )

    def _remarks(self, pictures: Sequence[Labelled]) -> Iterable[str]:
        yield from self.notes
        if Word.VALIDATION in self._sides.values():
            has_test = Word.TEST in self._sides.values()
            yield "what is for validation is side test" + ("; what is for testing is side holdout" if has_test else "")
        if self._normal:
            yield f'{some(self._normal)} is written "{NORMAL}": no defect'
        for label in sorted({label for picture in pictures for label in picture.labels} - {NORMAL}):
            if looks_like_no_defect(label):
                yield f'{label!r} is taken for a defect: if it means "no defect", call it {NORMAL}'
        if self._cut:
            yield f"boxes of {counted(len(self._cut), 'picture')} reached beyond their picture and were cut: " + some(
                map(str, self._cut)
            )
        for taken, how in (
            (self._taken_upright, "on the upright picture, as tools that write this layout show it"),
            (self._taken_as_stored, "on the pixels as the file has them"),
        ):
            if taken:
                yield (
                    f"EXIF turns {counted(len(taken), 'picture')}, and nothing says whether boxes were drawn before or "
                    f"after that; they are taken as drawn {how}: {some(sorted(map(str, taken)))}"
                )
        if full := [str(picture.path) for picture in pictures if len(picture.boxes) > MAX_BOXES]:
            yield f"more than {MAX_BOXES} boxes, which Rekognition does not take: {some(full)}"
        bare = [str(picture.path) for picture in pictures if _is_unmarked(picture)]
        if bare and any(picture.boxes for picture in pictures):
            yield f"a defect, but no box says where, so not used for detection: {some(bare)}"


def _spelled(picture: Labelled, names: Mapping[str, str]) -> Labelled:
    """A picture with its labels written as `names` say; without boxes around good parts, which mark no defect."""
    boxes = tuple(replace(box, label=names.get(box.label, box.label)) for box in picture.boxes)
    boxes = tuple(box for box in boxes if box.label != NORMAL)
    labels = {names.get(label, label) for label in picture.labels} | {box.label for box in boxes}
    return replace(picture, labels=tuple(sorted(labels - {NORMAL} or {NORMAL})), boxes=boxes)


def _as_stored(box: Found, drawn_on: Frame) -> Found:
    left, top, right, bottom = drawn_on.as_stored((box.left, box.top, box.right, box.bottom))
    return replace(box, left=left, top=top, right=right, bottom=bottom)


def _is_doubtful(seen: Frame, declared: tuple[int, int] | None) -> bool:
    """Whether nothing tells if boxes were drawn on the stored or on the upright picture."""
    return seen.orientation != _UPRIGHT and (declared is None or seen.size == seen.upright)


def _is_unmarked(picture: Labelled) -> bool:
    return not picture.boxes and picture.labels != (NORMAL,)


def _labels(given: Iterable[str], boxes: Iterable[Box]) -> tuple[str, ...]:
    return tuple(sorted({*given, *(box.label for box in boxes)} or {NORMAL}))


def _size(size: tuple[int, int] | None) -> str:
    return f"{size[0]} x {size[1]} px" if size else "nothing"
