"""Real inference on images the version has not seen, the same in every environment and for every task."""

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, field
from itertools import count
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mlops import stack
from mlops.aws import buckets, clients
from mlops.dataset.images import Image, image_of
from mlops.dataset.keys import run_key
from mlops.dataset.limits import MAX_BOXES
from mlops.dataset.manifests import parse_lines
from mlops.judging import classification, comparison, detection, mistakes, operating_points, sureness
from mlops.judging.answers import Call
from mlops.judging.metrics import percentile
from mlops.judging.operating_points import Answered
from mlops.models import projects, serving
from mlops.reading import gallery
from mlops.records import costs, images, leases, releases, runs
from mlops.records.leases import Lease
from mlops.rounding import keeps_to, reaches
from mlops.stage import StageRef
from mlops.words import beside, counted, number, some

# One inference unit serves a few calls a second; more in flight would only be throttled.
_PARALLEL = 3
_MAX_THROTTLES = 12
# The share of images that may be gone where the stack says nothing.
_MISSING_IMAGES = 0.1
# What may be over in a moment: just after RUNNING, or inside of the service. It is tried again for so long.
_PASSING, _PASSING_SECONDS = ("ResourceNotReadyException", "InternalServerError", "ServiceUnavailableException"), 60
_THROTTLES = ("ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException")


def test(version_arn: str) -> None:
    """Test a running version and end the stage. It is stopped whatever happens, unless it passed and is to stay."""
    lease = leases.of(version_arn)
    # Somebody started the model by hand, or for inspections, or the test is over: there is nothing to test for.
    if lease is None or lease.is_for_inspection:
        return
    # What is tested is in the lease, whatever the event says.
    ref = lease.ref.at("inference_test")
    if not runs.begin(ref, lease.lease_id):
        return
    artifact, stays = run_key(ref.run_id, f"{ref.environment}/inference_test.json"), False
    try:
        result = _tested_before(artifact, lease.lease_id) or _test(ref, version_arn, artifact, lease)
        stays = not result["reasons"] and stack.here().is_wanted(ref.environment)
    finally:
        if not stays:
            serving.stop(version_arn)
    costs.note_test(ref, lease)
    with runs.timed(ref, "pictures"):
        gallery.write(result)
    if result["reasons"]:
        runs.fail(ref, result["reasons"], artifact)
    else:
        runs.complete(ref, artifact)
    if not stays:
        leases.give_back(version_arn, lease.lease_id)


def end_late(run_id: str, environment: str) -> None:
    """End a stage whose result is there: its function died between the event about it and its end.

    By then whoever heard of the event may have released the version, and given its lease back.
    """
    known = runs.find(run_id)
    if known is None:
        return
    ref = StageRef(run_id, known.dataset, known.task, "inference_test", environment)
    stage, artifact = runs.stage_of(ref), run_key(run_id, f"{environment}/inference_test.json")
    if stage is None or stage.has_ended or (result := _tested_before(artifact, stage.cause)) is None:
        return
    if result["reasons"]:
        runs.fail(ref, result["reasons"], artifact)
    else:
        runs.complete(ref, artifact)


def _tested_before(artifact: str, lease_id: str) -> dict[str, Any] | None:
    """The result of a delivery that died after it had written it."""
    text = buckets.artifacts_bucket().read_if_exists(artifact)
    result = json.loads(text) if text else {}
    return result if result.get("lease_id") == lease_id else None


