import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from local.rekognition.engine import ClassificationModel, LabeledImage, classification, train_classifier
from local.rekognition.engine.features import ImageFeatures, extract_features
from local.rekognition.engine.linear import best_cuts

MakeParts = Callable[..., list[LabeledImage]]


@pytest.fixture(scope="module")
def parts(make_parts: MakeParts) -> list[LabeledImage]:
    return make_parts(normal=14, hole=3, short=3)


@pytest.fixture(scope="module")
def model(parts: list[LabeledImage]) -> ClassificationModel:
    return train_classifier(parts)


def test_learns_small_defects_from_three_images_each(model: ClassificationModel, make_parts: MakeParts) -> None:
    unseen = make_parts(seed=1, normal=8, hole=6, short=6)

    predicted = model.predict([image.data for image in unseen]).argmax(1)

    truth = [model.labels.index(image.labels[0]) for image in unseen]
    assert f1_score(truth, predicted, average="macro") >= 0.9


def test_predictions_are_distributions_over_the_sorted_labels(
    model: ClassificationModel, parts: list[LabeledImage]
) -> None:
    scores = model.predict([image.data for image in parts[:3]])

    assert model.labels == ("hole", "normal", "short")
    assert (scores.shape, scores.dtype) == ((3, 3), np.float32)
    assert scores.min() >= 0
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)


def test_no_images_give_no_predictions(model: ClassificationModel) -> None:
    assert model.predict([]).shape == (0, 3)


