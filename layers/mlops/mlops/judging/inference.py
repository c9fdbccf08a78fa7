"""The verdict on a version by what it said of images that it has not seen."""

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops.codec import INLINE, SOMETIMES, Json
from mlops.dataset.images import Image, image_of
from mlops.judging import operating_points, sureness
from mlops.judging.answers import Answer, Call
from mlops.judging.evaluation import Evaluation
from mlops.judging.metrics import Measured, percentile
from mlops.judging.operating_points import Confirmed
from mlops.judging.sureness import Parts, Sureness
from mlops.judging.tasks import Task
from mlops.rounding import keeps_to, reaches
from mlops.words import beside, counted, number, some

# The share of images that may be gone where the stack says nothing.
_MISSING_IMAGES = 0.1


@dataclass(frozen=True)
class Points:
    """From which confidence answers count, by label, 0 to 100: as chosen, and by the service's own thresholds.

    Both are empty for a version of which neither is known.
    """

    chosen: Mapping[str, float] = field(default_factory=dict)
    service: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, evaluation: Evaluation | None) -> "Points":
        """By its evaluation. What an earlier release trained is tested as it was then, without any."""
        if not evaluation or not evaluation.operating_points:
            return cls()
        return cls(evaluation.points, evaluation.service_points)


@dataclass(frozen=True)
class Limits:
    """What a test must reach or keep to. With `on_bound`, also the unfavourable ends of the intervals must."""

    by_name: Mapping[str, float]
    on_bound: bool = False

    @property
    def least(self) -> dict[str, float]:
        """The numbers that must be reached."""
        return {name: self.by_name[name] for name in ("f1", "accuracy") if name in self.by_name}

    @property
    def false_alarm_rate(self) -> float:
        """False alarms per clean image, at most."""
        return self.by_name["false_alarm_rate"]

    @property
    def missing_images(self) -> float:
        """The share of images that may be gone."""
        return self.by_name.get("missing_images", _MISSING_IMAGES)


@dataclass
class Calls:
    """What became of the calls of a test, as they come: of each what is needed later, and no more."""

    asked: int = 0
    latencies: list[float] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)

    def note(self, call: Call) -> bool:
        """Whether it was answered."""
        self.asked += 1
        if not call.error:
            self.latencies.append(call.milliseconds)
            return True
        self.errors[call.image.key] = call.error
        if call.is_gone:
            self.gone.append(call.image.key)
        return False


@dataclass(frozen=True)
class ByThresholds:
    """What users get who ask without a least confidence: F1 by label, and the numbers that have limits."""

    f1: float
    accuracy: float | None = field(default=None, metadata=SOMETIMES)
    false_alarm_rate: float | None = None
    per_label: Mapping[str, float] = field(default_factory=dict)
    parts: Parts | None = None


@dataclass(frozen=True)
class Latency:
    """How long calls took, in milliseconds."""

    p50: float = 0.0
    p95: float = 0.0


@dataclass(frozen=True)
class Judged:
    """All that a test tells of a version, and every reason against it; `mistakes` are the images answered wrongly.

    `gone` are the images that could not be read any more, `errors` by image what else went wrong. `thresholds` and
    `gate_on` say what the reasons go by. Earlier releases of the stack counted no mistakes.
    """

    measured: Measured = field(metadata=INLINE)
    sureness: Sureness = field(metadata=INLINE)
    operating_points: Mapping[str, Confirmed] = field(default_factory=dict, metadata=SOMETIMES)
    by_service: ByThresholds | None = field(default=None, metadata=SOMETIMES)
    gone: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    latency_ms: Latency = field(default_factory=Latency)
    images: int = 0
    mistakes: int | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    gate_on: str = ""
    reasons: tuple[str, ...] = ()


def judge(
    task: Task[Any], calls: Iterable[Call], limits: Limits, points: Points | None = None, *, several: bool = False
) -> tuple[Judged, Sequence[Answer]]:
    """All numbers at the operating points, what other points would give, every reason against it; and the answers.

    The calls pass by once: what a version says of thousands of images at any confidence is more than memory holds.
    `several` says that some of the images have several labels.
    """
    points, noted = points or Points(), Calls()
    answers: list[Answer] = []
    by_service: list[Answer] = []

    def passing() -> Iterator[Call]:
        for call in calls:
            if noted.note(call):
                answers.append(task.answer(call, points.chosen, takes_all=several))
                if points.service:
                    by_service.append(task.answer(call, points.service, takes_all=several))
                yield call

    said = task.said(passing())
    measured = task.measure(answers)
    sure = sureness.sure(task, answers, measured.per_label)
    return Judged(
        measured,
        sure,
        operating_points.confirmed(said, points.chosen, points.service),
        _by_service(task, by_service) if points.service else None,
        gone=tuple(noted.gone),
        remarks=(*_remarks(measured, noted.gone), *_doubts(measured, sure, limits)),
        latency_ms=Latency(percentile(noted.latencies, 0.5), percentile(noted.latencies, 0.95)),
        images=noted.asked,
        mistakes=sum(answer.is_wrong for answer in answers),
        errors=noted.errors,
        thresholds=dict(limits.by_name),
        gate_on="lower bound" if limits.on_bound else "value",
        reasons=(*_failures(noted, limits.missing_images), *_reasons(measured, sure, limits)),
    ), answers


