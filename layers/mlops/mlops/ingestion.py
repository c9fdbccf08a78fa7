"""Uploads and deletions become image records, and every batch asks whether the dataset has settled."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import astuple
from typing import Any

from mlops import aws, table
from mlops.image_records import write_record
from mlops.keys import NORMAL, KeyRefused, Upload, dataset_of, parse_upload
from mlops.limits import MAX_BYTES
from mlops.masks import read_mask
from mlops.pixels import PictureRefused, inspect


def record(event: Mapping[str, Any]) -> Upload | None:
    """Record one S3 event as EventBridge delivers it. Returns what was uploaded, None when it is not of a dataset."""
    written = event["detail"]["object"]
    key = str(written["key"])
    dataset = dataset_of(key)
    if dataset is None:
        return None
    gone = event["detail-type"] == "Object Deleted"
    try:
        upload = parse_upload(key)
        facts = _absent(key) if gone else _facts(upload, str(written["etag"]), int(written["size"]))
    except KeyRefused as refusal:
        upload = Upload(key, dataset, "unknown")
        facts = _absent(key) if gone else {"state": "REFUSED", "etag": written["etag"], "reason": str(refusal)}
    if facts:
        write_record(upload, facts, str(written.get("sequencer", "")))
    return upload


def announce(uploads: Iterable[Upload | None]) -> None:
    """Ask once per dataset, after the quiet time, whether anything came after this batch; at once for dataset.json."""
    urgent: dict[str, bool] = {}
    for upload in filter(None, uploads):
        urgent[upload.dataset] = urgent.get(upload.dataset, False) or upload.kind == "settings"
    for dataset, now in urgent.items():
        generation = table.increment(f"DATASET#{dataset}", "ACTIVITY", "generation")
        body = {"dataset": dataset, "generation": generation, "urgent": now, "attempt": 0}
        aws.send_message(aws.setting("SETTLE_QUEUE_URL"), body, 0 if now else int(aws.setting("SETTLE_SECONDS")))


def _facts(upload: Upload, etag: str, size: int) -> dict[str, Any] | None:
    """What is to be recorded about an object; None when the event is out of date: a newer one follows."""
    if upload.kind == "settings":
        return {"state": "ACCEPTED", "etag": etag}
    if size > MAX_BYTES:
        return {"state": "REFUSED", "etag": etag, "reason": f"has {size} bytes; at most {MAX_BYTES} are allowed"}
    found = aws.data_bucket().get(upload.key, etag)
    if found is None:
        return None
    data = found["Body"].read()
    uploaded_at = found["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.000Z")
    facts = {"etag": etag, "digest": hashlib.sha256(data).hexdigest(), "uploaded_at": uploaded_at}
    try:
        seen = _image_facts(data) if upload.kind == "image" else mask_facts(upload.label, data)
    except PictureRefused as refusal:
        return {**facts, "state": "REFUSED", "reason": str(refusal)}
    return {**facts, "state": "ACCEPTED", **seen}


def _image_facts(data: bytes) -> dict[str, Any]:
    picture = inspect(data)
    return {"width": picture.width, "height": picture.height, "size": picture.size, "format": picture.format}


def mask_facts(label: str, data: bytes) -> dict[str, Any]:
    """Width, height and boxes of a mask. Raises PictureRefused also when it says nothing, or contradicts its label."""
    least = int(aws.setting("MINIMUM_DEFECT_PIXELS"))
    mask = read_mask(data, least_pixels=least, merge_distance=int(aws.setting("MERGE_DISTANCE")))
    if label == NORMAL and mask.boxes:
        raise PictureRefused("marks a defect in an image that has none by its folder: move the image, or delete this")
    if label != NORMAL and not mask.boxes:
        what = f"marks nothing but specks below {least} pixels" if mask.specks else "is empty: it marks nothing"
        raise PictureRefused(f"{what}; mark the defect, or move the image to the folder good")
    # The table knows no floats.
    return {"width": mask.width, "height": mask.height, "boxes": [list(map(int, astuple(box))) for box in mask.boxes]}


def _absent(key: str) -> dict[str, Any] | None:
    # Removing an old version of an object that is still there is reported as a deletion, too.
    return None if aws.data_bucket().exists(key) else {"state": "DELETED"}
