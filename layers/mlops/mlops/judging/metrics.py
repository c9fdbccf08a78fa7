"""Metrics with scikit-learn's definitions, of labels on images and of boxes: undefined ratios are 0."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from mlops.codec import INLINE, SOMETIMES

# A label, whether it is true of an image or box, and whether it was said.
Outcome = tuple[str, bool, bool]


@dataclass(frozen=True)
class Score:
    """Precision, recall and F1 of one label, each 0 to 1; `support` counts the images, or the boxes, that are of it.

    Of boxes a test also counts what was missed, and what was found where there is nothing.
    """

    precision: float
    recall: float
    f1: float
    support: int = 0
    missed: int | None = field(default=None, metadata=SOMETIMES)
    false_alarms: int | None = field(default=None, metadata=SOMETIMES)
    false_alarms_on_clean_images: int | None = field(default=None, metadata=SOMETIMES)


@dataclass(frozen=True)
class Means:
    """Precision, recall and F1 over all labels, each 0 to 1."""

    precision: float = 0.0
    recall: float = 0.0
    f1: float = 0.0


@dataclass(frozen=True)
class Measured:
    """The numbers of a test.

    `false_alarm_rate` is None where nothing clean was tested on. Classifiers have an `accuracy` and a confusion matrix
    (counts by true label, then by what was said; "" stands for no answer); detectors the boxes found on clean images,
    and the overlap from which on a box is right.
    """

    means: Means = field(metadata=INLINE)
    per_label: Mapping[str, Score] = field(default_factory=dict)
    false_alarm_rate: float | None = None
    clean_images: int = 0
    accuracy: float | None = field(default=None, metadata=SOMETIMES)
    confusion_matrix: Mapping[str, Mapping[str, int]] | None = field(default=None, metadata=SOMETIMES)
    false_alarms_on_clean_images: int | None = field(default=None, metadata=SOMETIMES)
    match_iou: float | None = field(default=None, metadata=SOMETIMES)

    def value(self, name: str) -> float:
        """One of the numbers that have a least value: `f1` or `accuracy`."""
        return self.means.f1 if name == "f1" else self.accuracy or 0.0


def score(true_positives: int, false_positives: int, false_negatives: int) -> Score:
    """Precision, recall and F1 from counts; what nothing is divided by is 0."""
    found, support = true_positives + false_positives, true_positives + false_negatives
    precision = true_positives / found if found else 0.0
    recall = true_positives / support if support else 0.0
    f1 = 2 * true_positives / (found + support) if found + support else 0.0
    return Score(precision, recall, f1, support)


def label_scores(outcomes: Iterable[Outcome], labels: Iterable[str] = ()) -> dict[str, Score]:
    """Scores from (label, is true, is predicted) for every label of an image, or every box, of which one of both holds.

    `labels` have a score in any case: of nothing where nothing is true of them and nobody said them.
    """
    counts = Counter(outcomes)
    known = sorted({*labels, *(label for label, _, _ in counts)})
    return {
        label: score(counts[label, True, True], counts[label, False, True], counts[label, True, False])
        for label in known
    }


def one_against_rest(pairs: Sequence[tuple[Collection[str], Collection[str]]]) -> dict[str, Score]:
    """Scores of every label by itself, from the true and the predicted labels of every image."""
    return label_scores((label, label in true, label in said) for true, said in pairs for label in {*true, *said})


def macro(scores: Mapping[str, Score]) -> Means:
    """Unweighted means over the labels that occur in the truth, as the service's aggregates are."""
    occurring = [value for value in scores.values() if value.support]
    if not occurring:
        return Means()
    return Means(
        fmean(value.precision for value in occurring),
        fmean(value.recall for value in occurring),
        fmean(value.f1 for value in occurring),
    )


def confusion_matrix(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Counts by true label, then by predicted label; "" stands for no answer."""
    matrix: dict[str, dict[str, int]] = {}
    for (truth, answer), count in sorted(Counter(pairs).items()):
        matrix.setdefault(truth, {})[answer] = count
    return matrix


def percentile(values: Sequence[float], fraction: float) -> float:
    """Nearest-rank percentile; 0 for no values."""
    ordered = sorted(values)
    return ordered[max(math.ceil(fraction * len(ordered)), 1) - 1] if ordered else 0.0
