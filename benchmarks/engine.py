"""Measure the training engine on a folder of pictures in the MVTec AD layout, or on a product that is drawn.

    python benchmarks/engine.py --data <folder> [--train-fraction 0.6] [--seeds 5] [--methods detector]
    python benchmarks/engine.py --drawn metal [--clean 40] [--defective 20] [--train-fraction 0.3] [--methods detector]

All pictures under train/ and test/ are pooled; the folder is the label, `good` is written `normal`. Masks in
ground_truth/<label>/<stem>_mask.png become boxes. For every seed a stratified part is trained on and the rest
predicted, by the classifier and the detector, each beside a plain alternative on the same split. Detectors train on
the pictures that have boxes only. `--drawn` takes a product of `products.py`; on trays, whose parts are several, only
detectors are measured. F1 at an overlap of 0.5 and a score of 0.5, fixed beforehand.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import find_objects, label
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.products import PRODUCTS, TRAYS, draw
from local.rekognition.engine import (
    BoxedImage,
    FoundBox,
    LabeledBox,
    LabeledImage,
    decode_image,
    train_classifier,
    train_detector,
)
from local.rekognition.engine.boxes import overlaps, sizes, suppress
from local.rekognition.engine.features import extract_features
from local.rekognition.engine.linear import Linear
from local.rekognition.engine.maps import extract_map, integrate, pool
from local.rekognition.engine.proposals import cover_shapes
from local.rekognition.engine.threads import one_thread
from local.rekognition.engine.thresholds import hits

_SUFFIXES = {".png", ".jpg", ".jpeg"}
_LEAST_PIXELS, _CUT = 10, 0.5
_SIDE, _BACKGROUNDS, _STEP = 448, 60, 3
_DRAWN_BY = 11

Labels = Callable[[Sequence[bytes]], Sequence[str]]
Finds = Callable[[Sequence[bytes]], list[list[FoundBox]]]
Numbers = dict[str, float]


@dataclass(frozen=True)
class Picture:
    """A picture, its label, and the boxes of its mask."""

    name: str
    data: bytes
    label: str
    boxes: tuple[LabeledBox, ...]


def read_pictures(folder: Path) -> list[Picture]:
    """Read all pictures of train/<label>/ and test/<label>/."""
    paths = sorted(path for part in ("train", "test") for path in (folder / part).glob("*/*"))
    return [_read(path, folder) for path in paths if path.suffix.lower() in _SUFFIXES]


def drawn_pictures(product: str, clean: int, defective: int) -> list[Picture]:
    """Draw a product; the same numbers give the same pictures."""
    drawn = draw(product, _DRAWN_BY, clean, defective)
    return [Picture(f"{number:04}.png", one.data, one.label, one.boxes) for number, one in enumerate(drawn)]


def _read(path: Path, folder: Path) -> Picture:
    kind = "normal" if path.parent.name == "good" else path.parent.name
    mask = folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
    boxes = tuple(_boxes(mask, kind)) if mask.exists() else ()
    return Picture(str(path.relative_to(folder)), path.read_bytes(), kind, boxes)


def _boxes(mask: Path, kind: str) -> Iterator[LabeledBox]:
    with Image.open(mask) as image:
        parts, _ = label(np.asarray(image.convert("L")) > 0, np.ones((3, 3)))
    for index, (rows, columns) in enumerate(find_objects(parts), 1):
        if (parts[rows, columns] == index).sum() >= _LEAST_PIXELS:
            yield LabeledBox(kind, columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)


def classifier(pictures: Sequence[Picture]) -> Labels:
    """Train the engine; return what predicts labels."""
    model = train_classifier([LabeledImage(one.name, one.data, (one.label,)) for one in pictures])
    return lambda files: [model.labels[index] for index in model.predict(files).argmax(1)]


def pooled_features(pictures: Sequence[Picture]) -> Labels:
    """Train logistic regression on the mean and spread of the network's maps; return what predicts labels."""

    def features(files: Sequence[bytes]) -> np.ndarray:
        return np.stack([extract_features(data).texture for data in files])

    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    model.fit(features([one.data for one in pictures]), [one.label for one in pictures])
    return lambda files: model.predict(features(files)).tolist()


