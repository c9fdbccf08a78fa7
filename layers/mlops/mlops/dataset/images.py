"""The accepted images of a dataset, and the lines of a run's inventory that tell of them."""

from dataclasses import dataclass, field, fields
from typing import Any

from mlops import codec
from mlops.codec import INLINE, SOMETIMES, Json, object_of
from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.keys import stem_of
from mlops.dataset.labels import NORMAL
from mlops.dataset.mapping import PictureMapping


@dataclass(frozen=True, slots=True)
class Content:
    """Which bytes something was said about: an image's key, and what tells its content apart from what may follow.

    `picture` is the key of the prepared copy where there is one, `group` the physical part where it is known.
    """

    key: str
    etag: str = ""
    digest: str = ""
    version_id: str = ""
    picture: str = ""
    group: str = field(default="", metadata=SOMETIMES)

    @property
    def part(self) -> str:
        """The physical part: its group, or else the image itself."""
        return f"group {self.group}" if self.group else self.key

    def is_same(self, other: "Content") -> bool:
        """Whether both are the same bytes; what was written long ago has etags only, which the same bytes may lose."""
        if self.digest and other.digest:
            return self.digest == other.digest
        return self.etag == other.etag


@dataclass(frozen=True, slots=True)
class _File:
    """What an image and its line in the inventory of a run say alike.

    `labels` are sorted, one at least. `digest` is the SHA-256 of the file. `picture` is the key of the prepared copy
    that the service gets in place of the file, empty where it takes the file itself; `width`, `height`, `size` (bytes)
    and `format` are those of what the service gets. `group` is the physical part that it shows, where that is known.
    `looks` is what it looks like from afar (`perceptual`), `done` says what the copy differs in.
    """

    key: str
    etag: str
    labels: tuple[str, ...]
    side: str
    digest: str
    width: int = 0
    height: int = 0
    size: int = 0
    format: str = ""
    uploaded_at: str = ""
    version_id: str = ""
    group: str = ""
    picture: str = ""
    looks: str = ""
    done: tuple[str, ...] = ()


_OF_FILE = tuple(one.name for one in fields(_File))


def _of_file(one: _File) -> dict[str, Any]:
    return {name: getattr(one, name) for name in _OF_FILE}


@dataclass(frozen=True, slots=True)
class Image(_File):
    """An accepted image.

    `side` is the one that its folder or its line of the manifest names, empty where neither does. The `boxes` are in
    pixels of what the service gets. `mapping` leads from the file's pixels to the copy's. `is_in_manifest`: a line of
    the annotation manifest names it. `thumbnail` is what it looks like, in more than 64 bits.
    """

    boxes: tuple[LabeledBox, ...] = ()
    mapping: PictureMapping | None = None
    is_in_manifest: bool = False
    thumbnail: str = ""

    @property
    def stem(self) -> str:
        """The name of its file without ending, by which a mask finds it."""
        return stem_of(self.key)

    @property
    def is_clean(self) -> bool:
        """Whether it shows no defect."""
        return self.labels == (NORMAL,)

    @property
    def shown(self) -> tuple[str, str]:
        """Key and version of what the service gets; a copy is named after its content and has one version."""
        return (self.picture, "") if self.picture else (self.key, self.version_id)

    @property
    def shown_digest(self) -> str:
        """The SHA-256 of what the service gets, which is a copy's name: a BMP and a TIFF may become one picture."""
        return stem_of(self.picture) if self.picture else self.digest

    @property
    def content(self) -> Content:
        """Which bytes it is."""
        return Content(self.key, self.etag, self.digest, self.version_id, self.picture, self.group)

    def drawn_on(self, width: int, height: int) -> PictureMapping | None:
        """How something of so many pixels that was drawn on the image is to be mapped; None if it was drawn on another.

        What has the size of the pixels as they are stored counts as drawn on them; upright is tried second.
        """
        mapping = self.mapping or PictureMapping(self.width, self.height, self.width, self.height)
        # As stored comes first: tools that pass over EXIF draw so, and a square picture does not tell.
        if (width, height) == (mapping.stored_width, mapping.stored_height):
            return mapping
        if (width, height) == mapping.upright:
            return PictureMapping(width, height, self.width, self.height)
        return None

    def as_row(self, side: str) -> Json:
        """The line of the inventory of a run in which it stands on `side`."""
        mapping = self.mapping
        # Without thumbnail and origin: what they decide is decided before the run is written.
        line = InventoryLine(
            **{**_of_file(self), "side": side},
            boxes=tuple(InventoryBox(labeled.box, labeled.label) for labeled in self.boxes),
            stored=(mapping.stored_width, mapping.stored_height, mapping.orientation) if mapping else None,
        )
        return object_of(line)


@dataclass(frozen=True, slots=True)
class InventoryBox:
    """A box in a line of an inventory; earlier releases of the stack gave it no label."""

    box: Box = field(metadata=INLINE)
    label: str = ""


@dataclass(frozen=True, slots=True)
class InventoryLine(_File):
    """A line of `images.jsonl`: an image as a run has it, with the side that it has there.

    `stored` has width, height and EXIF's orientation of the file, where the service gets something else.
    """

    boxes: tuple[InventoryBox, ...] = ()
    stored: tuple[int, int, int] | None = field(default=None, metadata=SOMETIMES)

    @classmethod
    def earlier(cls, row: Json) -> Json:
        """A rollback reads what releases of years ago have written: one label, which is that of all boxes."""
        labels = {} if "labels" in row else {"labels": [row["label"]]}
        return {"etag": "", "digest": "", **row, **labels}

    @property
    def image(self) -> Image:
        """The image, with the side that it had in that run."""
        boxes = (LabeledBox(one.label or self.labels[0], one.box) for one in self.boxes)
        mapping = None
        if self.stored:
            width, height, orientation = self.stored
            mapping = PictureMapping(width, height, self.width, self.height, orientation)
        return Image(**_of_file(self), boxes=tuple(boxes), mapping=mapping)


def image_of(row: Json) -> Image:
    """The image of a line of an inventory of any release."""
    return codec.read(InventoryLine, row).image
