"""How sure the numbers of an inference test are, and what they mean for whole parts."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlops.judging import classification, detection
from mlops.judging.answers import part_of
from mlops.judging.intervals import Tally, f1_intervals, mean_count, tallied, wilson
from mlops.judging.metrics import Outcome

Answer = Mapping[str, Any]
Interval = list[float]


def sure(task: str, answers: Sequence[Answer], per_label: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Intervals of every number that has a limit and of every label, counts by label, and whole parts."""
    kind: Any = detection if task == "detection" else classification
    judged = [answer for answer in answers if task != "detection" or kind.is_defective(answer)]
    occurring = sorted(label for label, score in per_label.items() if score["support"])
    f1 = f1_intervals(_groups(judged, kind.outcomes_of), occurring)
    intervals: dict[str, Any] = {"f1": f1.macro.as_list()}
    if task != "detection":
        right = sum(not kind.mistakes_in(answer, answer) for answer in answers)
        intervals["accuracy"] = wilson(right, len(answers)).as_list()
    intervals["false_alarm_rate"] = _false_alarms(task, answers, kind)
    return {
        "intervals": intervals,
        "label_intervals": {label: interval.as_list() for label, interval in f1.by_label.items()},
        "label_counts": _counts(judged, kind.outcomes_of),
        "parts": parts(task, answers),
    }


def _groups(answers: Iterable[Answer], outcomes_of: Callable[[Answer], Iterator[Outcome]]) -> list[dict[str, Tally]]:
    grouped: dict[str, list[Outcome]] = {}
    for answer in answers:
        grouped.setdefault(part_of(answer), []).extend(outcomes_of(answer))
    return [tallied(outcomes) for outcomes in grouped.values()]


def _counts(answers: Iterable[Answer], outcomes_of: Callable[[Answer], Iterator[Outcome]]) -> dict[str, dict[str, int]]:
    """Of how many a label was found, and how often it was said wrongly."""
    counts: dict[str, dict[str, int]] = {}
    for label, is_true, is_said in (outcome for answer in answers for outcome in outcomes_of(answer)):
        own = counts.setdefault(label, {"found": 0, "of": 0, "false": 0})
        own["of"] += is_true
        own["found"] += is_true and is_said
        own["false"] += is_said and not is_true
    return dict(sorted(counts.items()))


def _false_alarms(task: str, answers: Iterable[Answer], kind: Any) -> Interval | None:
    clean = [answer for answer in answers if not kind.is_defective(answer)]
    if task == "detection":
        interval = mean_count([len(answer["found"]) for answer in clean])
        return interval.as_list() if interval else None
    return wilson(sum(map(kind.is_called_defective, clean)), len(clean)).as_list() if clean else None


def parts(task: str, answers: Iterable[Answer]) -> dict[str, Any]:
    """Whole parts: a part is defective when one of its pictures is, and is called so when one of them is."""
    kind: Any = detection if task == "detection" else classification
    known: dict[str, list[bool]] = {}
    for answer in answers:
        facts = known.setdefault(part_of(answer), [False, False])
        facts[0] |= kind.is_defective(answer)
        facts[1] |= kind.is_called_defective(answer)
    defective = [is_called for is_defective, is_called in known.values() if is_defective]
    clean = [is_called for is_defective, is_called in known.values() if not is_defective]
    return {
        "escapes": _share(len(defective) - sum(defective), len(defective)),
        "overkill": _share(sum(clean), len(clean)),
    }


def _share(count: int, total: int) -> dict[str, Any]:
    return {"count": count, "of": total, "interval": wilson(count, total).as_list()}
