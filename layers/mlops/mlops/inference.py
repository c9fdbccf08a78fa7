"""Real inference on images the version has not seen, the same in every environment."""

import json
import random
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import ClientError

from mlops import aws, runs, serving
from mlops.keys import NORMAL, run_key
from mlops.manifests import label_of_line, parse_lines, source_key
from mlops.metrics import as_dicts, confusion_matrix, macro, one_against_rest, percentile
from mlops.runs import StageRef, ref_of

# One inference unit serves a few calls a second; more in flight would only be throttled.
_PARALLEL = 3
_MAX_THROTTLES = 12
_THROTTLES = ("ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException")


@dataclass(frozen=True)
class Answer:
    """One call: confidence is 0 to 100; `error` is set when the call failed."""

    key: str
    truth: str
    label: str = ""
    confidence: float = 0.0
    milliseconds: float = 0.0
    error: str = ""


def test(detail: Mapping[str, Any]) -> None:
    """Test a running version, stop it whatever happens, and end the stage."""
    ref, version_arn = ref_of(detail, "inference_test"), str(detail["version_arn"])
    lease = serving.lease_of(version_arn)
    if lease is None or not runs.begin(ref, lease["lease_id"]):
        return
    artifact = run_key(ref.run_id, f"{ref.environment}/inference_test.json")
    try:
        result = _tested_before(artifact, lease["lease_id"]) or _test(ref, version_arn, artifact, lease["lease_id"])
    finally:
        serving.stop(version_arn)
    if result["reasons"]:
        runs.fail(ref, result["reasons"], artifact)
    else:
        runs.complete(ref, artifact)
    serving.end_lease(version_arn, lease["lease_id"])


def _tested_before(artifact: str, lease_id: str) -> dict[str, Any] | None:
    """The result of a delivery that died after it had written it."""
    text = aws.artifacts_bucket().read_if_exists(artifact)
    result = json.loads(text) if text else {}
    return result if result.get("lease_id") == lease_id else None


def _test(ref: StageRef, version_arn: str, artifact: str, lease_id: str) -> dict[str, Any]:
    images, side = _images(ref.run_id)
    with ThreadPoolExecutor(_PARALLEL) as pool:
        answers = list(pool.map(lambda image: _detect(version_arn, *image), images))
    facts = {"version_arn": version_arn, "lease_id": lease_id, "images_from": side}
    result = {**ref.as_detail(), **facts, **judge(answers)}
    aws.artifacts_bucket().write_json(artifact, result)
    return result


def judge(answers: Sequence[Answer]) -> dict[str, Any]:
    """All numbers, and every reason against the version."""
    pairs = [(answer.truth, answer.label) for answer in answers if not answer.error]
    scores = one_against_rest(pairs)
    accuracy = sum(truth == label for truth, label in pairs) / len(pairs) if pairs else 0.0
    clean = [label for truth, label in pairs if truth == NORMAL]
    latencies = [answer.milliseconds for answer in answers if not answer.error]
    means = macro(scores)
    return {
        **means,
        "accuracy": accuracy,
        "per_label": as_dicts(scores),
        "false_alarm_rate": sum(label not in (NORMAL, "") for label in clean) / len(clean) if clean else None,
        "confusion_matrix": confusion_matrix(pairs),
        "latency_ms": {"p50": percentile(latencies, 0.5), "p95": percentile(latencies, 0.95)},
        "images": len(answers),
        "answers": [asdict(answer) for answer in answers],
        **_verdict(answers, means["f1"], accuracy),
    }


def _verdict(answers: Sequence[Answer], f1: float, accuracy: float) -> dict[str, Any]:
    limits = {"f1": float(aws.setting("MINIMUM_INFERENCE_F1")), "accuracy": float(aws.setting("MINIMUM_ACCURACY"))}
    failed = [answer for answer in answers if answer.error]
    reasons = [
        f"{len(failed)} of {len(answers)} calls failed; first: {first.key}: {first.error}" for first in failed[:1]
    ]
    if not answers:
        reasons.append("there is no image to test on: neither holdout nor test has any")
    for name, value in (("f1", f1), ("accuracy", accuracy)):
        if value < limits[name]:
            reasons.append(f"inference test: {name} {value:.3f} is below {limits[name]:.3f}")
    return {"thresholds": limits, "reasons": reasons, "outcome": runs.FAILED if reasons else runs.COMPLETED}


def _images(run_id: str) -> tuple[list[tuple[str, str]], str]:
    """(key, label) of the images to test on, at most N of a label, and the side they come from."""
    store, most = aws.artifacts_bucket(), int(aws.setting("TEST_IMAGES_PER_LABEL"))
    for side in ("holdout", "test"):
        lines = parse_lines(store.read(run_key(run_id, f"manifests/{side}.manifest")))
        if lines:
            break
    by_label: dict[str, list[str]] = {}
    for line in lines:
        by_label.setdefault(label_of_line(line), []).append(source_key(line))
    # Evenly spread over the sorted keys, so that the choice is the same every time.
    chosen = [(key, label) for label, keys in sorted(by_label.items()) for key in keys[:: -(-len(keys) // most)]]
    return chosen, side


def _detect(version_arn: str, key: str, truth: str) -> Answer:
    """Ask about one image, by the highest confidence; waits and tries again when the model is busy."""
    image = {"S3Object": {"Bucket": aws.setting("DATA_BUCKET"), "Name": key}}
    for attempt in range(_MAX_THROTTLES):
        started = time.monotonic()
        try:
            found = aws.client("rekognition").detect_custom_labels(
                ProjectVersionArn=version_arn, Image=image, MinConfidence=0
            )["CustomLabels"]
        except ClientError as error:
            if aws.code_of(error) not in _THROTTLES or attempt == _MAX_THROTTLES - 1:
                return Answer(key, truth, error=f"{aws.code_of(error)}: {aws.message_of(error)}")
            time.sleep(min(0.2 * 2**attempt, 5) * random.uniform(0.5, 1))
            continue
        milliseconds = round((time.monotonic() - started) * 1000, 1)
        best = max(found, key=lambda label: label["Confidence"], default=None)
        if best is None:
            return Answer(key, truth, milliseconds=milliseconds)
        return Answer(key, truth, best["Name"], best["Confidence"], milliseconds)
    raise AssertionError("unreachable: the last attempt returns")
