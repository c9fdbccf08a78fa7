"""How right a detector is about boxes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlops import codec
from mlops.codec import INLINE, Json
from mlops.dataset.boxes import LabeledBox, match
from mlops.dataset.images import Content, Image
from mlops.dataset.learning import Learning, OfBoxes
from mlops.dataset.limits import MAX_BOXES
from mlops.dataset.mapping import PictureMapping
from mlops.judging import operating_points, snapshots, verdicts
from mlops.judging.answers import FALSE_ALARM, HIT, MISSED, RIGHT, Call, Drawn, Said
from mlops.judging.intervals import Interval, mean_count
from mlops.judging.metrics import Measured, Outcome, Score, label_scores, macro
from mlops.judging.operating_points import Answered, counts
from mlops.judging.snapshots import Snapshot
from mlops.judging.verdicts import MOST_NAMED, Found, Opinion, told, weighed
from mlops.words import counted as counted_of

_SPEAKER = "the detector"


@dataclass(frozen=True)
class BoxAnswer:
    """The true boxes of an image and those that were found, in pixels of what the service got."""

    about: Content = field(metadata=INLINE)
    truth: tuple[Drawn, ...]
    found: tuple[Drawn, ...]
    milliseconds: float = 0.0

    @property
    def is_defective(self) -> bool:
        """Whether there are true boxes."""
        return bool(self.truth)

    @property
    def is_called_defective(self) -> bool:
        """Whether any box was found."""
        return bool(self.found)

    @property
    def missed(self) -> int:
        """How many true boxes were not found."""
        return sum(box.outcome == MISSED for box in self.truth)

    @property
    def false_alarms(self) -> int:
        """How many found boxes lie on no true one."""
        return sum(box.outcome == FALSE_ALARM for box in self.found)

    @property
    def is_wrong(self) -> bool:
        """Whether a box is missed, or found where there is none."""
        return bool(self.missed or self.false_alarms)

    @property
    def verdict(self) -> str:
        """The worst thing that became of its boxes."""
        if self.missed:
            return "missed"
        if self.false_alarms:
            return "false-alarm"
        return "found" if self.truth else "clean"

    @property
    def caption(self) -> str:
        """2 missed, 1 false alarm."""
        parts = [f"{self.missed} missed"] if self.missed else []
        parts += [counted_of(self.false_alarms, "false alarm")] if self.false_alarms else []
        return ", ".join(parts) or ("all found" if self.truth else "clean, nothing found")

    @property
    def badness(self) -> tuple[float, ...]:
        """A missed defect is worse than a false alarm."""
        return -self.missed, -self.false_alarms

    @property
    def dullness(self) -> tuple[float, str]:
        """Defects before clean parts."""
        return float(not self.truth), self.about.key

    @property
    def drawn(self) -> tuple[Drawn, ...]:
        """All boxes. A hit comes before what was found in its place."""
        return self.truth + self.found

    def outcomes(self) -> Iterator[Outcome]:
        """What became of every true box, and every false alarm."""
        yield from ((box.label, True, box.outcome == HIT) for box in self.truth)
        yield from ((box.label, False, True) for box in self.found if box.outcome != RIGHT)


@dataclass(frozen=True)
class Detection:
    """Judging detectors, whose boxes are right from an overlap of `match_iou` on."""

    match_iou: float
    name: str = "detection"
    unit: str = "boxes"
    # The service leaves pictures without boxes out of the test of a detector.
    shows_clean: bool = False
    parameter: str = "DetectionLabelThresholds"
    alarm: str = "False alarms per clean image"
    learning: Learning = field(default_factory=OfBoxes)

    def is_asked_anyway(self, image: Image) -> bool:
        """No detector learns from clean images: all of a run's are asked about."""
        return not image.boxes

    def request(self, images: Sequence[Image], *, has_points: bool) -> dict[str, int]:
        """Everything, to see what other points would give; where none are known, what its users get."""
        return {"MinConfidence": 0, "MaxResults": MAX_BOXES} if has_points else {}

    def answer(self, call: Call, points: Mapping[str, float], *, takes_all: bool = True) -> BoxAnswer:
        """What was found; a box counts from the point of its label on (0 to 100), without points every box counts."""
        found = [box for box in boxes_of(call.said) if counts(box.confidence * 100, box.label, points)]
        truth, marked = self._matched(call.image.boxes, found)
        return BoxAnswer(call.image.content, truth, marked, call.milliseconds)

    def found(self, said: Iterable[Said], mapping: PictureMapping) -> Iterator[Found]:
        """Every box."""
        for one in said:
            if drawn := one.box:
                # A box of no width or height lies nowhere; a hundredth of a pixel of it does.
                box = replace(drawn, width=max(drawn.width, 0.01), height=max(drawn.height, 0.01))
                yield Found(one.label, round(one.confidence, 4), mapping.back(box))

    def opinion(self, answer: verdicts.Answer, margin: float) -> Opinion:
        """By its boxes, each of which is a defect."""
        boxes = answer.counted
        if not boxes:
            return weighed(answer, boxes, f"{_SPEAKER} finds nothing", margin)
        more = f" and {len(boxes) - MOST_NAMED} more" if len(boxes) > MOST_NAMED else ""
        said = f"{_SPEAKER} finds {counted_of(len(boxes), 'box', 'boxes')}: {told(answer, boxes[:MOST_NAMED])}{more}"
        return weighed(answer, boxes, said, margin)

    def read(self, row: Json) -> BoxAnswer:
        """A recorded answer."""
        return codec.read(BoxAnswer, row)

    def alarms(self, measured: Measured) -> str:
        """Boxes, on so many clean images."""
        return f"{measured.false_alarms_on_clean_images} on {measured.clean_images}"

    def judged(self, answers: Sequence[BoxAnswer]) -> Sequence[BoxAnswer]:
        """The answers that scores are of: those about images with boxes.

        Mixed in, precision would change with how many clean parts somebody photographed.
        """
        return [answer for answer in answers if answer.is_defective]

    def measure(self, answers: Sequence[BoxAnswer]) -> Measured:
        """Scores by label on the images with boxes, and the number of boxes found per clean image."""
        marked = self.judged(answers)
        clean = [answer for answer in answers if not answer.is_defective]
        scores = label_scores(outcome for answer in marked for outcome in answer.outcomes())
        false_alarms = sum(len(answer.found) for answer in clean)
        return Measured(
            macro(scores),
            {label: _with_mistakes(score, label, marked, clean) for label, score in scores.items()},
            false_alarm_rate=false_alarms / len(clean) if clean else None,
            clean_images=len(clean),
            false_alarms_on_clean_images=false_alarms,
            match_iou=self.match_iou,
        )

    def intervals(self, answers: Sequence[BoxAnswer]) -> dict[str, Interval | None]:
        """How sure the number of false alarms per clean image is. Pictures of one part stand and fall together."""
        parts: dict[str, list[int]] = {}
        for answer in answers:
            if not answer.is_defective:
                parts.setdefault(answer.about.part, []).append(len(answer.found))
        # Counted by the part, for its pictures stand and fall together; told by the picture.
        pictures = sum(map(len, parts.values())) / len(parts) if parts else 1.0
        lies = mean_count([sum(found) for found in parts.values()])
        return {"false_alarm_rate": Interval(lies.low / pictures, lies.high / pictures) if lies else None}

    def scores(self, answers: Sequence[BoxAnswer], truths: Sequence[BoxAnswer]) -> dict[str, Score]:
        """Scores by label, against the truth that other answers to the same images recorded."""
        judged = (
            self._by_truth(answer, truth) for answer, truth in zip(answers, truths, strict=True) if truth.is_defective
        )
        return label_scores(outcome for answer in judged for outcome in answer.outcomes())

    def mistakes(self, answer: BoxAnswer, truth: BoxAnswer) -> int:
        """How many boxes of an image are missed or false alarms, by the truth that another answer recorded."""
        return sum(not (is_true and is_found) for _, is_true, is_found in self._by_truth(answer, truth).outcomes())

    def said(self, calls: Iterable[Call]) -> dict[str, Answered]:
        """What was found at any confidence, by label; on clean images apart, for precision is not of them."""
        return operating_points.answered_boxes(
            ((call.image.boxes, boxes_of(call.said)) for call in calls), self.match_iou
        )

    def snapshot(self, lines: Iterable[str]) -> Snapshot:
        """What a snapshot of the service says, from its lines."""
        return snapshots.of_boxes(snapshots.boxes_in(lines), self.match_iou)

    def _by_truth(self, answer: BoxAnswer, truth: BoxAnswer) -> BoxAnswer:
        boxes = (
            [LabeledBox(box.label, box.box, box.confidence) for box in side] for side in (truth.truth, answer.found)
        )
        return BoxAnswer(answer.about, *self._matched(*boxes))

    def _matched(
        self, truth: Sequence[LabeledBox], found: Sequence[LabeledBox]
    ) -> tuple[tuple[Drawn, ...], tuple[Drawn, ...]]:
        matched = match(truth, found, self.match_iou)
        hits = set(matched.values())
        return (
            tuple(_judged(box, HIT if i in hits else MISSED) for i, box in enumerate(truth)),
            tuple(_judged(box, RIGHT if i in matched else FALSE_ALARM) for i, box in enumerate(found)),
        )


def boxes_of(said: Iterable[Said]) -> list[LabeledBox]:
    """The boxes of an answer, whatever their confidence, 0 to 1; what says a label only found nothing."""
    return [LabeledBox(one.label, one.box, one.confidence / 100) for one in said if one.box]


def _with_mistakes(score: Score, label: str, marked: Sequence[BoxAnswer], clean: Sequence[BoxAnswer]) -> Score:
    def count(boxes: Iterable[Drawn], outcome: str) -> int:
        return sum((box.label, box.outcome) == (label, outcome) for box in boxes)

    return replace(
        score,
        missed=count((box for answer in marked for box in answer.truth), MISSED),
        false_alarms=count((box for answer in marked for box in answer.found), FALSE_ALARM),
        false_alarms_on_clean_images=count((box for answer in clean for box in answer.found), FALSE_ALARM),
    )


def _judged(box: LabeledBox, outcome: str) -> Drawn:
    return Drawn(box.label, box.confidence, box.box, outcome)
