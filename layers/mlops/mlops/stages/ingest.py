"""Uploads and deletions become image records, and every batch asks whether the dataset has settled."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from threading import Lock

from mlops import stack
from mlops.aws import buckets
from mlops.codec import Json
from mlops.dataset.dataset_json import SettingsInvalid, parse_settings
from mlops.dataset.keys import KeyRefused, Upload, dataset_of, parse_upload, settings_key
from mlops.dataset.object_record import ACCEPTED, DELETED, REFUSED, Record, record_for
from mlops.pictures.looking import MOST_BYTES_OF_A_FILE, MaskRules, look
from mlops.records import activity, runs
from mlops.records.images import correct_record, record_of, write_record

# A batch waits for S3 and the table most of the time. Of files up to this size, in bytes, several are held at once.
_AT_ONCE, _SMALL = 6, 16_000_000
_UNPACKING = Lock()
# How long nothing must come after dataset.json: events of one moment come in any order.
COMPLETE_SECONDS = 10
_TO_THE_SECOND = len("2026-01-01T00:00:00")
# What GetObject answers, why S3 does not hand the object out, or nothing.
Found = Json | buckets.ObjectUnreadable | None


@dataclass(frozen=True)
class Arrival:
    """An upload, or a deletion, and when it happened (ISO 8601, UTC, to the second)."""

    upload: Upload
    at: str


def record_all(events: Sequence[Json]) -> Iterator[Arrival | Exception | None]:
    """Record the events of a batch, several at a time; what went wrong with one is in the place of its arrival."""
    # The first one alone: whatever they share is made then.
    yield from map(_recorded, events[:1])
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(_recorded, events[1:])


def _recorded(event: Json) -> Arrival | Exception | None:
    try:
        return record(event)
    except Exception as fault:  # whatever it is, it is that of one event
        return fault


def record(event: Json) -> Arrival | None:
    """Record one S3 event as EventBridge delivers it; None when it is not about a dataset, or changed nothing.

    An event says which object to look at, not what will be found: events come late, twice, in any order, and what is
    reported as a deletion may have brought an earlier version back.
    """
    written = event["detail"]["object"]
    key = str(written["key"])
    if dataset_of(key) is None:
        return None
    # The event says where to look; what is recorded is what lies there now.
    upload, refusal = _read(key)
    with _found(key) as found:
        if event["detail-type"] == "Object Deleted" and found and _is_recorded(key, found):
            return None
        looked = _record(upload, refusal, found)
    # S3 orders the events of one key by this number; the table refuses an older one.
    write_record(looked, str(written.get("sequencer", "")))
    return Arrival(upload, str(looked.uploaded_at or event.get("time") or runs.now())[:_TO_THE_SECOND])


def look_again(key: str, window: tuple[int, int] | None = None) -> None:
    """Correct the record of an object whose events were lost, or said something else, or that needs this window."""
    seen = record_of(key)
    # Read before looking: if an event records something meanwhile, that is newer than what is found here.
    upload, refusal = _read(key)
    with _found(key) as found:
        looked = _record(upload, refusal, found, window)
    correct_record(looked, seen)


def announce(arrivals: Iterable[Arrival | None]) -> None:
    """Ask once per dataset, after the quiet time, whether anything came after this batch.

    The quiet time is short once dataset.json has come, for whatever came before it: it says that all is there. What
    comes after it, as when a sync sends keys in an order of its own, is waited for as ever.
    """
    latest: dict[str, str] = {}
    for arrival in filter(None, arrivals):
        dataset = arrival.upload.dataset
        latest[dataset] = max(latest.get(dataset, ""), arrival.at)
        if arrival.upload.kind == "settings":
            activity.note_complete(dataset, arrival.at)
    quiet = stack.here().settle_seconds
    for dataset, at in latest.items():
        known = activity.of(dataset)
        delay = min(quiet, COMPLETE_SECONDS) if at <= known.complete_at else quiet
        activity.ask_whether_settled(dataset, delay, known)


def _read(key: str) -> tuple[Upload, KeyRefused | None]:
    try:
        return parse_upload(key), None
    except KeyRefused as refusal:
        return Upload(key, str(dataset_of(key)), refusal.kind), refusal


@contextmanager
def _found(key: str) -> Iterator[Found]:
    """The object as it is now. Its body is not read yet, and whoever does not read it gives the connection back."""
    try:
        found = buckets.data_bucket().get(key)
    except buckets.ObjectUnreadable as unreadable:
        yield unreadable
        return
    with closing(found["Body"]) if found else nullcontext():
        yield found


def _is_recorded(key: str, found: Json | buckets.ObjectUnreadable) -> bool:
    known = record_of(key)
    if known is None or isinstance(found, buckets.ObjectUnreadable):
        return False
    return known.state != DELETED and known.etag == _etag(found)


def _etag(found: Json) -> str:
    return str(found["ETag"]).strip('"')


def _record(upload: Upload, refusal: KeyRefused | None, found: Found, window: tuple[int, int] | None = None) -> Record:
    """What is to be recorded about an object as it was found; a copy that the service takes is written."""
    blank = record_for(upload)
    if found is None:
        return replace(blank, state=DELETED)
    if isinstance(found, buckets.ObjectUnreadable):
        reason = f"S3 does not hand it out ({found}): restore it or mend its encryption and rights, or upload it again"
        etag = buckets.data_bucket().etag(upload.key)
        return replace(blank, state=REFUSED, etag=etag, reason=reason, is_unread=True)
    at = found["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.000Z")
    known = replace(blank, etag=_etag(found), uploaded_at=at)
    size = int(found["ContentLength"])
    if refusal:
        return replace(known, state=REFUSED, reason=str(refusal))
    if upload.kind not in ("image", "mask"):
        return replace(known, state=ACCEPTED)
    if size > MOST_BYTES_OF_A_FILE:
        return replace(known, state=REFUSED, reason=f"has {size} bytes; at most {MOST_BYTES_OF_A_FILE} are read")
    rules = MaskRules(*stack.here().mask_limits)
    # Waiting for S3 is done together, what fills the memory one after the other.
    data = found["Body"].read() if size <= _SMALL else b""
    with _UNPACKING:
        data = data or found["Body"].read()
        seen = look(upload, data, rules, window)
        if seen.record.bits and window is None and (window := _window_of(upload.dataset)):
            seen = look(upload, data, rules, window)
    # Before the record that names it: a record must not point to what is not there.
    if seen.copy:
        buckets.data_bucket().write(seen.record.picture, seen.copy)
    version_id = str(found.get("VersionId") or "")
    return replace(seen.record, etag=known.etag, uploaded_at=known.uploaded_at, version_id=version_id)


def _window_of(dataset: str) -> tuple[int, int] | None:
    """The window that dataset.json names; what is wrong with it is told when the dataset settles."""
    try:
        return parse_settings(buckets.data_bucket().find(settings_key(dataset))).window
    except SettingsInvalid:
        return None
