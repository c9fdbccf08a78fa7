"""A picture was inspected, and there is a reason for a person to look at it, too. Needs the imaging layer."""

import hashlib
from contextlib import closing
from dataclasses import dataclass

from PIL import Image

from mlops import stack
from mlops.aws import buckets
from mlops.dataset.keys import inspected_dataset, review_key, small_review_key
from mlops.events import PartInspected
from mlops.judging import drift
from mlops.judging.choosing import candidate, reasons_of
from mlops.judging.verdicts import Found, Verdict
from mlops.pictures.drawing import as_jpeg
from mlops.pictures.pixels import open_picture
from mlops.pictures.preparing import Window, prepare
from mlops.records import drifts, inspections, results, reviews
from mlops.records.inspections import Inspection
from mlops.records.reviews import Review

# Up to so many bytes a picture is shown as it is; else first as a copy with sides of so many pixels at most.
_FAST_BYTES, _SMALL_SIDE = 300_000, 1600


@dataclass(frozen=True)
class _Shown:
    """A picture as a browser and the models can take it, a `small` copy where it is large, and the boxes of its
    inspection in its pixels."""

    data: bytes
    small: bytes
    extension: str
    width: int
    height: int
    boxes: tuple[Found, ...]


def choose(inspected: PartInspected) -> Review | None:
    """Put an inspected picture before a person where there is a reason to; the same event again changes nothing.

    Returns the review that is new. Raises PermissionError when there is no such inspection.
    """
    inspection = _inspection_of(inspected)
    # By the record: whoever may put events could put any.
    reasons = reasons_to_review(inspection)
    if not reasons:
        return None
    place = inspection.dataset, inspection.day, candidate(inspection.digest, inspection.digest, reasons)
    # On a day with thousands that models are unsure of, few are read.
    if not reviews.has_place(*place, stack.here().reviews_per_day):
        return None
    if reviews.find(inspection.dataset, inspection.digest):
        return None
    shown = _shown(inspection, inspected.version_id)
    if shown is None or not reviews.reserve(*place, stack.here().reviews_per_day):
        return None
    picture = review_key(inspection.dataset, inspection.digest, shown.extension)
    # The copy stays what was inspected, whatever the camera writes under its name next.
    buckets.artifacts_bucket().write(picture, shown.data)
    small = small_review_key(inspection.dataset, inspection.digest) if shown.small else ""
    if small:
        buckets.artifacts_bucket().write(small, shown.small)
    # The row comes last: whoever is shown it finds its picture.
    review = Review(
        dataset=inspection.dataset,
        digest=inspection.digest,
        key=inspection.key,
        picture=picture,
        small=small,
        width=shown.width,
        height=shown.height,
        reasons=reasons,
        verdict=inspection.verdict,
        said=inspection.reasons,
        inspected_at=inspection.inspected_at,
        labels=inspection.labels,
        boxes=shown.boxes,
        run_ids=inspection.run_ids,
        fingerprint=inspection.statistics.fingerprint(inspection.looks),
    )
    return review if reviews.begin(review) else None


def reasons_to_review(inspection: Inspection) -> tuple[str, ...]:
    """Why a person is to look at an inspected picture, too; nothing for most."""
    if inspection.refused or inspected_dataset(inspection.key) != inspection.dataset:
        return ()
    return reasons_of(
        inspection.digest,
        Verdict(inspection.verdict, inspection.reasons),
        is_unlike=bool(drift.unlike(drifts.looks_lately(inspection.dataset), inspection.statistics)),
        share=stack.here().review_share,
    )


def _inspection_of(inspected: PartInspected) -> Inspection:
    """The record that an event tells of."""
    found = inspections.find(inspected.dataset, inspected.key, inspected.digest)
    if found is None:
        raise PermissionError(f"nothing is known of an inspection of {inspected.key}, which an event tells of")
    return found


def _shown(inspection: Inspection, version_id: str) -> _Shown | None:
    """The picture as it was inspected, whatever lies under its name now; None when that version is gone."""
    found = _bytes_of(inspection, version_id)
    if found is None or hashlib.sha256(found).hexdigest() != inspection.digest:
        return None
    prepared = prepare(found)
    if prepared.bits > 8 and (window := results.window_of(inspection.run_ids)):
        prepared = prepare(found, window=Window(*window))
    mapping = prepared.mapping
    boxes = [
        Found(one.label, one.confidence, mapping.box(one.box.left, one.box.top, one.box.width, one.box.height))
        for one in inspection.boxes
        if one.box
    ]
    shown = prepared.data or found
    small = _small(shown)
    return _Shown(shown, small, prepared.extension, prepared.width, prepared.height, tuple(boxes))


def _bytes_of(inspection: Inspection, version_id: str) -> bytes | None:
    """The bytes of a version; None when S3 has it no more, or does not hand it out."""
    try:
        found = buckets.data_bucket().get(inspection.key, version_id or inspection.version_id)
    except buckets.ObjectUnreadable:
        return None
    if found is None:
        return None
    with closing(found["Body"]) as body:
        return bytes(body.read())


def _small(data: bytes) -> bytes:
    """A copy for a first look; empty where the picture itself is as fast."""
    if len(data) <= _FAST_BYTES:
        return b""
    image = open_picture(data).convert("RGB")
    image.thumbnail((_SMALL_SIDE, _SMALL_SIDE), Image.Resampling.LANCZOS)
    return as_jpeg(image)
