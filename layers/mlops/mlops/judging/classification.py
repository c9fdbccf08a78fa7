"""How right a classifier is about images, which may have several labels."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from mlops.dataset.labels import NORMAL
from mlops.judging.answers import Call, said_of, truths_of
from mlops.judging.metrics import Score, as_dicts, confusion_matrix, macro, one_against_rest

Answer = Mapping[str, Any]


def measure(calls: Sequence[Call]) -> dict[str, Any]:
    """Scores by label, accuracy, confusion matrix, and the share of clean images that are called a defect.

    Where every image has one label, an image is what it is called with the highest confidence (0 to 100). Where some
    have several, it is everything that the service answers on its own: what reaches its thresholds. No answer is wrong,
    but no false alarm. An image is right when all of its labels are, and no other is said.
    """
    takes_all = any(len(call.image.labels) > 1 for call in calls)
    answers = [_answer(call, takes_all=takes_all) for call in calls]
    scores = scores_of(answers, answers)
    # What clean parts are called is judged apart: one false alarm costs a good part.
    clean = [answer for answer in answers if truths_of(answer) == [NORMAL]]
    right = sum(set(truths_of(answer)) == set(said_of(answer)) for answer in answers)
    return {
        **macro(scores),
        "accuracy": right / len(answers) if answers else 0.0,
        "per_label": as_dicts(scores),
        "false_alarm_rate": sum(map(_is_called_defective, clean)) / len(clean) if clean else None,
        "clean_images": len(clean),
        "confusion_matrix": confusion_matrix(pair for answer in answers for pair in _confused(answer)),
        "answers": answers,
    }


def _answer(call: Call, *, takes_all: bool) -> dict[str, Any]:
    """`label` and `confidence` are those of the surest label that it is called, which stand for an image with one."""
    ordered = sorted(call.labels, key=lambda label: (-float(label["Confidence"]), str(label["Name"])))
    best = ordered[0] if ordered else {"Name": "", "Confidence": 0.0}
    said = ordered if takes_all else ordered[:1]
    return {
        **call.image.content,
        "truths": list(call.image.labels),
        "truth": " + ".join(call.image.labels),
        "label": " + ".join(sorted(str(label["Name"]) for label in said)),
        "labels": sorted(str(label["Name"]) for label in said),
        "confidence": best["Confidence"],
        "milliseconds": call.milliseconds,
    }


def scores_of(answers: Sequence[Answer], truths: Sequence[Answer]) -> dict[str, Score]:
    """Scores by label of recorded answers, against the truth that other answers to the same images recorded."""
    return one_against_rest(
        [(truths_of(truth), said_of(answer)) for answer, truth in zip(answers, truths, strict=True)]
    )


def _is_called_defective(answer: Answer) -> bool:
    return bool(set(said_of(answer)) - {NORMAL})


def _confused(answer: Answer) -> Iterator[tuple[str, str]]:
    """(true label, said label): what is right by itself, what was missed beside what was said in its place, or nothing.

    What is said too much of an image whose labels are all said is beside none of them, and counts in no row.
    """
    true, said = set(truths_of(answer)), set(said_of(answer))
    yield from ((label, label) for label in sorted(true & said))
    missed, wrong = sorted(true - said), sorted(said - true)
    yield from ((label, other or "") for label, other in zip_longest(missed, wrong[: len(missed)]))
