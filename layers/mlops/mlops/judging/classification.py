"""How right a classifier is about images, which may have several labels."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from mlops import codec
from mlops.codec import INLINE, Json
from mlops.dataset.images import Content, Image
from mlops.dataset.labels import NORMAL
from mlops.dataset.learning import Learning, OfPictures
from mlops.dataset.mapping import PictureMapping
from mlops.judging import operating_points, snapshots, verdicts
from mlops.judging.answers import Call, Drawn, Said
from mlops.judging.intervals import Interval, share_of_parts
from mlops.judging.metrics import Measured, Outcome, Score, confusion_matrix, macro, one_against_rest
from mlops.judging.operating_points import Answered, counts
from mlops.judging.snapshots import Snapshot
from mlops.judging.verdicts import UNSURE, Found, Opinion, surest, told, weighed
from mlops.words import percent, quoted

_SPEAKER = "the classifier"


@dataclass(frozen=True)
class LabelAnswer:
    """What an image is called beside what it is; `confidence`, 0 to 100, is that of the surest label."""

    about: Content = field(metadata=INLINE)
    truths: tuple[str, ...]
    labels: tuple[str, ...]
    confidence: float
    milliseconds: float = 0.0

    @classmethod
    def earlier(cls, row: Json) -> Json:
        """Earlier releases knew one label, in a field of its own; an empty one was no answer."""
        if "truths" in row:
            return row
        return {**row, "truths": [row["truth"]], "labels": [row["label"]] if row["label"] else []}

    @property
    def drawn(self) -> tuple[Drawn, ...]:
        """No boxes."""
        return ()

    @property
    def is_defective(self) -> bool:
        """Whether any of its labels is a defect."""
        return bool(set(self.truths) - {NORMAL})

    @property
    def is_called_defective(self) -> bool:
        """Whether anything that it is called is a defect."""
        return bool(set(self.labels) - {NORMAL})

    @property
    def is_wrong(self) -> bool:
        """Whether a label is missed, or another said."""
        return set(self.labels) != set(self.truths)

    @property
    def verdict(self) -> str:
        """Right or wrong."""
        return "wrong" if self.is_wrong else "right"

    @property
    def caption(self) -> str:
        """What it is, what it is called, and how surely."""
        said = f"{quoted(' + '.join(self.labels))} with {percent(self.confidence)}" if self.labels else "nothing"
        return f"{quoted(' + '.join(self.truths))}, called {said}" if self.is_wrong else said

    @property
    def badness(self) -> tuple[float, ...]:
        """Surer is worse: no threshold would have caught it."""
        return (-self.confidence,)

    @property
    def dullness(self) -> tuple[float, str]:
        """Doubtful answers first."""
        return self.confidence, self.about.key

    def outcomes(self) -> Iterator[Outcome]:
        """What became of every label that is true of it, or was said of it."""
        true, said = set(self.truths), set(self.labels)
        yield from ((label, label in true, label in said) for label in sorted(true | said))


@dataclass(frozen=True)
class Classification:
    """Judging classifiers."""

    name: str = "classification"
    unit: str = "images"
    shows_clean: bool = True
    parameter: str = "LabelThresholds"
    alarm: str = "Clean images called a defect"
    learning: Learning = field(default_factory=OfPictures)

    def is_asked_anyway(self, image: Image) -> bool:
        """No image is, of a side that the test is not made on."""
        return False

    def request(self, images: Sequence[Image], *, has_points: bool) -> dict[str, int]:
        """Everything, to see what other points would give, or to take the surest.

        Where no points are known, one of images with several labels is asked for what its users get.
        """
        return {"MinConfidence": 0} if has_points or not takes_all(images) else {}

    def answer(self, call: Call, points: Mapping[str, float], *, takes_all: bool) -> LabelAnswer:
        """What an image is called.

        A label counts from its point on (0 to 100); without points, whatever the service answers counts. Where every
        image has one label, an image is the surest defect that counts, or else normal if that counts; where nothing
        counts, what it is called with the highest confidence. With `takes_all` it is everything that counts.
        """
        ordered = sorted(call.said, key=lambda one: (-one.confidence, one.label))
        counted = [one for one in ordered if counts(one.confidence, one.label, points)]
        if points and not takes_all:
            counted = sorted(counted, key=lambda one: one.label == NORMAL) or ordered
        called = counted if takes_all else counted[:1]
        confidence = called[0].confidence if called else 0.0
        labels = tuple(sorted(one.label for one in called))
        return LabelAnswer(call.image.content, call.image.labels, labels, confidence, call.milliseconds)

    def found(self, said: Iterable[Said], mapping: PictureMapping) -> Iterator[Found]:
        """Every label."""
        return (Found(one.label, round(one.confidence, 4)) for one in said)

    def opinion(self, answer: verdicts.Answer, margin: float) -> Opinion:
        """By its labels: a part has to be called something, and not good and defective at once."""
        defects = [one for one in answer.counted if one.label != NORMAL]
        normal = [one for one in answer.counted if one.label == NORMAL]
        if defects and normal:
            said = f"{_SPEAKER} says at once {told(answer, [*normal, *defects])}"
            return Opinion(self.name, UNSURE, (), said)
        if not defects and not normal:
            nearest = sorted(answer.found, key=surest)[:1]
            beside = f"; the nearest is {told(answer, nearest)}" if nearest else ""
            return Opinion(self.name, UNSURE, (), f"{_SPEAKER} is sure of no label{beside}")
        return weighed(answer, defects, f"{_SPEAKER} says {told(answer, defects or normal)}", margin)

    def read(self, row: Json) -> LabelAnswer:
        """A recorded answer."""
        return codec.read(LabelAnswer, row)

    def alarms(self, measured: Measured) -> str:
        """Clean images, of all of them."""
        return f"{round((measured.false_alarm_rate or 0) * measured.clean_images)} of {measured.clean_images}"

    def judged(self, answers: Sequence[LabelAnswer]) -> Sequence[LabelAnswer]:
        """The answers that scores are of: all."""
        return answers

    def measure(self, answers: Sequence[LabelAnswer]) -> Measured:
        """Scores by label, accuracy, confusion matrix, and the share of clean images that are called a defect.

        No answer is wrong, but no false alarm. An image is right when all of its labels are, and no other is said.
        """
        scores = self.scores(answers, answers)
        # What clean parts are called is judged apart: one false alarm costs a good part.
        clean = [answer for answer in answers if answer.truths == (NORMAL,)]
        right = sum(not answer.is_wrong for answer in answers)
        return Measured(
            macro(scores),
            scores,
            false_alarm_rate=sum(one.is_called_defective for one in clean) / len(clean) if clean else None,
            clean_images=len(clean),
            accuracy=right / len(answers) if answers else 0.0,
            confusion_matrix=confusion_matrix(pair for answer in answers for pair in _confused(answer)),
        )

    def intervals(self, answers: Sequence[LabelAnswer]) -> dict[str, Interval | None]:
        """How sure accuracy and false alarms are. Pictures of one part stand and fall together."""
        clean = [answer for answer in answers if not answer.is_defective]
        return {
            "accuracy": share_of_parts((one.about.part, not one.is_wrong) for one in answers),
            "false_alarm_rate": share_of_parts((one.about.part, one.is_called_defective) for one in clean),
        }

    def scores(self, answers: Sequence[LabelAnswer], truths: Sequence[LabelAnswer]) -> dict[str, Score]:
        """Scores by label, against the truth that other answers to the same images recorded."""
        return one_against_rest([(truth.truths, answer.labels) for answer, truth in zip(answers, truths, strict=True)])

    def mistakes(self, answer: LabelAnswer, truth: LabelAnswer) -> int:
        """How many labels of an image are missed or wrong; one that stands in the place of another is one mistake."""
        true, said = set(truth.truths), set(answer.labels)
        # Their sum would count one confusion twice: what is missed was called something else.
        return max(len(true - said), len(said - true))

    def said(self, calls: Iterable[Call]) -> dict[str, Answered]:
        """What was said at any confidence, by label."""
        return operating_points.answered_images((call.image.labels, confidences(call.said)) for call in calls)

    def snapshot(self, lines: Iterable[str]) -> Snapshot:
        """What a snapshot of the service says, from its lines."""
        return snapshots.of_labels(lines)


def takes_all(images: Iterable[Image]) -> bool:
    """Whether an image is everything that counts of it: where some have several labels."""
    return any(len(image.labels) > 1 for image in images)


def confidences(said: Iterable[Said]) -> dict[str, float]:
    """The confidence of every label."""
    return {one.label: one.confidence for one in said}


def _confused(answer: LabelAnswer) -> Iterator[tuple[str, str]]:
    """(true label, said label): what is right by itself, what was missed beside what was said in its place, or nothing.

    What is said too much of an image whose labels are all said is beside none of them, and counts in no row.
    """
    true, said = set(answer.truths), set(answer.labels)
    yield from ((label, label) for label in sorted(true & said))
    missed, wrong = sorted(true - said), sorted(said - true)
    yield from ((label, other or "") for label, other in zip_longest(missed, wrong[: len(missed)]))
