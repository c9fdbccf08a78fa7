"""An image, and what a running version says about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops.boxes import Box


@dataclass(frozen=True)
class Subject:
    """An image to ask about: its label, its size in pixels, for detection its true boxes, and which bytes it has."""

    key: str
    label: str
    width: int
    height: int
    boxes: tuple[Box, ...] = ()
    etag: str = ""


@dataclass(frozen=True)
class Call:
    """One call of DetectCustomLabels: the `CustomLabels` of the answer, or the `error` it failed with."""

    subject: Subject
    labels: tuple[Mapping[str, Any], ...] = ()
    milliseconds: float = 0.0
    error: str = ""


def subject_of(row: Mapping[str, Any]) -> Subject:
    """The image of one line of a run's inventory."""
    boxes = tuple(Box(**box) for box in row["boxes"])
    return Subject(row["key"], row["label"], row["width"], row["height"], boxes, row["etag"])
