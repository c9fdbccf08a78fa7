"""What the bytes of an upload are: the facts of its record, and the copy that the service can take. Needs the imaging
layer."""

import hashlib
import io
from dataclasses import astuple, dataclass
from decimal import Decimal
from typing import Any

from PIL import Image

from mlops.dataset.keys import Upload, prepared_key
from mlops.pictures.masks import read_mask, regions_by_colour
from mlops.pictures.perceptual import perceptual_hash, thumbnail
from mlops.pictures.png import SIGNATURE, PictureRefused
from mlops.pictures.preparing import Prepared, Window, prepare
from mlops.pictures.statistics import measure

# A file of this size, its pixels and its copy fit into what `ingest` has.
MOST_BYTES_OF_A_FILE = 250_000_000
_FORMATS = {"png": "PNG", "jpg": "JPEG"}
_SHRUNK = (144, 128)


@dataclass(frozen=True)
class MaskRules:
    """Regions with fewer pixels are specks, and those that are at most so many pixels apart are one."""

    least_pixels: int = 10
    merge_distance: int = 0


@dataclass(frozen=True)
class Seen:
    """The facts of a record, and the bytes of a prepared copy, whose key is in the facts as `picture`."""

    facts: dict[str, Any]
    copy: bytes | None = None


def look(upload: Upload, data: bytes, rules: MaskRules, window: tuple[int, int] | None = None) -> Seen:
    """SHA-256 and state of an image or mask: ACCEPTED with what it is, or REFUSED with the reason.

    `window` brings the numbers of a picture with more than eight bits to eight.
    """
    content = {"digest": hashlib.sha256(data).hexdigest()}
    try:
        seen = _image(upload, data, rules, window) if upload.kind == "image" else Seen(_mask(data, rules))
    except PictureRefused as problem:
        return Seen({**content, "state": "REFUSED", "reason": str(problem)})
    return Seen({**content, "state": "ACCEPTED", **seen.facts}, seen.copy)


def _image(upload: Upload, data: bytes, rules: MaskRules, window: tuple[int, int] | None) -> Seen:
    prepared = prepare(data, window=Window(*window) if window else None)
    shown = prepared.data or data
    facts: dict[str, Any] = {"width": prepared.width, "height": prepared.height, "size": len(shown)}
    facts |= {"format": _FORMATS[prepared.extension], **_looks(shown)}
    # The table knows no floats.
    facts["statistics"] = {name: Decimal(str(value)) for name, value in measure(shown).as_dict().items()}
    if prepared.data:
        digest = hashlib.sha256(prepared.data).hexdigest()
        facts |= {"picture": prepared_key(upload.dataset, digest, prepared.extension), "done": list(prepared.done)}
    return Seen(facts | _stored(prepared) | _depth(prepared, window) | _regions(upload, data, rules), prepared.data)


def _regions(upload: Upload, data: bytes, rules: MaskRules) -> dict[str, Any]:
    """What every colour marks, in pixels of the file, should a line of the annotation manifest name it as a mask."""
    # Only below images/ lie files of which lines tell what they are.
    if upload.side or not data.startswith(SIGNATURE):
        return {}
    try:
        found = regions_by_colour(data, least_pixels=rules.least_pixels, merge_distance=rules.merge_distance)
    except PictureRefused:
        return {}
    boxes = {colour: [list(astuple(box)) for box in own] for colour, own in found.items()}
    return {"regions": boxes} if boxes else {}


def _stored(prepared: Prepared) -> dict[str, Any]:
    """The pixels of the file, where they are not those of the copy: width, height, and EXIF's orientation."""
    mapping = prepared.mapping
    if mapping.changes_nothing:
        return {}
    return {"stored": [mapping.stored_width, mapping.stored_height, mapping.orientation]}


def _depth(prepared: Prepared, window: tuple[int, int] | None) -> dict[str, Any]:
    if prepared.bits <= 8:
        return {}
    used = window or astuple(Window.of_bits(prepared.bits))
    return {"bits": prepared.bits, "window": list(used)}


def _looks(data: bytes) -> dict[str, str]:
    """What it looks like from afar, by which copies of one picture are found."""
    with Image.open(io.BytesIO(data)) as image:
        # A JPEG need not be unpacked whole for that.
        image.draft("L", _SHRUNK)
        return {"looks": perceptual_hash(image), "thumbnail": thumbnail(image)}


def _mask(data: bytes, rules: MaskRules) -> dict[str, Any]:
    mask = read_mask(data, least_pixels=rules.least_pixels, merge_distance=rules.merge_distance)
    # The table knows no floats.
    boxes = [list(map(int, astuple(box))) for box in mask.boxes]
    odd = {"remarks": list(mask.remarks)} if mask.remarks else {}
    return {"width": mask.width, "height": mask.height, "boxes": boxes, "specks": mask.specks, **odd}
