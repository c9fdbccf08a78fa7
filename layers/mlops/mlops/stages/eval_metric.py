"""The gate: the service's numbers, our own from its snapshot, and the thresholds."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mlops import stack
from mlops.aws import buckets
from mlops.dataset.keys import run_key
from mlops.dataset.manifests import parse_lines
from mlops.events import ModelStatusChange, PipelineStageRetry
from mlops.judging import operating_points
from mlops.judging.gate import Thresholds, parse_label_thresholds, reasons_against
from mlops.judging.intervals import f1_intervals, tallied
from mlops.judging.metrics import Outcome, Score, as_dicts, label_scores, macro
from mlops.judging.operating_points import Answered, Cost, Costs
from mlops.judging.snapshots import box_outcomes, label_outcomes, said_of_boxes, said_of_images
from mlops.models import projects, serving
from mlops.records import costs, runs
from mlops.rounding import keeps_to
from mlops.stage import StageRef

_REQUIRED = {"precision": "Precision", "recall": "Recall", "f1": "F1Score"}
# Detection has these, too.
_AGGREGATES = {**_REQUIRED, "average_precision": "AveragePrecision", "average_recall": "AverageRecall"}
_TOLERANCE = 0.005
_EVEN = Costs(Cost(1, 1))


def evaluate(change: ModelStatusChange, cause: str) -> None:
    """Judge a trained version; when it passes, start it for its inference test."""
    ref = runs.load(change.run_id, "eval_metric")
    # A gate that passed has started a model; doing so twice would pay twice.
    if not runs.begin(ref, cause):
        return
    version = _trained(ref)
    if version is None or "EvaluationResult" not in version:
        runs.fail(ref, [f"{ref.run_id} has no evaluation result; was it deleted?"])
        return
    costs.note_training(ref, version)
    truth = buckets.artifacts_bucket().read_json(run_key(ref.run_id, "ground_truth.json"))
    try:
        gate = gate_of(ref.task, truth.get("label_names", {}))
    except ValueError as error:
        runs.fail(ref, [str(error)])
        return
    costs_of_mistakes = operating_points.costs_of(
        Cost(*stack.here().mistakes_cost), truth.get("settings", {}).get("costs") or {}, truth.get("label_names")
    )
    summary, snapshot = _read(version["EvaluationResult"]["Summary"]), _snapshot(version)
    result = judge(ref.task, summary, snapshot, gate, costs_of_mistakes)
    artifact = run_key(ref.run_id, "eval_metric.json")
    version_arn = str(version["ProjectVersionArn"])
    facts = {"version_arn": version_arn, "outcome": runs.FAILED if result["reasons"] else runs.COMPLETED}
    buckets.artifacts_bucket().write_json(artifact, {**ref.as_detail(), **facts, **result})
    if result["reasons"]:
        runs.fail(ref, result["reasons"], artifact)
        return
    serving.start(ref.at("inference_test"), version_arn)
    runs.complete(ref, artifact)


def start_again(asked: PipelineStageRetry) -> None:
    """Start a version whose start met a quota. Raises PermissionError unless it has passed the gate."""
    ref = runs.load(asked.run_id, "inference_test")
    text = buckets.artifacts_bucket().read_if_exists(run_key(ref.run_id, "eval_metric.json"))
    version = _trained(ref)
    if version is None or not text or json.loads(text)["outcome"] != runs.COMPLETED:
        raise PermissionError(f"{ref.run_id} has not passed the gate, whatever an event says")
    serving.start(ref, str(version["ProjectVersionArn"]))


def _trained(ref: StageRef) -> dict[str, Any] | None:
    """The version that a run trained: it has the run's name."""
    return projects.describe_version(projects.projects()[ref.task]["development"], ref.run_id)


def gate_of(task: str, label_names: Mapping[str, str] | None = None) -> Thresholds:
    """The gate's thresholds of a task as the stack's parameters set them; `label_names`: labels by folder of a dataset.

    Raises ValueError that names the parameter and the part that cannot be read.
    """
    given = stack.here().gate_of(task)
    parameter = "DetectionLabelThresholds" if task == "detection" else "LabelThresholds"
    by_label = parse_label_thresholds(given["labels"], label_names, parameter)
    return Thresholds(given["f1"], given["label_f1"], by_label)


