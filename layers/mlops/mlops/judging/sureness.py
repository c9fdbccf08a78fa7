"""How sure the numbers of an inference test are, and what they mean for whole parts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlops.judging.answers import Answer
from mlops.judging.intervals import Tally, f1_intervals, tallied, wilson
from mlops.judging.metrics import Outcome
from mlops.judging.tasks import Task


def sure(task: Task[Any], answers: Sequence[Answer], per_label: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Intervals of every number that has a limit and of every label, counts by label, and whole parts."""
    judged = task.judged(answers)
    f1 = f1_intervals(_groups(judged), sorted(label for label, score in per_label.items() if score["support"]))
    others = {name: interval and interval.as_list() for name, interval in task.intervals(answers).items()}
    return {
        "intervals": {"f1": f1.macro.as_list(), **others},
        "label_intervals": {label: interval.as_list() for label, interval in f1.by_label.items()},
        "label_counts": _counts(judged),
        "parts": parts(answers),
    }


def _groups(answers: Iterable[Answer]) -> list[dict[str, Tally]]:
    grouped: dict[str, list[Outcome]] = {}
    for answer in answers:
        grouped.setdefault(answer.about.part, []).extend(answer.outcomes())
    return [tallied(outcomes) for outcomes in grouped.values()]


def _counts(answers: Iterable[Answer]) -> dict[str, dict[str, int]]:
    """Of how many a label was found, and how often it was said wrongly."""
    counts: dict[str, dict[str, int]] = {}
    for label, is_true, is_said in (outcome for answer in answers for outcome in answer.outcomes()):
        own = counts.setdefault(label, {"found": 0, "of": 0, "false": 0})
        own["of"] += is_true
        own["found"] += is_true and is_said
        own["false"] += is_said and not is_true
    return dict(sorted(counts.items()))


def parts(answers: Iterable[Answer]) -> dict[str, Any]:
    """Whole parts: a part is defective when one of its pictures is, and is called so when one of them is."""
    known: dict[str, list[bool]] = {}
    for answer in answers:
        facts = known.setdefault(answer.about.part, [False, False])
        facts[0] |= answer.is_defective
        facts[1] |= answer.is_called_defective
    defective = [is_called for is_defective, is_called in known.values() if is_defective]
    clean = [is_called for is_defective, is_called in known.values() if not is_defective]
    return {
        "escapes": _share(len(defective) - sum(defective), len(defective)),
        "overkill": _share(sum(clean), len(clean)),
    }


def _share(count: int, total: int) -> dict[str, Any]:
    return {"count": count, "of": total, "interval": wilson(count, total).as_list()}
