"""Image classification: the trained model and its training."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from local.rekognition.engine.features import ImageFeatures, extract_features
from local.rekognition.engine.files import write_atomically
from local.rekognition.engine.linear import Linear, Mixture, fit_mixture
from local.rekognition.engine.reference import MAX_REFERENCES, Deviation, Reference
from local.rekognition.engine.threads import one_thread

_FORMAT = "rekognition-mlops classification 2"
_SEARCHES = {"aligned": True, "unaligned": False}
_REFERENCE_PARTS = tuple(part.name for part in fields(Reference))
_MIN_REFERENCES = 12
_COMPARED_IMAGES = 1000  # remembered with 0.3 MB each

_Extract = Callable[[bytes], ImageFeatures]


@dataclass(frozen=True)
class LabeledImage:
    """A training image: its unique name, the PNG or JPEG file, and its labels (at least one)."""

    name: str
    data: bytes
    labels: tuple[str, ...]


def _describe(
    image: ImageFeatures, deviations: Mapping[str, Deviation], exclude: int | None = None
) -> dict[str, np.ndarray]:
    """Return the feature sets that a linear model can be fitted to, by name."""
    described = {name: deviation.describe(image.cells, exclude) for name, deviation in deviations.items()}
    return {"texture": image.texture, "content": image.content, **described}


@dataclass(frozen=True)
class Head:
    """Tells classes apart that exclude each other: a linear model on each feature set, and how they are mixed."""

    mixture: Mixture
    models: Mapping[str, Linear]

    @classmethod
    def fit(cls, feature_sets: Mapping[str, np.ndarray], targets: np.ndarray) -> "Head":
        """Fit to float32 (n, features) of each set and to class indices (n,) without gaps."""
        mixture = fit_mixture(feature_sets, targets)
        return cls(mixture, {name: Linear.fit(feature_sets[name], targets) for name in mixture.weights})

    @classmethod
    def present(cls, feature_sets: Mapping[str, np.ndarray], targets: np.ndarray) -> "Head":
        """Fit to whether images have a label, bool (n,): the second class is that they do."""
        if not targets.all():
            return cls.fit(feature_sets, targets.astype(int))
        # Nothing shows what an image without the label looks like.
        share = (len(targets) + 1) / (len(targets) + 2)
        return cls(Mixture({}, np.log([1 - share, share]).astype(np.float32), np.full(2, np.nan, np.float32)), {})

    def probabilities(self, described: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return float32 (classes,) for the feature sets of one image."""
        scores = {name: model.log_probabilities(described[name][None]) for name, model in self.models.items()}
        return np.exp(self.mixture.log_probabilities(scores)[0]).astype(np.float32)


