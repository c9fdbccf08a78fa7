"""The verdict about a part: what the released models say of its picture, put together, with the reasons in words.

Confidences and operating points are the service's, 0 to 100. An answer counts from its label's operating point on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mlops.codec import SOMETIMES
from mlops.dataset.boxes import Box
from mlops.rounding import reaches
from mlops.words import quoted

OK, DEFECT, UNSURE = "ok", "defect", "unsure"
VERDICTS = (OK, DEFECT, UNSURE)
# How far from its operating point an answer still says little, in points of confidence.
MARGIN = 5.0
THEY_DISAGREE = "they disagree"
MOST_NAMED = 5


@dataclass(frozen=True, order=True)
class Found:
    """One label that a model gives a picture; a detector says where, in pixels of the original."""

    label: str
    confidence: float
    box: Box | None = field(default=None, metadata=SOMETIMES)


class Speaker(Protocol):
    """A task, as far as its versions have opinions about a part."""

    @property
    def name(self) -> str:
        """What it is called in documents."""
        ...

    def opinion(self, answer: "Answer", margin: float) -> "Opinion":
        """What an answer of a version says of a part by itself."""
        ...


@dataclass(frozen=True)
class Answer:
    """What the released version of a task says of a picture.

    `points` has the operating point of every label that the version knows; without any, whatever the service answers on
    its own counts, and the version may know any label.
    """

    task: Speaker
    found: tuple[Found, ...] = ()
    points: Mapping[str, float] = field(default_factory=dict)

    def point(self, label: str) -> float:
        return self.points.get(label, 0.0)

    def knows(self, label: str) -> bool:
        return not self.points or label in self.points

    @property
    def counted(self) -> tuple[Found, ...]:
        """What reaches its operating point, surest first."""
        return tuple(sorted((one for one in self.found if reaches(one.confidence, self.point(one.label))), key=surest))


@dataclass(frozen=True)
class Verdict:
    """`ok`, `defect` or `unsure`, and why, in sentences."""

    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Opinion:
    """What one task says: `ok`, `defect`, or `unsure`, which it may be on its own account alone.

    `labels` are the defects that it says.
    """

    task: str
    says: str
    labels: tuple[str, ...]
    reason: str


def decide(answers: Sequence[Answer], margin: float = MARGIN) -> Verdict:
    """The verdict from the answers of the released tasks, of which there may be one.

    `defect` when a task says so and none contradicts it; `ok` when all say so; `unsure` when they contradict each
    other, when an answer lies within the margin of its operating point, or when nobody says anything. What lies within
    the margin changes nothing where another task is clear that the part is defective. A task that does not know a
    defect does not contradict who does. Never `ok` when an answer that means a defect reaches its point.
    """
    opinions = [answer.task.opinion(answer, margin) for answer in answers]
    reasons = tuple(opinion.reason for opinion in opinions)
    if not opinions:
        return Verdict(UNSURE, ("no model was asked",))
    accusing = [opinion for opinion in opinions if opinion.says == DEFECT]
    if accusing:
        # Who was never taught a defect does not deny it by finding nothing.
        known = {answer.task.name: answer for answer in answers}
        denying = [
            opinion
            for opinion in opinions
            if opinion.says == OK
            and any(known[opinion.task].knows(label) for other in accusing for label in other.labels)
        ]
        return Verdict(UNSURE, (*reasons, THEY_DISAGREE)) if denying else Verdict(DEFECT, reasons)
    return Verdict(OK if all(opinion.says == OK for opinion in opinions) else UNSURE, reasons)


def least_confidence(points: Mapping[str, float], margin: float = MARGIN) -> float | None:
    """From which confidence on a model must answer so that nothing within a margin is missed.

    None: nothing is known, and the service's own thresholds decide.
    """
    return max(min(points.values()) - margin, 0.0) if points else None


def weighed(answer: Answer, defects: Sequence[Found], said: str, margin: float) -> Opinion:
    """What a task says whose `defects` reach their points, by how far they and the others are away from them."""
    labels = tuple(dict.fromkeys(one.label for one in defects))
    if any(not _is_near(answer, one, margin) for one in defects):
        return Opinion(answer.task.name, DEFECT, labels, said)
    near = sorted((one for one in defects or answer.found if _is_near(answer, one, margin)), key=surest)
    if near:
        what = f"within {margin:g} of its operating point: {told(answer, near[:MOST_NAMED])}"
        return Opinion(answer.task.name, UNSURE, labels, f"{said}; {what}")
    return Opinion(answer.task.name, OK, (), said)


def _is_near(answer: Answer, one: Found, margin: float) -> bool:
    """Whether an answer lies within the margin of its point; without a point there is nothing to be near to."""
    point = answer.point(one.label)
    return point > 0 and not reaches(abs(one.confidence - point), margin)


def told(answer: Answer, found: Sequence[Found]) -> str:
    """What was said, each with the confidence from which on it counts."""
    return ", ".join(
        f"{quoted(one.label)} {_written(one.confidence)} (counts from {_written(answer.point(one.label))})"
        for one in found
    )


def _written(confidence: float) -> str:
    return f"{confidence:.1f}"


def surest(one: Found) -> tuple[float, str, tuple[float, ...]]:
    """The order in which answers are told: the surest first."""
    box = one.box
    return -one.confidence, one.label, (box.left, box.top, box.width, box.height) if box else ()
