"""How right a classifier is about single images."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlops.dataset.labels import NORMAL
from mlops.judging.answers import Call
from mlops.judging.metrics import Score, as_dicts, confusion_matrix, macro, one_against_rest


def measure(calls: Sequence[Call]) -> dict[str, Any]:
    """Scores by label, accuracy, confusion matrix, and the share of clean images that are called a defect.

    An image is what it is called with the highest confidence (0 to 100); no answer is wrong, but no false alarm.
    """
    answers = [_answer(call) for call in calls]
    pairs = _pairs(answers)
    scores = one_against_rest(pairs)
    clean = [label for truth, label in pairs if truth == NORMAL]
    return {
        **macro(scores),
        "accuracy": sum(truth == label for truth, label in pairs) / len(pairs) if pairs else 0.0,
        "per_label": as_dicts(scores),
        "false_alarm_rate": sum(label not in (NORMAL, "") for label in clean) / len(clean) if clean else None,
        "clean_images": len(clean),
        "confusion_matrix": confusion_matrix(pairs),
        "answers": answers,
    }


def _answer(call: Call) -> dict[str, Any]:
    best = max(call.labels, key=lambda label: float(label["Confidence"]), default={"Name": "", "Confidence": 0.0})
    said = {"label": best["Name"], "confidence": best["Confidence"], "milliseconds": call.milliseconds}
    return {
        "key": call.subject.key,
        "etag": call.subject.etag,
        "digest": call.subject.digest,
        "truth": call.subject.label,
        **said,
    }


def _pairs(answers: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(str(answer["truth"]), str(answer["label"])) for answer in answers]


def scores_of(answers: Sequence[Mapping[str, Any]], truths: Sequence[Mapping[str, Any]]) -> dict[str, Score]:
    """Scores by label of recorded answers, against the truth that other answers to the same images recorded."""
    true_answers = [{**answer, "truth": truth["truth"]} for answer, truth in zip(answers, truths, strict=True)]
    return one_against_rest(_pairs(true_answers))
