"""What people answered becomes lines of the annotation manifest: in the form of Ground Truth, with where it came from.

A line names the bytes that it is about, so that whatever is filed again is filed once; other lines stay as they are.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops.dataset.boxes import LabeledBox
from mlops.dataset.keys import reviewed_reference
from mlops.dataset.labels import likeness

_MARK = b'"images/reviewed/'
# The inference test asks about at most so many pictures of a label, unless the stack says otherwise.
ENOUGH = 50


@dataclass(frozen=True)
class Answered:
    """A picture that a person answered, and what is kept about that: `provenance`. Without labels nobody can tell."""

    digest: str
    extension: str
    width: int
    height: int
    labels: tuple[str, ...]
    boxes: tuple[LabeledBox, ...]
    is_boxed: bool
    side: str
    group: str = ""
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
    line: dict[str, Any] = {"source-ref": answered.reference, "labels": list(range(len(answered.labels)))}
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
    line["side"] = answered.side
    if answered.group:
        line["group"] = answered.group
    line["review"] = dict(answered.provenance)
    return json.dumps(line, ensure_ascii=False)


_SIDES = ("left", "top", "width", "height")


def with_lines(manifest: bytes, lines: Mapping[str, str | None]) -> bytes:
    """A manifest with these lines by reference, in place of those that it had; None takes one out."""
    kept, left = [], {reference: line for reference, line in lines.items() if line is not None}
    for given in manifest.splitlines():
        reference = _reference(given)
        if reference not in lines:
            kept.append(given)
        elif reference in left:
            kept.append(left.pop(reference).encode())
    return b"".join(line + b"\n" for line in (*kept, *(line.encode() for line in left.values())))


@dataclass(frozen=True)
class Filed:
    """What of reviews a manifest has already: references, labels on their sides, groups on theirs."""

    references: Collection[str] = ()
    counts: Mapping[str, Counter[str]] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: bytes) -> "Filed":
        """Read the lines that reviews left; whatever cannot be read is somebody else's."""
        references, groups = [], {}
        counts: dict[str, Counter[str]] = {"train": Counter(), "holdout": Counter()}
        for given in manifest.splitlines():
            if reference := _reference(given):
                line = json.loads(given)
                references.append(reference)
                names = line.get("labels-metadata", {}).get("class-map", {}).values()
                counts.setdefault(str(line.get("side")), Counter()).update(map(likeness, names))
                if line.get("group"):
                    groups[str(line["group"])] = str(line.get("side"))
        return cls(frozenset(references), counts, groups)

    def plus(self, answered: Answered) -> "Filed":
        """What there is once a picture is filed, for those that come after it."""
        if answered.reference in self.references:
            return self
        counts = {side: Counter(known) for side, known in self.counts.items()}
        counts.setdefault(answered.side, Counter()).update(map(likeness, answered.labels))
        groups = {**self.groups, answered.group: answered.side} if answered.group else self.groups
        return Filed(frozenset((*self.references, answered.reference)), counts, groups)


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


def _reference(line: bytes) -> str:
    """The reference of a line that a review left; empty for every other."""
    if _MARK not in line:
        return ""
    try:
        reference = json.loads(line).get("source-ref", "")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return reference if isinstance(reference, str) and reference.startswith(_MARK.decode()[1:]) else ""
