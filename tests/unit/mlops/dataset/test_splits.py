from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.dataset.dataset_json import DatasetSettings
from mlops.dataset.images import Image
from mlops.dataset.splits import assign_sides, chosen_split, find_duplicates, uses_folders

POOL = DatasetSettings("pool")
LABELS = ("normal", "bent", "cut")


def image(name: str, label: str = "bent", folder: str = "train", content: str | None = None) -> Image:
    key = f"datasets/d/{folder}/{label}/{name}.png"
    return Image(key, "etag", (label,), folder, content or key)


def images(label: str, count: int, folder: str = "train") -> list[Image]:
    return [image(f"{number:05}", label, folder) for number in range(count)]


def sides_of(label: str, sides: dict[str, str]) -> Counter[str]:
    return Counter(side for key, side in sides.items() if f"/{label}/" in key)


batches = st.lists(
    st.builds(
        image,
        st.text("abcdefgh", min_size=1, max_size=4),
        st.sampled_from(LABELS),
        st.sampled_from(("train", "test", "holdout")),
    ),
    unique_by=lambda item: item.key,
    max_size=40,
)
fractions = st.tuples(st.floats(0.01, 0.98), st.floats(0, 0.98)).filter(lambda pair: sum(pair) < 1)


@given(batches, batches)
def test_an_image_never_changes_sides_when_others_are_added(first: list[Image], second: list[Image]) -> None:
    known = assign_sides(first, POOL)

    after = assign_sides({item.key: item for item in first + second}.values(), POOL, known)

    assert known.items() <= after.items()


@given(batches, st.randoms(use_true_random=False))
def test_order_of_the_images_does_not_matter(listed: list[Image], random: object) -> None:
    shuffled = list(listed)
    random.shuffle(shuffled)

    assert assign_sides(shuffled, POOL) == assign_sides(listed, POOL)


@given(batches, fractions)
def test_every_label_trains_and_two_images_allow_a_test(listed: list[Image], shares: tuple[float, float]) -> None:
    sides = assign_sides(listed, DatasetSettings("pool", *shares))

    assert sides.keys() == {item.key for item in listed}
    for label, count in Counter(item.labels[0] for item in listed).items():
        given_sides = sides_of(label, sides)
        assert given_sides["train"]
        assert given_sides["test"] or count < 2
        assert given_sides["holdout"] or count < 4 or not shares[1] or shares[0] > 0.5


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_a_dataset_that_grows_keeps_every_side_filled(steps: list[int]) -> None:
    listed, sides = images("bent", sum(steps)), {}

    for count in (sum(steps[: end + 1]) for end in range(len(steps))):
        sides = assign_sides(listed[:count], POOL, sides)
        given_sides = sides_of("bent", sides)
        assert given_sides["train"]
        assert given_sides["test"] or count < 2
        assert given_sides["holdout"] or count < 4


@pytest.mark.parametrize(
    ("count", "expected"), [(1, (1, 0, 0)), (2, (1, 1, 0)), (4, (2, 1, 1)), (10, (6, 2, 2)), (100, (60, 20, 20))]
)
def test_default_fractions_are_met_as_closely_as_whole_images_allow(count: int, expected: tuple[int, ...]) -> None:
    given_sides = sides_of("bent", assign_sides(images("bent", count), POOL))

    assert tuple(given_sides[side] for side in ("train", "test", "holdout")) == expected


def test_no_holdout_when_none_is_asked_for() -> None:
    sides = assign_sides(images("bent", 50), DatasetSettings("pool", 0.2, 0))

    assert sides_of("bent", sides) == {"train": 40, "test": 10}


def test_labels_are_dealt_out_one_by_one() -> None:
    alone = assign_sides(images("bent", 20), POOL)

    assert alone.items() <= assign_sides(images("bent", 20) + images("cut", 7), POOL).items()


@pytest.mark.parametrize("fraction", [0.2, 0.9])
def test_no_more_of_a_label_is_tested_than_the_service_takes(fraction: float) -> None:
    sides = assign_sides(images("bent", 6_000), DatasetSettings("pool", fraction, 0))

    assert sides_of("bent", sides) == {"train": 5_000, "test": 1_000}


def test_what_was_dealt_to_test_beyond_the_bound_is_held_out_and_stays_so() -> None:
    listed = images("bent", 3_000)
    known = {image.key: "test" if index < 1_200 else "train" for index, image in enumerate(listed)}
    sides = assign_sides(listed, POOL, known)

    assert sides_of("bent", sides) == {"train": 1_800, "test": 1_000, "holdout": 200}
    assert assign_sides(listed, POOL, sides) == sides
    assert all(sides[key] == "train" for key, side in known.items() if side == "train")


def test_large_labels_are_dealt_out_in_linear_time() -> None:
    sides = assign_sides(images("bent", 20_000), POOL)

    assert sides_of("bent", sides) == {"train": 15_000, "test": 1_000, "holdout": 4_000}


def test_folders_decide_when_every_label_is_in_train_and_enough_are_in_test() -> None:
    listed = [*images("bent", 3), *images("normal", 3), *images("cut", 3), *images("bent", 1, "holdout")]
    listed += [*images("bent", 1, "test"), *images("normal", 2, "test")]

    assert uses_folders(listed, DatasetSettings())
    assert assign_sides(listed, DatasetSettings()) == {item.key: item.side for item in listed}


