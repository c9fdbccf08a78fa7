"""What people answered becomes lines of the annotation manifest: in the form of Ground Truth, with where it came from.

A line names the bytes that it is about, so that whatever is filed again is filed once; other lines stay as they are.
The manifest may be large and is somebody else's: it goes by line by line, and what cannot be read is left as it is.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlops.dataset import annotation_manifest
from mlops.dataset.annotation_manifest import SAME_AS, Line
from mlops.dataset.boxes import LabeledBox
from mlops.dataset.keys import reviewed_reference
from mlops.dataset.labels import likeness
from mlops.dataset.manifest_lines import pieces_of

# Looked for before a line is read as JSON: nearly all lines of a large manifest are not ours.
_MARK = b'"images/reviewed/'
# The inference test asks about at most so many pictures of a label, unless the stack says otherwise.
ENOUGH = 50


@dataclass(frozen=True)
class Answered:
    """A picture that a person answered, and what is kept about that: `provenance`. Without labels nobody can tell.

    `same_as`: it is a picture of the dataset already, whose labels and side count.
    """

    digest: str
    extension: str
    width: int
    height: int
    labels: tuple[str, ...]
    boxes: tuple[LabeledBox, ...]
    is_boxed: bool
    side: str
    group: str = ""
    same_as: str = ""
    answered_at: str = ""
    provenance: Mapping[str, object] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """Where the picture lies, relative to its dataset."""
        return reviewed_reference(self.digest, self.extension)


def line_of(answered: Answered) -> str:
    """The line of a picture: labels of the whole, boxes where somebody looked for them, side, group, provenance."""
    said = {"human-annotated": "yes", "creation-date": answered.answered_at, "job-name": "review"}
    classes = {str(number): label for number, label in enumerate(answered.labels)}
    line: dict[str, object] = {"source-ref": answered.reference, "labels": list(range(len(answered.labels)))}
    kind = "groundtruth/image-classification-multilabel"
    line["labels-metadata"] = {"class-map": classes, "type": kind, **said}
    if answered.is_boxed:
        names = sorted({one.label for one in answered.boxes})
        places = [
            {"class_id": names.index(one.label), **{side: getattr(one.box, side) for side in _SIDES}}
            for one in answered.boxes
        ]
        size = {"width": answered.width, "height": answered.height, "depth": 3}
        line["boxes"] = {"image_size": [size], "annotations": places}
        line["boxes-metadata"] = {
            "class-map": {str(number): name for number, name in enumerate(names)},
            "type": "groundtruth/object-detection",
            "objects": [{"confidence": 1} for _ in places],
            **said,
        }
    places_of_it = {"side": answered.side, "group": answered.group, SAME_AS: answered.same_as}
    line |= {name: value for name, value in places_of_it.items() if value}
    line["review"] = dict(answered.provenance)
    return json.dumps(line, ensure_ascii=False)


_SIDES = ("left", "top", "width", "height")


def with_lines(chunks: Iterable[bytes], lines: Mapping[str, str | None]) -> Iterator[bytes]:
    """A manifest with these lines by reference, in place of those that it had; None takes one out."""
    left = {reference: line for reference, line in lines.items() if line is not None}
    for piece, is_whole in pieces_of(chunks):
        reference = _reference(piece) if is_whole else ""
        if reference not in lines:
            yield piece
        elif reference in left:
            yield _ended(left.pop(reference))
    yield from map(_ended, left.values())


def _ended(line: str) -> bytes:
    return f"{line}\n".encode()


@dataclass
class Filed:
    """What of reviews a manifest has, as it was read: the lines by reference, as digests. And what counts for the next
    picture: which side each one has, how often a label is on a side, groups on theirs."""

    lines: dict[str, bytes] = field(default_factory=dict)
    sides: dict[str, str] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, chunks: Iterable[bytes]) -> "Filed":
        """Read the lines that reviews left; whatever cannot be read is somebody else's."""
        filed = cls()
        for piece, is_whole in pieces_of(chunks):
            reference = _reference(piece) if is_whole else ""
            if reference and reference not in filed.lines:
                filed.lines[reference] = _digest(piece)
                for line in annotation_manifest.read([piece]):
                    if isinstance(line, Line) and line.side and not line.same_as:
                        filed._note(reference, line.side, line.labels, line.group or "")
        return filed

    def add(self, answered: Answered) -> None:
        """Count a picture that is filed, for those that come after it."""
        if answered.side and answered.reference not in self.sides:
            self._note(answered.reference, answered.side, answered.labels, answered.group)

    def differs_from(self, lines: Mapping[str, str | None]) -> bool:
        """Whether the manifest that was read is another one with these lines."""
        return any(self.lines.get(name) != (_digest(_ended(line)) if line else None) for name, line in lines.items())

    def _note(self, reference: str, side: str, labels: Iterable[str], group: str) -> None:
        self.sides[reference] = side
        self.counts.setdefault(side, Counter()).update(map(likeness, labels))
        if group:
            self.groups.setdefault(group, side)


def side_of(
    labels: Sequence[str], filed: Filed, trained: Iterable[str], *, is_random: bool, enough: int = ENOUGH
) -> str:
    """The side of a picture that becomes data: never `test`.

    What chance chose is like what comes in production: it is held out until there is enough of each of its labels. A
    label that nothing was trained on is trained on first: held out, it could not be told from a mistake.
    """
    known = {likeness(label) for label in trained} | set(filed.counts.get("train", ()))
    names = [likeness(label) for label in labels]
    if not is_random or not set(names) <= known:
        return "train"
    held_out = filed.counts.get("holdout", Counter[str]())
    return "holdout" if any(held_out[name] < enough for name in names) else "train"


def _digest(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=16).digest()


def _reference(line: bytes) -> str:
    """The reference of a line that a review left; empty for every other."""
    if _MARK not in line:
        return ""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    reference = entry.get("source-ref", "") if isinstance(entry, dict) else ""
    return reference if isinstance(reference, str) and reference.startswith(_MARK.decode()[1:]) else ""
