"""Thresholds, and the reasons why numbers do not meet them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops.dataset.labels import label_of, likeness
from mlops.judging.metrics import Score
from mlops.rounding import reaches
from mlops.words import beside, quoted


@dataclass(frozen=True)
class Thresholds:
    """Least macro F1, least F1 of any label, and least F1 of single labels by name; all 0 to 1."""

    f1: float
    label_f1: float = 0.0
    by_label: Mapping[str, float] = field(default_factory=dict)

    def least(self, label: str) -> float:
        """The least F1 of a label."""
        return self.by_label.get(label, self.label_f1)


def parse_label_thresholds(
    text: str, label_names: Mapping[str, str] | None = None, parameter: str = "LabelThresholds"
) -> dict[str, float]:
    """Read `cut_lead=0.9,normal=0.95`; `label_names` has the labels of folders that are called otherwise.

    Raises ValueError that names the parameter and the part that cannot be read.
    """
    names = {likeness(folder): label for folder, label in (label_names or {}).items()}
    thresholds: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.rpartition("=")
        # A text that is no number is NaN here, which lies between no two numbers.
        if not name.strip() or ";" in name or not 0 <= _number(value) <= 1:
            raise ValueError(
                f"{parameter} is {text!r}: {part!r} is not <label>=<number from 0 to 1, with a point>; "
                "such as cut_lead=0.9,normal=0.95"
            )
        label = names.get(likeness(name), label_of(name))
        if thresholds.setdefault(label, _number(value)) != _number(value):
            raise ValueError(f"{parameter}: {label!r} has two thresholds; keep one")
    return thresholds


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def reasons_against(
    origin: str,
    f1: float,
    per_label: Mapping[str, Score],
    thresholds: Thresholds,
    unit: str = "images",
    lowest: float | None = None,
) -> list[str]:
    """Why the numbers from `origin` do not pass; empty when they do. Labels without any `unit` are not judged.

    `lowest` is how low the F1 may be, where the gate looks at that, too.
    """
    reasons = []
    if not reaches(f1, thresholds.f1):
        value, least = beside(f1, thresholds.f1)
        reasons.append(f"{origin}: F1 {value} is below {least}")
    elif lowest is not None and not reaches(lowest, thresholds.f1):
        low, least = beside(lowest, thresholds.f1)
        reasons.append(f"{origin}: F1 may be as low as {low}, below {least}; GateOn is lower bound")
    for label, scores in sorted(per_label.items()):
        if scores.support and not reaches(scores.f1, thresholds.least(label)):
            value, least = beside(scores.f1, thresholds.least(label))
            reasons.append(f"{origin}: F1 of {quoted(label)} is {value} on {scores.support} {unit}, below {least}")
    for label in sorted(label for label in thresholds.by_label if label in per_label and not per_label[label].support):
        reasons.append(f"{origin}: {quoted(label)} has a threshold but no image")
    return reasons
