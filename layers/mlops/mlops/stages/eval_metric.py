"""The gate: the service's numbers, our own from its snapshot, and the thresholds."""

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from mlops import stack
from mlops.aws import buckets
from mlops.codec import Json
from mlops.dataset.images import Image, image_of
from mlops.dataset.keys import run_key
from mlops.events import ModelStatusChange, PipelineStageRetry
from mlops.judging import inference, operating_points, snapshots
from mlops.judging.evaluation import ByService, Counted, Evaluation
from mlops.judging.gate import Thresholds, parse_label_thresholds, reasons_against
from mlops.judging.intervals import Interval, f1_intervals, tallied
from mlops.judging.metrics import Means, Outcome, Score, macro
from mlops.judging.operating_points import Cost, Costs
from mlops.judging.snapshots import Snapshot
from mlops.judging.tasks import Task, task_of
from mlops.models import lifecycle, projects
from mlops.models.projects import Place, Version
from mlops.records import costs, documents, runs
from mlops.records.documents import EvalMetric, GroundTruth
from mlops.rounding import keeps_to
from mlops.stage import StageRef

_TOLERANCE = 0.005
_EVEN = Costs(Cost(1, 1))


def evaluate(change: ModelStatusChange, cause: str) -> None:
    """Judge a trained version; when it passes, start it for its inference test."""
    ref = runs.load(change.run_id, "eval_metric")
    # A gate that passed has started a model; doing so twice would pay twice.
    if not runs.begin(ref, cause):
        return
    version = _trained(ref)
    if version is None or version.summary is None:
        runs.fail(ref, [f"{ref.run_id} has no evaluation result; was it deleted?"])
        return
    costs.note_training(ref, version.training_seconds)
    truth = documents.require(GroundTruth, ref.run_id)
    try:
        gate = gate_of(ref.task, truth.label_names)
    except ValueError as error:
        runs.fail(ref, [str(error)])
        return
    costs_of_mistakes = operating_points.costs_of(
        Cost(*stack.here().mistakes_cost), truth.settings.costs or {}, truth.label_names
    )
    summary, tiling = buckets.Bucket(version.summary.bucket).read_json(version.summary.key), truth.tiles
    task = task_of(ref.task, stack.here().match_iou)
    snapshot, pictures = task.snapshot(_lines(version.snapshot)), None
    if tiling.side:
        shown = snapshots.boxes_put_together(_lines(version.snapshot), _tested(ref.run_id), tiling.side)
        pictures = snapshots.of_boxes(shown, stack.here().match_iou)
    result = judge(task, summary, snapshot, gate, costs_of_mistakes, _parts(ref.run_id), pictures)
    outcome = runs.FAILED if result.reasons else runs.COMPLETED
    artifact = documents.write(EvalMetric(ref, result, version.arn, outcome), ref.run_id)
    if result.reasons:
        runs.fail(ref, result.reasons, artifact)
        return
    # Before the start: how many inference units that takes follows from it.
    images = inference.expected(truth.counts, stack.here().test_images_per_label)
    runs.note_test_calls(ref.run_id, images * tiling.calls)
    # The start before the end of this stage: whoever dies in between is called again, and finds it started.
    lifecycle.start(ref.at("inference_test"), version.arn)
    runs.complete(ref, artifact)


def start_again(asked: PipelineStageRetry) -> None:
    """Start a version whose start met a quota. Raises PermissionError unless it has passed the gate."""
    ref = runs.load(asked.run_id, "inference_test")
    # A message that comes late, such as a dead letter that is delivered again: the test was made meanwhile.
    if (stage := runs.stage_of(ref)) and stage.has_ended:
        return
    known, version = documents.find(EvalMetric, ref.run_id), _trained(ref)
    if version is None or known is None or known.outcome != runs.COMPLETED:
        raise PermissionError(f"{ref.run_id} has not passed the gate, whatever an event says")
    lifecycle.start(ref, version.arn)


def _trained(ref: StageRef) -> Version | None:
    """The version that a run trained: it has the run's name."""
    return projects.describe_version(projects.projects()[ref.task]["development"], ref.run_id)


