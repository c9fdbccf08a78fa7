"""What the bytes of an upload are: the facts of its record. Needs the imaging layer."""

import hashlib
from dataclasses import astuple, dataclass
from typing import Any

from mlops.dataset.keys import Upload
from mlops.pictures.masks import read_mask
from mlops.pictures.pixels import inspect
from mlops.pictures.png import PictureRefused


@dataclass(frozen=True)
class MaskRules:
    """Regions with fewer pixels are specks, and those that are at most so many pixels apart are one."""

    least_pixels: int = 10
    merge_distance: int = 0


def facts_of(upload: Upload, data: bytes, rules: MaskRules) -> dict[str, Any]:
    """SHA-256 and state of an image or mask: ACCEPTED with what it is, or REFUSED with the reason."""
    content = {"digest": hashlib.sha256(data).hexdigest()}
    try:
        seen = _image(data) if upload.kind == "image" else _mask(data, rules)
    except PictureRefused as problem:
        return {**content, "state": "REFUSED", "reason": str(problem)}
    return {**content, "state": "ACCEPTED", **seen}


def _image(data: bytes) -> dict[str, Any]:
    picture = inspect(data)
    return {"width": picture.width, "height": picture.height, "size": picture.size, "format": picture.format}


def _mask(data: bytes, rules: MaskRules) -> dict[str, Any]:
    mask = read_mask(data, least_pixels=rules.least_pixels, merge_distance=rules.merge_distance)
    # The table knows no floats.
    boxes = [list(map(int, astuple(box))) for box in mask.boxes]
    odd = {"remarks": list(mask.remarks)} if mask.remarks else {}
    return {"width": mask.width, "height": mask.height, "boxes": boxes, "specks": mask.specks, **odd}
