"""A picture as overlapping tiles: how it is cut, which boxes a tile has, and how boxes of tiles become the picture's.

The service makes pictures smaller before it looks at them. In a tile of the size that it looks at nothing is lost.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, count, product
from typing import Any

from mlops.dataset.boxes import Box, LabeledBox, iou
from mlops.dataset.dataset_json import LEAST_TILE
from mlops.dataset.images import Image
from mlops.dataset.keys import dataset_of, tile_key
from mlops.words import some

# A picture is asked about while somebody waits, a few tiles a second.
MOST_TILES = 64
# Neighbours share a quarter of their side: what is not larger lies in one of them as a whole.
_SHARED = 4
# The service takes boxes of more than one pixel, also once it has made the largest tile smaller (`limits`).
_LEAST_BOX = 2
# Boxes of two tiles are one thing when they overlap by this where both tiles look. Two that answer one true box, as
# much as a right one must (half), overlap by a third.
_SAME = 0.3
# What is less sure than this share of what it overlaps adds nothing to it.
_COMPARABLE = 0.5
# A found box ends about where its thing ends: so near to the edge of its tile, as a share of it, it may go on beyond.
_AT_THE_EDGE = 0.01
# Pixels of three bytes that fit into a call of DetectCustomLabels, which takes 4 MiB, whatever they show.
_MOST_LOSSLESS_PIXELS = 1_390_000


@dataclass(frozen=True, order=True, slots=True)
class Tile:
    """A part of a picture, from (left, top) to the exclusive (left + width, top + height), in whole pixels of it."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height


@dataclass(frozen=True)
class Tiling:
    """How the pictures of a run are cut: `side` of a tile in pixels, 0 for not at all; about how many `calls` of the
    service that is for each picture."""

    side: int = 0
    calls: int = 1


# What documents of earlier releases, which say nothing of tiles, are about.
WHOLE = Tiling()


def tiles_of(width: int, height: int, side: int) -> list[Tile]:
    """The tiles of a picture of so many pixels, row by row; the whole where it is no larger than one, or `side` is 0.

    They are all of one size and cover every pixel. Neighbours share a quarter of their side at least.
    """
    if not side:
        return [Tile(0, 0, width, height)]
    across, down = _starts(width, side), _starts(height, side)
    return [Tile(left, top, min(side, width), min(side, height)) for top, left in product(down, across)]


def count_of(width: int, height: int, side: int) -> int:
    """How many tiles that are, each a call of the service."""
    return (_steps(width, side) + 1) * (_steps(height, side) + 1) if side else 1


