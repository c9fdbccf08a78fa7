"""What a running version says about an image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops.dataset.images import Image


@dataclass(frozen=True)
class Call:
    """One call of DetectCustomLabels: the `CustomLabels` of the answer, or its `error` (code: message)."""

    image: Image
    labels: tuple[Mapping[str, Any], ...] = ()
    milliseconds: float = 0.0
    error: str = ""

    @property
    def is_gone(self) -> bool:
        """Whether the image could not be read from the bucket any more."""
        return self.error.startswith("InvalidS3ObjectException")


def part_of(answer: Mapping[str, Any]) -> str:
    """The physical part that a recorded answer is about: its group, or else the image itself."""
    return f"group {answer['group']}" if answer.get("group") else str(answer["key"])


def truths_of(answer: Mapping[str, Any]) -> list[str]:
    """The true labels of a classifier's recorded answer; those of earlier releases have one, in a field of its own."""
    return list(answer["truths"]) if "truths" in answer else [str(answer["truth"])]


def said_of(answer: Mapping[str, Any]) -> list[str]:
    """The labels that a classifier gave an image by its recorded answer."""
    if "labels" in answer:
        return list(answer["labels"])
    return [str(answer["label"])] if answer["label"] else []
