"""A settled dataset becomes a run: labels, sides, manifests, and an account of what was refused."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from aws_lambda_powertools import Logger

from mlops import codec, stack
from mlops.aws import buckets, messages
from mlops.codec import Json
from mlops.dataset import datasets
from mlops.dataset.dataset_json import TASKS, SettingsInvalid, parse_settings
from mlops.dataset.datasets import Annotations, Dataset, Recorded
from mlops.dataset.images import Image
from mlops.dataset.keys import SPLITS, annotations_key, run_key, settings_key
from mlops.dataset.learning import Learning, Selection, learning_of
from mlops.dataset.manifests import manifest_lines
from mlops.dataset.splits import assign_sides, chosen_split, groups_apart, uses_folders
from mlops.dataset.tiles import Tile, Tiling, count_of, too_many
from mlops.pictures.look_alikes import look_alikes
from mlops.reading.overlays import write_overlays
from mlops.records import activity, documents, runs
from mlops.records.activity import Mending, Question
from mlops.records.contents import Contents, Entry, entries_of
from mlops.records.documents import GroundTruth, LookAlikes
from mlops.records.sides import Overtaken, Sides
from mlops.stage import StageRef
from mlops.stages import cutting, ingest
from mlops.words import counted, some

_RECHECK_SECONDS = 5
_NAMED = 5
# Refused files that the account of a run names; a list beside it names all.
_MOST_REFUSED = 1000
# Attempts that only wait, and all attempts.
_PATIENCE, _MAX_RECHECKS = 3, 60
# How long a piece goes on: a fifth of what the function has, and the last picture may take another ten seconds.
_PIECE_SECONDS = 60
_CHUNK = 1 << 20
_FACTS = (*datasets.FACTS, "bits", "is_unread")

_REFUSED = "refused.jsonl"

logger = Logger(child=True)


def settle(message: Json) -> None:
    """Start the runs of a dataset once nothing has come after this message and every object has been looked at."""
    asked = codec.read(Question, message)
    dataset, known = asked.dataset, activity.of(asked.dataset)
    # Something came after this message was sent.
    if known.generation != asked.generation:
        activity.ask_again(asked, known)
        return
    if asked.mending:
        _mend(asked, asked.mending)
        return
    contents, compared = Contents(), _Compared()
    for entry in entries_of(dataset, _FACTS, contents=contents):
        compared.take(entry)
    # The bucket is the truth, the records are what is known of it: no run starts while they differ. What S3 did not
    # hand out may have been restored since, which no event tells.
    if compared.differing or (compared.unread and not asked.attempt):
        _look_again(asked, compared)
        return
    if compared.recorded.keys - {settings_key(dataset), annotations_key(dataset)}:
        content = buckets.data_bucket().find(settings_key(dataset))
        if otherwise := compared.otherwise(_window(content, compared.bits)):
            _prepare_again(asked, *otherwise)
            return
        annotations = _annotations(dataset, compared.recorded.keys)
        settled = datasets.read(dataset, compared.recorded, content, annotations)
        if waiting := _waiting_for_tiles(settled):
            _write_tiles(asked, waiting)
            return
        start_runs(settled)
    # Last: whoever dies before it is asked again, and finds the runs that were begun.
    activity.note_settled(dataset, contents, known.generation)


@dataclass
class _Compared:
    """What is recorded of a dataset, and how far that differs from the bucket: numbers, and the first keys."""

    recorded: Recorded = field(default_factory=Recorded)
    differing: int = 0
    unread: int = 0
    bits: int = 0
    named: list[str] = field(default_factory=list)
    windows: Counter[tuple[int, int]] = field(default_factory=Counter)

    def take(self, entry: Entry) -> None:
        """Count an object or a record, and keep what a run needs of it."""
        if not entry.is_recorded:
            self.differing += 1
            self.named += [entry.key] if self.differing <= _NAMED else []
        elif entry.record:
            self.unread += entry.record.is_unread
            if entry.record.bits and entry.record.window:
                self.bits = max(self.bits, entry.record.bits)
                self.windows[entry.record.window] += 1
            if not self.differing:
                self.recorded.take(entry.record)

    def otherwise(self, window: tuple[int, int]) -> tuple[tuple[int, int], int] | None:
        """That window, and how many pictures another one brought to eight bits; None where there are none."""
        count = self.windows.total() - self.windows[window]
        return (window, count) if count else None


def _window(content: bytes | None, bits: int) -> tuple[int, int]:
    """The window that serves all of a dataset: the one of dataset.json, or else all bits that any picture uses."""
    try:
        named = parse_settings(content).window
    except SettingsInvalid:
        named = None
    return named or (0, 2**bits - 1)


def _look_again(asked: Question, compared: _Compared) -> None:
    """Wait for events that are under way; what still differs then is looked at without one.

    Raises TimeoutError when looking changes nothing.
    """
    attempt, before = asked.attempt, asked.differing or 0
    # As long as fewer differ each time, looking helps: only attempts in vain are counted.
    if attempt >= _PATIENCE and compared.differing < before:
        attempt = _PATIENCE
    if attempt >= _MAX_RECHECKS:
        raise TimeoutError(
            f"dataset {asked.dataset}: the records differ from the bucket whatever is tried: {some(compared.named)}"
        )
    again = replace(asked, attempt=attempt + 1, differing=compared.differing)
    mending = Mending(compared.differing + compared.unread, differing=attempt >= _PATIENCE, unread=attempt == 0)
    if (compared.unread and mending.unread) or mending.differing:
        _mend(again, mending)
    else:
        _ask_again(again)


def _prepare_again(asked: Question, window: tuple[int, int], count: int) -> None:
    """Prepare anew what another window than this one has prepared; raises TimeoutError when that changes nothing."""
    attempt, before = asked.attempt, count + 1 if asked.otherwise is None else asked.otherwise
    if count >= before and attempt >= _MAX_RECHECKS:
        raise TimeoutError(f"dataset {asked.dataset}: {counted(count, 'picture')} cannot be prepared as {window}")
    again = replace(asked, attempt=attempt + 1 if count >= before else attempt, otherwise=count)
    _mend(again, Mending(count, window=window))


def _mend(asked: Question, mending: Mending) -> None:
    """Look at what a message says is to be looked at, in the order of keys from where the piece before ended.

    When the time of a piece is over, a message goes on behind the last key; at the end the dataset is compared anew.
    Whatever is looked at twice, because a message came twice, is recorded once.
    """
    dataset, done, clock = asked.dataset, mending.done, stack.here().clock
    until = clock.monotonic() + _PIECE_SECONDS
    for entry in entries_of(dataset, ("bits", "window", "is_unread"), after=mending.after):
        if not _is_to_be_mended(entry, mending):
            continue
        ingest.look_again(entry.key, mending.window)
        done += 1
        if clock.monotonic() > until:
            activity.note_progress(dataset, f"looked again at {done} of {counted(mending.of, 'file')}")
            # A function ends after some minutes, however many pictures there are: a message goes on.
            further = replace(asked, mending=replace(mending, after=entry.key, done=done))
            messages.send_message(stack.here().settle_queue, further, 0)
            return
    activity.note_progress(dataset, "")
    _ask_again(replace(asked, mending=None))


def _waiting_for_tiles(dataset: Dataset) -> list[tuple[Image, list[Tile]]]:
    """The images that a run would train on in tiles which are not there yet, with these tiles."""
    learned = [learning_of(task) for task in dataset.tasks if stack.here().trains(task)]
    tiled = [learning for learning in learned if learning.tile_side(dataset.settings)]
    if not tiled or dataset.problem:
        return []
    sides = _sides(dataset)
    return [waiting for learning in tiled for waiting in _missing_tiles(learning, dataset, sides)]


def _missing_tiles(learning: Learning, dataset: Dataset, sides: Mapping[str, str]) -> list[tuple[Image, list[Tile]]]:
    side = learning.tile_side(dataset.settings)
    trained = [image for image in learning.select(dataset, sides).images if sides[image.key] != "holdout"]
    # Such a run fails with that reason: no tile is written for it.
    return [] if too_many(trained, side) else cutting.missing(dataset.name, trained, side)


def _write_tiles(asked: Question, waiting: Sequence[tuple[Image, list[Tile]]]) -> None:
    """Write tiles for as long as a piece goes on, then look at the dataset anew: what is written is found there.

    Raises TimeoutError when that changes nothing.
    """
    dataset, count = asked.dataset, len(waiting)
    is_stuck = asked.untiled is not None and count >= asked.untiled
    if is_stuck and asked.attempt >= _MAX_RECHECKS:
        raise TimeoutError(f"dataset {dataset}: tiles of {waiting[0][0].key} cannot be written, whatever is tried")
    activity.note_progress(dataset, f"cutting tiles of {counted(count, 'picture')}")
    cutting.write_some(waiting, _PIECE_SECONDS)
    activity.note_progress(dataset, "")
    again = replace(asked, attempt=asked.attempt + 1 if is_stuck else asked.attempt, untiled=count)
    messages.send_message(stack.here().settle_queue, again, 0)


def _is_to_be_mended(entry: Entry, mending: Mending) -> bool:
    if not entry.is_recorded:
        return mending.differing
    record = entry.record
    if record is None:
        return False
    if mending.window:
        return bool(record.bits) and record.window != mending.window
    return mending.unread and record.is_unread


def _ask_again(asked: Question) -> None:
    delay = min(_RECHECK_SECONDS, stack.here().settle_seconds) if asked.differing else 0
    messages.send_message(stack.here().settle_queue, asked, delay)


def _annotations(dataset: str, keys: Collection[str]) -> Annotations:
    """What the annotation manifest says; nothing where there is none."""
    found = buckets.data_bucket().get(annotations_key(dataset)) if annotations_key(dataset) in keys else None
    if found is None:
        return Annotations()
    with closing(found["Body"]) as body:
        return datasets.read_annotations(dataset, body.iter_chunks(_CHUNK), stack.here().data_bucket, keys)


def start_runs(dataset: Dataset) -> None:
    """Start a run for every task; what prevents one does not hold up the others."""
    faults = []
    for task in dataset.tasks:
        if not stack.here().trains(task):
            logger.info("this stack does not train it", dataset=dataset.name, task=task)
            continue
        try:
            start_run(dataset, task)
        # One task that cannot start must not take the other with it.
        except Exception as fault:  # raised again below, when every task had its turn
            faults.append(fault)
    if faults:
        raise ExceptionGroup(f"dataset {dataset.name}", faults)


def start_run(dataset: Dataset, task: str) -> None:
    """Write the artifacts of the run that this exact set of images is; the same set again changes nothing."""
    sides, learning = _sides(dataset), learning_of(task)
    selection = learning.select(dataset, sides)
    digest = run_digest(learning, dataset, selection, sides)
    run_id = f"{dataset.name}-{task}-{digest[:12]}"
    ref = StageRef(run_id, dataset.name, task, "ground_truth")
    # Before anything is written: whatever happens now can be found under the dataset.
    runs.create(run_id, dataset.name, task)
    # The digest is the cause: the same set of images again has nothing to do.
    if not runs.begin(ref, digest):
        return
    reasons = _reasons(learning, dataset, selection)
    tiling = _tiling(learning, dataset, selection)
    _write_manifests(ref, selection.images, sides, tiling.side)
    account = _account(ref, dataset, selection, sides, tiling, _write_refused(ref, selection.refused))
    with runs.timed(ref, "pictures"):
        overlays = write_overlays(ref, selection.images)
    outcome = runs.FAILED if reasons else runs.COMPLETED
    # Last, for its event begins the next stage: where it is, everything that it names is.
    artifact = documents.write(
        replace(account, digest=digest, outcome=outcome, reasons=tuple(reasons), overlays=overlays), run_id
    )
    if reasons:
        runs.fail(ref, reasons, artifact)
    else:
        runs.complete(ref, artifact)


def run_digest(learning: Learning, dataset: Dataset, selection: Selection, sides: Mapping[str, str]) -> str:
    """SHA-256 over what decides a training: every image with its side, the settings, and what is wrong with them.

    It is that of the JSON document [images, settings, problem, refused], which is made piece by piece.
    """
    # What the others say is in the labels, the sides and the pictures; what mistakes cost is no matter of training.
    said = {"tasks", "normal", "groups", "window", "costs"}
    if not learning.tile_side(dataset.settings):
        said.add("tiles")
    settings = {name: value for name, value in dataset.settings.as_dict().items() if name not in said}
    rest = json.dumps([settings, dataset.problem, sorted(selection.refused) if not selection.images else []])
    digest = hashlib.sha256(b"[[")
    for place, image in enumerate(selection.images):
        what = json.dumps(_what_is_trained_on(learning, image, sides[image.key]))
        digest.update(f"{', ' if place else ''}{what}".encode())
    digest.update(f"], {rest[1:]}".encode())
    return digest.hexdigest()


def _what_is_trained_on(learning: Learning, image: Image, side: str) -> tuple[Any, ...]:
    """What decides about one image. That of a usual one, a file with one label, is that of earlier releases."""
    one = image.labels[0] if len(image.labels) == 1 else ""
    facts = (image.key, image.digest, side, one or image.labels, *learning.taught(image, one))
    return (*facts, image.picture) if image.picture else facts


def _sides(dataset: Dataset) -> dict[str, str]:
    """Sides of all images. Those dealt by hash are remembered, so that an image never changes sides."""
    by_folder = uses_folders(dataset.images, dataset.settings)
    keys = frozenset(image.key for image in dataset.images)
    while True:
        remembered = Sides(dataset.name, keys)
        sides = assign_sides(dataset.images, dataset.settings, remembered.known)
        try:
            remembered.remember({i.key: sides[i.key] for i in dataset.images if not (by_folder and i.side)})
        except Overtaken:
            # Whoever dealt first is right: the others deal what is left.
            continue
        return sides


def _reasons(learning: Learning, dataset: Dataset, selection: Selection) -> list[str]:
    if dataset.problem:
        return [dataset.problem]
    first = [f"{key}: {reason}" for key, reason in list(selection.refused.items())[:_NAMED]]
    if (more := len(selection.refused) - _NAMED) > 0:
        first.append(f"and {counted(more, 'refused file')} more: {_REFUSED} names all")
    if not dataset.images:
        return ["no usable image: put pictures under train/<label>/ and test/<label>/", *first]
    objections = learning.objections(dataset, selection)
    return [*objections, *first] if objections else []


def _tiling(learning: Learning, dataset: Dataset, selection: Selection) -> Tiling:
    """How the pictures of a run are cut."""
    side, images = learning.tile_side(dataset.settings), selection.images
    if not side or not images:
        return Tiling()
    calls = sum(count_of(image.width, image.height, side) for image in images)
    return Tiling(side, -(-calls // len(images)))


def _write_manifests(ref: StageRef, images: Sequence[Image], sides: Mapping[str, str], tiles: int) -> None:
    store, bucket, learning = buckets.artifacts_bucket(), stack.here().data_bucket, learning_of(ref.task)
    for side in SPLITS:
        listed = [image for image in images if sides[image.key] == side and learning.lists(image, side)]
        # Nothing is trained on the holdout: no tile of it is written.
        lines = manifest_lines(ref.task, listed, bucket, 0 if side == "holdout" else tiles)
        store.write_lines(run_key(ref.run_id, f"manifests/{side}.manifest"), lines)
    lines = (json.dumps(image.as_row(sides[image.key]), ensure_ascii=False) for image in images)
    store.write_lines(run_key(ref.run_id, "images.jsonl"), lines)


def _write_refused(ref: StageRef, refused: Mapping[str, str]) -> str:
    """Write down every file that a run leaves out, and why; returns the key of that, empty where there is none."""
    if not refused:
        return ""
    key = run_key(ref.run_id, _REFUSED)
    lines = (json.dumps({"key": one, "reason": why}, ensure_ascii=False) for one, why in refused.items())
    buckets.artifacts_bucket().write_lines(key, lines)
    return key


def _remarks_on_sides(images: Sequence[Image], sides: Mapping[str, str]) -> list[str]:
    apart = groups_apart(images, sides)
    if not apart:
        return []
    return [f"{counted(len(apart), 'group')} of pictures of one part stand on several sides: {some(apart)}"]


def _account(
    ref: StageRef,
    dataset: Dataset,
    selection: Selection,
    sides: Mapping[str, str],
    tiling: Tiling,
    refused_list: str,
) -> GroundTruth:
    images, alike, labels_of = selection.images, look_alikes(selection.images, sides), learning_of(ref.task).labels_of
    counts = Counter((sides[image.key], label) for image in images for label in labels_of(image))
    labels = sorted({label for _, label in counts})
    return GroundTruth(
        run_id=ref.run_id,
        dataset=ref.dataset,
        task=ref.task,
        settings=dataset.settings,
        split=chosen_split(dataset.images, dataset.settings),
        label_names=dataset.label_names,
        remarks=(*dataset.remarks, *_remarks_on_sides(images, sides), *alike.remarks),
        look_alikes=LookAlikes(*alike.listed()),
        window=dataset.window,
        tiles=tiling,
        prepared=Counter(done for image in images for done in image.done),
        labels=tuple(labels),
        counts={side: {label: counts[side, label] for label in labels} for side in SPLITS},
        images=len(images),
        boxes=sum(len(image.boxes) for image in images),
        left_out_tasks=tuple(task for task in TASKS if task not in dataset.tasks),
        refused=dict(islice(selection.refused.items(), _MOST_REFUSED)),
        refused_files=len(selection.refused),
        refused_list=refused_list,
        manifests={side: run_key(ref.run_id, f"manifests/{side}.manifest") for side in SPLITS},
        inventory=run_key(ref.run_id, "images.jsonl"),
    )
