"""Real inference on images the version has not seen, the same in every environment and for every task.

A test of thousands of images takes longer than a function may run: it goes on in pieces, each of which leaves what was
said where the next one, or a second attempt, finds it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mlops import codec, stack
from mlops.aws import buckets, clients, messages
from mlops.dataset.images import Image
from mlops.dataset.keys import run_key
from mlops.dataset.tiles import Tiling, count_of
from mlops.events import ModelStatusChange
from mlops.judging import comparison, inference, mistakes, tasks
from mlops.judging.answers import GONE, Answer, Call, CallLine
from mlops.judging.classification import takes_all
from mlops.judging.comparison import Comparison
from mlops.judging.evaluation import Evaluation
from mlops.judging.inference import Limits, Points
from mlops.judging.tasks import Task
from mlops.models import asking, lifecycle, projects
from mlops.models.asking import CALLS_AT_ONCE, InTiles, NotRunning, Whole
from mlops.pictures.png import PictureRefused
from mlops.reading import gallery
from mlops.records import costs, documents, images, leases, releases, results, runs
from mlops.records.documents import InferenceTest
from mlops.records.leases import Lease
from mlops.stage import StageRef
from mlops.words import counted

# So many calls are made, and written then: minutes at the slowest, which a function has left when it begins another.
_PIECE = 300


def test(version_arn: str, has_time: Callable[[], bool] = lambda: True) -> None:
    """Test a running version and end the stage, or go on later where `has_time` says that this function has not enough.

    The version is stopped whatever happens, unless the test goes on, or it passed and is to stay.
    """
    lease = leases.of(version_arn)
    # Somebody started the model by hand, or for inspections, or the test is over: there is nothing to test for.
    if lease is None or lease.is_for_inspection:
        return
    # What is tested is in the lease, whatever the event says.
    ref = lease.ref.at("inference_test")
    if not runs.begin(ref, lease.lease_id):
        return
    result: InferenceTest | None = None
    stays = False
    try:
        result = _tested_before(ref, lease.lease_id) or _tested(ref, lease, has_time)
        stays = result is None or (not result.judged.reasons and stack.here().is_wanted(ref.environment))
    finally:
        if not stays:
            # It may be starting once more, for a test that was answered before its function died: the sweeper stops it.
            lifecycle.stop(version_arn)
    if result is None:
        return
    costs.note_test(ref, lease)
    with runs.timed(ref, "pictures"):
        gallery.write(result.gallery, _recorded(ref))
    _end(ref, result)
    if not stays:
        # Last: until then a redelivery finds what the start was for.
        leases.give_back(version_arn, lease.lease_id)


def end_late(run_id: str, environment: str) -> None:
    """End a stage whose result is there: its function died between the event about it and its end.

    By then whoever heard of the event may have released the version, and given its lease back.
    """
    known = runs.find(run_id)
    if known is None:
        return
    ref = StageRef(run_id, known.dataset, known.task, "inference_test", environment)
    stage = runs.stage_of(ref)
    if stage is None or stage.has_ended or (result := _tested_before(ref, stage.cause)) is None:
        return
    _end(ref, result)


def _end(ref: StageRef, result: InferenceTest) -> None:
    if result.judged.reasons:
        runs.fail(ref, result.judged.reasons, results.key_of(ref))
    else:
        runs.complete(ref, results.key_of(ref))


def _tested_before(ref: StageRef, lease_id: str) -> InferenceTest | None:
    """The result of a delivery that died after it had written it."""
    result = documents.find_test(ref.run_id, ref.environment)
    return result if result and result.lease_id == lease_id else None


def _recorded(ref: StageRef) -> Iterator[Answer]:
    return map(_task(ref).read, results.answers(ref.run_id, ref.environment))


def _task(ref: StageRef) -> Task[Any]:
    return tasks.task_of(ref.task, stack.here().match_iou)


def _tested(ref: StageRef, lease: Lease, has_time: Callable[[], bool]) -> InferenceTest | None:
    """The result; None where the test goes on later."""
    test = _Test(ref, lease)
    known = test.asked_pieces()
    left = [number for number in range(len(test.pieces)) if number not in known]
    failed = 0
    for number in left:
        if lease.is_over:
            break
        failed = test.ask(number)
        known.add(number)
        # A model that answers nothing any more is not asked thousands of times.
        if failed == len(test.pieces[number]):
            break
        if len(test.pieces) > 1 and not has_time():
            test.go_on_later(sum(len(test.pieces[piece]) for piece in known))
            return None
    return test.judge(sorted(known))


@dataclass(frozen=True)
class _Test:
    """The test of a version under a lease: what is asked, and what was said."""

    ref: StageRef
    lease: Lease

    @cached_property
    def task(self) -> Task[Any]:
        return _task(self.ref)

    @cached_property
    def _chosen(self) -> tuple[list[Image], str]:
        inventory = map(json.loads, buckets.artifacts_bucket().lines(run_key(self.ref.run_id, "images.jsonl")))
        return inference.choose(self.task, inventory, stack.here().test_images_per_label)

    @property
    def images(self) -> list[Image]:
        return self._chosen[0]

    @cached_property
    def tiling(self) -> Tiling:
        """As the pictures were cut that it learned from, whatever dataset.json says by now."""
        return results.ground_truth(self.ref.run_id).tiles

    @cached_property
    def pieces(self) -> list[list[Image]]:
        pieces: list[list[Image]] = []
        left = 0
        for image in self.images:
            calls = count_of(image.width, image.height, self.tiling.side)
            if calls > left:
                pieces.append([])
                left = _PIECE
            pieces[-1].append(image)
            left -= calls
        return pieces

    @cached_property
    def points(self) -> Points:
        return Points.of(documents.find(Evaluation, self.ref.run_id))

    def asked_pieces(self) -> set[int]:
        """Which pieces were asked about under this lease."""
        listed = buckets.artifacts_bucket().list(results.pieces_prefix(self.ref, self.lease.lease_id))
        return {int(key.rsplit("/", 1)[1].split(".")[0]) for key, _ in listed}

    def ask(self, number: int) -> int:
        """Ask about a piece and keep what was said; returns how many calls failed."""
        request = self.task.request(self.images, has_points=bool(self.points.chosen))
        at_once = CALLS_AT_ONCE * self.lease.units
        client = projects.rekognition(self.lease.version_arn)
        asked = _Asked(client, self.lease.version_arn, request, self.tiling.side, at_once)
        piece = self.pieces[number]
        # Of pictures in tiles one is in memory at a time: its tiles are asked about together.
        with runs.timed(self.ref, "inference"), ThreadPoolExecutor(1 if self.tiling.side else at_once) as pool:
            calls = list(pool.map(asked.about, piece))
        _write_lines(results.piece_key(self.ref, self.lease.lease_id, number), (call.line for call in calls))
        return sum(bool(call.error) and not call.is_gone for call in calls)

    def go_on_later(self, asked: int) -> None:
        """Let another invocation go on, and people see how far it is."""
        ref, version_arn = self.ref, self.lease.version_arn
        progress = f"{asked} of {len(self.images)} images are answered"
        runs.wait(ref, progress)
        # Another cause each time: a function that hears of one twice drops the second.
        status, cause = {"status": "RUNNING", "previous_status": "RUNNING"}, f"{self.lease.lease_id}+{asked}"
        told = {**status, "cause": cause, "message": progress}
        messages.put_event(ModelStatusChange(**ref.as_detail(), version_arn=version_arn, **told))

    def judge(self, pieces: Sequence[int]) -> InferenceTest:
        """Judge what was said, beside the version in production, and write it."""
        ref, lease = self.ref, self.lease
        limits = Limits(stack.here().inference_limits_of(ref.task), stack.here().gates_on_bound)
        judged, answers = inference.judge(
            self.task, self._calls(pieces), limits, self.points, several=takes_all(self.images)
        )
        # Asked of the record and not of the model in production, which would have to run for it.
        beside = _beside_production(ref, self.task, answers)
        reasons = [*judged.reasons, *self._cut_short(judged.images)]
        # Somebody who goes back to an earlier version knows that it is not the best one.
        if not lease.is_rollback:
            reasons += comparison.reasons_against(beside, stack.here().tolerated_loss)
        result = InferenceTest(
            ref,
            replace(judged, reasons=tuple(reasons)),
            version_arn=lease.version_arn,
            lease_id=lease.lease_id,
            decision=lease.decision,
            images_from=self._chosen[1],
            tiles=self.tiling,
            tested_at=runs.now(),
            comparison=beside,
            outcome=runs.FAILED if reasons else runs.COMPLETED,
            gallery=tuple(mistakes.plan(ref, answers)),
        )
        # The result comes last: where it is, everything is.
        _write_lines(results.answers_key(ref.run_id, ref.environment), answers)
        documents.write_test(result)
        return result

    def _calls(self, pieces: Iterable[int]) -> Iterator[Call]:
        for number in pieces:
            lines = buckets.artifacts_bucket().lines(results.piece_key(self.ref, self.lease.lease_id, number))
            for line, image in zip(lines, self.pieces[number], strict=True):
                yield Call.of(codec.read(CallLine, json.loads(line)), image)

    def _cut_short(self, asked: int) -> list[str]:
        if not self.lease.is_over or asked == len(self.images):
            return []
        minutes = (self.lease.expires_at - self.lease.started_at) // 60
        return [
            f"the {counted(minutes, 'minute')} of the test were over after {asked} of "
            f"{len(self.images)} images: raise LeaseMinutes or MaxInferenceUnits, or lower TestImagesPerLabel"
        ]


def _write_lines(key: str, told: Iterable[CallLine | Answer]) -> None:
    lines = (json.dumps(codec.plain(one), ensure_ascii=False, separators=(",", ":")) for one in told)
    buckets.artifacts_bucket().write(key, "".join(f"{line}\n" for line in lines))


def _beside_production(ref: StageRef, task: Task[Any], answers: Sequence[Answer]) -> Comparison:
    """How the answers compare with those of the version that is in production now."""
    release = releases.current(ref.dataset, ref.task, "production")
    if release is None:
        return Comparison(note=comparison.FIRST)
    return comparison.compare(task, answers, results.answers(release.run_id, "production"), release.run_id)


@dataclass(frozen=True)
class _Asked:
    """A version that is asked about images, in tiles where they are larger than those of `side`."""

    client: Any
    version_arn: str
    least: Mapping[str, float]
    side: int
    at_once: int

    def about(self, image: Image) -> Call:
        """Ask about one image: about the bytes that were recorded, or the same bytes in another version."""
        key, version_id = image.shown
        call = self._about(image, version_id)
        if not call.is_gone or not version_id:
            return call
        now = images.record_of(key)
        # Only the same bytes will do: of others nobody knows what is true.
        if now is None or now.digest != image.digest or now.version_id == version_id:
            return call
        return self._about(image, now.version_id)

    def _about(self, image: Image, version_id: str) -> Call:
        """Ask about one version of an image."""
        try:
            shown = self._shown(image, version_id)
            deadline = stack.here().clock.monotonic() + asking.PATIENCE_SECONDS
            heard = asking.look(self.client, self.version_arn, shown, self.least, deadline, just_started=True)
        except NotRunning as stopped:
            return Call(image, error=_as_text(stopped.__cause__ or stopped))
        except _Gone as gone:
            return Call(image, error=f"{GONE}: {gone}")
        except (ClientError, BotoCoreError, PictureRefused) as error:
            return Call(image, error=_as_text(error))
        return Call(image, heard.said, heard.milliseconds)

    def _shown(self, image: Image, version_id: str) -> Whole | InTiles:
        """Raises _Gone where its tiles cannot be cut any more."""
        if count_of(image.width, image.height, self.side) > 1:
            return InTiles(_read(image.shown[0], version_id), self.side, self.at_once)
        version = {"Version": version_id} if version_id else {}
        shown = {"S3Object": {"Bucket": stack.here().data_bucket, "Name": image.shown[0], **version}}
        return Whole(shown, image.width, image.height)


class _Gone(Exception):  # noqa: N818  - a fact about an object, not a fault of ours
    """An image cannot be read from the bucket any more."""


def _read(key: str, version_id: str) -> bytes:
    try:
        found = buckets.data_bucket().get(key, version_id)
    except buckets.ObjectUnreadable as unreadable:
        raise _Gone(str(unreadable)) from unreadable
    if found is None:
        raise _Gone(f"there is no object {key}")
    with closing(found["Body"]) as body:
        return bytes(body.read())


def _as_text(error: BaseException) -> str:
    if isinstance(error, ClientError):
        return f"{clients.code_of(error)}: {clients.message_of(error)}"
    return f"{type(error).__name__}: {error}"
