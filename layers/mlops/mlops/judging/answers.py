"""An image, and what a running version says about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops.dataset.boxes import Box


@dataclass(frozen=True)
class Subject:
    """An image to ask about: its label, its size in pixels, for detection its true boxes, and which bytes it has:
    their SHA-256 and their version in the bucket, where those were recorded."""

    key: str
    label: str
    width: int
    height: int
    boxes: tuple[Box, ...] = ()
    etag: str = ""
    digest: str = ""
    version_id: str = ""

    @property
    def content(self) -> dict[str, str]:
        """Which bytes were asked about."""
        return {"key": self.key, "etag": self.etag, "digest": self.digest, "version_id": self.version_id}


@dataclass(frozen=True)
class Call:
    """One call of DetectCustomLabels: the `CustomLabels` of the answer, or its `error` (code: message)."""

    subject: Subject
    labels: tuple[Mapping[str, Any], ...] = ()
    milliseconds: float = 0.0
    error: str = ""

    @property
    def is_gone(self) -> bool:
        """Whether the image could not be read from the bucket any more."""
        return self.error.startswith("InvalidS3ObjectException")


def subject_of(row: Mapping[str, Any]) -> Subject:
    """The image of one line of a run's inventory."""
    boxes = tuple(Box(**box) for box in row["boxes"])
    content = row["etag"], row.get("digest", ""), row.get("version_id", "")
    return Subject(row["key"], row["label"], row["width"], row["height"], boxes, *content)
