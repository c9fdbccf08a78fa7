"""A running model: the classifier in memory, its thresholds, and the calls it takes."""

import importlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from local.rekognition.errors import ServiceError, invalid_parameter
from local.rekognition.images import ImageTooLargeError, ImageTooSmallError, UnsupportedFormatError, check_image
from local.rekognition.throttle import TokenBucket
from local.rekognition.training import Classifier


@dataclass(frozen=True)
class RunningModel:
    """A model that answers; one call at a time, because an engine need not be thread-safe."""

    classifier: Classifier
    thresholds: Mapping[str, float]
    capacity: TokenBucket
    decode: Any
    lock: threading.Lock = field(default_factory=threading.Lock)

    def scores(self, image: bytes) -> np.ndarray:
        """Return a float32 score, 0 to 1, for each label. Raises ServiceError for a picture the service refuses."""
        try:
            check_image(image)
            self.decode(image)
        except ImageTooLargeError as error:
            raise ServiceError("ImageTooLargeException", f"Image size is too large. {error}") from error
        except ImageTooSmallError as error:
            raise invalid_parameter(f"Request has invalid parameters. {error}") from error
        except (UnsupportedFormatError, ValueError) as error:
            message = f"Request has invalid image format. {error}"
            raise ServiceError("InvalidImageFormatException", message) from error
        with self.lock:
            scores: np.ndarray = self.classifier.predict([image])[0]
        return scores


def load_model(engine_name: str, path: Path, thresholds: Mapping[str, float], capacity: TokenBucket) -> RunningModel:
    """Load a trained model into memory."""
    engine: Any = importlib.import_module(engine_name)
    return RunningModel(engine.ClassificationModel.load(path), thresholds, capacity, engine.decode_image)


def custom_labels(
    labels: Sequence[str],
    scores: np.ndarray,
    thresholds: Mapping[str, float],
    min_confidence: float | None = None,
    max_results: int | None = None,
) -> list[dict[str, Any]]:
    """List the labels found, most confident first, as DetectCustomLabels answers them.

    Without `min_confidence` (0 to 100) each label has its own threshold; both are inclusive.
    """
    found: list[dict[str, Any]] = []
    for label, score in zip(labels, np.asarray(scores, dtype=np.float32), strict=True):
        confidence = float(score * np.float32(100))
        accepted = float(score) >= thresholds[label] if min_confidence is None else confidence >= min_confidence
        if accepted:
            found.append({"Name": label, "Confidence": confidence})
    return sorted(found, key=lambda label: -label["Confidence"])[:max_results]