def gate_of(task: str, label_names: Mapping[str, str] | None = None) -> Thresholds:
    """The gate's thresholds of a task as the stack's parameters set them; `label_names`: labels by folder of a dataset.

    Raises ValueError that names the parameter and the part that cannot be read.
    """
    given = stack.here().gate_of(task)
    by_label = parse_label_thresholds(given.labels, label_names, task_of(task).parameter)
    return Thresholds(given.f1, given.label_f1, by_label)


def judge(
    task: Task[Any],
    summary: Json,
    snapshot: Snapshot,
    limits: Thresholds,
    costs: Costs = _EVEN,
    parts: Mapping[str, str] = MappingProxyType({}),
    pictures: Snapshot | None = None,
) -> Evaluation:
    """All numbers of both sources, how far they differ, the operating points, and every reason against the version.

    The version is judged at its operating points. What the service says is told, and whether our reading of its answers
    comes to the same. `parts` has the physical part of images by key. Where the service tested tiles, `pictures` has
    them put together: of pictures are the points, and what the version is judged by.
    """
    service = by_service(summary)
    assumed = service.assumed_thresholds
    ours = snapshot.scores(assumed)
    # The service has counted tiles. Parts are judged by pictures, so from here on pictures are counted.
    own, shown = macro(ours), pictures or snapshot
    differences = {
        "precision": own.precision - service.means.precision,
        "recall": own.recall - service.means.recall,
        "f1": own.f1 - service.means.f1,
    }
    points = operating_points.choose_all(
        shown.answered(),
        {label: 100 * value for label, value in assumed.items()},
        costs,
        shows_clean=task.shows_clean,
    )
    at = {label: chosen.min_confidence / 100 for label, chosen in points.items()}
    scores = shown.scores(at)
    found, lies = macro(scores), _f1_interval(shown, at, scores, parts)
    # Users ask at these points: that is what has to be good enough, not what the service assumed.
    lowest = lies.low if stack.here().gates_on_bound else None
    reasons = reasons_against("at its operating points", found.f1, scores, limits, task.unit, lowest)
    return Evaluation(
        service,
        recomputed=Counted(own, ours),
        at_points=Counted(found, scores, lies),
        differences=differences,
        agrees=all(keeps_to(abs(value), _TOLERANCE) for value in differences.values()),
        thresholds=limits,
        operating_points=points,
        test_images=len(shown),
        reasons=tuple(reasons),
    )


def _f1_interval(
    shown: Snapshot, at: Mapping[str, float], scores: Mapping[str, Score], parts: Mapping[str, str]
) -> Interval:
    """Where the true F1 lies. Pictures of one part stand and fall together."""
    by_part: dict[str, list[Outcome]] = {}
    for key, outcomes in shown.outcomes(at):
        by_part.setdefault(parts.get(key, key), []).extend(outcomes)
    labels = [label for label, score in scores.items() if score.support]
    return f1_intervals(map(tallied, by_part.values()), labels).macro


def _tested(run_id: str) -> Iterator[Image]:
    """The images that a version was tested on by the service."""
    rows = map(json.loads, buckets.artifacts_bucket().lines(run_key(run_id, "images.jsonl")))
    return (image_of(row) for row in rows if row.get("side") == "test")


def _parts(run_id: str) -> dict[str, str]:
    """The physical part of every image that a snapshot may name, where it is known, by the key of what was shown."""
    return {image.shown[0]: f"group {image.group}" for image in _tested(run_id) if image.group}


def by_service(summary: Json) -> ByService:
    """What the summary of an evaluation says."""
    aggregates = summary["AggregatedEvaluationResults"]
    # The reference nests the aggregates under Metrics, real files have them flat.
    aggregates = aggregates.get("Metrics", aggregates)
    means = Means(aggregates["Precision"], aggregates["Recall"], aggregates["F1Score"])
    # Detection has averages over confidences, too.
    averages = aggregates.get("AveragePrecision"), aggregates.get("AverageRecall")
    scores, assumed = {}, {}
    for result in summary["LabelEvaluationResults"]:
        values = result["Metrics"]
        support = int(result.get("NumberOfTestingImages", 0))
        scores[result["Label"]] = Score(values["Precision"], values["Recall"], values["F1Score"], support)
        assumed[result["Label"]] = float(values.get("Threshold", 0.5))
    return ByService(means, *averages, scores, assumed)


def _lines(place: Place | None) -> Iterator[str]:
    """The lines of a file of the service as they come."""
    return buckets.Bucket(place.bucket).lines(place.key, must_exist=True) if place else iter(())
