"""The ground truth drawn on a sample of images, one sheet a label: how a person checks what masks became."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from PIL.Image import Image as Pixels

from mlops.aws import ahead, buckets
from mlops.dataset.boxes import Box
from mlops.dataset.images import Image
from mlops.dataset.keys import path_of, run_key
from mlops.pictures.drawing import TRUTH, Mark, as_jpeg, draw, sheet
from mlops.pictures.pixels import open_picture
from mlops.stage import StageRef

# Six in two rows: wider than a page, and about a megabyte.
_TILES, _TILE_SIDE = 6, 640
# Pixels and bytes of all pictures that are drawn for a run: some half a minute, however many labels there are.
_MOST_WEIGHT = 1_000_000_000


def write_overlays(ref: StageRef, images: Sequence[Image]) -> dict[str, str]:
    """Write runs/<run_id>/overlays/<label>.jpg for every label with boxes; returns their keys by label.

    Six pictures of a label are drawn, or as many as can be read in time: a label with large pictures may have fewer,
    and where there are hundreds of such labels, some have none.
    """
    written = {}
    for label, chosen in sorted(_chosen(images).items()):
        # The next pictures are on their way while one is drawn.
        tiles = [tile for image, data in ahead.each(_read, chosen) if (tile := _tile(image, data))]
        if tiles:
            written[label] = run_key(ref.run_id, f"overlays/{label}.jpg")
            buckets.artifacts_bucket().write(written[label], as_jpeg(sheet(tiles)))
    return written


def _chosen(images: Sequence[Image]) -> dict[str, list[Image]]:
    """The pictures of each label that are drawn, from all over the dataset: every label its first, then its second."""
    by_label: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        for label in {labeled.label for labeled in image.boxes}:
            by_label[label].append(image)
    spread = {label: own[:: -(-len(own) // _TILES)] for label, own in by_label.items()}
    chosen: dict[str, list[Image]] = defaultdict(list)
    left = _MOST_WEIGHT
    for place in range(_TILES):
        turn = [(own[place], label) for label, own in spread.items() if place < len(own)]
        # The small ones first, so that as many labels as possible have their turn.
        for image, label in sorted(turn, key=lambda one: (_weight(one[0]), one[1])):
            left -= _weight(image)
            if left < 0:
                return chosen
            chosen[label].append(image)
    return chosen


def _weight(image: Image) -> int:
    return image.width * image.height + image.size


def _read(image: Image) -> bytes:
    """What the service gets of an image; nothing when S3 does not hand it out, or has it no more."""
    try:
        found = buckets.data_bucket().get(*image.shown)
    except buckets.ObjectUnreadable:
        return b""
    return bytes(found["Body"].read()) if found else b""


def _tile(image: Image, data: bytes) -> Pixels | None:
    """One drawn image; None when it was replaced or deleted in the meantime, which starts a run of its own."""
    if not data or (not image.picture and hashlib.sha256(data).hexdigest() != image.digest):
        return None
    pixels = open_picture(data, _TILE_SIDE)
    shrunk = pixels.width / image.width
    marks = [Mark(_scaled(labeled.box, shrunk), labeled.label, TRUTH) for labeled in image.boxes]
    caption = f"{path_of(image.key)}: {len(marks)} {'boxes' if len(marks) > 1 else 'box'}"
    caption = "; ".join((caption, *image.done))
    return draw(pixels, marks, caption, _TILE_SIDE)


def _scaled(box: Box, by: float) -> Box:
    return Box(box.left * by, box.top * by, box.width * by, box.height * by)
