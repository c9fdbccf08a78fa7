"""What is recorded of an object of a dataset once somebody has looked at it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops.codec import SOMETIMES, called
from mlops.dataset.keys import Upload
from mlops.dataset.mapping import PictureMapping

ACCEPTED, REFUSED, DELETED = "ACCEPTED", "REFUSED", "DELETED"
# Left, top, width and height in whole pixels.
Edges = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Record:
    """The record of an object; what of it nobody knows is empty.

    `folder` is the side that the key names, `label` the label, `reason` why the object is refused. `is_unread`: S3 did
    not hand it out. `digest` is the SHA-256 of the file.

    Of pictures: `width`, `height`, `size` (bytes) and `format` of what the service gets; the key of the prepared copy
    as `picture`, and what was `done` for it; the file's own width, height and EXIF orientation as `stored`, where they
    differ; `bits` and `window` of deep pictures; `regions` by colour where it may be a mask; `looks`, `thumbnail` and
    `statistics` by name tell what looks alike. Of masks: their `boxes`, how many `specks` are none, and `remarks`.
    """

    key: str = field(metadata=called("sk"))
    kind: str = ""
    state: str = ""
    folder: str = ""
    label: str = ""
    sequencer: str = ""
    reason: str = field(default="", metadata=SOMETIMES)
    etag: str = field(default="", metadata=SOMETIMES)
    uploaded_at: str = field(default="", metadata=SOMETIMES)
    version_id: str = field(default="", metadata=SOMETIMES)
    is_unread: bool = field(default=False, metadata=SOMETIMES)
    digest: str = field(default="", metadata=SOMETIMES)
    width: int = field(default=0, metadata=SOMETIMES)
    height: int = field(default=0, metadata=SOMETIMES)
    size: int = field(default=0, metadata=SOMETIMES)
    format: str = field(default="", metadata=SOMETIMES)
    picture: str = field(default="", metadata=SOMETIMES)
    done: tuple[str, ...] = field(default=(), metadata=SOMETIMES)
    stored: tuple[int, int, int] | None = field(default=None, metadata=SOMETIMES)
    bits: int = field(default=0, metadata=SOMETIMES)
    window: tuple[int, int] | None = field(default=None, metadata=SOMETIMES)
    regions: Mapping[str, tuple[Edges, ...]] = field(default_factory=dict, metadata=SOMETIMES)
    looks: str = field(default="", metadata=SOMETIMES)
    thumbnail: str = field(default="", metadata=SOMETIMES)
    statistics: Mapping[str, float] = field(default_factory=dict, metadata=SOMETIMES)
    boxes: tuple[Edges, ...] = field(default=(), metadata=SOMETIMES)
    specks: int = field(default=0, metadata=SOMETIMES)
    remarks: tuple[str, ...] = field(default=(), metadata=SOMETIMES)

    @property
    def mapping(self) -> PictureMapping | None:
        """From the pixels of the file to those of what the service gets; None where nothing was turned or scaled."""
        if self.stored is None:
            return None
        width, height, orientation = self.stored
        return PictureMapping(width, height, self.width, self.height, orientation)


def record_for(upload: Upload) -> Record:
    """What the key of an upload says of it, before anybody has looked."""
    return Record(upload.key, upload.kind, folder=upload.side, label=upload.label)
