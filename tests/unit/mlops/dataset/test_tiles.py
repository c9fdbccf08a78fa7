import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlops import codec
from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.images import Image
from mlops.dataset.limits import least_box_side
from mlops.dataset.tiles import (
    MOST_TILES,
    WHOLE,
    Tile,
    Tiling,
    cut,
    least_side,
    merged,
    placed,
    tiled,
    tiles_of,
    too_many,
    trained_tiles,
)
from mlops.records.documents import GroundTruth

lengths = st.integers(64, 4096)
sides = st.integers(64, 2048)
DIGEST = "a" * 64


@st.composite
def pictures(draw: st.DrawFn) -> tuple[int, int, int]:
    """Width, height and side of tiles that a picture is really cut into."""
    width, height = draw(lengths), draw(lengths)
    return width, height, draw(st.integers(least_side(width, height), 2048))


@st.composite
def boxes_on_pictures(draw: st.DrawFn) -> tuple[int, int, int, Box]:
    width, height, side = draw(pictures())
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return width, height, side, Box(left, top, draw(st.integers(1, width - left)), draw(st.integers(1, height - top)))


def image(width: int = 3000, height: int = 2000, *boxes: Box, format: str = "PNG", **facts: Any) -> Image:
    drawn = tuple(LabeledBox("scratch", box) for box in boxes)
    facts = {"boxes": drawn, "width": width, "height": height, "format": format, **facts}
    return Image("datasets/d/train/scratch/1.png", "", ("scratch",), "train", DIGEST, **facts)


def found_again(boxes: list[LabeledBox], width: int, height: int, side: int) -> list[LabeledBox]:
    return merged((tile, cut(boxes, tile, side)) for tile in tiles_of(width, height, side))


