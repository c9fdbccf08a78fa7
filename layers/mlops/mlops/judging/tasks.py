"""The two tasks: what judging a version depends on, in one place each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from mlops.codec import Json
from mlops.dataset.images import Image
from mlops.dataset.learning import Learning
from mlops.dataset.mapping import PictureMapping
from mlops.judging import verdicts
from mlops.judging.answers import Answer, Call, Said
from mlops.judging.classification import Classification
from mlops.judging.detection import Detection
from mlops.judging.intervals import Interval
from mlops.judging.metrics import Measured, Score
from mlops.judging.operating_points import Answered
from mlops.judging.snapshots import Snapshot
from mlops.judging.verdicts import Found, Opinion

# As COCO and Pascal VOC count, and as stacks are set that say nothing.
USUAL_IOU = 0.5
A = TypeVar("A", bound=Answer)


class Task(Protocol[A]):
    """How versions of a task are asked and judged. A further task is a further class, and one more in `task_of`."""

    @property
    def name(self) -> str:
        """What it is called in documents, rows and names of runs."""
        ...

    @property
    def unit(self) -> str:
        """What its scores count."""
        ...

    @property
    def shows_clean(self) -> bool:
        """Whether the service tests on pictures without defects, too."""
        ...

    @property
    def parameter(self) -> str:
        """The parameter of the stack with the least F1 of single labels."""
        ...

    @property
    def alarm(self) -> str:
        """What a false alarm is, in words."""
        ...

    @property
    def learning(self) -> Learning:
        """What its versions learn from."""
        ...

    def is_asked_anyway(self, image: Image) -> bool:
        """Whether an image is asked about whatever its side is."""
        ...

    def request(self, images: Sequence[Image], *, has_points: bool) -> dict[str, int]:
        """What DetectCustomLabels is to answer beside its usual."""
        ...

    def answer(self, call: Call, points: Mapping[str, float], *, takes_all: bool) -> A:
        """What an answer of the service says at operating points."""
        ...

    def found(self, said: Iterable[Said], mapping: PictureMapping) -> Iterator[Found]:
        """What is told of an inspected picture that `mapping` has prepared; boxes in whole pixels of the original."""
        ...

    def opinion(self, answer: verdicts.Answer, margin: float) -> Opinion:
        """What an answer about an inspected picture says of the part by itself."""
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

    def alarms(self, measured: Measured) -> str:
        """How many false alarms there were, of how many, in words."""
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


def task_of(name: str, match_iou: float = USUAL_IOU) -> Task[Any]:
    """The task of a name; boxes are right from this overlap on, which matters only to who counts them."""
    every: tuple[Task[Any], ...] = (Classification(), Detection(match_iou))
    return next(task for task in every if task.name == name)