def _steps(length: int, side: int) -> int:
    return -((side - length) // (side - _shared(side))) if length > side else 0


def _starts(length: int, side: int) -> list[int]:
    steps = _steps(length, side)
    return [number * (length - side) // steps for number in range(steps + 1)] if steps else [0]


def _shared(side: int) -> int:
    return side // _SHARED


def too_many(images: Iterable[Image], side: int) -> list[str]:
    """Why images are not cut into tiles of this side, in one reason; none where they can be."""
    large = [image for image in images if count_of(image.width, image.height, side) > MOST_TILES]
    if not large:
        return []
    sizes = {(image.width, image.height) for image in large}
    least = max(least_side(*size) for size in sizes)
    return [
        f"{some([image.key for image in large])}: more than {MOST_TILES} tiles of {side} px, and so many calls of the "
        f'service; write "tiles": {least}, or more, into dataset.json'
    ]


def least_side(width: int, height: int) -> int:
    """The side of the smallest tiles that a picture of so many pixels may be cut into."""
    return next(side for side in count(LEAST_TILE) if count_of(width, height, side) <= MOST_TILES)


def cut(boxes: Iterable[LabeledBox], tile: Tile, side: int) -> tuple[LabeledBox, ...]:
    """The boxes of a picture that a tile has, in its own pixels, cut off at its edges.

    A box that lies mostly outside is not one of them: its part in the tile must be half as wide and half as high as all
    of it, or as long as what neighbours share. So every box is in one tile at least, and its parts make up all of it.
    """
    parts = ((labeled, _part(labeled.box, tile, _shared(side))) for labeled in boxes)
    return tuple(replace(labeled, box=part) for labeled, part in parts if part)


def _part(box: Box, tile: Tile, shared: int) -> Box | None:
    left, top = max(box.left, tile.left), max(box.top, tile.top)
    right, bottom = min(box.left + box.width, tile.right), min(box.top + box.height, tile.bottom)
    if right - left < _least_part(box.width, shared) or bottom - top < _least_part(box.height, shared):
        return None
    return Box(left - tile.left, top - tile.top, right - left, bottom - top)


def _least_part(length: float, shared: int) -> float:
    return min(max(length / 2, min(_LEAST_BOX, length)), shared)


def tiled(image: Image, side: int) -> Iterator[Image]:
    """The tiles of an image as images of their own, with the keys of their copies; itself where it is no larger."""
    tiles = tiles_of(image.width, image.height, side)
    if len(tiles) == 1:
        yield image
        return
    for tile in tiles:
        part = replace(image, picture=key_of(image, tile), boxes=cut(image.boxes, tile, side), mapping=None)
        # How many bytes it has is not known: never more than a call takes, which is less than training takes.
        yield replace(part, width=tile.width, height=tile.height, size=0, format=format_of(image.format, tile))


def trained_tiles(image: Image, side: int) -> Iterator[Image]:
    """Those that a detector learns from: the service takes no pictures without boxes."""
    return (part for part in tiled(image, side) if part.boxes)


def key_of(image: Image, tile: Tile) -> str:
    """Where the copy of a tile lies: it is named after the content that it is cut from, and never changes."""
    place = f"{tile.left}-{tile.top}-{tile.width}-{tile.height}"
    extension = {"JPEG": "jpg", "PNG": "png"}[format_of(image.format, tile)]
    return tile_key(str(dataset_of(image.key)), image.shown_digest, place, extension)


def format_of(format: str, tile: Tile) -> str:
    """How a tile of a picture in a format is encoded: without loss where the picture is and a call has room for it."""
    return "PNG" if format == "PNG" and tile.width * tile.height <= _MOST_LOSSLESS_PIXELS else "JPEG"


def placed(boxes: Iterable[LabeledBox], tile: Tile) -> list[LabeledBox]:
    """Boxes in pixels of a tile as boxes in pixels of the picture."""
    return [
        replace(one, box=replace(one.box, left=one.box.left + tile.left, top=one.box.top + tile.top)) for one in boxes
    ]


@dataclass(frozen=True)
class _Seen:
    """A box in pixels of the picture, the tile that it was found in, and whether it is cut off where the tile ends and
    the picture goes on."""

    labeled: LabeledBox
    tile: Tile
    is_cut: bool

    @property
    def order(self) -> tuple[Any, ...]:
        return -self.labeled.confidence, self.labeled.box, self.tile


def merged(found: Iterable[tuple[Tile, Sequence[LabeledBox]]]) -> list[LabeledBox]:
    """What was found in the tiles of a picture, in pixels of each tile, as boxes of the picture, surest first.

    Two boxes of a label are one thing when they agree in what both tiles show. The surest tile that shows all of it
    says where it is; where none does, the surest, and the others only how it goes on where that one could not look.
    What is much less sure than what it agrees with is left out. Confidences may be on any scale.
    """
    by_tile = [(tile, placed(boxes, tile)) for tile, boxes in found]
    ends = _ends([tile for tile, _ in by_tile])
    by_label: dict[str, list[_Seen]] = defaultdict(list)
    for tile, boxes in by_tile:
        for one in boxes:
            by_label[one.label].append(_Seen(one, tile, _is_cut(one.box, tile, ends)))
    things = (thing for seen in by_label.values() for thing in _things(sorted(seen, key=lambda one: one.order)))
    return sorted(things, key=lambda one: (-one.confidence, one.label, one.box))


def _ends(tiles: Sequence[Tile]) -> tuple[float, ...]:
    """The edges of all that was looked at."""
    each = list(zip(*map(_edges, tiles), strict=True)) if tiles else [(0.0,)] * 4
    return min(each[0]), min(each[1]), max(each[2]), max(each[3])


def _is_cut(box: Box, tile: Tile, ends: Sequence[float]) -> bool:
    """Whether a box reaches an edge of its tile beyond which the picture goes on."""
    near = _AT_THE_EDGE * max(tile.width, tile.height)
    sides = zip(_edges(box), _edges(tile), ends, strict=True)
    return any(abs(side - edge) <= near and edge != end for side, edge, end in sides)


def _things(seen: Sequence[_Seen]) -> Iterator[LabeledBox]:
    """One box for each thing, from those of one label, surest first."""
    first = list(range(len(seen)))

    def root(number: int) -> int:
        while first[number] != number:
            number = first[number]
        return number

    # A second look at a thing is not a second thing, however unsure it is.
    fainter = set()
    for surer, other in _agreeing(seen):
        if seen[other].labeled.confidence >= _COMPARABLE * seen[surer].labeled.confidence:
            kept, joining = sorted((root(surer), root(other)))
            first[joining] = kept
        else:
            fainter.add(other)
    groups: dict[int, list[_Seen]] = defaultdict(list)
    for number, one in enumerate(seen):
        groups[root(number)].append(one)
    yield from (_joined(own) for number, own in groups.items() if number not in fainter)


def _agreeing(seen: Sequence[_Seen]) -> Iterator[tuple[int, int]]:
    """Pairs of numbers, the surer one first, of boxes of two tiles that lie on one place where both tiles look."""
    by_tile: dict[Tile, list[int]] = defaultdict(list)
    for number, one in enumerate(seen):
        by_tile[one.tile].append(number)
    for tile, neighbour in combinations(sorted(by_tile), 2):
        if shared := _common(Box(tile.left, tile.top, tile.width, tile.height), neighbour):
            parts = [
                [(number, part) for number in by_tile[own] if (part := _common(seen[number].labeled.box, shared))]
                for own in (tile, neighbour)
            ]
            for (number, part), (other, counterpart) in product(*parts):
                if iou(part, counterpart) >= _SAME:
                    yield min(number, other), max(number, other)


def _common(box: Box, area: Box | Tile) -> Box | None:
    left, top = max(box.left, area.left), max(box.top, area.top)
    right, bottom = min(box.left + box.width, area.left + area.width), min(box.top + box.height, area.top + area.height)
    return Box(left, top, right - left, bottom - top) if right > left and bottom > top else None


def _joined(seen: Sequence[_Seen]) -> LabeledBox:
    """The box of one thing, by the boxes of it, surest first.

    Who sees all of it says where it is. A part of what lies askew is lower or narrower than the same part of its box.
    """
    whole = next((one for one in seen if not one.is_cut), None)
    if whole:
        return replace(seen[0].labeled, box=whole.labeled.box)
    left, top, right, bottom = _edges(seen[0].labeled.box)
    looked: tuple[float, ...] = _edges(seen[0].tile)
    for one in seen[1:]:
        # Only beyond what was looked at so far it has something to say.
        edges, tile = _edges(one.labeled.box), _edges(one.tile)
        left, top = edges[0] if edges[0] < looked[0] else left, edges[1] if edges[1] < looked[1] else top
        right, bottom = edges[2] if edges[2] > looked[2] else right, edges[3] if edges[3] > looked[3] else bottom
        looked = (*map(min, looked[:2], tile[:2]), *map(max, looked[2:], tile[2:]))
    return replace(seen[0].labeled, box=Box(left, top, right - left, bottom - top))


def _edges(area: Box | Tile) -> tuple[float, float, float, float]:
    return area.left, area.top, area.left + area.width, area.top + area.height
