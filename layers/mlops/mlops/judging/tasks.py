"""The two tasks: what judging a version depends on, in one place each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from mlops.codec import Json
from mlops.dataset.images import Image
from mlops.judging.answers import Answer, Call
from mlops.judging.classification import Classification
from mlops.judging.detection import Detection
from mlops.judging.intervals import Interval
from mlops.judging.metrics import Measured, Score
from mlops.judging.operating_points import Answered
from mlops.judging.snapshots import Snapshot

A = TypeVar("A", bound=Answer)


class Task(Protocol[A]):
    """How versions of a task are asked and judged. A further task is a further class, and a line in `task_of`.

    `unit` is what its scores count; `shows_clean` says whether the service tests on pictures without defects, too.
    """

    @property
    def name(self) -> str: ...

    @property
    def unit(self) -> str: ...

    @property
    def shows_clean(self) -> bool: ...

    def is_asked_anyway(self, image: Image) -> bool:
        """Whether an image is asked about whatever its side is."""
        ...

    def request(self, images: Sequence[Image], *, has_points: bool) -> dict[str, int]:
        """What DetectCustomLabels is to answer beside its usual."""
        ...

    def answer(self, call: Call, points: Mapping[str, float], *, takes_all: bool) -> A:
        """What an answer of the service says at operating points."""
        ...

    def read(self, row: Json) -> A:
        """A recorded answer."""
        ...

    def judged(self, answers: Sequence[A]) -> Sequence[A]:
        """The answers that scores are of."""
        ...

    def measure(self, answers: Sequence[A]) -> Measured:
        """The numbers of a test."""
        ...

    def intervals(self, answers: Sequence[A]) -> dict[str, Interval | None]:
        """Where the numbers lie that are no F1."""
        ...

    def scores(self, answers: Sequence[A], truths: Sequence[A]) -> dict[str, Score]:
        """Scores by label, against the truth of other answers to the same images."""
        ...

    def mistakes(self, answer: A, truth: A) -> int:
        """How many mistakes an answer makes, by the truth of another one to the same image."""
        ...

    def said(self, calls: Iterable[Call]) -> dict[str, Answered]:
        """What was said at any confidence, by label."""
        ...

    def snapshot(self, lines: Iterable[str]) -> Snapshot:
        """What a snapshot of the service says, from its lines."""
        ...


def task_of(name: str, match_iou: float) -> Task[Any]:
    """The task of a name; boxes are right from this overlap on."""
    return Detection(match_iou) if name == "detection" else Classification()
