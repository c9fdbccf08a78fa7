"""Measure the classification engine on a folder of pictures in the MVTec AD layout.

    python benchmarks/classifier.py --data <folder> [--train-fraction 0.6] [--seeds 5]

All pictures under train/ and test/ are pooled; the folder is the label, `good` is written `normal`. For every seed a
stratified part is trained on and the rest predicted. Beside the engine runs a plain alternative on the same splits:
logistic regression on globally pooled features of the same pretrained network.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local.rekognition.engine import LabeledImage, train_classifier
from local.rekognition.engine.features import extract_features

_SUFFIXES = {".png", ".jpg", ".jpeg"}


@dataclass(frozen=True)
class Result:
    """One split: `f1_by_label` in the order of the sorted labels, training seconds, seconds per predicted image."""

    f1_by_label: np.ndarray
    accuracy: float
    training: float
    prediction: float

    @property
    def macro_f1(self) -> float:
        return float(self.f1_by_label.mean())


Method = Callable[[Sequence[LabeledImage]], Callable[[Sequence[bytes]], Sequence[str]]]


def engine(images: Sequence[LabeledImage]) -> Callable[[Sequence[bytes]], Sequence[str]]:
    """Train the engine; return what predicts labels."""
    model = train_classifier(images)
    return lambda files: [model.labels[index] for index in model.predict(files).argmax(1)]


def baseline(images: Sequence[LabeledImage]) -> Callable[[Sequence[bytes]], Sequence[str]]:
    """Train logistic regression on the mean and spread of the network's maps; return what predicts labels."""

    def features(files: Sequence[bytes]) -> np.ndarray:
        return np.stack([extract_features(data).texture for data in files])

    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    model.fit(features([image.data for image in images]), [image.labels[0] for image in images])
    return lambda files: model.predict(features(files)).tolist()


def read_images(folder: Path) -> list[LabeledImage]:
    """Read all pictures of train/<label>/ and test/<label>/."""
    paths = sorted(path for part in ("train", "test") for path in (folder / part).glob("*/*"))
    return [_read(path, folder) for path in paths if path.suffix.lower() in _SUFFIXES]


def _read(path: Path, folder: Path) -> LabeledImage:
    label = path.parent.name
    return LabeledImage(str(path.relative_to(folder)), path.read_bytes(), ("normal" if label == "good" else label,))


def measure(method: Method, training: Sequence[LabeledImage], held_out: Sequence[LabeledImage]) -> Result:
    """Train on one part, predict the other."""
    truth = [image.labels[0] for image in held_out]
    labels = sorted({image.labels[0] for image in training})
    start = time.perf_counter()
    predict = method(training)
    trained = time.perf_counter()
    predicted = predict([image.data for image in held_out])
    end = time.perf_counter()
    f1 = f1_score(truth, predicted, labels=labels, average=None, zero_division=0)
    return Result(f1, accuracy_score(truth, predicted), trained - start, (end - trained) / len(truth))


def splits(
    images: Sequence[LabeledImage], fraction: float, seeds: int
) -> Iterator[tuple[list[LabeledImage], list[LabeledImage]]]:
    """Yield for every seed the images to train on and the others, every label in the same proportion."""
    labels = [image.labels[0] for image in images]
    for seed in range(seeds):
        training, held_out = train_test_split(images, train_size=fraction, random_state=seed, stratify=labels)
        yield training, held_out


def report(name: str, results: Sequence[Result], labels: Sequence[str]) -> None:
    """Print mean and spread of a method over all splits."""
    macro, accuracy = [result.macro_f1 for result in results], [result.accuracy for result in results]
    print(f"\n{name}")
    print(f"  macro F1  {np.mean(macro):.3f} +- {np.std(macro):.3f}")
    print(f"  accuracy  {np.mean(accuracy):.3f} +- {np.std(accuracy):.3f}")
    for label, f1 in zip(labels, np.mean([result.f1_by_label for result in results], axis=0), strict=True):
        print(f"  F1 {label:20s} {f1:.3f}")
    training, prediction = ([getattr(result, part) for result in results] for part in ("training", "prediction"))
    print(f"  training {np.mean(training):.1f} s, prediction {np.mean(prediction):.3f} s per image")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the classification engine beside a plain baseline.")
    parser.add_argument("--data", type=Path, required=True, help="folder with train/<label>/ and test/<label>/")
    parser.add_argument("--train-fraction", type=float, default=0.6, help="part of every label to train on")
    parser.add_argument("--seeds", type=int, default=5, help="number of splits")
    options = parser.parse_args()
    images = read_images(options.data)
    if not images:
        parser.error(f"no pictures in {options.data}/train/<label>/ or {options.data}/test/<label>/")
    methods: dict[str, Method] = {"engine": engine, "baseline: pooled features": baseline}
    results: dict[str, list[Result]] = {name: [] for name in methods}
    for seed, (training, held_out) in enumerate(splits(images, options.train_fraction, options.seeds)):
        for name, method in methods.items():
            result = measure(method, training, held_out)
            results[name].append(result)
            print(f"seed {seed}  {name:26s} macro F1 {result.macro_f1:.3f}  accuracy {result.accuracy:.3f}", flush=True)
    for name in methods:
        report(name, results[name], sorted({image.labels[0] for image in images}))


if __name__ == "__main__":
    main()
