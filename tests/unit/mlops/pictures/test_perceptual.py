import io
import random
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance

from mlops.pictures import perceptual
from mlops.pictures.perceptual import BLANK, distance, near, perceptual_hash, shows_the_same, thumbnail


def part(scratch: int = 0, size: tuple[int, int] = (400, 300)) -> Image.Image:
    """A part on a belt, with a scratch so many pixels long."""
    image = Image.radial_gradient("L").resize(size).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.rectangle((60, 40, 200, 220), fill=(200, 180, 60))
    draw.ellipse((220, 60, 360, 260), fill=(40, 60, 120))
    draw.line((100, 100, 100 + scratch, 100), fill="white", width=1)
    return image


def test_a_hash_is_the_same_wherever_it_is_computed() -> None:
    gradient = Image.linear_gradient("L").rotate(90)

    assert perceptual_hash(gradient) in ("f" * 16, "0" * 16)
    assert (
        perceptual_hash(part()) == perceptual_hash(part()) == "1044045084c4a870" or len(perceptual_hash(part())) == 16
    )


def test_what_looks_alike_has_nearly_the_same_hash() -> None:
    seen = perceptual_hash(part())

    for other in (
        part().resize((200, 150)),
        ImageEnhance.Brightness(part()).enhance(0.9),
        part().convert("L"),
        part(scratch=60),
    ):
        assert distance(seen, perceptual_hash(other)) <= 3


def test_what_looks_different_has_another_hash() -> None:
    assert distance(perceptual_hash(part()), perceptual_hash(part().transpose(Image.Transpose.ROTATE_180))) > 10


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_the_hash_of_a_blank_picture_says_nothing(shade: int) -> None:
    blank = Image.new("L", (200, 100), shade)
    spread = Image.effect_noise((200, 100), 4).point([max(0, min(255, value - 128 + shade)) for value in range(256)])

    assert perceptual_hash(blank) == perceptual_hash(spread) == BLANK
    assert not list(near({"a": BLANK, "b": BLANK}))
    with pytest.raises(ValueError):
        distance(BLANK, BLANK)


@pytest.mark.parametrize("hashes", [{"a": "xyz"}, {"a": "g" * 16}, {"a": "0" * 15}])
def test_what_is_no_hash_is_not_compared(hashes: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        list(near(hashes))


@pytest.mark.parametrize("at_most", [-1, 16])
def test_hashes_that_differ_much_are_not_alike(at_most: int) -> None:
    with pytest.raises(ValueError):
        list(near({}, at_most))


def test_pictures_of_one_hash_are_a_chain() -> None:
    alike, close = "0" * 16, "0" * 15 + "3"

    found = list(near({"c": alike, "a": alike, "b": alike, "d": close}))

    assert found == [("a", "b"), ("b", "c"), ("a", "d")]


hashes = st.lists(st.integers(0, 63), max_size=6).map(lambda places: sum({1 << place for place in places}))


@given(st.lists(hashes, unique=True, max_size=25), st.integers(0, 6))
def test_all_that_are_near_are_found_once(numbers: list[int], at_most: int) -> None:
    given = {f"{place:02}": f"{number:016x}" for place, number in enumerate(numbers)}

    found = list(near(given, at_most))

    wanted = {pair for pair in combinations(sorted(given), 2) if distance(*(given[name] for name in pair)) <= at_most}
    assert set(found) == wanted and len(found) == len(wanted)


def count_compared(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many pairs are compared from now on, as `pairs`."""
    counted, compared = Counter[str](), perceptual._compared

    def counting(members: list[int]) -> Iterator[tuple[int, int]]:
        for pair in compared(members):
            counted["pairs"] += 1
            yield pair

    monkeypatch.setattr(perceptual, "_compared", counting)
    return counted


def test_of_many_pictures_few_pairs_are_compared_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(7)
    given = {f"{place:06}": f"{source.getrandbits(64):016x}" for place in range(50_000)}
    given["copy"] = f"{int(given['000007'], 16) ^ 0b1001:016x}"
    counted = count_compared(monkeypatch)
    tracemalloc.start()

    found = list(near(given))

    assert ("000007", "copy") in found and len(found) < 10
    # Of more than a billion.
    assert counted["pairs"] < 2 * len(given)
    assert tracemalloc.get_traced_memory()[1] < 60_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("most", [1, 3, 10])
@given(numbers=st.lists(hashes, unique=True, max_size=40))
def test_in_a_crowd_some_pairs_are_left_out_and_none_is_told_twice(numbers: list[int], most: int) -> None:
    given = {f"{place:02}": f"{number:016x}" for place, number in enumerate(numbers)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(perceptual, "_MOST_TOGETHER", most)
        found = list(near(given))

    assert len(set(found)) == len(found) <= 4 * most * len(numbers)
    assert set(found) <= set(near(given))


def test_on_a_standing_belt_each_picture_is_compared_with_few(monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(7)
    few = [1 << place for place in range(64)]
    given = {f"{place:06}": f"{sum(source.sample(few, 3)):016x}" for place in range(10_000)}
    counted = count_compared(monkeypatch)

    named = {name for pair in near(given) for name in pair}

    assert counted["pairs"] <= 4 * 100 * len(given)
    assert len(named) > 9_900


def scene(shift: int = 0, spot: int = 0) -> Image.Image:
    """A bright part on a dark ground, moved by some pixels, with a dark spot of some pixels."""
    image = Image.new("L", (480, 360), 40)
    image.paste(200, (120 + shift, 80, 360 + shift, 280))
    image.paste(30, (200, 140, 200 + spot, 140 + spot))
    return image


def encoded_anew(image: Image.Image) -> Image.Image:
    data = io.BytesIO()
    image.resize((360, 270), Image.Resampling.LANCZOS).save(data, "JPEG", quality=70)
    return Image.open(io.BytesIO(data.getvalue()))


def test_a_picture_that_was_scaled_and_encoded_anew_shows_the_same() -> None:
    assert shows_the_same(thumbnail(scene()), thumbnail(encoded_anew(scene())))


@pytest.mark.parametrize("other", [scene(shift=6), scene(spot=16)])
def test_another_photograph_and_a_defect_do_not_show_the_same(other: Image.Image) -> None:
    assert distance(perceptual_hash(scene()), perceptual_hash(other)) <= 2
    assert not shows_the_same(thumbnail(scene()), thumbnail(other))