def judge(
    task: str, summary: Mapping[str, Any], snapshot: str, limits: Thresholds, costs: Costs = _EVEN
) -> dict[str, Any]:
    """All numbers of both sources, how far they differ, every reason against the version, and its operating points."""
    theirs, assumed = _service_scores(summary)
    ours = label_scores(_outcomes(task, snapshot, assumed))
    service, own = _service_aggregates(summary), macro(ours)
    reasons = reasons_against("service", service["f1"], theirs, limits)
    unit = "boxes" if task == "detection" else "images"
    reasons += reasons_against("recomputed from the snapshot", own["f1"], ours, limits, unit)
    differences = {name: own[name] - service[name] for name in own}
    return {
        "service": {**service, "per_label": as_dicts(theirs), "assumed_thresholds": assumed},
        "recomputed": {**own, "per_label": as_dicts(ours), "f1_interval": _f1_interval(task, snapshot, assumed, ours)},
        "differences": differences,
        "agrees": all(keeps_to(abs(value), _TOLERANCE) for value in differences.values()),
        "thresholds": {"f1": limits.f1, "label_f1": limits.label_f1, "by_label": dict(limits.by_label)},
        "operating_points": operating_points.choose_all(
            _answered(task, snapshot),
            {label: 100 * value for label, value in assumed.items()},
            costs,
            # The service leaves pictures without boxes out of the test of a detector.
            shows_clean=task != "detection",
        ),
        "test_images": len(parse_lines(snapshot)),
        "reasons": reasons,
    }


def _outcomes(task: str, snapshot: str, assumed: Mapping[str, float]) -> Iterator[Outcome]:
    if task == "detection":
        return box_outcomes(snapshot, assumed, stack.here().match_iou)
    return label_outcomes(snapshot, assumed)


def _f1_interval(task: str, snapshot: str, assumed: Mapping[str, float], scores: Mapping[str, Score]) -> list[float]:
    """Where the true F1 lies by so many test images; the snapshot does not say which of them show one part."""
    images = [tallied(_outcomes(task, line, assumed)) for line in snapshot.split("\n") if line]
    return f1_intervals(images, [label for label, score in scores.items() if score.support]).macro.as_list()


def _answered(task: str, snapshot: str) -> dict[str, Answered]:
    if task == "detection":
        return operating_points.answered_boxes(said_of_boxes(snapshot), stack.here().match_iou)
    return operating_points.answered_images(said_of_images(snapshot))


def _service_aggregates(summary: Mapping[str, Any]) -> dict[str, float]:
    aggregates = summary["AggregatedEvaluationResults"]
    # The reference nests the aggregates under Metrics, real files have them flat.
    aggregates = aggregates.get("Metrics", aggregates)
    names = {name: key for name, key in _AGGREGATES.items() if key in aggregates or name in _REQUIRED}
    return {name: aggregates[key] for name, key in names.items()}


def _service_scores(summary: Mapping[str, Any]) -> tuple[dict[str, Score], dict[str, float]]:
    scores, assumed = {}, {}
    for result in summary["LabelEvaluationResults"]:
        values = result["Metrics"]
        support = int(result.get("NumberOfTestingImages", 0))
        scores[result["Label"]] = Score(values["Precision"], values["Recall"], values["F1Score"], support)
        assumed[result["Label"]] = float(values.get("Threshold", 0.5))
    return scores, assumed


def _snapshot(version: Mapping[str, Any]) -> str:
    asset = version["TestingDataResult"]["Output"]["Assets"][0]
    location = asset["GroundTruthManifest"]["S3Object"]
    return buckets.Bucket(location["Bucket"]).read(location["Name"])


def _read(asset: Mapping[str, Any]) -> dict[str, Any]:
    return dict(buckets.Bucket(asset["S3Object"]["Bucket"]).read_json(asset["S3Object"]["Name"]))
