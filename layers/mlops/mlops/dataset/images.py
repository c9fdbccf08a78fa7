"""The accepted images of a dataset, and the lines of a run's inventory that tell of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.keys import stem_of
from mlops.dataset.labels import NORMAL
from mlops.dataset.mapping import PictureMapping

_FACTS = (
    *("key", "etag", "digest", "width", "height", "size", "format", "uploaded_at", "version_id", "group", "picture"),
    "looks",
)


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
    group: str = ""

    @property
    def part(self) -> str:
        """The physical part: its group, or else the image itself."""
        return f"group {self.group}" if self.group else self.key

    def is_same(self, other: "Content") -> bool:
        """Whether both are the same bytes; what was written long ago has etags only, which the same bytes may lose."""
        if self.digest and other.digest:
            return self.digest == other.digest
        return self.etag == other.etag

    def as_row(self) -> dict[str, str]:
        """As it stands in the lines of results."""
        row = asdict(self)
        return row if self.group else {name: value for name, value in row.items() if name != "group"}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Content":
        """What a line of a result is about."""
        return cls(**{field.name: str(row[field.name]) for field in fields(cls) if row.get(field.name)})


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

    def as_row(self, side: str) -> dict[str, Any]:
        """The line of the inventory of a run in which it stands on `side`."""
        boxes = [{"label": labeled.label, **_sides(labeled.box)} for labeled in self.boxes]
        facts = {name: getattr(self, name) for name in _FACTS}
        row = {**facts, "labels": list(self.labels), "side": side, "boxes": boxes, "done": list(self.done)}
        if self.mapping:
            row["stored"] = [self.mapping.stored_width, self.mapping.stored_height, self.mapping.orientation]
        return row


def image_of(row: Mapping[str, Any]) -> Image:
    """The image of a line of an inventory, with the side that it had in that run.

    Lines of earlier releases have one label, which is that of all boxes.
    """
    # A rollback reads inventories that releases of years ago have written.
    labels = tuple(row["labels"]) if "labels" in row else (str(row["label"]),)
    boxes = tuple(LabeledBox(str(box.get("label", labels[0])), _box(box)) for box in row["boxes"])
    facts: dict[str, Any] = {name: row[name] for name in _FACTS if name in row}
    if "stored" in row:
        width, height, orientation = row["stored"]
        facts["mapping"] = PictureMapping(width, height, row["width"], row["height"], orientation)
    return Image(
        **{"digest": "", **facts}, labels=labels, side=str(row["side"]), boxes=boxes, done=tuple(row.get("done", ()))
    )


def _sides(box: Box) -> dict[str, float]:
    return {"left": box.left, "top": box.top, "width": box.width, "height": box.height}


def _box(row: Mapping[str, Any]) -> Box:
    return Box(row["left"], row["top"], row["width"], row["height"])
