"""A new picture is judged: prepared as the training pictures were, shown to every released task, answered once.

Where no released version runs, the picture waits in line, and `serve` is asked to look after it.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

from botocore.exceptions import ClientError
from PIL import Image

from mlops import stack
from mlops.aws import buckets, clients, messages, telemetry
from mlops.codec import Json
from mlops.dataset.dataset_json import TASKS
from mlops.dataset.keys import KeyRefused, inspected_dataset, result_key
from mlops.dataset.tiles import MOST_TILES, count_of
from mlops.events import PartInspected
from mlops.judging import verdicts
from mlops.judging.tasks import task_of
from mlops.judging.verdicts import Answer
from mlops.models import asking, projects
from mlops.models.asking import EVERYTHING, InTiles, NotRunning, Whole
from mlops.pictures.drawing import FOUND, Mark, as_jpeg, draw
from mlops.pictures.looking import MOST_BYTES_OF_A_FILE
from mlops.pictures.pixels import open_picture
from mlops.pictures.png import PictureRefused
from mlops.pictures.preparing import MOST_BYTES_IN_A_CALL, Prepared, Window, prepare, prepare_with_pixels
from mlops.pictures.statistics import looks_of, statistics_of
from mlops.records import answering, arrivals, inspections, results, runs, servings
from mlops.records.answering import Answering
from mlops.records.arrivals import Arrival
from mlops.records.inspections import Inspection
from mlops.records.releases import Release
from mlops.records.servings import Round
from mlops.rounding import reaches
from mlops.stages.choosing import reasons_to_review
from mlops.words import quoted

# An event holds 256 kB; a model may know 250 labels with names of 255 letters.
_MOST_LABELS_IN_AN_EVENT = 50


@dataclass(frozen=True)
class _Picture:
    """The bytes of an object, what the service gets of them, and that decoded.

    A whole picture has to fit into a call. `cut` is what its tiles are cut from, as large as those of training.
    """

    data: bytes
    digest: str
    prepared: Prepared
    shown: bytes
    image: Image.Image
    cut: Prepared

    def for_tiles(self, side: int) -> tuple[Prepared, Whole | InTiles]:
        """What a version is asked about that learned from tiles of so many pixels, or from whole pictures (0)."""
        if count_of(self.cut.width, self.cut.height, side) > 1:
            return self.cut, InTiles(self.cut.data or self.data, side)
        return self.prepared, Whole({"Bytes": self.shown}, self.prepared.width, self.prepared.height)


@dataclass(frozen=True)
class _Answer:
    """The inspection that counts, the picture that the models saw, where its files are to be written, and whether it is
    on this process to tell everybody."""

    inspection: Inspection
    picture: _Picture | None
    tells: bool


class _Refused(Exception):  # noqa: N818  - a refusal is a result
    """Nobody is asked about a picture; the message says why, `digest` of which bytes that is true: of none that were
    read where it is empty. `final` says that it is so whenever it is asked about the same bytes again."""

    def __init__(self, reason: str, digest: str = "", *, final: bool = True) -> None:
        super().__init__(reason)
        self.digest = digest
        self.final = final


class BeingTold(Exception):  # noqa: N818  - it passes: no fault
    """Somebody else has answered a picture, and is about to tell everybody."""


def arrival_of(event: Json) -> Arrival | None:
    """The picture that an S3 event is about, as EventBridge or `serve` delivers it; None when it is none to inspect."""
    written = event["detail"]["object"]
    key = str(written["key"])
    try:
        dataset = inspected_dataset(key)
    except KeyRefused:
        dataset = key.split("/")[1]
    if dataset is None:
        return None
    names = (str(written.get(name, "")) for name in ("version-id", "sequencer"))
    return Arrival(dataset, key, str(event["time"]), *names)


def inspect(arrival: Arrival, deadline: float, ends: int, given_up: str = "") -> None:
    """Answer a picture, once; one that was `given_up` with that reason. Raises NotRunning when it waits instead, and
    BeingTold when it has to come again.

    Who is asked has to answer until `deadline`, a time of the stack's monotonic clock; else the last error is raised.
    By `ends`, in milliseconds of Unix time, this process has ended, whatever happens to it.

    Two deliveries of one picture may run at once, and ask both: one record is written, and whoever has written it tells
    everybody. The other one ends once it has, or else comes again after the visibility timeout of the queue, which is
    longer than any function runs: both may be of one message, which is gone when either has ended well.
    """
    try:
        if given_up:
            raise _Refused(given_up, final=False)
        answer = _answered(arrival, deadline, ends)
    except _Refused as refusal:
        if not refusal.digest and _was_answered(arrival):
            # It was taken away since.
            arrivals.leave(arrival)
            return
        answer = _recorded(_refusal(arrival, refusal), None, ends)
    except NotRunning:
        _wait(arrival)
        raise
    _write_result(arrival, answer)
    if answer.tells:
        _announce(arrival, answer.inspection)
    elif not _is_told(answer.inspection):
        raise BeingTold(arrival.key)
    arrivals.leave(arrival)


def _refusal(arrival: Arrival, refusal: _Refused) -> Inspection:
    return Inspection(
        dataset=arrival.dataset,
        key=arrival.key,
        version_id=arrival.version_id,
        digest=refusal.digest or _unread(arrival),
        verdict=verdicts.UNSURE,
        reasons=(str(refusal),),
        inspected_at=runs.now(),
        refused=True,
        final=refusal.final,
    )


def _unread(arrival: Arrival) -> str:
    """What stands for the digest of a version that nobody could read."""
    return f"-{arrival.version_id}"


def _was_answered(arrival: Arrival) -> bool:
    """Whether the result that is there is about this very version, and no refusal to read it."""
    if buckets.artifacts_bucket().order_of(result_key(arrival.key)) != arrival.order:
        return False
    return inspections.find(arrival.dataset, arrival.key, _unread(arrival)) is None


def _answered(arrival: Arrival, deadline: float, ends: int) -> _Answer:
    """What is known of a picture, or what is said of it now. Raises _Refused and NotRunning."""
    began, at = stack.here().clock.monotonic(), runs.now()
    data = _read(arrival)
    digest = hashlib.sha256(data).hexdigest()
    known, same = inspections.of_bytes(arrival.dataset, arrival.key, digest)
    is_told = known is not None and known.announced and (not known.refused or _is_about(known, arrival))
    # Delivered twice, or an earlier version that comes late: what the files say is right already. A refusal gives way
    # to an answer when the picture is dropped once more, not when its event comes once more.
    if known and is_told and buckets.artifacts_bucket().order_of(result_key(arrival.key)) >= arrival.order:
        return _Answer(known, None, tells=False)
    who = answering.of(arrival.dataset)
    picture = _prepared(data, digest, who.released)
    if known and not known.refused:
        return _taken_up(known, picture, ends, again=is_told and _had_others(known))
    if not who.released:
        name = quoted(arrival.dataset)
        reason = f"nothing of {name} is released in production: approve a run, then drop it again"
        raise _Refused(reason, digest, final=False)
    inspection = _from_copy(arrival, same, who, at) or _asked(arrival, picture, who, at, began, deadline)
    return _recorded(inspection, picture, ends)


def _recorded(inspection: Inspection, picture: _Picture | None, ends: int) -> _Answer:
    """An answer that is new, or the one that somebody else has written meanwhile."""
    made = replace(inspection, busy_until=ends)
    counts = inspections.record(made)
    return _Answer(made, picture, tells=True) if counts is made else _taken_up(counts, picture, ends)


def _taken_up(known: Inspection, picture: _Picture | None, ends: int, *, again: bool = False) -> _Answer:
    """An answer that was written before, told by this process where nobody sees to that, or where it is to be told
    `again`."""
    taken = inspections.take_up(known, ends) if again or known.is_left else None
    return _Answer(taken or known, picture, tells=taken is not None)


def _is_told(inspection: Inspection) -> bool:
    """Whether everybody knows of an inspection by now."""
    if inspection.announced:
        return True
    now = inspections.find(inspection.dataset, inspection.key, inspection.digest)
    return now is None or now.announced


def _is_about(known: Inspection, arrival: Arrival) -> bool:
    """Whether an inspection is of the very version that has come."""
    return known.version_id == arrival.version_id != ""


def _had_others(known: Inspection) -> bool:
    """Whether the name of a picture whose bytes have come as a later version had others in between."""
    text = buckets.artifacts_bucket().read_if_exists(result_key(known.key))
    return text is None or json.loads(text)["digest"] != known.digest


def _read(arrival: Arrival) -> bytes:
    """The bytes of the version that came, whatever was written under its key since. Raises _Refused."""
    try:
        inspected_dataset(arrival.key)
    except KeyRefused as refusal:
        raise _Refused(str(refusal)) from refusal
    try:
        found = buckets.data_bucket().get(arrival.key, arrival.version_id)
    except buckets.ObjectUnreadable as unreadable:
        raise _Refused(f"S3 does not hand it out ({unreadable})", final=False) from unreadable
    if found is None:
        raise _Refused("it was deleted before it could be inspected", final=False)
    with closing(found["Body"]) as body:
        if int(found["ContentLength"]) > MOST_BYTES_OF_A_FILE:
            size = found["ContentLength"]
            raise _Refused(f"it has {size} bytes; at most {MOST_BYTES_OF_A_FILE} are read", str(found["ETag"]))
        return bytes(body.read())


def _prepared(data: bytes, digest: str, released: Mapping[str, Release]) -> _Picture:
    """A new picture as the pictures were prepared that the released models learned from. Raises _Refused."""
    try:
        (prepared, image), window = prepare_with_pixels(data, most_bytes=MOST_BYTES_IN_A_CALL), None
        run_ids = {task: release.run_id for task, release in released.items()}
        if prepared.bits > 8 and (named := results.window_of(run_ids)):
            window = Window(*named)
            prepared, image = prepare_with_pixels(data, window=window, most_bytes=MOST_BYTES_IN_A_CALL)
        shown, cut = prepared.data or data, prepared
        if any(release.tiles.side for release in released.values()):
            cut = prepare(data, window=window)
            if faults := _too_many_tiles(cut, released):
                raise _Refused(faults, digest, final=False)
        return _Picture(data, digest, prepared, shown, image or open_picture(shown), cut)
    except PictureRefused as refusal:
        raise _Refused(f"it {refusal}", digest) from refusal


def _too_many_tiles(cut: Prepared, released: Mapping[str, Release]) -> str:
    """Why nobody can be asked about a picture in so many tiles; empty where somebody can."""
    side = max(release.tiles.side for release in released.values())
    if (count := count_of(cut.width, cut.height, side)) <= MOST_TILES:
        return ""
    return (
        f"it has {cut.width} x {cut.height} px, which are {count} tiles of {side} px, and at most {MOST_TILES} are "
        "asked about: it is larger than the pictures of the dataset"
    )


def _from_copy(arrival: Arrival, same: Iterable[Inspection], who: Answering, at: str) -> Inspection | None:
    """What the same versions said of the same bytes under another name."""
    for other in same:
        if not other.refused and other.version_arns == who.versions:
            own = replace(other, key=arrival.key, version_id=arrival.version_id, inspected_at=at, announced=False)
            return replace(own, same_as=other.key, seconds=0.0, usd=0.0)
    return None


def _asked(arrival: Arrival, picture: _Picture, who: Answering, at: str, began: float, deadline: float) -> Inspection:
    # By the table: asking the service would be a call for each picture, and a model that has stopped says so itself.
    if not who.can_answer:
        raise NotRunning(arrival.dataset)
    released = who.released
    # All at once: a line of machines waits for the slowest, and not for one after the other.
    with ThreadPoolExecutor(len(released)) as pool:
        answers = list(pool.map(lambda item: _ask(item[0], item[1], picture, deadline), released.items()))
    verdict = verdicts.decide([answer for answer, _ in answers])
    counted = [one for answer, _ in answers for one in answer.counted]
    price = stack.here().price_of("running") * who.units
    return Inspection(
        dataset=arrival.dataset,
        key=arrival.key,
        version_id=arrival.version_id,
        digest=picture.digest,
        verdict=verdict.verdict,
        reasons=verdict.reasons,
        inspected_at=at,
        labels=tuple(one for one in counted if not one.box),
        boxes=tuple(one for one in counted if one.box),
        run_ids={task: release.run_id for task, release in released.items()},
        version_arns=who.versions,
        min_confidence={answer.task.name: _points_of(answer) for answer, _ in answers},
        not_asked=tuple(task for task in TASKS if stack.here().trains(task) and task not in released),
        seconds=round(stack.here().clock.monotonic() - began, 3),
        usd=round(sum(seconds for _, seconds in answers) / 3600 * price, 8),
        looks=looks_of(picture.image),
        statistics=statistics_of(picture.image),
    )


def _points_of(answer: Answer) -> dict[str, float]:
    """From which confidence on the labels count that were said; a model may know some hundred others."""
    return {label: answer.points[label] for label in sorted({one.label for one in answer.found} & set(answer.points))}


def _ask(task: str, release: Release, picture: _Picture, deadline: float) -> tuple[Answer, float]:
    """What a version says, and in how many seconds. Raises NotRunning, and _Refused where the service takes nothing."""
    # What was published with the release; an earlier release of this stack published none.
    points = dict(release.min_confidence) or results.operating_points(release.run_id)
    least, client = verdicts.least_confidence(points), projects.rekognition(release.version_arn)
    prepared, shown = picture.for_tiles(release.tiles.side)
    in_tiles = isinstance(shown, InTiles)
    limits: Mapping[str, float] = {} if least is None else EVERYTHING if in_tiles else {"MinConfidence": least}
    try:
        heard = asking.look(client, release.version_arn, shown, limits, deadline)
    except ClientError as error:
        if "Image" not in clients.code_of(error) and clients.code_of(error) != "InvalidParameterException":
            raise
        reason = f"Rekognition does not take it: {clients.code_of(error)}: {clients.message_of(error)}"
        raise _Refused(reason, picture.digest) from error
    # Of tiles everything was asked for.
    said = [one for one in heard.said if not in_tiles or reaches(one.confidence, least or 0.0)]
    speaker = task_of(task)
    return Answer(speaker, tuple(speaker.found(said, prepared.mapping)), points), heard.milliseconds / 1000


def _wait(arrival: Arrival) -> None:
    """Take a place in line, then see to it that somebody looks after the line."""
    # In line before anybody is asked: whoever looks after the line must find it there.
    arrivals.line_up(arrival)
    serving = servings.of(arrival.dataset)
    if serving is None or not serving.is_alive:
        messages.send_message(stack.here().serving_queue, Round(arrival.dataset, serving.hop if serving else 0))


def _write_result(arrival: Arrival, answer: _Answer) -> None:
    """The files of a key tell of the newest version that was answered, in whatever order the versions are."""
    inspection, picture = answer.inspection, answer.picture
    # A redelivery of what has been told: the files say it already.
    if inspection.announced and picture is None and not inspection.refused:
        return
    artifacts, key = buckets.artifacts_bucket(), result_key(inspection.key)
    # The same bytes may have come as an earlier version: this one is what the answer is about now.
    document = dict(replace(inspection, version_id=arrival.version_id).as_document())
    if picture and not inspection.refused:
        document["picture"] = result_key(inspection.key, ".jpg")
        artifacts.write_newest(document["picture"], _drawn(inspection, picture), arrival.order)
    artifacts.write_newest(key, buckets.as_json(document).encode(), arrival.order)


def _announce(arrival: Arrival, inspection: Inspection) -> None:
    """After the results the event, then the note that it was put: whoever dies in between begins again."""
    surest = sorted((*inspection.labels, *inspection.boxes), key=lambda one: (-one.confidence, one.label))
    labels = tuple(dict.fromkeys(one.label for one in surest))[:_MOST_LABELS_IN_AN_EVENT]
    points = {
        task: {label: of_task[label] for label in labels if label in of_task}
        for task, of_task in inspection.min_confidence.items()
    }
    messages.put_event(
        PartInspected(
            dataset=inspection.dataset,
            key=inspection.key,
            verdict=inspection.verdict,
            labels=tuple(sorted(labels)),
            version_arns=tuple(inspection.version_arns.values()),
            result=result_key(inspection.key),
            version_id=arrival.version_id,
            digest=inspection.digest,
            min_confidence=points,
            # Nobody is woken up for the many that there is no reason for.
            to_review=bool(reasons_to_review(inspection)),
        )
    )
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
