"""Labelled pictures in S3, and the manifests that list them."""

import json
import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from tests.emulator.target import BUCKET, OUTPUT

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLORS = {"ok": (40, 160, 60), "scratch": (180, 60, 40), "dent": (40, 60, 180)}


def picture(label: str, seed: int, size: tuple[int, int] = (96, 80), form: str = "PNG") -> bytes:
    """Draw a noisy picture whose colour goes with its label."""
    return _noisy(np.full((size[1], size[0], 3), COLORS.get(label, (128, 128, 128))), seed, form)


def boxed_picture(*boxes: tuple[str, int, int, int, int], seed: int = 0, size: tuple[int, int] = (96, 80)) -> bytes:
    """Draw noisy rectangles, (label, left, top, width, height), on noisy grey."""
    canvas = np.full((size[1], size[0], 3), 128)
    for label, left, top, width, height in boxes:
        canvas[top : top + height, left : left + width] = COLORS[label]
    return _noisy(canvas, seed, "PNG")


def _noisy(canvas: np.ndarray, seed: int, form: str) -> bytes:
    noise = np.random.default_rng(seed).integers(-30, 30, canvas.shape)
    buffer = BytesIO()
    Image.fromarray(np.clip(canvas + noise, 0, 255).astype(np.uint8)).save(buffer, form)
    return buffer.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Write a part of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def line(key: str, *labels: str, bucket: str = BUCKET, **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {"source-ref": f"s3://{bucket}/{key}"}
    for index, label in enumerate(labels):
        document[f"tag{index}"] = index
        document[f"tag{index}-metadata"] = {
            "class-name": label,
            "confidence": 1.0,
            "type": "groundtruth/image-classification",
            "human-annotated": "yes",
            "creation-date": "2026-03-04T10:15:00.000Z",
            **changes,
        }
    return document


def boxes_line(
    key: str, *boxes: tuple[str, float, float, float, float], size: tuple[int, int] = (96, 80), **changes: Any
) -> dict[str, Any]:
    """Describe boxes given as (label, left, top, width, height)."""
    class_ids = {label: index for index, label in enumerate(sorted({box[0] for box in boxes}))}
    return {
        "source-ref": f"s3://{BUCKET}/{key}",
        "boxes": {
            "image_size": [{"width": size[0], "height": size[1], "depth": 3}],
            "annotations": [
                {"class_id": class_ids[label], "left": left, "top": top, "width": width, "height": height}
                for label, left, top, width, height in boxes
            ],
        },
        "boxes-metadata": {
            "objects": [{"confidence": 1} for _ in boxes],
            "class-map": {str(index): label for label, index in class_ids.items()},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-03-04T10:15:00",
            "job-name": "labeling-job/boxes",
            **changes,
        },
    }


def put_manifest(s3: Any, key: str, lines: list[dict[str, Any] | str]) -> dict[str, Any]:
    """Store a manifest; return the asset that names it."""
    text = "".join(f"{entry if isinstance(entry, str) else json.dumps(entry)}\n" for entry in lines)
    s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
    return {"Assets": [{"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": key}}}]}


def put_pictures(s3: Any, folder: str, counts: dict[str, int], seed: int = 0) -> list[dict[str, Any]]:
    """Store pictures of each label; return their lines."""
    lines = []
    for label, count in counts.items():
        for number in range(count):
            key = f"{folder}/{label}/{number}.png"
            s3.put_object(Bucket=BUCKET, Key=key, Body=picture(label, seed + number))
            lines.append(line(key, label))
    return lines


def put_boxed_pictures(s3: Any, folder: str, counts: dict[str, int], seed: int = 0) -> list[dict[str, Any]]:
    """Store pictures with one object each; return their lines."""
    lines = []
    for label, count in counts.items():
        for number in range(count):
            box = (label, 20 + 3 * number, 10 + 2 * number, 30, 24)
            key = f"{folder}/{label}/{number}.png"
            s3.put_object(Bucket=BUCKET, Key=key, Body=boxed_picture(box, seed=seed + number))
            lines.append(boxes_line(key, box))
    return lines


def training_request(s3: Any, name: str, training: list[Any], testing: list[Any] | None = None) -> dict[str, Any]:
    """Store the manifests; return CreateProjectVersion's parameters without the project."""
    split = {"AutoCreate": True}
    return {
        "VersionName": name,
        "OutputConfig": {"S3Bucket": OUTPUT, "S3KeyPrefix": f"runs/{name}"},
        "TrainingData": put_manifest(s3, f"manifests/{name}/train.manifest", training),
        "TestingData": split if testing is None else put_manifest(s3, f"manifests/{name}/test.manifest", testing),
    }