def _test(ref: StageRef, version_arn: str, artifact: str, lease: Lease) -> dict[str, Any]:
    store = buckets.artifacts_bucket()
    inventory = parse_lines(store.read(run_key(ref.run_id, "images.jsonl")))
    subjects, side = choose(ref.task, inventory, stack.here().test_images_per_label)
    points = _points(ref)
    least = _least(ref.task, subjects, points)
    client = projects.rekognition(version_arn)
    with runs.timed(ref, "inference"), ThreadPoolExecutor(_PARALLEL) as pool:
        calls = list(pool.map(lambda image: _ask(client, version_arn, image, least), subjects))
    asked = {"lease_id": lease.lease_id, "decision": lease.decision}
    facts = {"version_arn": version_arn, **asked, "images_from": side, "tested_at": runs.now()}
    judged = judge(ref.task, calls, points)
    beside = _beside_production(ref, version_arn, judged["answers"])
    # Somebody who goes back to an earlier version knows that it is not the best one.
    if not lease.is_rollback:
        judged["reasons"] += comparison.reasons_against(beside, stack.here().tolerated_loss)
    outcome = runs.FAILED if judged["reasons"] else runs.COMPLETED
    result: dict[str, Any] = {**ref.as_detail(), **facts, **judged, "comparison": beside, "outcome": outcome}
    result["gallery"] = mistakes.plan(ref, result["answers"])
    lines = (json.dumps(raw(call), ensure_ascii=False, separators=(",", ":")) for call in calls if not call.error)
    store.write(run_key(ref.run_id, f"{ref.environment}/answers.jsonl"), "".join(f"{line}\n" for line in lines))
    store.write_json(artifact, result)
    return result


@dataclass(frozen=True)
class Points:
    """From which confidence answers count, by label, 0 to 100: as chosen, and by the service's own thresholds.

    Both are empty for a version of which neither is known.
    """

    chosen: Mapping[str, float] = field(default_factory=dict)
    service: Mapping[str, float] = field(default_factory=dict)


def _points(ref: StageRef) -> Points:
    text = buckets.artifacts_bucket().read_if_exists(run_key(ref.run_id, "eval_metric.json"))
    evaluation = json.loads(text) if text else {}
    if not evaluation.get("operating_points"):
        # What an earlier release trained is tested as it was then, also when somebody goes back to it.
        return Points()
    return Points(operating_points.points_in(evaluation), operating_points.service_points_in(evaluation))


def _least(task: str, subjects: Sequence[Image], points: Points) -> dict[str, Any]:
    """What is asked for: everything, to see what other points would give.

    Where no points are known, a detector is asked for what its users get, and so is a classifier of images with several
    labels; one of images with one label for everything, to take the surest.
    """
    is_plain = task != "detection" and all(len(image.labels) == 1 for image in subjects)
    if not points.chosen and not is_plain:
        return {}
    return {"MinConfidence": 0, "MaxResults": MAX_BOXES} if task == "detection" else {"MinConfidence": 0}


def raw(call: Call) -> dict[str, Any]:
    """All that a version said of an image: label and confidence, and of a box left, top, width and height in pixels."""
    if any("Geometry" in label for label in call.labels):
        boxes = detection.found_by(call)
        said = [[b.label, round(100 * b.confidence, 4), *(round(x, 2) for x in astuple(b.box))] for b in boxes]
    else:
        said = [[str(label["Name"]), round(float(label["Confidence"]), 4)] for label in call.labels]
    return {"key": call.image.key, "digest": call.image.digest, "said": said}