@dataclass(frozen=True)
class ClassificationModel:
    """Tells which of `labels` (sorted) an image shows.

    Where every training image has one label, one head tells them apart; otherwise each label has a head that says
    whether it is there.
    """

    labels: tuple[str, ...]
    heads: tuple[Head, ...]
    deviations: Mapping[str, Deviation]

    @property
    def own_cuts(self) -> dict[str, float]:
        """Return the score of each label at which to cut, going by images of other folds, where they have the label."""
        cuts = [head.mixture.cuts for head in self.heads]
        by_label = cuts[0] if len(cuts) == 1 else [present for _, present in cuts]
        return {label: float(cut) for label, cut in zip(self.labels, by_label, strict=True) if not np.isnan(cut)}

    def predict(self, images: Sequence[bytes]) -> np.ndarray:
        """Return float32 (n, labels), each row the calibrated probabilities of the labels for one PNG or JPEG file.

        With one label per training image they sum to 1, otherwise each stands for itself. Raises ValueError, with the
        position of the image, when one cannot be decoded.
        """
        with one_thread():
            rows = [self._probabilities(_extract(data, f"image {index}")) for index, data in enumerate(images)]
        return np.stack(rows) if rows else np.empty((0, len(self.labels)), np.float32)

    def _probabilities(self, image: ImageFeatures) -> np.ndarray:
        described = _describe(image, self.deviations)
        answers = [head.probabilities(described) for head in self.heads]
        return answers[0] if len(answers) == 1 else np.array([presence for _, presence in answers])

    def save(self, path: Path) -> None:
        """Write the model to one file, whole or not at all; the same model gives the same bytes."""
        arrays: dict[str, Any] = {"format": _FORMAT, "labels": self.labels, "heads": len(self.heads)}
        for number, head in enumerate(self.heads):
            arrays |= {f"{number}.{part}": array for part, array in _head_arrays(head).items()}
        for name, deviation in self.deviations.items():
            arrays |= {f"{name}.center": deviation.center, f"{name}.spread": deviation.spread}
            arrays |= {f"reference.{part}": getattr(deviation.reference, part) for part in _REFERENCE_PARTS}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_atomically(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "ClassificationModel":
        """Read a model that `save` wrote. Raises ValueError when the file holds something else."""
        with np.load(path, allow_pickle=False) as file:
            if "format" not in file or str(file["format"]) != _FORMAT:
                raise ValueError(f"{path} is not a classification model of this version; train it again")
            arrays = dict(file)
        heads = tuple(_load_head(arrays, f"{number}.") for number in range(int(arrays["heads"])))
        return cls(tuple(arrays["labels"].tolist()), heads, _load_deviations(arrays))


def _head_arrays(head: Head) -> dict[str, Any]:
    mixture = head.mixture
    names, weights = np.array(list(mixture.weights), str), np.array(list(mixture.weights.values()))
    arrays = {"names": names, "weights": weights, "bias": mixture.bias, "cuts": mixture.cuts}
    for name, model in head.models.items():
        arrays |= {f"{name}.weights": model.weights, f"{name}.bias": model.bias}
    return arrays


def _load_head(arrays: Mapping[str, np.ndarray], prefix: str) -> Head:
    names = arrays[f"{prefix}names"].tolist()
    weights = dict(zip(names, arrays[f"{prefix}weights"].tolist(), strict=True))
    models = {name: Linear(arrays[f"{prefix}{name}.weights"], arrays[f"{prefix}{name}.bias"]) for name in names}
    bias = arrays[f"{prefix}bias"]
    # Models that were saved before cuts were known still answer.
    cuts = arrays.get(f"{prefix}cuts", np.full(len(bias), np.nan, np.float32))
    return Head(Mixture(weights, bias, cuts), models)


def _load_deviations(arrays: Mapping[str, np.ndarray]) -> dict[str, Deviation]:
    used = [name for name in _SEARCHES if f"{name}.center" in arrays]
    if not used:
        return {}
    reference = Reference(*(arrays[f"reference.{part}"] for part in _REFERENCE_PARTS))
    return {
        name: Deviation(reference, _SEARCHES[name], arrays[f"{name}.center"], arrays[f"{name}.spread"]) for name in used
    }


def train_classifier(images: Sequence[LabeledImage]) -> ClassificationModel:
    """Train on labelled images in any order; the same images give the same model, bit for bit.

    Raises ValueError, naming the image, when one cannot be decoded or has no label, and when there are fewer than two
    labels.
    """
    ordered = sorted(images, key=lambda image: (image.name, image.labels, image.data))
    labels, targets = _targets(ordered)
    with one_thread():
        extract = _remembering(_COMPARED_IMAGES)
        references = _references(ordered, targets, extract)
        deviations = _fit_deviations(references, extract)
        feature_sets = _feature_sets(ordered, deviations, references, extract)
        heads = _fit_heads(feature_sets, targets)
    used = {name for head in heads for name in head.models}
    return ClassificationModel(labels, heads, {name: deviations[name] for name in deviations if name in used})


def _targets(images: Sequence[LabeledImage]) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the labels, sorted, and bool (images, labels): which image has which."""
    for image in images:
        if not image.labels:
            raise ValueError(f"{image.name} has no label; classification needs at least one on every image")
    labels = sorted({label for image in images for label in image.labels})
    if len(labels) < 2:
        raise ValueError(f"training needs images of at least two labels; there are {len(labels)}")
    return tuple(labels), np.array([[label in image.labels for label in labels] for image in images])


def _fit_heads(feature_sets: Mapping[str, np.ndarray], targets: np.ndarray) -> tuple[Head, ...]:
    if (targets.sum(axis=1) == 1).all():
        return (Head.fit(feature_sets, targets.argmax(axis=1)),)
    return tuple(Head.present(feature_sets, present) for present in targets.T)


def _remembering(most: int) -> _Extract:
    """Extract features, and keep those of the first images, which are asked for again."""
    known: dict[bytes, ImageFeatures] = {}

    def extract(data: bytes) -> ImageFeatures:
        if data in known:
            return known[data]
        features = extract_features(data)
        if len(known) < most:
            known[data] = features
        return features

    return extract


def _sample(targets: np.ndarray, most: int) -> np.ndarray:
    """Return the indices, sorted, of at most `most` images: the first ones of every label in turn."""
    turn = np.where(targets, targets.cumsum(axis=0), len(targets) + 1).min(axis=1)
    return np.sort(np.argsort(turn, kind="stable")[:most])


def _extract(data: bytes, name: str, extract: _Extract = extract_features) -> ImageFeatures:
    try:
        return extract(data)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _references(images: Sequence[LabeledImage], targets: np.ndarray, extract: _Extract) -> list[bytes]:
    """Return distinct images of the label whose images are the most alike, or none where no label has enough.

    Of many images only some are compared, so that the others are looked at only once.
    """
    compared = _sample(targets, _COMPARED_IMAGES)
    images, targets = [images[index] for index in compared], targets[compared]
    textures = np.stack([_extract(image.data, image.name, extract).texture for image in images])
    textures /= textures.std(0) + 1e-6
    members = {label: np.flatnonzero(present) for label, present in enumerate(targets.T)}
    distinct = {label: list(dict.fromkeys(images[index].data for index in own)) for label, own in members.items()}
    eligible = [label for label, own in distinct.items() if len(own) >= _MIN_REFERENCES]
    if not eligible:
        return []
    most_alike = distinct[min(eligible, key=lambda label: textures[members[label]].std(0).mean())]
    chosen = np.random.default_rng(0).permutation(len(most_alike))[:MAX_REFERENCES]
    return [most_alike[index] for index in sorted(chosen.tolist())]


def _fit_deviations(references: Sequence[bytes], extract: _Extract) -> dict[str, Deviation]:
    if not references:
        return {}
    reference = Reference.fit([extract(data).cells for data in references])
    return {name: Deviation.fit(reference, aligned) for name, aligned in _SEARCHES.items()}


def _feature_sets(
    images: Sequence[LabeledImage], deviations: Mapping[str, Deviation], references: Sequence[bytes], extract: _Extract
) -> dict[str, np.ndarray]:
    """Return for each feature set float32 (n, features); an image is never its own reference."""
    position = {data: index for index, data in enumerate(references)}
    rows = [
        _describe(_extract(image.data, image.name, extract), deviations, position.get(image.data)) for image in images
    ]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
