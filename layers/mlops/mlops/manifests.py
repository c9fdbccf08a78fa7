"""SageMaker Ground Truth output manifests as Rekognition Custom Labels reads them, one JSON object a line."""

import json
from collections.abc import Iterable
from typing import Any

from mlops.splits import Image

ATTRIBUTE = "label"


def classification_line(image: Image, bucket: str, class_id: int) -> str:
    """One image-level label: the service reads `class-name`; the integer is required and ignored."""
    return json.dumps(
        {
            "source-ref": f"s3://{bucket}/{image.key}",
            ATTRIBUTE: class_id,
            f"{ATTRIBUTE}-metadata": {
                "class-name": image.label,
                "confidence": 1.0,
                "type": "groundtruth/image-classification",
                "human-annotated": "yes",
                "creation-date": image.uploaded_at,
                "job-name": "labeling-job/folders",
            },
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def classification_manifest(images: Iterable[Image], bucket: str) -> str:
    """The manifest of one side, sorted by key; ends with a newline unless empty."""
    listed = sorted(images, key=lambda image: image.key)
    class_ids = {label: index for index, label in enumerate(sorted({image.label for image in listed}))}
    return "".join(f"{classification_line(image, bucket, class_ids[image.label])}\n" for image in listed)


def parse_lines(text: str) -> list[dict[str, Any]]:
    """The JSON objects of a JSON Lines text, which only a line feed divides: keys may hold other line separators."""
    return [json.loads(line) for line in text.split("\n") if line]


def source_key(line: dict[str, Any]) -> str:
    """The object key of a parsed manifest line."""
    return str(line["source-ref"]).removeprefix("s3://").split("/", 1)[1]


def label_of_line(line: dict[str, Any], attribute: str = ATTRIBUTE) -> str:
    return str(line[f"{attribute}-metadata"]["class-name"])
