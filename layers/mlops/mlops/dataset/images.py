"""The accepted images of a dataset, and the lines of a run's inventory that tell of them."""

from dataclasses import dataclass, field

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
class Image:
    """An accepted image.

    `labels` are sorted, one at least. `side` is the one that its folder or its line of the manifest names, empty where
    neither does. `digest` is the SHA-256 of the file. `picture` is the key of the prepared copy that the service gets
    in place of the file, empty where it takes the file itself; `width`, `height`, `size` (bytes) and `format` are those
    of what the service gets, and so are the `boxes`. `mapping` leads from the file's pixels to the copy's. `group` is
    the physical part that it shows, where that is known. `is_in_manifest`: a line of the annotation manifest names it.
    `looks` and `thumbnail` are what it looks like from afar (`perceptual`), `done` says what the copy differs in.
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
    boxes: tuple[LabeledBox, ...] = ()
    group: str = ""
    picture: str = ""
    mapping: PictureMapping | None = None
    is_in_manifest: bool = False
    looks: str = ""
    thumbnail: str = ""
    done: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The name of its file without ending, by which a mask finds it."""
        return stem_of(self.key)

    @property
    def is_clean(self) -> bool:
        """Whether it shows no defect."""
        return self.labels == (NORMAL,)

    def labels_in(self, task: str) -> tuple[str, ...]:
        """The labels that a task learns from it: for detection those of its boxes, or "no defect"."""
        if task == "detection" and self.boxes:
            return tuple(sorted({labeled.label for labeled in self.boxes}))
        return self.labels

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
        if (width, height) == (mapping.stored_width, mapping.stored_height):
            return mapping
        if (width, height) == mapping.upright:
            return PictureMapping(width, height, self.width, self.height)
        return None

    def as_row(self, side: str) -> Json:
        """The line of the inventory of a run in which it stands on `side`."""
        mapping = self.mapping
        line = InventoryLine(
            key=self.key,
            etag=self.etag,
            digest=self.digest,
            width=self.width,
            height=self.height,
            size=self.size,
            format=self.format,
            uploaded_at=self.uploaded_at,
            version_id=self.version_id,
            group=self.group,
            picture=self.picture,
            looks=self.looks,
            labels=self.labels,
            side=side,
            boxes=tuple(InventoryBox(labeled.box, labeled.label) for labeled in self.boxes),
            done=self.done,
            stored=(mapping.stored_width, mapping.stored_height, mapping.orientation) if mapping else None,
        )
        return object_of(line)


@dataclass(frozen=True, slots=True)
class InventoryBox:
    """A box in a line of an inventory; earlier releases of the stack gave it no label."""

    box: Box = field(metadata=INLINE)
    label: str = ""


@dataclass(frozen=True, slots=True)
class InventoryLine:
    """A line of `images.jsonl`: an image as a run has it, with the side that it has there.

    `stored` has width, height and EXIF's orientation of the file, where the service gets something else.
    """

    key: str
    side: str
    etag: str = ""
    digest: str = ""
    width: int = 0
    height: int = 0
    size: int = 0
    format: str = ""
    uploaded_at: str = ""
    version_id: str = ""
    group: str = ""
    picture: str = ""
    looks: str = ""
    labels: tuple[str, ...] = ()
    boxes: tuple[InventoryBox, ...] = ()
    done: tuple[str, ...] = ()
    stored: tuple[int, int, int] | None = field(default=None, metadata=SOMETIMES)

    @classmethod
    def earlier(cls, row: Json) -> Json:
        """A rollback reads what releases of years ago have written: one label, which is that of all boxes."""
        return row if "labels" in row else {**row, "labels": [row["label"]]}

    @property
    def image(self) -> Image:
        """The image, with the side that it had in that run."""
        boxes = (LabeledBox(one.label or self.labels[0], one.box) for one in self.boxes)
        mapping = None
        if self.stored:
            width, height, orientation = self.stored
            mapping = PictureMapping(width, height, self.width, self.height, orientation)
        return Image(
            self.key,
            self.etag,
            labels=self.labels,
            side=self.side,
            digest=self.digest,
            width=self.width,
            height=self.height,
            size=self.size,
            format=self.format,
            uploaded_at=self.uploaded_at,
            version_id=self.version_id,
            boxes=tuple(boxes),
            group=self.group,
            picture=self.picture,
            mapping=mapping,
            looks=self.looks,
            done=self.done,
        )


def image_of(row: Json) -> Image:
    """The image of a line of an inventory of any release."""
    return codec.read(InventoryLine, row).image
