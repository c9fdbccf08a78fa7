"""A new picture is judged: prepared as the training pictures were, shown to every released task, answered once.

Where no released version runs, the picture waits in line, and `serve` is asked to look after it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError
from PIL import Image

from mlops import stack
from mlops.aws import buckets, clients, messages, telemetry
from mlops.dataset.boxes import Box
from mlops.dataset.keys import KeyRefused, inspected_dataset, result_key
from mlops.events import PartInspected
from mlops.judging import verdicts
from mlops.judging.verdicts import Answer, Found
from mlops.models import asking
from mlops.models.asking import NotRunning
from mlops.pictures.drawing import FOUND, Mark, as_jpeg, draw
from mlops.pictures.looking import MOST_BYTES_OF_A_FILE
from mlops.pictures.pixels import open_picture
from mlops.pictures.png import PictureRefused
from mlops.pictures.preparing import MOST_BYTES_IN_A_CALL, Prepared, Window, prepare
from mlops.pictures.statistics import looks_of, statistics_of
from mlops.records import arrivals, inspections, kept_models, releases, results, servings
from mlops.records.arrivals import Arrival
from mlops.records.inspections import Inspection
from mlops.records.releases import Release
from mlops.words import quoted


@dataclass(frozen=True)
class _Picture:
    """The bytes of an object, what the service gets of them, and that decoded."""

    data: bytes
    digest: str
    prepared: Prepared
    shown: bytes
    image: Image.Image


class _Refused(Exception):  # noqa: N818  - a refusal is a result
    """Nobody is asked about a picture; the message says why, `digest` of which bytes that is true."""

    def __init__(self, reason: str, digest: str = "") -> None:
        super().__init__(reason)
        self.digest = digest


def arrival_of(event: Mapping[str, Any]) -> Arrival | None:
    """The picture that an S3 event is about, as EventBridge or `serve` delivers it; None when it is none to inspect."""
    written = event["detail"]["object"]
    key = str(written["key"])
    try:
        dataset = inspected_dataset(key)
    except KeyRefused:
        dataset = key.split("/")[1]
    return Arrival(dataset, key, str(event["time"]), str(written.get("version-id", ""))) if dataset else None


def inspect(arrival: Arrival, given_up: str = "") -> None:
    """Answer a picture, once; one that was `given_up` with that reason. Raises NotRunning when it waits instead."""
    try:
        if given_up:
            raise _Refused(given_up)
        inspection, picture = _answered(arrival)
    except _Refused as refusal:
        if not refusal.digest and _has_result(arrival):
            # It was answered before, and taken away.
            arrivals.leave(arrival)
            return
        inspection, picture = inspections.record(_refusal(arrival, refusal)), None
    except NotRunning:
        _wait(arrival)
        raise
    if not _is_told(inspection):
        _announce(inspection, picture)
    arrivals.leave(arrival)


def _refusal(arrival: Arrival, refusal: _Refused) -> Inspection:
    return Inspection(
        dataset=arrival.dataset,
        key=arrival.key,
        digest=refusal.digest or f"-{arrival.version_id}",
        verdict=verdicts.UNSURE,
        reasons=(str(refusal),),
        inspected_at=inspections.now(),
        refused=True,
    )


def _answered(arrival: Arrival) -> tuple[Inspection, _Picture | None]:
    """The inspection that counts, and the picture that the models saw. Raises _Refused and NotRunning."""
    began, at = stack.here().clock.monotonic(), inspections.now()
    data = _read(arrival)
    digest = hashlib.sha256(data).hexdigest()
    known = inspections.find(arrival.dataset, arrival.key, digest)
    if known and not known.refused and _is_told(known):
        return known, None
    released = releases.in_production(arrival.dataset)
    picture = _prepared(data, digest, released)
    if known and not known.refused:
        return known, picture
    if not released:
        name = quoted(arrival.dataset)
        raise _Refused(f"nothing of {name} is released in production: approve a run, then drop it again", digest)
    inspection = _from_copy(arrival, digest, released, at) or _asked(arrival, picture, released, at, began)
    return inspections.record(inspection), picture


def _read(arrival: Arrival) -> bytes:
    try:
        inspected_dataset(arrival.key)
    except KeyRefused as refusal:
        raise _Refused(str(refusal)) from refusal
    try:
        found = buckets.data_bucket().get(arrival.key)
    except buckets.ObjectUnreadable as unreadable:
        raise _Refused(f"S3 does not hand it out ({unreadable})") from unreadable
    if found is None:
        raise _Refused("it was deleted before it could be inspected")
    with closing(found["Body"]) as body:
        if int(found["ContentLength"]) > MOST_BYTES_OF_A_FILE:
            size = found["ContentLength"]
            raise _Refused(f"it has {size} bytes; at most {MOST_BYTES_OF_A_FILE} are read", str(found["ETag"]))
        return bytes(body.read())


def _prepared(data: bytes, digest: str, released: Mapping[str, Release]) -> _Picture:
    """A new picture as the pictures were prepared that the released models learned from. Raises _Refused."""
    try:
        prepared = prepare(data, most_bytes=MOST_BYTES_IN_A_CALL)
        runs = {task: release.run_id for task, release in released.items()}
        if prepared.bits > 8 and (window := results.window_of(runs)):
            prepared = prepare(data, window=Window(*window), most_bytes=MOST_BYTES_IN_A_CALL)
        shown = prepared.data or data
        return _Picture(data, digest, prepared, shown, open_picture(shown))
    except PictureRefused as refusal:
        raise _Refused(f"it {refusal}", digest) from refusal


def _from_copy(arrival: Arrival, digest: str, released: Mapping[str, Release], at: str) -> Inspection | None:
    """What the same versions said of the same bytes under another name."""
    versions = {task: release.version_arn for task, release in released.items()}
    for other in inspections.of_bytes(arrival.dataset, digest):
        if not other.refused and other.version_arns == versions:
            own = replace(other, key=arrival.key, inspected_at=at, announced=False)
            return replace(own, same_as=other.key, seconds=0.0, usd=0.0)
    return None


def _asked(arrival: Arrival, picture: _Picture, released: Mapping[str, Release], at: str, began: float) -> Inspection:
    versions = {task: release.version_arn for task, release in released.items()}
    serving = servings.of(arrival.dataset)
    running = {*(serving.ready if serving else ()), *kept_models.kept()}
    if not running.issuperset(versions.values()):
        raise NotRunning(arrival.dataset)
    with ThreadPoolExecutor(len(released)) as pool:
        answers = list(pool.map(lambda item: _ask(item[0], item[1], picture), released.items()))
    verdict = verdicts.decide([answer for answer, _ in answers])
    counted = {answer.task: answer.counted for answer, _ in answers}
    price = stack.here().price_of("running") * (serving.units if serving else 1)
    return Inspection(
        dataset=arrival.dataset,
        key=arrival.key,
        digest=picture.digest,
        verdict=verdict.verdict,
        reasons=verdict.reasons,
        inspected_at=at,
        labels=counted.get("classification", ()),
        boxes=counted.get("detection", ()),
        run_ids={task: release.run_id for task, release in released.items()},
        version_arns=versions,
        seconds=round(stack.here().clock.monotonic() - began, 3),
        usd=round(sum(seconds for _, seconds in answers) / 3600 * price, 8),
        looks=looks_of(picture.image),
        statistics=statistics_of(picture.image),
    )


def _ask(task: str, release: Release, picture: _Picture) -> tuple[Answer, float]:
    """What a version says, and in how many seconds. Raises NotRunning, and _Refused where the service takes nothing."""
    # What was published with the release; an earlier release of this stack published none.
    points = dict(release.min_confidence) or results.operating_points(release.run_id)
    began = stack.here().clock.monotonic()
    try:
        said = asking.ask(release.version_arn, picture.shown, verdicts.least_confidence(points))
    except ClientError as error:
        if "Image" not in clients.code_of(error) and clients.code_of(error) != "InvalidParameterException":
            raise
        reason = f"Rekognition does not take it: {clients.code_of(error)}: {clients.message_of(error)}"
        raise _Refused(reason, picture.digest) from error
    found = _found(said, picture.prepared) if task == "detection" else _labels(said)
    return Answer(task, tuple(found), points), stack.here().clock.monotonic() - began


def _labels(said: list[Mapping[str, Any]]) -> Iterator[Found]:
    for label in said:
        yield Found(str(label["Name"]), round(float(label["Confidence"]), 4))


def _found(said: list[Mapping[str, Any]], prepared: Prepared) -> Iterator[Found]:
    """Boxes in whole pixels of the original."""
    for label in said:
        if "Geometry" in label:
            drawn = label["Geometry"]["BoundingBox"]
            left, width = drawn["Left"] * prepared.width, drawn["Width"] * prepared.width
            top, height = drawn["Top"] * prepared.height, drawn["Height"] * prepared.height
            box = prepared.mapping.back(Box(left, top, max(width, 0.01), max(height, 0.01)))
            yield Found(str(label["Name"]), round(float(label["Confidence"]), 4), box)


def _wait(arrival: Arrival) -> None:
    """Take a place in line, then see to it that somebody looks after the line."""
    arrivals.line_up(arrival)
    serving = servings.of(arrival.dataset)
    if serving is None or not serving.is_alive:
        body = {"dataset": arrival.dataset, "hop": serving.hop if serving else 0}
        messages.send_message(stack.here().serving_queue, body)


def _is_told(inspection: Inspection) -> bool:
    """Whether everybody knows of an inspection, and its result is the one that stands under its name.

    Other bytes may have had that name in between.
    """
    text = buckets.artifacts_bucket().read_if_exists(result_key(inspection.key)) if inspection.announced else None
    return text is not None and json.loads(text)["digest"] == inspection.digest


def _has_result(arrival: Arrival) -> bool:
    return buckets.artifacts_bucket().find(result_key(arrival.key)) is not None


def _announce(inspection: Inspection, picture: _Picture | None) -> None:
    """Results first, then the event, then the note that it was put: whoever dies in between begins again."""
    artifacts, key = buckets.artifacts_bucket(), result_key(inspection.key)
    document = inspection.as_document()
    if picture and not inspection.refused:
        document["picture"] = result_key(inspection.key, ".jpg")
        artifacts.write(document["picture"], _drawn(inspection, picture))
    artifacts.write_json(key, document)
    labels = tuple(sorted({found.label for found in (*inspection.labels, *inspection.boxes)}))
    arns = tuple(inspection.version_arns.values())
    place = {"dataset": inspection.dataset, "key": inspection.key, "result": key}
    messages.put_event(PartInspected(**place, verdict=inspection.verdict, labels=labels, version_arns=arns))
    # Last what says that all is done: without the note of an answer nobody would write it into the file of its day.
    servings.note_answer(inspection.dataset)
    inspections.note_announced(inspection)
    telemetry.part_inspected(inspection.dataset, inspection.key, inspection.verdict)


def _drawn(inspection: Inspection, picture: _Picture) -> bytes:
    """The picture as the models saw it, upright, with the boxes on it."""
    labels = ", ".join(f"{found.label} {found.confidence:.1f}" for found in inspection.labels)
    caption = " - ".join(filter(None, (inspection.verdict, labels, inspection.path)))
    return as_jpeg(draw(picture.image, list(_marks(inspection, picture.prepared)), caption))


def _marks(inspection: Inspection, prepared: Prepared) -> Iterator[Mark]:
    for found in inspection.boxes:
        if box := found.box:
            drawn = prepared.mapping.box(box.left, box.top, box.width, box.height)
            yield Mark(drawn, f"{found.label} {found.confidence:.1f}", FOUND)
