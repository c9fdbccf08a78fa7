"""What a running version says about an image, and what is recorded of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from mlops.codec import SOMETIMES, Json
from mlops.dataset.boxes import Box
from mlops.dataset.images import Content, Image
from mlops.judging.metrics import Outcome

# What became of a true box, and of a found one.
HIT, MISSED, RIGHT, FALSE_ALARM = "hit", "missed", "right", "false_alarm"


@dataclass(frozen=True)
class Said:
    """A label that the service gave an image, with a confidence of 0 to 100, and where it drew a box, in pixels."""

    label: str
    confidence: float
    box: Box | None = None

    def as_plain(self) -> list[Any]:
        """Label, confidence, and of a box left, top, width and height: a line has hundreds of them."""
        return [self.label, round(self.confidence, 4), *_corners(self.box)]

    @classmethod
    def of_plain(cls, told: Sequence[Any]) -> "Said":
        """From a line."""
        label, confidence, *box = told
        return cls(str(label), float(confidence), Box(*box) if box else None)


@dataclass(frozen=True)
class CallLine:
    """A line of a piece of answers: all that was said of an image, or why nothing was."""

    key: str
    digest: str
    said: tuple[Said, ...]
    milliseconds: float
    error: str = field(default="", metadata=SOMETIMES)


@dataclass(frozen=True)
class Call:
    """One call of DetectCustomLabels: what it said, or its `error` (code: message)."""

    image: Image
    said: tuple[Said, ...] = ()
    milliseconds: float = 0.0
    error: str = ""

    @property
    def is_gone(self) -> bool:
        """Whether the image could not be read from the bucket any more."""
        return self.error.startswith("InvalidS3ObjectException")

    @property
    def line(self) -> CallLine:
        """What is kept of it."""
        return CallLine(self.image.key, self.image.digest, self.said, self.milliseconds, self.error)

    @classmethod
    def of(cls, line: CallLine, image: Image) -> "Call":
        """The call about an image that a line tells of."""
        return cls(image, line.said, line.milliseconds, line.error)


def said_in(labels: Iterable[Json], image: Image) -> tuple[Said, ...]:
    """The `CustomLabels` of an answer about an image; the service draws in ratios of its width and height."""
    return tuple(_said(label, image) for label in labels)


def _said(label: Json, image: Image) -> Said:
    box, drawn = None, label.get("Geometry", {}).get("BoundingBox")
    if drawn:
        left, width = drawn["Left"] * image.width, drawn["Width"] * image.width
        top, height = drawn["Top"] * image.height, drawn["Height"] * image.height
        box = Box(left, top, width, height)
    return Said(str(label["Name"]), float(label["Confidence"]), box)


def _corners(box: Box | None) -> list[float]:
    return [round(side, 2) for side in (box.left, box.top, box.width, box.height)] if box else []


@dataclass(frozen=True)
class Drawn:
    """A box on an image of a test: a true one or a found one (confidence 0 to 1), and what became of it."""

    label: str
    confidence: float
    box: Box
    outcome: str

    def as_plain(self) -> Json:
        """As lines of answers have it; no eye sees a thousandth of a pixel."""
        sides = {name: round(side, 3) for name, side in asdict(self.box).items()}
        return {"label": self.label, "confidence": self.confidence, "box": sides, "outcome": self.outcome}

    @property
    def is_true(self) -> bool:
        """Whether it is one of the truth."""
        return self.outcome in (HIT, MISSED)


class Answer(Protocol):
    """What a version answered about one image of a test, beside the truth, as it is recorded with the test."""

    @property
    def about(self) -> Content: ...

    @property
    def milliseconds(self) -> float: ...

    @property
    def is_defective(self) -> bool:
        """Whether the image shows a defect."""
        ...

    @property
    def is_called_defective(self) -> bool:
        """Whether the version says so."""
        ...

    @property
    def verdict(self) -> str:
        """What became of the image, in one word of a file name."""
        ...

    @property
    def is_wrong(self) -> bool:
        """Whether there is a mistake that a person should look at."""
        ...

    @property
    def caption(self) -> str:
        """The same as `verdict` in words."""
        ...

    @property
    def badness(self) -> tuple[float, ...]:
        """The order in which a person looks at mistakes: the least first."""
        ...

    @property
    def dullness(self) -> tuple[float, str]:
        """The order in which a person looks at what is right."""
        ...

    @property
    def drawn(self) -> tuple[Drawn, ...]:
        """The boxes on it, true ones first."""
        ...

    def outcomes(self) -> Iterator[Outcome]:
        """What became of everything that is true of the image, or was said of it."""
        ...
