"""What the bytes of an upload are: the facts of its record, and the copy that the service can take. Needs the imaging
layer."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, replace

from PIL import Image

from mlops.dataset.boxes import Box
from mlops.dataset.keys import Upload, prepared_key
from mlops.dataset.object_record import ACCEPTED, REFUSED, Edges, Record, record_for
from mlops.pictures.masks import read_mask, regions_by_colour
from mlops.pictures.perceptual import perceptual_hash, thumbnail
from mlops.pictures.png import SIGNATURE, PictureRefused
from mlops.pictures.preparing import Window, prepare
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
    """The record of an upload, and the bytes of a prepared copy, whose key it has as `picture`."""

    record: Record
    copy: bytes | None = None


def look(upload: Upload, data: bytes, rules: MaskRules, window: tuple[int, int] | None = None) -> Seen:
    """The record of an image or mask with its SHA-256 and its state: ACCEPTED with what it is, or REFUSED with the
    reason.

    `window` brings the numbers of a picture with more than eight bits to eight.
    """
    record = replace(record_for(upload), digest=hashlib.sha256(data).hexdigest())
    try:
        seen = (
            _image(upload, record, data, rules, window) if upload.kind == "image" else Seen(_mask(record, data, rules))
        )
    except PictureRefused as problem:
        return Seen(replace(record, state=REFUSED, reason=str(problem)))
    return Seen(replace(seen.record, state=ACCEPTED), seen.copy)


def _image(upload: Upload, record: Record, data: bytes, rules: MaskRules, window: tuple[int, int] | None) -> Seen:
    prepared = prepare(data, window=Window(*window) if window else None)
    shown, mapping = prepared.data or data, prepared.mapping
    looks, small = _looks(shown)
    record = replace(
        record,
        width=prepared.width,
        height=prepared.height,
        size=len(shown),
        format=_FORMATS[prepared.extension],
        looks=looks,
        thumbnail=small,
        statistics=asdict(measure(shown)),
        regions=_regions(upload, data, rules),
    )
    if prepared.data:
        digest = hashlib.sha256(prepared.data).hexdigest()
        picture = prepared_key(upload.dataset, digest, prepared.extension)
        record = replace(record, picture=picture, done=prepared.done)
    if not mapping.changes_nothing:
        # The pixels of the file, where they are not those of the copy.
        stored = (mapping.stored_width, mapping.stored_height, mapping.orientation)
        record = replace(record, stored=stored)
    if prepared.bits > 8:
        record = replace(record, bits=prepared.bits, window=window or astuple(Window.of_bits(prepared.bits)))
    return Seen(record, prepared.data)


def _regions(upload: Upload, data: bytes, rules: MaskRules) -> Mapping[str, tuple[Edges, ...]]:
    """What every colour marks, in pixels of the file, should a line of the annotation manifest name it as a mask."""
    # Only below images/ lie files of which lines tell what they are.
    if upload.side or not data.startswith(SIGNATURE):
        return {}
    try:
        found = regions_by_colour(data, least_pixels=rules.least_pixels, merge_distance=rules.merge_distance)
    except PictureRefused:
        return {}
    return {colour: tuple(map(_edges, own)) for colour, own in found.items()}


def _edges(box: Box) -> Edges:
    return int(box.left), int(box.top), int(box.width), int(box.height)


def _looks(data: bytes) -> tuple[str, str]:
    """What it looks like from afar, by which copies of one picture are found."""
    with Image.open(io.BytesIO(data)) as image:
        # A JPEG need not be unpacked whole for that.
        image.draft("L", _SHRUNK)
        return perceptual_hash(image), thumbnail(image)


def _mask(record: Record, data: bytes, rules: MaskRules) -> Record:
    mask = read_mask(data, least_pixels=rules.least_pixels, merge_distance=rules.merge_distance)
    boxes = tuple(map(_edges, mask.boxes))
    remarks = tuple(mask.remarks)
    return replace(record, width=mask.width, height=mask.height, boxes=boxes, specks=mask.specks, remarks=remarks)
