"""An engine that tells pictures apart by their mean colour: enough to test everything around an engine in no time.

TRAINING_GATE may name a FIFO: training then waits until somebody opened it for writing and closed it again.
A label named `crash` kills the process.
"""

import io
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class LabeledImage:
    name: str
    data: bytes
    labels: tuple[str, ...]


def decode_image(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data)).convert("RGB")
    except (OSError, SyntaxError) as error:
        raise ValueError(str(error)) from error


def mean_color(data: bytes) -> np.ndarray:
    return np.asarray(decode_image(data), dtype=np.float32).mean(axis=(0, 1)) / 255


class ClassificationModel:
    def __init__(self, centers: dict[str, list[float]]) -> None:
        self.labels = tuple(sorted(centers))
        self._centers = centers

    def predict(self, images: list[bytes]) -> np.ndarray:
        centers = np.array([self._centers[label] for label in self.labels], dtype=np.float32)
        distances = [np.abs(centers - mean_color(image)).sum(axis=1) for image in images]
        return np.exp(-4 * np.array(distances, dtype=np.float32))

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self._centers))

    @classmethod
    def load(cls, path: Path) -> "ClassificationModel":
        return cls(json.loads(path.read_text()))


def train_classifier(images: list[LabeledImage]) -> ClassificationModel:
    if gate := os.environ.get("TRAINING_GATE"):
        Path(gate).read_bytes()
    by_label: dict[str, list[np.ndarray]] = {}
    for image in images:
        for label in image.labels:
            by_label.setdefault(label, []).append(mean_color(image.data))
    if "crash" in by_label:
        os.kill(os.getpid(), signal.SIGKILL)
    return ClassificationModel({label: np.mean(colors, axis=0).tolist() for label, colors in by_label.items()})