@given(pictures())
def test_tiles_are_of_one_size_cover_every_pixel_and_lie_inside(picture: tuple[int, int, int]) -> None:
    width, height, side = picture
    tiles = tiles_of(width, height, side)

    assert {(tile.width, tile.height) for tile in tiles} == {(min(side, width), min(side, height))}
    for length, edges in (
        (width, sorted({(tile.left, tile.right) for tile in tiles})),
        (height, sorted({(tile.top, tile.bottom) for tile in tiles})),
    ):
        assert edges[0][0] == 0 and edges[-1][1] == length
        # Neighbours share a quarter of their side at least.
        assert all(before[1] - after[0] >= side // 4 for before, after in pairwise(edges))
    assert len(tiles) == len(set(tiles)) <= MOST_TILES


@given(lengths, lengths, sides)
def test_a_picture_that_is_no_larger_than_a_tile_is_its_only_one(width: int, height: int, side: int) -> None:
    assert (len(tiles_of(width, height, side)) == 1) == (max(width, height) <= side)
    assert tiles_of(width, height, 0) == [Tile(0, 0, width, height)]


@given(lengths, lengths)
def test_the_smallest_tiles_that_a_picture_may_be_cut_into_are_the_smallest(width: int, height: int) -> None:
    side = least_side(width, height)

    assert len(tiles_of(width, height, side)) <= MOST_TILES
    assert side == 64 or len(tiles_of(width, height, side - 1)) > MOST_TILES


@given(boxes_on_pictures())
def test_a_box_that_is_cut_and_put_together_is_the_same_box(drawn: tuple[int, int, int, Box]) -> None:
    width, height, side, box = drawn

    assert found_again([LabeledBox("scratch", box)], width, height, side) == [LabeledBox("scratch", box)]


@given(pictures(), st.integers(0, 2**32))
def test_boxes_that_lie_apart_come_back_each(picture: tuple[int, int, int], seed: int) -> None:
    width, height, side = picture
    chance = random.Random(seed)
    cells = [(x, y) for x in range(0, width - 40, 40) for y in range(0, height - 40, 40)]
    boxes = [
        LabeledBox(chance.choice(["a", "b"]), Box(x + chance.randint(0, 9), y, *(chance.randint(1, 30) for _ in "wh")))
        for x, y in chance.sample(cells, min(len(cells), 6))
    ]

    assert sorted(found_again(boxes, width, height, side), key=str) == sorted(boxes, key=str)


@given(boxes_on_pictures())
def test_a_tile_has_a_box_in_its_own_pixels_and_leaves_out_what_is_mostly_outside(
    drawn: tuple[int, int, int, Box],
) -> None:
    width, height, side, box = drawn
    for tile in tiles_of(width, height, side):
        for part in cut([LabeledBox("scratch", box)], tile, side):
            within = part.box
            assert within.left >= 0 and within.left + within.width <= tile.width
            assert within.top >= 0 and within.top + within.height <= tile.height
            assert within.width >= min(box.width / 2, side // 4) and within.height >= min(box.height / 2, side // 4)


def test_a_third_of_a_small_box_is_no_box_of_a_tile_and_two_thirds_are() -> None:
    tile = Tile(0, 0, 640, 640)

    def box(left: int) -> LabeledBox:
        return LabeledBox("scratch", Box(left, 100, 30, 3))

    assert cut([box(630)], tile, 640) == ()
    assert cut([box(620)], tile, 640) == (LabeledBox("scratch", Box(620, 100, 20, 3)),)
    # Of a long one, what the next tile shows, too, is enough.
    long = LabeledBox("scratch", Box(480, 100, 2000, 3))
    assert cut([long], tile, 640) == (LabeledBox("scratch", Box(480, 100, 160, 3)),)


@given(pictures(), st.integers(2, 5), st.data())
def test_no_part_is_smaller_than_the_service_takes(
    picture: tuple[int, int, int], wide: int, data: st.DataObject
) -> None:
    width, height, side = picture
    box = Box(data.draw(st.integers(0, width - wide)), data.draw(st.integers(0, height - 2)), wide, 2)
    parts = [cut([LabeledBox("scratch", box)], tile, side) for tile in tiles_of(width, height, side)]

    least = least_box_side(min(width, side), min(height, side))
    assert all(min(part.box.width, part.box.height) >= least for found in parts for part in found)


LEFT, RIGHT = Tile(0, 0, 100, 100), Tile(75, 0, 100, 100)


def said(confidence: float, *box: float, label: str = "scratch") -> LabeledBox:
    return LabeledBox(label, Box(*box), confidence)


def test_of_two_tiles_that_see_one_thing_the_surer_one_says_where_it_is() -> None:
    found = merged([(LEFT, [said(80, 80, 40, 10, 10)]), (RIGHT, [said(90, 6, 41, 10, 10)])])

    assert found == [said(90, 81, 41, 10, 10)]


def test_the_other_tile_says_how_it_goes_on_where_the_surer_one_does_not_look() -> None:
    found = merged([(LEFT, [said(90, 60, 40, 40, 10)]), (RIGHT, [said(80, 0, 42, 60, 9)])])

    assert found == [said(90, 60, 40, 75, 10)]


def test_who_sees_all_of_a_thing_says_where_it_is_also_beside_a_surer_part_of_it() -> None:
    # A scratch that lies askew: what the left tile shows of it is lower than all of it.
    found = merged([(LEFT, [said(90, 85, 40, 15, 12)]), (RIGHT, [said(80, 10, 40, 30, 24)])])

    assert found == [said(90, 85, 40, 30, 24)]


def test_things_beside_each_other_and_things_of_two_labels_stay_apart() -> None:
    beside = [(LEFT, [said(90, 78, 10, 8, 8)]), (RIGHT, [said(80, 3, 30, 8, 8)])]
    other = [(LEFT, [said(90, 78, 10, 8, 8)]), (RIGHT, [said(80, 3, 10, 8, 8, label="dent")])]

    assert len(merged(beside)) == len(merged(other)) == 2


def test_what_one_tile_says_twice_is_two_things() -> None:
    assert len(merged([(LEFT, [said(90, 10, 10, 8, 8), said(80, 10, 10, 8, 8)])])) == 2


def test_what_is_much_less_sure_neither_stretches_nor_repeats_what_is_sure() -> None:
    found = merged([(LEFT, [said(90, 80, 40, 10, 10)]), (RIGHT, [said(4, 0, 40, 80, 10), said(5, 5, 40, 10, 10)])])

    assert said(90, 80, 40, 10, 10) in found
    assert all(one.confidence < 10 for one in found[1:])
    assert said(5, 80, 40, 10, 10) not in found


ONE, GOING_ON, OTHER = said(9, 60, 40, 40, 10), said(8, 0, 42, 60, 9), said(9, 1, 1, 5, 5)


@given(st.permutations([(LEFT, [ONE]), (RIGHT, [GOING_ON]), (LEFT, [OTHER])]))
def test_the_order_of_the_tiles_does_not_matter(found: list[tuple[Tile, list[LabeledBox]]]) -> None:
    assert merged(found) == [OTHER, said(9, 60, 40, 75, 10)]


def test_a_box_of_a_tile_is_placed_on_the_picture() -> None:
    assert placed([said(90, 1, 2, 3, 4)], RIGHT) == [said(90, 76, 2, 3, 4)]


def test_tiles_of_an_image_are_images_named_after_its_content_and_their_place() -> None:
    parts = list(tiled(image(3000, 2000, Box(10, 20, 30, 3)), 1100))

    assert len(parts) == len({part.picture for part in parts}) == 12
    assert parts[0].picture == f"prepared/d/tiles/{DIGEST}/0-0-1100-1100.png"
    assert parts[0].shown == (parts[0].picture, "")
    assert (parts[0].width, parts[0].height, parts[0].format) == (1100, 1100, "PNG")
    assert [part.boxes for part in parts if part.boxes] == [(LabeledBox("scratch", Box(10, 20, 30, 3)),)]
    assert list(trained_tiles(image(3000, 2000, Box(10, 20, 30, 3)), 1100)) == parts[:1]


def test_tiles_are_named_after_the_prepared_copy_where_there_is_one() -> None:
    copy = image(picture=f"prepared/d/{'b' * 64}.jpg", format="JPEG")

    assert next(tiled(copy, 640)).picture == f"prepared/d/tiles/{'b' * 64}/0-0-640-640.jpg"


def test_an_image_no_larger_than_a_tile_is_shown_as_it_is() -> None:
    small = image(600, 640, Box(1, 2, 3, 4))

    assert list(tiled(small, 640)) == [small]


def test_a_tile_for_which_a_call_has_no_room_without_loss_is_a_jpeg() -> None:
    assert {part.format for part in tiled(image(), 1280)} == {"JPEG"}


def test_who_asks_for_too_many_tiles_is_told_the_least_side() -> None:
    large, small = image(4096, 4096), replace(image(700, 700), key="datasets/d/train/scratch/2.png")

    (reason,) = too_many([large, small], 640)
    assert reason == (
        "datasets/d/train/scratch/1.png: more than 64 tiles of 640 px, and so many calls of the service; "
        'write "tiles": 655, or more, into dataset.json'
    )
    assert too_many([large], 655) == []


def test_a_document_without_tiles_was_about_whole_pictures() -> None:
    assert codec.read(GroundTruth, {}).tiles == codec.read(GroundTruth, {"tiles": None}).tiles == WHOLE
    assert "tiles" not in codec.plain(GroundTruth())
    assert codec.read(GroundTruth, codec.plain(GroundTruth(tiles=Tiling(640, 24)))).tiles == Tiling(640, 24)
