"""A candidate beside the version that is in production: the same images, answered by both."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mlops.judging import classification, detection
from mlops.judging.answers import part_of
from mlops.judging.intervals import paired
from mlops.judging.metrics import Score, macro
from mlops.rounding import reaches
from mlops.words import loss

Answers = Sequence[Mapping[str, Any]]
FIRST = "a first release: nothing was in production to compare it with"


def compare(task: str, candidate: Answers, production: Answers, least_iou: float) -> dict[str, Any]:
    """F1 of both on the images that both were asked about, the bytes being the same, against the candidate's truth.

    Nobody has to run for it: what the version in production answered in its own test is on record, and an image that
    was held out stays so.
    """
    # Answers on record stand for the version in production: it need not run for this.
    known = {answer["key"]: answer for answer in production}
    common = [answer for answer in candidate if _is_same(answer, known.get(answer["key"]))]
    theirs = [known[answer["key"]] for answer in common]
    ours_by_label, theirs_by_label = (_scores(task, answers, common, least_iou) for answers in (common, theirs))
    f1 = macro(ours_by_label)["f1"], macro(theirs_by_label)["f1"]
    labels = sorted(label for label, score in ours_by_label.items() if score.support)
    mistakes = [_mistakes(task, own, other, least_iou) for own, other in zip(common, theirs, strict=True)]
    pair = paired((part_of(own), *counts) for own, counts in zip(common, mistakes, strict=True))
    return {
        "images": len(common),
        "paired": {**asdict(pair), "verdict": pair.verdict},
        "f1": _difference(*f1),
        "per_label": {label: _difference(ours_by_label[label].f1, theirs_by_label[label].f1) for label in labels},
    }


def _is_same(answer: Mapping[str, Any], other: Mapping[str, Any] | None) -> bool:
    """Whether both are about the same bytes; tests of long ago recorded etags only, which the same bytes may lose."""
    if other is None:
        return False
    digests = answer.get("digest"), other.get("digest")
    return digests[0] == digests[1] if all(digests) else bool(answer["etag"] == other["etag"])


def reasons_against(comparison: Mapping[str, Any], tolerated: float) -> list[str]:
    """Why a candidate is too much worse than what is in production; empty when it is not, or nothing is in common."""
    if not comparison.get("images"):
        return []
    f1 = comparison["f1"]
    if reaches(f1["difference"], -tolerated):
        return []
    candidate, production, most = loss(f1["candidate"], f1["production"], tolerated)
    return [
        f"worse than production: F1 {candidate} beside {production} on the same {comparison['images']} images; "
        f"{most} less is tolerated"
    ]


def _mistakes(task: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], least_iou: float) -> tuple[int, int]:
    """How many mistakes both make about an image, by our truth."""
    if task == "detection":
        return detection.mistakes_in(ours, ours, least_iou), detection.mistakes_in(theirs, ours, least_iou)
    return classification.mistakes_in(ours, ours), classification.mistakes_in(theirs, ours)


def _scores(task: str, answers: Answers, truths: Answers, least_iou: float) -> dict[str, Score]:
    if task == "detection":
        return detection.scores_of(answers, truths, least_iou)
    return classification.scores_of(answers, truths)


def _difference(candidate: float, production: float) -> dict[str, float]:
    return {"candidate": candidate, "production": production, "difference": candidate - production}
