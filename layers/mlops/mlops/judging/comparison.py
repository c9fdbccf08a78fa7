"""A candidate beside the version that is in production: the same images, answered by both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops.codec import SOMETIMES, Json, called
from mlops.judging.answers import Answer
from mlops.judging.intervals import Paired, paired
from mlops.judging.metrics import macro
from mlops.judging.tasks import Task
from mlops.rounding import reaches
from mlops.words import loss

FIRST = "a first release: nothing was in production to compare it with"


NOTHING_IN_COMMON = "no image was asked about in both tests: nothing can be compared"


@dataclass(frozen=True)
class Difference:
    """A number of both, and how much more the candidate has."""

    candidate: float
    production: float
    difference: float


@dataclass(frozen=True)
class Comparison:
    """A candidate beside the run `beside`, on so many images; `note` says why nothing was compared."""

    beside: str = field(default="", metadata=called("with"))
    images: int = 0
    note: str = ""
    paired: Paired | None = field(default=None, metadata=SOMETIMES)
    f1: Difference | None = field(default=None, metadata=SOMETIMES)
    per_label: Mapping[str, Difference] | None = field(default=None, metadata=SOMETIMES)


def compare(task: Task[Any], candidate: Sequence[Answer], production: Iterable[Json], beside: str = "") -> Comparison:
    """F1 of both on the images that both were asked about, the bytes being the same, against the candidate's truth.

    Nobody has to run for it: what the version in production answered in its own test is on record, and an image that
    was held out stays so. `production` has the lines of that record, which is of the run `beside`; of them only what is
    needed is kept.
    """
    asked = {answer.about.key: answer for answer in candidate}
    # By key before they are read: of ten thousand lines few may be about images of this test.
    read = (task.read(row) for row in production if row["key"] in asked)
    known = {theirs.about.key: theirs for theirs in read if theirs.about.is_same(asked[theirs.about.key].about)}
    common = [answer for answer in candidate if answer.about.key in known]
    theirs = [known[answer.about.key] for answer in common]
    ours_by_label, theirs_by_label = (task.scores(answers, common) for answers in (common, theirs))
    f1 = _difference(macro(ours_by_label).f1, macro(theirs_by_label).f1)
    labels = sorted(label for label, score in ours_by_label.items() if score.support)
    pair = paired(
        (own.about.part, task.mistakes(own, own), task.mistakes(other, own))
        for own, other in zip(common, theirs, strict=True)
    )
    by_label = {label: _difference(ours_by_label[label].f1, theirs_by_label[label].f1) for label in labels}
    return Comparison(beside, len(common), "" if common else NOTHING_IN_COMMON, pair, f1, by_label)


def reasons_against(comparison: Comparison, tolerated: float) -> list[str]:
    """Why a candidate is too much worse than what is in production; empty when it is not, or nothing is in common."""
    f1 = comparison.f1
    if not comparison.images or f1 is None or reaches(f1.difference, -tolerated):
        return []
    candidate, production, most = loss(f1.candidate, f1.production, tolerated)
    return [
        f"worse than production: F1 {candidate} beside {production} on the same {comparison.images} images; "
        f"{most} less is tolerated"
    ]


def _difference(candidate: float, production: float) -> Difference:
    return Difference(candidate, production, candidate - production)
