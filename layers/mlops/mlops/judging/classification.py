"""How right a classifier is about images, which may have several labels."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from mlops.dataset.labels import NORMAL
from mlops.judging.answers import Call, said_of, truths_of
from mlops.judging.metrics import Outcome, Score, as_dicts, confusion_matrix, macro, one_against_rest
from mlops.judging.operating_points import counts

Answer = Mapping[str, Any]


def measure(calls: Sequence[Call], points: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Scores by label, accuracy, confusion matrix, and the share of clean images that are called a defect.

    An answer counts from the point of its label on (0 to 100); without points, whatever the service answers counts.
    Where every image has one label, an image is the surest defect that counts, or else normal if that counts; where
    nothing counts, what it is called with the highest confidence. Where some images have several labels, an image is
    everything that counts. No answer is wrong, but no false alarm. An image is right when all of its labels are, and
    no other is said.
    """
    takes_all = any(len(call.image.labels) > 1 for call in calls)
    answers = [_answer(call, points or {}, takes_all=takes_all) for call in calls]
    scores = scores_of(answers, answers)
    # What clean parts are called is judged apart: one false alarm costs a good part.
    clean = [answer for answer in answers if truths_of(answer) == [NORMAL]]
    right = sum(set(truths_of(answer)) == set(said_of(answer)) for answer in answers)
    return {
        **macro(scores),
        "accuracy": right / len(answers) if answers else 0.0,
        "per_label": as_dicts(scores),
        "false_alarm_rate": sum(map(is_called_defective, clean)) / len(clean) if clean else None,
        "clean_images": len(clean),
        "confusion_matrix": confusion_matrix(pair for answer in answers for pair in _confused(answer)),
        "answers": answers,
    }


def _answer(call: Call, points: Mapping[str, float], *, takes_all: bool) -> dict[str, Any]:
    """`label` and `confidence` are those of the surest label that it is called, which stand for an image with one."""
    ordered = sorted(call.labels, key=lambda label: (-float(label["Confidence"]), str(label["Name"])))
    counted = [label for label in ordered if counts(float(label["Confidence"]), str(label["Name"]), points)]
    if points and not takes_all:
        counted = sorted(counted, key=lambda label: label["Name"] == NORMAL) or ordered
    said = counted if takes_all else counted[:1]
    best = said[0] if said else {"Name": "", "Confidence": 0.0}
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


def is_called_defective(answer: Answer) -> bool:
    return bool(set(said_of(answer)) - {NORMAL})


def is_defective(answer: Answer) -> bool:
    return bool(set(truths_of(answer)) - {NORMAL})


def outcomes_of(answer: Answer) -> Iterator[Outcome]:
    """What became of every label that is true of an image, or was said of it."""
    true, said = set(truths_of(answer)), set(said_of(answer))
    yield from ((label, label in true, label in said) for label in sorted(true | said))


def mistakes_in(answer: Answer, truth: Answer) -> int:
    """How many labels of an image are missed or wrong; a label that stands in the place of another is one mistake."""
    true, said = set(truths_of(truth)), set(said_of(answer))
    return max(len(true - said), len(said - true))


def _confused(answer: Answer) -> Iterator[tuple[str, str]]:
    """(true label, said label): what is right by itself, what was missed beside what was said in its place, or nothing.

    What is said too much of an image whose labels are all said is beside none of them, and counts in no row.
    """
    true, said = set(truths_of(answer)), set(said_of(answer))
    yield from ((label, label) for label in sorted(true & said))
    missed, wrong = sorted(true - said), sorted(said - true)
    yield from ((label, other or "") for label, other in zip_longest(missed, wrong[: len(missed)]))
