"""What the service expects of an engine and of the models that it trains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from local.rekognition.boxes import Box


@dataclass(frozen=True)
class Found:
    """A label that a model found, with a float32 score, 0 to 1; `box` is in shares of the image's width and height."""

    label: str
    score: float
    box: Box | None = None


class Model(Protocol):
    """A trained model of any kind."""

    labels: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write the model to a file or folder at `path`."""


def own_cuts(model: Model) -> Mapping[str, float]:
    """Return where a model would cut the scores of each label, 0 to 1, going by training images it had not seen.

    Labels of which it knows nothing are absent, and so may the attribute `own_cuts` be.
    """
    cuts: Mapping[str, float] = getattr(model, "own_cuts", {})
    return cuts


class Classifier(Model, Protocol):
    """A model that labels whole images."""

    def predict(self, images: Sequence[bytes]) -> np.ndarray:
        """Return float32 scores of shape (images, labels), 0 to 1."""


class Detector(Model, Protocol):
    """A model that finds objects."""

    def predict(self, images: Sequence[bytes]) -> list[list[Any]]:
        """Return for each image what was found: label, score, and left, top, width, height in shares of the image."""


class Engine(Protocol):
    """The module that learns; `local.rekognition.engine` is the one we ship."""

    LabeledImage: Any
    ClassificationModel: Any
    BoxedImage: Any
    LabeledBox: Any
    DetectionModel: Any

    def train_classifier(self, images: Sequence[Any]) -> Classifier:
        """Train on labelled images."""

    def train_detector(self, images: Sequence[Any]) -> Detector:
        """Train on images with boxes."""

    def decode_image(self, data: bytes) -> Any:
        """Decode a picture. Raises ValueError."""
