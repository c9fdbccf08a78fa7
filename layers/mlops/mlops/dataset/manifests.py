"""SageMaker Ground Truth output manifests as Rekognition Custom Labels reads them, one JSON object a line."""

import json
from collections.abc import Iterable, Iterator, Mapping

from mlops.codec import Json
from mlops.dataset.images import Image
from mlops.dataset.tiles import trained_tiles

ATTRIBUTE, BOXES = "label", "bounding-box"
_SIDES = ("left", "top", "width", "height")


def manifest_lines(task: str, images: Iterable[Image], bucket: str, tiles: int = 0) -> Iterator[str]:
    """The lines of the manifest of one side, sorted by key; of `tiles` with this side in pixels that have boxes."""
    listed = sorted(images, key=lambda image: image.key)
    # Numbers depend on all labels of the side, so that the same images always give the same bytes.
    names = {label for image in listed for label in (*image.labels, *(box.label for box in image.boxes))}
    class_ids = {label: index for index, label in enumerate(sorted(names))}
    write = {"classification": classification_line, "detection": detection_line}[task]
    shown = (part for image in listed for part in trained_tiles(image, tiles)) if tiles else listed
    return (write(image, bucket, class_ids) for image in shown)


def manifest_of(task: str, images: Iterable[Image], bucket: str, tiles: int = 0) -> str:
    """The manifest of one side, sorted by key; ends with a newline unless empty."""
    return "".join(f"{line}\n" for line in manifest_lines(task, images, bucket, tiles))


def classification_line(image: Image, bucket: str, class_ids: Mapping[str, int]) -> str:
    """The labels of an image, an attribute each: the service reads `class-name`; the number is required and ignored."""
    attributes: dict[str, object] = {}
    for place, label in enumerate(image.labels):
        name = f"{ATTRIBUTE}-{place}" if place else ATTRIBUTE
        metadata = {"class-name": label, "confidence": 1.0, "type": "groundtruth/image-classification"}
        attributes |= {name: class_ids[label], f"{name}-metadata": {**metadata, **_origin(image, "folders")}}
    return _line(image, bucket, attributes)


def detection_line(image: Image, bucket: str, class_ids: Mapping[str, int]) -> str:
    """The boxes of one image; an image without boxes is legal, and ignored by the service."""
    # Ground Truth writes whole pixels, and so are boxes since they were mapped.
    annotations = [
        {"class_id": class_ids[labeled.label], **{name: int(getattr(labeled.box, name)) for name in _SIDES}}
        for labeled in image.boxes
    ]
    metadata = {
        "objects": [{"confidence": 1}] * len(annotations),
        "class-map": {str(class_ids[label]): label for label in sorted({labeled.label for labeled in image.boxes})},
        "type": "groundtruth/object-detection",
        **_origin(image, "masks"),
    }
    size = {"width": image.width, "height": image.height, "depth": 3}
    drawn = {"image_size": [size], "annotations": annotations}
    return _line(image, bucket, {BOXES: drawn, f"{BOXES}-metadata": metadata})


def _origin(image: Image, job: str) -> dict[str, str]:
    return {"human-annotated": "yes", "creation-date": image.uploaded_at, "job-name": f"labeling-job/{job}"}


def _line(image: Image, bucket: str, attributes: Json) -> str:
    entry = {"source-ref": f"s3://{bucket}/{image.shown[0]}", **attributes}
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))


def parse_lines(text: str) -> list[Json]:
    """The JSON objects of a JSON Lines text, which only a line feed divides: keys may hold other line separators."""
    return [json.loads(line) for line in text.split("\n") if line]


def labels_of(line: Json) -> list[str]:
    """The labels of a parsed manifest line: those of the image, or that of each box."""
    if BOXES in line:
        names = line[f"{BOXES}-metadata"]["class-map"]
        return [str(names[str(entry["class_id"])]) for entry in line[BOXES]["annotations"]]
    return [str(value["class-name"]) for name, value in line.items() if name.endswith("-metadata")]