def detector(pictures: Sequence[Picture]) -> Finds:
    """Train the engine on the pictures with boxes; return what finds boxes."""
    return train_detector([BoxedImage(one.name, one.data, one.boxes) for one in pictures if one.boxes]).predict


def linear_windows(pictures: Sequence[Picture]) -> Finds:
    """Train a linear model on raw features in windows: no reference, no regression, no mining."""
    boxed = [one for one in pictures if one.boxes]
    kinds = sorted({box.label for one in boxed for box in one.boxes})
    maps = [extract_map(decode_image(one.data), _SIDE) for one in boxed]
    truth = [_in_cells(one, cells) for one, cells in zip(boxed, maps, strict=True)]
    shapes = cover_shapes(sizes(np.concatenate(truth)))
    random = np.random.default_rng(0)
    features, targets = [], []
    for one, cells, boxes in zip(boxed, maps, truth, strict=True):
        windows = _windows(cells, shapes)
        free = windows[overlaps(windows, boxes).max(1) < 0.35]
        chosen = free[random.permutation(len(free))[:_BACKGROUNDS]]
        features.append(_describe(cells, np.concatenate([boxes, chosen])))
        targets += [kinds.index(box.label) + 1 for box in one.boxes] + [0] * len(chosen)
    with one_thread():
        model = Linear.fit(np.concatenate(features), np.array(targets))
    return lambda files: [_search(data, shapes, kinds, model) for data in files]


def _in_cells(picture: Picture, cells: np.ndarray) -> np.ndarray:
    corners = np.array([(box.left, box.top, box.left + box.width, box.top + box.height) for box in picture.boxes])
    return corners * np.tile(np.divide(cells.shape[1::-1], decode_image(picture.data).size), 2)


