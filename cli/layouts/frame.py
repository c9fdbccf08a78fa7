"""A picture's pixels as its file has them, and as people see them once EXIF has turned it."""

from dataclasses import dataclass

from mlops.dataset.mapping import TURNS
from mlops.pictures.masks import Pixels

Edges = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """Width and height in pixels as the file has the rows, and EXIF's orientation, 1 to 8.

    Edges are left, top, right and bottom in pixels; fractions are kept.
    """

    width: int
    height: int
    orientation: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as they are stored."""
        return self.width, self.height

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as people see it."""
        return self.size[::-1] if TURNS[self.orientation][0] else self.size

    def as_stored(self, edges: Edges) -> Edges:
        """Where something that was drawn on the upright picture lies in the stored one."""
        swap, mirror_x, mirror_y = TURNS[self.orientation]
        left, top, right, bottom = _mirrored(edges, self.upright, mirror_x, mirror_y)
        return (top, left, bottom, right) if swap else (left, top, right, bottom)

    def as_seen(self, edges: Edges) -> Edges:
        """Where something of the stored picture lies in the upright one."""
        swap, mirror_x, mirror_y = TURNS[self.orientation]
        left, top, right, bottom = edges
        turned = (top, left, bottom, right) if swap else edges
        return _mirrored(turned, self.upright, mirror_x, mirror_y)

    def pixels_as_stored(self, pixels: Pixels) -> Pixels:
        """Pixels (height, width, ...) of the upright picture in the order of the stored one."""
        swap, mirror_x, mirror_y = TURNS[self.orientation]
        mirrored = pixels[:: -1 if mirror_y else 1, :: -1 if mirror_x else 1]
        return mirrored.swapaxes(0, 1) if swap else mirrored


def _mirrored(edges: Edges, size: tuple[int, int], mirror_x: bool, mirror_y: bool) -> Edges:
    (left, top, right, bottom), (width, height) = edges, size
    left, right = (width - right, width - left) if mirror_x else (left, right)
    top, bottom = (height - bottom, height - top) if mirror_y else (top, bottom)
    return left, top, right, bottom