def _beside_production(ref: StageRef, version_arn: str, answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How the answers compare with those of the version that is in production now."""
    release, theirs = releases.answers_in("production", ref)
    if release is None:
        return {"with": "", "images": 0, "note": comparison.FIRST}
    compared = comparison.compare(ref.task, answers, theirs, stack.here().match_iou)
    note = "" if compared["images"] else "no image was asked about in both tests: nothing can be compared"
    return {"with": release.run_id, "note": note, **compared}


def judge(task: str, calls: Sequence[Call], points: Points | None = None) -> dict[str, Any]:
    """All numbers at the operating points, what other points would give, and every reason against the version."""
    limits, points = stack.here().inference_limits_of(task), points or Points()
    answered = [call for call in calls if not call.error]
    numbers = _measured(task, answered, points.chosen)
    numbers |= sureness.sure(task, numbers["answers"], numbers["per_label"])
    if points.chosen:
        numbers["operating_points"] = operating_points.told(_answers(task, answered), points.chosen, points.service)
    if points.service:
        numbers["by_service"] = _by_service(task, answered, points.service)
    on_bound = stack.here().gates_on_bound
    latencies = [call.milliseconds for call in answered]
    gone = [call for call in calls if call.is_gone]
    reasons = _failures(calls, float(limits.get("missing_images", _MISSING_IMAGES)))
    reasons += _reasons(numbers, limits, on_bound=on_bound)
    return {
        **numbers,
        "gone": [call.image.key for call in gone],
        "remarks": [*_remarks(numbers, gone), *_doubts(numbers, limits)],
        "latency_ms": {"p50": percentile(latencies, 0.5), "p95": percentile(latencies, 0.95)},
        "images": len(calls),
        "errors": {call.image.key: call.error for call in calls if call.error},
        "thresholds": limits,
        "gate_on": "lower bound" if on_bound else "value",
        "reasons": reasons,
    }


def _measured(task: str, answered: Sequence[Call], points: Mapping[str, float]) -> dict[str, Any]:
    if task == "detection":
        return detection.measure(answered, stack.here().match_iou, points)
    return classification.measure(answered, points)


def _answers(task: str, answered: Sequence[Call]) -> dict[str, Answered]:
    """What was said at any confidence, by label; as precision does, boxes on images with defects."""
    if task == "detection":
        found = ((call.image.boxes, detection.found_by(call)) for call in answered if call.image.boxes)
        return operating_points.answered_boxes(found, stack.here().match_iou)
    return operating_points.answered_images(
        (call.image.labels, {str(label["Name"]): float(label["Confidence"]) for label in call.labels})
        for call in answered
    )


def _by_service(task: str, answered: Sequence[Call], own: Mapping[str, float]) -> dict[str, Any]:
    """What users get who ask without a least confidence."""
    numbers = _measured(task, answered, own)
    told: dict[str, Any] = {name: numbers[name] for name in ("f1", "accuracy", "false_alarm_rate") if name in numbers}
    parts = sureness.parts(task, numbers["answers"])
    return {**told, "per_label": {label: score["f1"] for label, score in numbers["per_label"].items()}, "parts": parts}


def _failures(calls: Sequence[Call], tolerated: float) -> list[str]:
    """What went wrong with the calls. Images that are gone are left out of the numbers, up to a share of all."""
    failed = [call for call in calls if call.error and not call.is_gone]
    gone = [call for call in calls if call.is_gone]
    if not calls:
        return ["there is no image to test on: neither holdout nor test has any"]
    reasons = [
        f"{len(failed)} of {len(calls)} calls failed; first: {first.image.key}: {first.error}" for first in failed[:1]
    ]
    if len(gone) == len(calls) or len(gone) > tolerated * len(calls):
        names = some(call.image.key for call in gone)
        reasons.append(
            f"{len(gone)} of {len(calls)} images cannot be read from the bucket any more; "
            f"up to {tolerated:.0%} may be missing: {names}. {gone[0].error}"
        )
    return reasons


def _remarks(numbers: Mapping[str, Any], gone: Sequence[Call]) -> Iterator[str]:
    """What the numbers do not say."""
    if gone:
        names = some(call.image.key for call in gone)
        yield f"{counted(len(gone), 'image')} could not be read from the bucket any more and count for nothing: {names}"
    if numbers["false_alarm_rate"] is None:
        yield 'false alarms were not judged: no image of the test has a label that means "no defect"'


def _reasons(numbers: Mapping[str, Any], limits: Mapping[str, float], *, on_bound: bool = False) -> list[str]:
    """Why the numbers do not pass: by their values, or also by the unfavourable ends of their intervals."""
    reasons = []
    for name in ("f1", "accuracy"):
        if name in limits and not reaches(numbers[name], limits[name]):
            value, least = beside(numbers[name], limits[name])
            reasons.append(f"inference test: {name} {value} is below {least}")
    rate, most = numbers["false_alarm_rate"], limits["false_alarm_rate"]
    if rate is not None and not keeps_to(rate, most):
        value, limit = beside(rate, most)
        reasons.append(f"inference test: {value} false alarms per clean image are more than {limit}")
    if on_bound:
        reasons += [f"inference test: {doubt}; GateOn is lower bound" for doubt in _doubts(numbers, limits)]
    return reasons


def _doubts(numbers: Mapping[str, Any], limits: Mapping[str, float]) -> Iterator[str]:
    """Of which numbers that keep to their limits too few images were asked about to be sure that they do."""
    for name in ("f1", "accuracy"):
        low = numbers["intervals"].get(name, [1.0])[0]
        if name in limits and reaches(numbers[name], limits[name]) and not reaches(low, limits[name]):
            value, least = beside(low, limits[name])
            yield f"{name} {number(numbers[name])} may be as low as {value} on so few images, below {least}"
    rate, most = numbers["false_alarm_rate"], limits["false_alarm_rate"]
    high = (numbers["intervals"].get("false_alarm_rate") or [0.0, 0.0])[1]
    if rate is not None and keeps_to(rate, most) and not keeps_to(high, most):
        value, limit = beside(high, most)
        yield (
            f"{number(rate)} false alarms per clean image may be as many as {value} on so few images, more than {limit}"
        )


def choose(task: str, inventory: Sequence[Mapping[str, Any]], most: int) -> tuple[list[Image], str]:
    """The images to ask about, at most so many of a label, and the side they come from: holdout, or else test.

    No detector learns from clean images: all of a detection run's are asked about.
    """

    def is_clean(image: Image) -> bool:
        return task == "detection" and not image.boxes

    listed = sorted(map(image_of, inventory), key=lambda image: image.key)
    side = "holdout" if "holdout" in {image.side for image in listed if not is_clean(image)} else "test"
    by_label: dict[str, list[Image]] = {}
    for image in listed:
        if image.side == side or is_clean(image):
            for label in image.labels_in(task):
                by_label.setdefault(label, []).append(image)
    # By a hash of the key: when images come, most of those chosen before stay, so that versions can be compared.
    chosen = {image.key: image for _, own in sorted(by_label.items()) for image in sorted(own, key=_hash)[:most]}
    return list(chosen.values()), side


def _hash(image: Image) -> str:
    return hashlib.sha256(image.key.encode()).hexdigest()


def _ask(client: Any, version_arn: str, image: Image, least: Mapping[str, Any]) -> Call:
    """Ask about one image: about the bytes that were recorded, or the same bytes in another version."""
    key, version_id = image.shown
    call = _ask_about(client, version_arn, image, version_id, least)
    if not call.is_gone or not version_id:
        return call
    now = images.record_of(key) or {}
    if now.get("digest") != image.digest or now.get("version_id") == version_id:
        return call
    return _ask_about(client, version_arn, image, now.get("version_id", ""), least)


def _ask_about(client: Any, version_arn: str, image: Image, version_id: str, least: Mapping[str, Any]) -> Call:
    """Ask about one version of an image; waits and tries again when the model is busy, or out of order for a moment."""
    version = {"Version": version_id} if version_id else {}
    shown = {"S3Object": {"Bucket": stack.here().data_bucket, "Name": image.shown[0], **version}}
    began = stack.here().clock.monotonic()
    for attempt in count():
        started = stack.here().clock.monotonic()
        try:
            answer = client.detect_custom_labels(ProjectVersionArn=version_arn, Image=shown, **least)
        except (ClientError, BotoCoreError) as error:
            if not _may_pass(error, attempt, started - began):
                return Call(image, error=_as_text(error))
            stack.here().clock.sleep(min(0.2 * 2**attempt, 5) * random.uniform(0.5, 1))
            continue
        return Call(image, tuple(answer["CustomLabels"]), round((stack.here().clock.monotonic() - started) * 1000, 1))
    raise AssertionError("unreachable: only answers and errors end the loop")


def _may_pass(error: ClientError | BotoCoreError, attempt: int, seconds: float) -> bool:
    """Whether a failed call is worth another try, after so many tries and seconds."""
    if isinstance(error, BotoCoreError):
        return seconds < _PASSING_SECONDS
    if clients.code_of(error) in _THROTTLES:
        return attempt < _MAX_THROTTLES - 1
    return clients.code_of(error) in _PASSING and seconds < _PASSING_SECONDS


def _as_text(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, BotoCoreError):
        return f"{type(error).__name__}: {error}"
    return f"{clients.code_of(error)}: {clients.message_of(error)}"
