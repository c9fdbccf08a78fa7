"""SageMaker Ground Truth output manifests as Rekognition Custom Labels reads them, one JSON object a line."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from mlops.dataset.images import Image

ATTRIBUTE, BOXES = "label", "bounding-box"


def manifest_of(task: str, images: Iterable[Image], bucket: str) -> str:
    """The manifest of one side, sorted by key; ends with a newline unless empty."""
    listed = sorted(images, key=lambda image: image.key)
    class_ids = {label: index for index, label in enumerate(sorted({image.label for image in listed}))}
    write = {"classification": classification_line, "detection": detection_line}[task]
    return "".join(f"{write(image, bucket, class_ids[image.label])}\n" for image in listed)


def classification_line(image: Image, bucket: str, class_id: int) -> str:
    """One image-level label: the service reads `class-name`; the integer is required and ignored."""
    metadata = {
        "class-name": image.label,
        "confidence": 1.0,
        "type": "groundtruth/image-classification",
        "human-annotated": "yes",
        "creation-date": image.uploaded_at,
        "job-name": "labeling-job/folders",
    }
    return _line(image, bucket, ATTRIBUTE, class_id, metadata)


def detection_line(image: Image, bucket: str, class_id: int) -> str:
    """The boxes of one image, all of its label; an image without boxes is legal, and ignored by the service."""
    annotations = [{"class_id": class_id, **{n: int(v) for n, v in asdict(box).items()}} for box in image.boxes]
    metadata = {
        "objects": [{"confidence": 1}] * len(annotations),
        "class-map": {str(class_id): image.label} if annotations else {},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": image.uploaded_at,
        "job-name": "labeling-job/masks",
    }
    size = {"width": image.width, "height": image.height, "depth": 3}
    return _line(image, bucket, BOXES, {"image_size": [size], "annotations": annotations}, metadata)


def _line(image: Image, bucket: str, attribute: str, value: Any, metadata: dict[str, Any]) -> str:
    entry = {"source-ref": f"s3://{bucket}/{image.key}", attribute: value, f"{attribute}-metadata": metadata}
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))


def parse_lines(text: str) -> list[dict[str, Any]]:
    """The JSON objects of a JSON Lines text, which only a line feed divides: keys may hold other line separators."""
    return [json.loads(line) for line in text.split("\n") if line]


def labels_of(line: dict[str, Any]) -> list[str]:
    """The labels of a parsed manifest line: that of the image, or that of each box."""
    if BOXES in line:
        names = line[f"{BOXES}-metadata"]["class-map"]
        return [str(names[str(entry["class_id"])]) for entry in line[BOXES]["annotations"]]
    return [str(line[f"{ATTRIBUTE}-metadata"]["class-name"])]