def _windows(cells: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    found = []
    for shape in shapes:
        room = np.maximum(cells.shape[1::-1] - shape, 0)
        axes = [np.linspace(0, most, int(most / _STEP) + 2) for most in room]
        corners = np.stack(np.meshgrid(*axes), 2).reshape(-1, 2)
        found.append(np.concatenate([corners, corners + shape], 1))
    return np.concatenate(found)


def _describe(cells: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    return pool(integrate(cells), boxes).reshape(len(boxes), -1)


def _search(data: bytes, shapes: np.ndarray, kinds: Sequence[str], model: Linear) -> list[FoundBox]:
    cells = extract_map(decode_image(data), _SIDE)
    windows = _windows(cells, shapes)
    scores = np.exp(model.log_probabilities(_describe(cells, windows)))[:, 1:]
    found = []
    for index, kind in enumerate(kinds):
        for window in suppress(windows, scores[:, index], 0.3, 50):
            left, top, right, bottom = (windows[window] / np.tile(cells.shape[1::-1], 2)).tolist()
            found.append(FoundBox(kind, float(scores[window, index]), left, top, right - left, bottom - top))
    return found


def measure_labels(method: Callable[..., Labels], training: Sequence[Picture], held_out: Sequence[Picture]) -> Numbers:
    """Train a classifier on one part, predict the other."""
    predicted, seconds = _run(method, training, held_out)
    truth, kinds = [one.label for one in held_out], sorted({one.label for one in training})
    each = f1_score(truth, predicted, labels=kinds, average=None, zero_division=0)
    return {"macro F1": each.mean(), **{f"F1 {kind}": value for kind, value in zip(kinds, each, strict=True)}} | seconds


def measure_boxes(method: Callable[..., Finds], training: Sequence[Picture], held_out: Sequence[Picture]) -> Numbers:
    """Train a detector on one part, search the other."""
    found, seconds = _run(method, training, held_out)
    kinds = sorted({box.label for one in training for box in one.boxes})
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros((2, 3)))
    for boxes, one in zip(found, held_out, strict=True):
        for kind in kinds:
            counts[kind][int(not one.boxes)] += _count(boxes, one, kind)
    defective = {kind: _f1(counts[kind][0]) for kind in kinds}
    clean = sum(not one.boxes for one in held_out)
    return {
        "mean F1": float(np.mean(list(defective.values()))),
        "mean F1, clean images too": float(np.mean([_f1(counts[kind].sum(0)) for kind in kinds])),
        "micro F1": _f1(np.sum([counts[kind][0] for kind in kinds], axis=0)),
        "false alarms per clean image": sum(counts[kind][1, 1] for kind in kinds) / max(clean, 1),
        **{f"F1 {kind}": value for kind, value in defective.items()},
    } | seconds


def _run(method: Callable, training: Sequence[Picture], held_out: Sequence[Picture]) -> tuple[list, Numbers]:
    start = time.perf_counter()
    predict = method(training)
    trained = time.perf_counter()
    predicted = predict([one.data for one in held_out])
    each = (time.perf_counter() - trained) / len(held_out)
    return predicted, {"seconds of training": trained - start, "seconds per image": each}


def _count(found: Sequence[FoundBox], picture: Picture, kind: str) -> np.ndarray:
    """Return hits, boxes found and true boxes of one label."""
    own = [box for box in found if box.label == kind and box.score >= _CUT]
    true = [box for box in picture.boxes if box.label == kind]
    boxes, truth = (np.array([_corners(box) for box in part]).reshape(-1, 4) for part in (own, true))
    boxes = boxes * np.tile(decode_image(picture.data).size, 2)
    hit = hits(boxes, np.array([box.score for box in own]), truth).sum()
    return np.array([hit, len(own), len(true)])


def _corners(box: FoundBox | LabeledBox) -> tuple[float, float, float, float]:
    return box.left, box.top, box.left + box.width, box.top + box.height


def _f1(counts: np.ndarray) -> float:
    hit, found, true = counts
    return float(2 * hit / max(found + true, 1))


METHODS: dict[str, Callable[..., Numbers]] = {
    "classifier": lambda *split: measure_labels(classifier, *split),
    "plain classifier: pooled features": lambda *split: measure_labels(pooled_features, *split),
    "detector": lambda *split: measure_boxes(detector, *split),
    "plain detector: linear windows": lambda *split: measure_boxes(linear_windows, *split),
}


def report(name: str, results: Sequence[Numbers]) -> None:
    """Print mean and spread of a method over all splits."""
    print(f"\n{name}")
    for number in results[0]:
        values = [result[number] for result in results]
        print(f"  {number:30s} {np.mean(values):.3f} +- {np.std(values):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the training engine beside plain alternatives.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder with train/, test/ and ground_truth/")
    source.add_argument("--drawn", choices=[*PRODUCTS, *TRAYS], help="a product that is drawn")
    parser.add_argument("--clean", type=int, default=40, help="how many clean pictures are drawn")
    parser.add_argument("--defective", type=int, default=20, help="how many pictures of each defect are drawn")
    parser.add_argument("--train-fraction", type=float, default=0.6, help="part of every label to train on")
    parser.add_argument("--seeds", type=int, default=5, help="number of splits")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS], metavar="METHOD", help="some only")
    options = parser.parse_args()
    if options.data:
        pictures = read_pictures(options.data)
    else:
        pictures = drawn_pictures(options.drawn, options.clean, options.defective)
    if not any(one.boxes for one in pictures):
        parser.error(f"no pictures with masks in {options.data}")
    if options.drawn in TRAYS and not all("detector" in name for name in options.methods):
        parser.error("a tray has several labels: add --methods detector")
    results: dict[str, list[Numbers]] = {name: [] for name in options.methods}
    for seed in range(options.seeds):
        training, held_out = train_test_split(
            pictures, train_size=options.train_fraction, random_state=seed, stratify=[one.label for one in pictures]
        )
        for name in options.methods:
            results[name].append(METHODS[name](training, held_out))
            first, value = next(iter(results[name][-1].items()))
            print(f"seed {seed}  {name:35s} {first} {value:.3f}", flush=True)
    for name in options.methods:
        report(name, results[name])


if __name__ == "__main__":
    main()
