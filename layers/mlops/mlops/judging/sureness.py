"""How sure the numbers of an inference test are, and what they mean for whole parts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops.codec import SOMETIMES
from mlops.judging.answers import Answer
from mlops.judging.intervals import Interval, Tally, f1_intervals, tallied, wilson
from mlops.judging.metrics import Outcome, Score
from mlops.judging.tasks import Task


@dataclass(frozen=True)
class LabelCounts:
    """Of how many a label was found, and how often it was said wrongly."""

    found: int
    of: int
    false: int


@dataclass(frozen=True)
class ShareOfParts:
    """How many of so many parts, and where the true share lies."""

    count: int
    of: int
    interval: Interval


@dataclass(frozen=True)
class Parts:
    """Defective parts called good, and good parts called defective."""

    escapes: ShareOfParts
    overkill: ShareOfParts


@dataclass(frozen=True)
class Sureness:
    """How sure the numbers of a test are; earlier releases of the stack did not say.

    `intervals` are of the numbers that have limits, by name, None where nothing was measured.
    """

    intervals: Mapping[str, Interval | None] = field(default_factory=dict, metadata=SOMETIMES)
    label_intervals: Mapping[str, Interval] = field(default_factory=dict, metadata=SOMETIMES)
    label_counts: Mapping[str, LabelCounts] = field(default_factory=dict, metadata=SOMETIMES)
    parts: Parts | None = field(default=None, metadata=SOMETIMES)


def sure(task: Task[Any], answers: Sequence[Answer], per_label: Mapping[str, Score]) -> Sureness:
    """Intervals of every number that has a limit and of every label, counts by label, and whole parts."""
    judged = task.judged(answers)
    f1 = f1_intervals(_groups(judged), sorted(label for label, score in per_label.items() if score.support))
    return Sureness({"f1": f1.macro, **task.intervals(answers)}, f1.by_label, _counts(judged), parts(answers))


def _groups(answers: Iterable[Answer]) -> list[dict[str, Tally]]:
    grouped: dict[str, list[Outcome]] = {}
    for answer in answers:
        grouped.setdefault(answer.about.part, []).extend(answer.outcomes())
    return [tallied(outcomes) for outcomes in grouped.values()]


def _counts(answers: Iterable[Answer]) -> dict[str, LabelCounts]:
    counts: dict[str, Counter[tuple[bool, bool]]] = {}
    for label, is_true, is_said in (outcome for answer in answers for outcome in answer.outcomes()):
        counts.setdefault(label, Counter())[is_true, is_said] += 1
    return {
        label: LabelCounts(own[True, True], own[True, True] + own[True, False], own[False, True])
        for label, own in sorted(counts.items())
    }


def parts(answers: Iterable[Answer]) -> Parts:
    """Whole parts: a part is defective when one of its pictures is, and is called so when one of them is."""
    known: dict[str, list[bool]] = {}
    for answer in answers:
        facts = known.setdefault(answer.about.part, [False, False])
        # One picture is enough: a part has its defect in some light and from some side only.
        facts[0] |= answer.is_defective
        facts[1] |= answer.is_called_defective
    defective = [is_called for is_defective, is_called in known.values() if is_defective]
    clean = [is_called for is_defective, is_called in known.values() if not is_defective]
    return Parts(_share(len(defective) - sum(defective), len(defective)), _share(sum(clean), len(clean)))


def _share(count: int, total: int) -> ShareOfParts:
    return ShareOfParts(count, total, wilson(count, total))
