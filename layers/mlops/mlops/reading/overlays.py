"""The ground truth drawn on a sample of images, one sheet a label: how a person checks what masks became."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from PIL.Image import Image as Pixels

from mlops.aws import buckets
from mlops.dataset.images import Image
from mlops.dataset.keys import run_key
from mlops.pictures.drawing import TRUTH, Mark, as_jpeg, draw, sheet
from mlops.pictures.pixels import open_picture
from mlops.stage import StageRef

# Six in two rows: wider than a page, and about a megabyte.
_TILES, _TILE_SIDE = 6, 640


def write_overlays(ref: StageRef, images: Sequence[Image]) -> dict[str, str]:
    """Write runs/<run_id>/overlays/<label>.jpg for every label with boxes; returns their keys by label."""
    by_label: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        for label in sorted({labeled.label for labeled in image.boxes}):
            by_label[label].append(image)
    written = {}
    for label, own in sorted(by_label.items()):
        tiles = [tile for image in own[:: -(-len(own) // _TILES)] if (tile := _tile(image))]
        if tiles:
            written[label] = run_key(ref.run_id, f"overlays/{label}.jpg")
            buckets.artifacts_bucket().write(written[label], as_jpeg(sheet(tiles)))
    return written


def _tile(image: Image) -> Pixels | None:
    """One drawn image; None when it was replaced or deleted in the meantime, which starts a run of its own."""
    try:
        found = buckets.data_bucket().get(*image.shown)
    except buckets.ObjectUnreadable:
        return None
    data = found["Body"].read() if found else b""
    if not data or (not image.picture and hashlib.sha256(data).hexdigest() != image.digest):
        return None
    marks = [Mark(labeled.box, labeled.label, TRUTH) for labeled in image.boxes]
    caption = f"{image.key.split('/', 2)[2]}: {len(marks)} {'boxes' if len(marks) > 1 else 'box'}"
    caption = "; ".join((caption, *image.done))
    return draw(open_picture(data), marks, caption, _TILE_SIDE)
