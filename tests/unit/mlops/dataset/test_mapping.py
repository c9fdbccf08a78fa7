import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.dataset.boxes import Box
from mlops.dataset.mapping import PictureMapping, fitted

sides = st.integers(64, 20_000)
orientations = st.integers(1, 8)

# A picture of 30 x 20 px; a box at (2, 3) of 5 x 4 px in it.
UPRIGHT = {
    1: (2, 3, 5, 4),
    2: (23, 3, 5, 4),
    3: (23, 13, 5, 4),
    4: (2, 13, 5, 4),
    5: (3, 2, 4, 5),
    6: (13, 2, 4, 5),
    7: (13, 23, 4, 5),
    8: (3, 23, 4, 5),
}


def turning(orientation: int, width: int = 30, height: int = 20) -> PictureMapping:
    size = (height, width) if orientation >= 5 else (width, height)
    return PictureMapping(width, height, *size, orientation)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_turns_with_its_picture(orientation: int) -> None:
    assert turning(orientation).box(2, 3, 5, 4) == Box(*UPRIGHT[orientation])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_box_comes_back_exactly(orientation: int) -> None:
    mapping = turning(orientation)

    assert mapping.back(mapping.box(2, 3, 5, 4)) == Box(2, 3, 5, 4)


def test_a_scaled_box_is_rounded_outwards() -> None:
    mapping = PictureMapping(6000, 4000, 4096, 2731)

    # 10 and 20 of 6000 are 6.83 and 13.65 of 4096; of 4000 they are 6.83 and 13.66 of 2731.
    assert mapping.box(10, 10, 10, 10) == Box(6, 6, 8, 8)
    assert mapping.box(0, 0, 6000, 4000) == Box(0, 0, 4096, 2731)


def test_what_reaches_beyond_the_picture_is_cut_off() -> None:
    assert turning(1).box(-5, 15, 10, 100) == Box(0, 15, 5, 5)
    assert turning(1).box(30, 20, 4, 4) == Box(29, 19, 1, 1)


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (0, 0, 5, -1), (float("nan"), 0, 1, 1), (0, 0, 1, float("inf"))])
def test_what_is_no_box_is_not_mapped(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError):
        turning(1).box(*box)


@pytest.mark.parametrize("orientation", [0, 9])
def test_there_are_eight_orientations(orientation: int) -> None:
    with pytest.raises(ValueError):
        PictureMapping(1, 1, 1, 1, orientation)


@pytest.mark.parametrize(
    ("size", "to"),
    [
        ((4096, 4096), (4096, 4096)),
        ((64, 64), (64, 64)),
        ((6000, 4000), (4096, 2731)),
        ((4000, 6000), (2731, 4096)),
        ((8192, 512), (4096, 256)),
        # Of a line camera: the long side shrinks more than the other.
        ((16384, 512), (4096, 205)),
        ((100, 30_000), (100, 2000)),
        ((2000, 90), (1800, 90)),
        ((10_000, 64), (1280, 64)),
    ],
)
def test_a_picture_is_scaled_as_little_as_it_takes(size: tuple[int, int], to: tuple[int, int]) -> None:
    assert fitted(*size, 4096, 64, 20) == to


@given(sides, sides)
def test_what_was_scaled_fits(width: int, height: int) -> None:
    size = fitted(width, height, 4096, 64, 20)

    assert min(size) >= 64 and max(size) <= min(4096, 20 * min(size))
    assert size[0] <= width and size[1] <= height
    assert fitted(*size, 4096, 64, 20) == size
    assert fitted(height, width, 4096, 64, 20) == size[::-1]


@given(st.data(), sides, sides, orientations)
def test_a_box_that_comes_back_holds_what_was_sent(data: st.DataObject, width: int, height: int, turn: int) -> None:
    wide, tall = fitted(width, height, 4096, 64, 20)
    mapping = PictureMapping(width, height, *((tall, wide) if turn >= 5 else (wide, tall)), turn)
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = Box(left, top, data.draw(st.integers(1, width - left)), data.draw(st.integers(1, height - top)))

    there = mapping.box(box.left, box.top, box.width, box.height)
    back = mapping.back(there)

    assert there.left >= 0 and there.left + there.width <= mapping.width
    assert there.top >= 0 and there.top + there.height <= mapping.height
    assert back.left <= left and back.left + back.width >= left + box.width
    assert back.top <= top and back.top + back.height >= top + box.height
    assert back.left + back.width <= width and back.top + back.height <= height