@pytest.mark.parametrize(
    "listed",
    [
        [*images("normal", 9), *images("bent", 3, "test")],
        [*images("normal", 9), *images("bent", 3)],
        [*images("bent", 4), *images("bent", 2, "test"), *images("cut", 2, "holdout")],
        [*images("bent", 4), *images("cut", 4), *images("normal", 2, "test")],
        [*images("bent", 4), *images("cut", 4), *images("normal", 4), *images("normal", 2, "test")],
        [*(image for label in "abcde" for image in images(label, 4)), *images("a", 1, "test"), *images("b", 1, "test")],
        [*images("bent", 4), *images("normal", 4), *images("bent", 4, "test"), *images("normal", 1001, "test")],
    ],
    ids=[
        "defects only in test",
        "no test folder",
        "a defect only in holdout",
        "clean parts only in test",
        "one label in test",
        "less than half of the labels in test",
        "more of a label in test than the service takes",
    ],
)
def test_folders_that_cannot_be_trained_on_are_pooled_and_it_is_said_why(listed: list[Image]) -> None:
    split = chosen_split(listed, DatasetSettings())

    assert split.by == "pool"
    assert "train/" in split.why or "test/" in split.why
    assert assign_sides(listed, DatasetSettings()) == assign_sides(listed, POOL)


def test_settings_overrule_what_the_folders_suggest() -> None:
    listed = [*images("normal", 9), *images("bent", 3, "test")]

    assert assign_sides(listed, DatasetSettings("folders")) == {item.key: item.side for item in listed}
    assert not uses_folders([*images("bent", 3), *images("bent", 3, "test")], POOL)


def test_of_copies_the_one_nearest_to_training_stays() -> None:
    listed = [
        image("b", folder="test", content="same"),
        image("z", folder="train", content="same"),
        image("a", folder="holdout", content="same"),
        image("c", folder="train"),
    ]

    refused = find_duplicates(listed)

    assert refused.keys() == {listed[0].key, listed[2].key}
    assert all(f"byte-identical to {listed[1].key}" in reason for reason in refused.values())


def test_copies_under_two_labels_all_go_and_name_each_other() -> None:
    bent, cut = image("a", "bent", content="same"), image("b", "cut", content="same")

    refused = find_duplicates([bent, cut])

    assert cut.key in refused[bent.key] and "'cut'" in refused[bent.key]
    assert bent.key in refused[cut.key] and "'bent'" in refused[cut.key]


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.integers(0, 5)), max_size=20))
def test_what_is_left_has_no_copies(drawn: Iterable[tuple[str, int]]) -> None:
    listed = [image(str(number), label, content=str(content)) for number, (label, content) in enumerate(drawn)]

    refused = find_duplicates(listed)

    left = [item.digest for item in listed if item.key not in refused]
    assert len(left) == len(set(left))
    assert find_duplicates(reversed(listed)) == refused


def reviewed(name: str, label: str, side: str) -> Image:
    """A picture that came from a review, with the side that its line names."""
    key = f"datasets/d/images/reviewed/{name}.png"
    return Image(key, "etag", (label,), side, key, is_in_manifest=True)


@pytest.mark.parametrize("settings", [DatasetSettings("folders"), POOL, DatasetSettings()])
def test_what_came_from_a_review_keeps_its_side_whatever_decides(settings: DatasetSettings) -> None:
    others = [image(f"{n}", label, side) for n in range(6) for label in LABELS for side in ("train", "test")]
    new = [reviewed("a", "bent", "holdout"), reviewed("b", "bent", "train"), reviewed("c", "never seen", "train")]
    before = assign_sides(others, settings)
    after = assign_sides([*others, *new], settings, before)

    assert before.items() <= after.items()
    assert [after[one.key] for one in new] == ["holdout", "train", "train"]


def test_answers_about_production_never_make_a_pool_of_folders() -> None:
    """Else a new label that is trained on only would deal all pictures anew, across sides."""
    others = [image(f"{n}", label, side) for n in range(6) for label in LABELS for side in ("train", "test")]
    new = [reviewed(str(n), f"new label {n}", side) for n in range(9) for side in ("train", "holdout")]

    assert uses_folders([*others, *new], DatasetSettings())


several = st.lists(
    st.sets(st.sampled_from(("bent", "cut", "dirt", "rust", "scratch")), min_size=1), min_size=5, max_size=80
)


@settings(max_examples=200)
@given(several)
def test_every_label_gets_its_share_of_every_side_although_pictures_have_several(given_labels: list[set[str]]) -> None:
    listed = [
        Image(f"datasets/d/images/{number}.png", "etag", tuple(sorted(names)), "", str(number))
        for number, names in enumerate(given_labels)
    ]

    sides = assign_sides(listed, POOL)

    for label, count in Counter(label for item in listed for label in item.labels).items():
        dealt = Counter(sides[item.key] for item in listed if label in item.labels)
        test = max(round(0.2 * count), 1)
        # A picture cannot be divided among the labels that it has.
        for side, share in (("train", count - 2 * test), ("test", test), ("holdout", test)):
            assert abs(dealt[side] - share) <= 3
        assert dealt["train"] > 0 or count < 5
        assert dealt["test"] > 0 or count < 12
