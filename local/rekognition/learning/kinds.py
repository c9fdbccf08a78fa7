"""The module that does what is peculiar to each kind of model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from local.rekognition.learning import image_labels, object_boxes
from local.rekognition.learning.evaluation import Evaluation
from local.rekognition.learning.models import Engine, Found
from local.rekognition.manifests.dataset import Dataset
from local.rekognition.use_case import UseCase


class Kind(Protocol):
    """What there is to do with models of one kind."""

    def train(self, dataset: Dataset, engine: Engine) -> Any:
        """Train a model."""

    def test(self, model: Any, testing: Dataset) -> Evaluation:
        """Measure a model on a testing set."""

    def load(self, engine: Engine, path: Path) -> Any:
        """Load a model that was saved."""

    def find(self, model: Any, image: bytes) -> list[Found]:
        """Return all that a model finds in a picture, whatever its score."""


KINDS: Mapping[UseCase, Kind] = {
    UseCase.IMAGE_LEVEL_LABELS: image_labels,
    UseCase.OBJECT_LOCALIZATION: object_boxes,
}