def test_same_images_in_any_order_give_the_same_model(
    model: ClassificationModel, parts: list[LabeledImage], tmp_path: Path
) -> None:
    shuffled = [parts[index] for index in np.random.default_rng(3).permutation(len(parts))]

    again = train_classifier(shuffled)

    model.save(tmp_path / "first")
    again.save(tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    files = [image.data for image in parts[-2:]]
    np.testing.assert_array_equal(model.predict(files), again.predict(files))


def test_saved_model_predicts_the_same(model: ClassificationModel, parts: list[LabeledImage], tmp_path: Path) -> None:
    model.save(tmp_path / "model")

    loaded = ClassificationModel.load(tmp_path / "model")

    assert (loaded.labels, loaded.own_cuts) == (model.labels, model.own_cuts)
    assert os.listdir(tmp_path) == ["model"]  # noqa: PTH208
    files = [image.data for image in parts[-4:]]
    np.testing.assert_array_equal(loaded.predict(files), model.predict(files))


def test_file_of_another_kind_is_not_loaded(tmp_path: Path) -> None:
    with (tmp_path / "other").open("wb") as file:
        np.savez(file, values=np.zeros(3))

    with pytest.raises(ValueError, match="not a classification model"):
        ClassificationModel.load(tmp_path / "other")


def test_one_image_per_label_is_enough(make_parts: MakeParts) -> None:
    images = make_parts(normal=1, hole=1)

    model = train_classifier(images)

    assert [model.labels[index] for index in model.predict([image.data for image in images]).argmax(1)] == [
        "normal",
        "hole",
    ]


def test_label_with_a_single_image_beside_large_ones_is_learned(make_parts: MakeParts) -> None:
    images = make_parts(normal=12, short=2, hole=1)

    model = train_classifier(images)

    assert model.labels == ("hole", "normal", "short")
    assert model.predict([images[-1].data]).argmax() == 0


def test_identical_images_are_accepted(make_parts: MakeParts) -> None:
    (normal,), (hole,) = make_parts(normal=1), make_parts(hole=1)
    images = [replace(normal, name=f"{number}") for number in range(13)] + [hole]

    scores = train_classifier(images).predict([normal.data, hole.data])

    assert scores.argmax(1).tolist() == [1, 0]


def test_images_that_differ_in_their_bytes_only_are_accepted(make_parts: MakeParts) -> None:
    (normal,), (hole,) = make_parts(normal=1), make_parts(hole=1)
    with_comments = [replace(normal, name=f"{number}", data=normal.data + bytes(number)) for number in range(13)]

    scores = train_classifier([*with_comments, hole]).predict([normal.data, hole.data])

    assert scores.argmax(1).tolist() == [1, 0]


def test_image_that_cannot_be_decoded_is_named(make_parts: MakeParts) -> None:
    images = [*make_parts(normal=1), LabeledImage("s3://parts/broken.png", b"broken", ("hole",))]

    with pytest.raises(ValueError, match=r"s3://parts/broken\.png: not a PNG or JPEG"):
        train_classifier(images)


def test_image_that_cannot_be_predicted_is_counted_out(model: ClassificationModel, parts: list[LabeledImage]) -> None:
    with pytest.raises(ValueError, match="image 1: not a PNG or JPEG"):
        model.predict([parts[0].data, b"broken"])


def test_images_need_a_label(make_parts: MakeParts) -> None:
    images = [*make_parts(normal=1), replace(make_parts(hole=1)[0], labels=())]

    with pytest.raises(ValueError, match=r"hole/000\.png has no label"):
        train_classifier(images)


@pytest.fixture(scope="module")
def several(make_parts: MakeParts) -> ClassificationModel:
    """A model of parts that may have two defects at once."""
    return train_classifier(make_parts(normal=14, hole=4, short=4, hole_and_short=4))


def test_labels_of_the_same_image_are_told_each_for_itself(several: ClassificationModel, make_parts: MakeParts) -> None:
    unseen = make_parts(seed=1, normal=6, hole=5, short=5, hole_and_short=5)

    predicted = several.predict([image.data for image in unseen]) >= 0.5

    truth = np.array([[label in image.labels for label in several.labels] for image in unseen])
    assert several.labels == ("hole", "normal", "short")
    assert f1_score(truth, predicted, average="macro") >= 0.9


def test_saved_model_of_several_labels_predicts_the_same(
    several: ClassificationModel, parts: list[LabeledImage], tmp_path: Path
) -> None:
    several.save(tmp_path / "model")
    files = [image.data for image in parts[:3]]

    loaded = ClassificationModel.load(tmp_path / "model")

    np.testing.assert_array_equal(loaded.predict(files), several.predict(files))
    assert loaded.own_cuts == several.own_cuts


def test_label_that_every_image_has_is_expected_on_every_image(make_parts: MakeParts) -> None:
    parts = [replace(image, labels=("part", *image.labels)) for image in make_parts(normal=3, hole=3)]
    model = train_classifier(parts)

    scores = model.predict([image.data for image in make_parts(seed=1, hole=1, normal=1)])

    assert model.labels == ("hole", "normal", "part")
    assert (scores[:, 2] > 0.8).all()


@pytest.mark.parametrize("kind", ["model", "several"])
def test_own_cuts_tell_unseen_images_apart(kind: str, request: pytest.FixtureRequest, make_parts: MakeParts) -> None:
    model: ClassificationModel = request.getfixturevalue(kind)
    unseen = make_parts(seed=1, normal=8, hole=6, short=6)

    predicted = model.predict([image.data for image in unseen]) >= [model.own_cuts[label] for label in model.labels]

    truth = np.array([[label in image.labels for label in model.labels] for image in unseen])
    assert f1_score(truth, predicted, average="macro") >= 0.9


@pytest.mark.parametrize(
    ("counts", "known"),
    [({"normal": 1, "hole": 1}, set()), ({"normal": 12, "short": 2, "hole": 1}, {"normal", "short"})],
    ids=["every label", "one label"],
)
def test_label_with_a_single_image_has_no_cut(counts: dict[str, int], known: set[str], make_parts: MakeParts) -> None:
    assert train_classifier(make_parts(**counts)).own_cuts.keys() == known


def test_label_that_every_image_has_has_no_cut(make_parts: MakeParts) -> None:
    parts = [replace(image, labels=("part", *image.labels)) for image in make_parts(normal=3, hole=3)]

    assert train_classifier(parts).own_cuts.keys() == {"hole", "normal"}


def test_model_that_was_saved_without_cuts_still_answers(
    model: ClassificationModel, parts: list[LabeledImage], tmp_path: Path
) -> None:
    model.save(tmp_path / "model")
    with np.load(tmp_path / "model") as file:
        older = {name: array for name, array in file.items() if not name.endswith(".cuts")}
    with (tmp_path / "older").open("wb") as written:
        np.savez(written, **older)

    loaded = ClassificationModel.load(tmp_path / "older")

    assert loaded.own_cuts == {}
    np.testing.assert_array_equal(loaded.predict([parts[0].data]), model.predict([parts[0].data]))


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [([0.9, 0.7, 0.2, 0.1], 0.45), ([0.6, 0.6, 0.6, 0.1], 0.35), ([0.1, 0.2, 0.7, 0.9], 0.05)],
    ids=["told apart", "equal ones together", "the wrong way round"],
)
def test_cut_is_midway_between_what_it_separates(probabilities: list[float], expected: float) -> None:
    scores, targets = np.array([probabilities, [1 - value for value in probabilities]]).T, np.array([0, 0, 1, 1])

    assert best_cuts(scores, targets)[0] == pytest.approx(expected)


@pytest.mark.parametrize("count", [0, 3])
def test_fewer_than_two_labels_are_refused(count: int, make_parts: MakeParts) -> None:
    with pytest.raises(ValueError, match="at least two labels"):
        train_classifier(make_parts(normal=count))


def test_images_beyond_those_that_are_compared_are_looked_at_once(
    make_parts: MakeParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = make_parts(normal=20, hole=4)
    looks: Counter[bytes] = Counter()

    def extract(data: bytes) -> ImageFeatures:
        looks[data] += 1
        return extract_features(data)

    monkeypatch.setattr(classification, "extract_features", extract)
    monkeypatch.setattr(classification, "_COMPARED_IMAGES", 18)

    assert "aligned" in train_classifier(parts).deviations
    assert looks == Counter({image.data: 1 for image in parts})