def choose(task: Task[Any], inventory: Iterable[Json], most: int) -> tuple[list[Image], str]:
    """The images to ask about, at most so many of a label, and the side they come from: holdout, or else test.

    Of the inventory no more is kept than what may be asked about.
    """
    sides, anyway = {"holdout": _Chosen(most), "test": _Chosen(most)}, _Chosen(most)
    for row in inventory:
        image = image_of(row)
        if task.is_asked_anyway(image):
            anyway.add(image, task.learning.labels_of(image))
        elif image.side in sides:
            sides[image.side].add(image, task.learning.labels_of(image))
    # The test has shown which points are good: only what was held out is new to both version and points.
    side = "holdout" if sides["holdout"].by_label else "test"
    for label, own in anyway.by_label.items():
        for _, _, image in own:
            sides[side].add(image, [label])
    return sides[side].images(), side


@dataclass
class _Chosen:
    """At most so many images of a label.

    By a hash of the key: when images come, most of those chosen before stay, so that versions can be compared.
    """

    most: int
    by_label: dict[str, list[tuple[int, str, Image]]] = field(default_factory=dict)

    def add(self, image: Image, labels: Iterable[str]) -> None:
        # A heap gives away its smallest; what has the largest hash is to go.
        entry = (-int.from_bytes(hashlib.sha256(image.key.encode()).digest()), image.key, image)
        for label in labels:
            own = self.by_label.setdefault(label, [])
            if len(own) < self.most:
                heapq.heappush(own, entry)
            else:
                heapq.heappushpop(own, entry)

    def images(self) -> list[Image]:
        """All of them once, in the order of their labels."""
        found = (entry for _, own in sorted(self.by_label.items()) for entry in sorted(own, reverse=True))
        return list({image.key: image for _, _, image in found}.values())


def expected(counts: Mapping[str, Mapping[str, int]], most: int) -> int:
    """About how many images `choose` takes, by the counts by side and label of a ground_truth.json."""
    side = "holdout" if any(counts["holdout"].values()) else "test"
    return sum(min(count, most) for count in counts[side].values())


def _by_service(task: Task[Any], answers: Sequence[Answer]) -> ByThresholds:
    numbers = task.measure(answers)
    f1_by_label = {label: score.f1 for label, score in numbers.per_label.items()}
    rates = numbers.accuracy, numbers.false_alarm_rate
    return ByThresholds(numbers.means.f1, *rates, f1_by_label, sureness.parts(answers))


def _failures(calls: Calls, tolerated: float) -> list[str]:
    """What went wrong with the calls. Images that are gone are left out of the numbers, up to a share of all."""
    if not calls.asked:
        return ["there is no image to test on: neither holdout nor test has any"]
    lost = set(calls.gone)
    failed = [(key, error) for key, error in calls.errors.items() if key not in lost]
    reasons = [f"{len(failed)} of {calls.asked} calls failed; first: {key}: {error}" for key, error in failed[:1]]
    gone = calls.gone
    if len(gone) == calls.asked or len(gone) > tolerated * calls.asked:
        reasons.append(
            f"{len(gone)} of {calls.asked} images cannot be read from the bucket any more; "
            f"up to {tolerated:.0%} may be missing: {some(gone)}. {calls.errors[gone[0]]}"
        )
    return reasons


def _remarks(numbers: Measured, gone: Sequence[str]) -> Iterator[str]:
    """What the numbers do not say."""
    if gone:
        names = counted(len(gone), "image")
        yield f"{names} could not be read from the bucket any more and count for nothing: {some(gone)}"
    if numbers.false_alarm_rate is None:
        yield 'false alarms were not judged: no image of the test has a label that means "no defect"'


def _reasons(numbers: Measured, sure: Sureness, limits: Limits) -> list[str]:
    """Why the numbers do not pass: by their values, or also by the unfavourable ends of their intervals."""
    reasons = []
    for name, limit in limits.least.items():
        if not reaches(numbers.value(name), limit):
            value, least = beside(numbers.value(name), limit)
            reasons.append(f"inference test: {name} {value} is below {least}")
    rate = numbers.false_alarm_rate
    if rate is not None and not keeps_to(rate, limits.false_alarm_rate):
        value, most = beside(rate, limits.false_alarm_rate)
        reasons.append(f"inference test: {value} false alarms per clean image are more than {most}")
    if limits.on_bound:
        reasons += [f"inference test: {doubt}; GateOn is lower bound" for doubt in _doubts(numbers, sure, limits)]
    return reasons


def _doubts(numbers: Measured, sure: Sureness, limits: Limits) -> Iterator[str]:
    """Of which numbers that keep to their limits too few images were asked about to be sure that they do."""
    for name, limit in limits.least.items():
        lies = sure.intervals.get(name)
        if lies and reaches(numbers.value(name), limit) and not reaches(lies.low, limit):
            value, least = beside(lies.low, limit)
            yield f"{name} {number(numbers.value(name))} may be as low as {value} on so few images, below {least}"
    rate, limit, lies = numbers.false_alarm_rate, limits.false_alarm_rate, sure.intervals.get("false_alarm_rate")
    if rate is not None and lies and keeps_to(rate, limit) and not keeps_to(lies.high, limit):
        value, most = beside(lies.high, limit)
        yield (
            f"{number(rate)} false alarms per clean image may be as many as {value} on so few images, more than {most}"
        )
