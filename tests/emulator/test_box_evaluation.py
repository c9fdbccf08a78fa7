"""The numbers, the summary and the snapshot of detectors."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve

from local.rekognition.boxes import Box
from local.rekognition.learning.evaluation import EvaluationContext, summary_document, truth_manifest
from local.rekognition.learning.models import Found
from local.rekognition.learning.object_boxes import BoxEvaluation, LabelCurve, evaluate
from local.rekognition.manifests.manifest import ManifestLine, parse_line
from tests.emulator.datasets import boxes_line

ENDED = datetime(2026, 3, 4, 11, 20, 31, 123456, UTC)
CONTEXT = EvaluationContext("arn:version", 7, ENDED)
EVALUATION = "rekognition-custom-labels-evaluation"
OBJECT_ID = "rekognition-custom-labels-object-id"
SIDES = ("left", "top", "width", "height")


def lines_of(*images: Iterable[tuple[str, float, float, float, float]]) -> list[ManifestLine]:
    return [
        parse_line(json.dumps(boxes_line(f"{number}.png", *boxes, size=(100, 100))))
        for number, boxes in enumerate(images)
    ]


def found(label: str, score: float, *box: float) -> Found:
    return Found(label, float(np.float32(score)), Box(*map(float, box)))


def curve(*ranked: tuple[float, bool], truths: int) -> LabelCurve:
    scores, hits = zip(*ranked, strict=True) if ranked else ((), ())
    return LabelCurve(np.array(scores, float), np.array(hits, bool), truths)


# Two dents on the first image; a dent and rust on the second.
LINES = lines_of(
    [("dent", 10, 10, 20, 20), ("dent", 50, 50, 20, 20)],
    [("dent", 10, 10, 20, 20), ("rust", 40, 40, 30, 30)],
)
# Of the dents, best first: right, wrong, right, wrong, wrong, wrong, right.
FOUND = [
    [found("dent", 0.9, 10, 10, 20, 20), found("dent", 0.6, 52, 50, 20, 20), found("dent", 0.3, 80, 0, 10, 10)],
    [
        found("rust", 0.8, 40, 40, 30, 30),
        found("dent", 0.7, 70, 70, 20, 20),
        found("dent", 0.28, 90, 0, 9, 9),
        found("dent", 0.25, 0, 90, 9, 9),
        found("dent", 0.2, 10, 11, 20, 20),
    ],
]


@pytest.fixture(scope="module")
def by_hand() -> BoxEvaluation:
    return evaluate(("dent", "rust"), FOUND, LINES)


@pytest.fixture(scope="module")
def snapshot(by_hand: BoxEvaluation) -> list[dict[str, Any]]:
    return [json.loads(row) for row in by_hand.snapshot(LINES, ENDED)]


def test_summary_of_the_example_worked_out_by_hand(by_hand: BoxEvaluation) -> None:
    document = summary_document(by_hand, CONTEXT)

    assert document == {
        "Version": 1,
        "AggregatedEvaluationResults": {
            "AveragePrecision": pytest.approx(((1 + 2 / 3 + 3 / 7) / 3 + 1) / 2),
            "AverageRecall": 1.0,
            "F1Score": pytest.approx((2 / 3 + 1) / 2),
            "Precision": pytest.approx((2 / 3 + 1) / 2),
            "Recall": pytest.approx((2 / 3 + 1) / 2),
        },
        "EvaluationDetails": {
            "EvaluationEndTimestamp": "2026-03-04T11:20:31.123456",
            "Labels": ["dent", "rust"],
            "NumberOfTestingImages": 2,
            "NumberOfTrainingImages": 7,
            "ProjectVersionArn": "arn:version",
        },
        "LabelEvaluationResults": [
            {
                "Label": "rust",
                "Metrics": {"F1Score": 1.0, "Precision": 1.0, "Recall": 1.0, "Threshold": 0.5},
                "NumberOfTestingImages": 1,
            },
            {
                "Label": "dent",
                "Metrics": {
                    "F1Score": pytest.approx(2 / 3),
                    "Precision": pytest.approx(2 / 3),
                    "Recall": pytest.approx(2 / 3),
                    "Threshold": 0.5,
                },
                "NumberOfTestingImages": 2,
            },
        ],
    }


def test_recall_counts_boxes_that_no_threshold_would_accept() -> None:
    assert curve((0.9, True), (0.01, True), truths=4).recall == 0.5


def test_average_precision_lets_a_later_better_precision_count_earlier() -> None:
    # Precision is 1/2 at the first true box, 2/3 at the second.
    assert curve((0.9, False), (0.8, True), (0.7, True), truths=2).average_precision == pytest.approx(2 / 3)


def test_average_precision_of_nothing_found_is_0() -> None:
    assert curve(truths=3).average_precision == 0.0


ranked = st.lists(st.tuples(st.sampled_from([0.05, 0.2, 0.4, 0.6, 0.8, 1.0]), st.booleans()), min_size=1, max_size=25)


@given(ranked, st.integers(0, 5))
def test_average_precision_is_the_area_of_the_interpolated_curve(samples: list[Any], missed: int) -> None:
    samples = sorted(samples, key=lambda sample: -sample[0])
    hits = sum(hit for _, hit in samples)
    assume(hits)
    scores, right = [score for score, _ in samples], [hit for _, hit in samples]
    precision, recall, _ = precision_recall_curve(right, scores)
    levels = sorted({*recall.tolist()} - {0.0})
    heights = [max(p for p, r in zip(precision[:-1], recall[:-1], strict=True) if r >= level) for level in levels]
    area = sum(width * height for width, height in zip(np.diff([0.0, *levels]), heights, strict=True))

    found_precision = curve(*samples, truths=hits + missed).average_precision

    assert found_precision == pytest.approx(area * hits / (hits + missed))


@given(ranked)
def test_average_precision_is_that_of_scikit_learn_where_precision_only_falls(samples: list[Any]) -> None:
    samples = sorted(samples, key=lambda sample: -sample[0])
    right, scores = [hit for _, hit in samples], [score for score, _ in samples]
    assume(any(right))
    precision = precision_recall_curve(right, scores)[0][:-1]
    expected = average_precision_score(right, scores)

    found_precision = curve(*samples, truths=sum(right)).average_precision

    if (np.diff(precision) >= 0).all():
        assert found_precision == pytest.approx(expected)
    else:
        assert found_precision >= expected - 1e-12


@given(ranked, st.randoms(use_true_random=False))
def test_order_of_boxes_with_equal_scores_does_not_matter(samples: list[Any], random: Any) -> None:
    others = list(samples)
    random.shuffle(others)
    truths = len(samples)

    one, other = (curve(*sorted(some, key=lambda s: -s[0]), truths=truths) for some in (samples, others))

    assert one.best_threshold() == other.best_threshold()
    assert one.average_precision == pytest.approx(other.average_precision)


@pytest.mark.parametrize(
    ("ranked", "threshold"),
    [
        (((0.9, True), (0.3, False)), 0.5),
        (((0.9, True), (0.7, False)), 0.75),
        (((0.4, True), (0.2, False)), 0.35),
        (((0.4, True),), 0.3),
        (((1.0, True),), 0.5),
        (((0.6, True), (0.6, True), (0.5, False)), 0.525),
    ],
    ids=["0.5 lies between", "above 0.5", "below 0.5", "nothing below", "0.5 well inside", "0.5 at the end"],
)
def test_threshold_is_near_one_half_and_away_from_the_scores(ranked: Any, threshold: float) -> None:
    assert curve(*ranked, truths=2).best_threshold() == pytest.approx(threshold)


def test_higher_of_equally_good_cuts_is_taken() -> None:
    # One of one right with two true boxes, or two of four: the same F1.
    cuts = curve((0.9, True), (0.8, False), (0.7, False), (0.6, True), truths=2)

    assert cuts.best_threshold() == pytest.approx(0.825)


@pytest.mark.parametrize(
    "cuts", [curve(truths=0), curve((0.9, False), truths=0), curve(truths=2), curve((0.9, False), truths=2)]
)
def test_threshold_of_a_label_that_is_not_tested_or_never_found_is_one_half(cuts: LabelCurve) -> None:
    assert cuts.best_threshold() == 0.5


def test_right_box_of_score_0_is_accepted_when_that_is_best() -> None:
    cuts = curve((0.5, False), (0.0, True), truths=1)

    assert (cuts.scores >= cuts.best_threshold()).all()


@given(ranked, st.integers(0, 4))
def test_threshold_keeps_a_quarter_of_its_interval_from_both_ends(samples: list[Any], missed: int) -> None:
    samples = sorted(samples, key=lambda sample: -sample[0])
    cuts = curve(*samples, truths=sum(hit for _, hit in samples) + missed)
    assume(cuts.hits.any())
    threshold = cuts.best_threshold()

    high = min(score for score in cuts.scores if score >= threshold)
    low = max([score for score in cuts.scores if score < threshold], default=0.0)

    quarter = (high - low) / 4
    assert low + quarter <= threshold + 1e-12
    assert threshold <= high - quarter + 1e-12
    assert threshold == 0.5 or abs(min(threshold - low, high - threshold) - quarter) < 1e-12


def test_label_without_testing_boxes_is_left_out_of_the_means() -> None:
    evaluation = evaluate(("dent", "rust", "unseen"), [[*FOUND[0], found("unseen", 0.9, 0, 0, 9, 9)], FOUND[1]], LINES)

    document = summary_document(evaluation, CONTEXT)

    assert evaluation.thresholds["unseen"] == 0.5
    assert [result["Label"] for result in document["LabelEvaluationResults"]] == ["rust", "dent"]
    assert document["AggregatedEvaluationResults"]["AveragePrecision"] == pytest.approx((44 / 63 + 1) / 2)


def test_boxes_of_different_labels_never_match() -> None:
    (truth,) = lines_of([("dent", 10, 10, 20, 20)])

    evaluation = evaluate(("dent", "rust"), [[found("rust", 0.9, 10, 10, 20, 20)]], [truth])

    assert [metrics.f1 for metrics in evaluation.tested] == [0.0]


def flags(entry: Mapping[str, Any]) -> list[tuple[float, list[str]]]:
    """List the confidence of every predicted box with the names of what is true of it."""
    return [
        (
            round(described["confidence"], 2),
            [name for name, value in described[f"{EVALUATION}-details"].items() if value is True],
        )
        for described in entry[f"{EVALUATION}-metadata"]["objects"]
    ]


def test_snapshot_shows_accepted_boxes_and_weak_ones_on_missed_objects_only(snapshot: list[dict[str, Any]]) -> None:
    right, missed = "is-true-positive", "is-false-negative"
    present = "is-present-in-ground-truth"

    assert flags(snapshot[0]) == [(0.9, [right, present]), (0.6, [right, present])]
    assert flags(snapshot[1]) == [(0.8, [right, present]), (0.7, ["is-false-positive"]), (0.2, [missed, present])]


def test_snapshot_has_the_documented_shape(snapshot: list[dict[str, Any]]) -> None:
    second, truth = snapshot[1], "rekognition-custom-labels-training-0"

    assert set(second) == {"source-ref", truth, f"{truth}-metadata", EVALUATION, f"{EVALUATION}-metadata", OBJECT_ID}
    assert second[OBJECT_ID] == 2
    assert second["source-ref"] == "s3://parts/1.png"
    assert second[truth] == LINES[1].document["boxes"]
    assert second[f"{truth}-metadata"]["job-name"] == "rekognition-custom-labels-training-job"
    predicted, metadata = second[EVALUATION], second[f"{EVALUATION}-metadata"]
    assert predicted["image_size"] == [{"width": 100, "height": 100, "depth": 3}]
    assert predicted["annotations"][0] == {"class_id": 1, "left": 40, "top": 40, "width": 30, "height": 30}
    assert metadata["class-map"] == {"0": "dent", "1": "rust"}
    assert len(metadata["objects"]) == len(predicted["annotations"])
    rest = {name: value for name, value in metadata.items() if name not in ("objects", "class-map")}
    assert rest == {
        "type": "groundtruth/object-detection",
        "job-name": "rekognition-custom-labels-evaluation-job",
        "human-annotated": "no",
        "creation-date": "2026-03-04T11:20:31.123456",
        "confidence": 0.8,
    }


def test_snapshot_of_an_image_where_nothing_is_found_has_an_empty_prediction() -> None:
    evaluation = evaluate(("dent", "rust"), [[], []], LINES)

    first = json.loads(next(evaluation.snapshot(LINES, ENDED)))

    assert first[EVALUATION]["annotations"] == []
    metadata = first[f"{EVALUATION}-metadata"]
    assert (metadata["objects"], metadata["class-map"], metadata["confidence"]) == ([], {}, 0.0)


def test_snapshot_shows_and_judges_whole_pixels_and_five_digits() -> None:
    (truth,) = lines_of([("dent", 10, 10, 20, 20)])
    said = [Found("dent", 0.123456789, Box(9.6, 10.4, 20.2, 20.4)), Found("dent", 0.9, Box(99.8, 99.9, 0.1, 0.1))]

    evaluation = evaluate(("dent",), [said], [truth])
    shown = json.loads(next(evaluation.snapshot([truth], ENDED)))

    assert [one.found.box for one in evaluation.judged[0]] == [Box(100, 100, 1, 1), Box(10, 10, 20, 21)]
    boxes = {entry["left"]: entry for entry in shown[EVALUATION]["annotations"]}
    assert json.dumps(boxes[10]) == '{"class_id": 0, "left": 10, "top": 10, "width": 20, "height": 21}'
    assert 0.12346 in [described["confidence"] for described in shown[f"{EVALUATION}-metadata"]["objects"]]


def test_snapshot_numbers_a_class_alike_in_truth_and_prediction_whatever_the_manifest_had() -> None:
    document = boxes_line("a.png", ("rust", 10, 10, 20, 20), size=(100, 100))
    document["boxes"]["annotations"][0]["class_id"] = 7
    document["boxes-metadata"]["class-map"] = {"7": "rust", "8": "unused"}
    given_line = parse_line(json.dumps(document))

    evaluation = evaluate(("dent", "rust"), [[found("rust", 0.9, 10, 10, 20, 20)]], [given_line])
    shown = json.loads(next(evaluation.snapshot([given_line], ENDED)))

    for key in ("rekognition-custom-labels-training-0", EVALUATION):
        assert [entry["class_id"] for entry in shown[key]["annotations"]] == [1]
        assert shown[f"{key}-metadata"]["class-map"] == {"1": "rust"}


def test_training_ground_truth_is_a_manifest_of_the_used_boxes_under_the_names_of_the_service() -> None:
    given_lines = lines_of([("dent", 10, 10, 20, 20), ("rust", -1, 0, 9, 9)], [("rust", 1, 2, 30, 40)])

    rows = list(truth_manifest(("dent", "rust"), given_lines))

    assert [json.loads(row)[OBJECT_ID] for row in rows] == [1, 2]
    truth = "rekognition-custom-labels-training-0"
    assert [set(json.loads(row)) for row in rows] == [{"source-ref", truth, f"{truth}-metadata", OBJECT_ID}] * 2
    again = [parse_line(row) for row in rows]
    assert [line.findings for line in again] == [(), ()]
    assert [[(a.label, a.box) for a in line.annotations] for line in again] == [
        [(a.label, a.box) for a in line.annotations] for line in given_lines
    ]


def test_snapshot_truth_is_without_the_boxes_that_were_dropped() -> None:
    (kept,) = lines_of([("rust", -1, 0, 9, 9), ("dent", 10, 10, 20, 20)])
    evaluation = evaluate(("dent",), [[found("dent", 0.9, 10, 10, 20, 20)]], [kept])

    shown = json.loads(next(evaluation.snapshot([kept], ENDED)))

    truth = "rekognition-custom-labels-training-0"
    assert shown[truth]["annotations"] == [{"class_id": 0, "left": 10, "top": 10, "width": 20, "height": 20}]
    assert shown[f"{truth}-metadata"]["objects"] == [{"confidence": 1}]


def intersection_over_union(one: Box, other: Box) -> float:
    shared = max(0.0, min(one.left + one.width, other.left + other.width) - max(one.left, other.left))
    shared *= max(0.0, min(one.top + one.height, other.top + other.height) - max(one.top, other.top))
    return shared / (one.width * one.height + other.width * other.height - shared)


def hits_at(threshold: float, label: str, images: list[Any]) -> tuple[int, int, int]:
    """Match anew what passes a threshold; return how much was right, found and true."""
    right = said = true = 0
    for some, truths in images:
        free = sorted((box for name, box in truths if name == label), reverse=True)
        accepted = sorted((-score, box) for name, score, box in some if name == label and score >= threshold)
        said, true = said + len(accepted), true + len(free)
        for _, box in accepted:
            best = max(free, key=lambda truth: intersection_over_union(box, truth), default=None)
            if best is not None and intersection_over_union(box, best) >= 0.5:
                free.remove(best)
                right += 1
    return right, said, true


labels = st.sampled_from(["dent", "rust"])
box_sides = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(4, 14), st.integers(4, 14))
scenes = st.lists(
    st.tuples(
        st.lists(st.tuples(labels, st.sampled_from([0.1, 0.2, 0.45, 0.5, 0.55, 0.9]), box_sides), max_size=6),
        st.lists(st.tuples(labels, box_sides), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=4,
)


def evaluated(scene: list[Any]) -> tuple[BoxEvaluation, list[ManifestLine], list[Any]]:
    lines = lines_of(*[[(label, *box) for label, box in truths] for _, truths in scene])
    some = [[found(label, score, *box) for label, score, box in boxes] for boxes, _ in scene]
    plain = [
        (
            [(one.label, one.score, one.box) for one in image],
            [(label, Box(*map(float, box))) for label, box in truths],
        )
        for image, (_, truths) in zip(some, scene, strict=True)
    ]
    return evaluate(("dent", "rust"), some, lines), lines, plain


@settings(deadline=None)
@given(scenes)
def test_metrics_agree_with_matching_anew_at_every_threshold(scene: list[Any]) -> None:
    evaluation, _, plain = evaluated(scene)

    for metrics in evaluation.tested:
        right, said, true = hits_at(metrics.threshold, metrics.label, plain)
        scores = {score for some, _ in plain for _, score, _ in some}
        f1 = [2 * r / (s + t) for r, s, t in (hits_at(score, metrics.label, plain) for score in scores)]
        assert metrics.precision == (right / said if said else 0.0)
        assert metrics.recall == right / true
        assert metrics.f1 == max(f1, default=0.0)


@settings(deadline=None)
@given(scenes)
def test_summary_can_be_computed_again_from_the_snapshot(scene: list[Any]) -> None:
    evaluation, lines, _ = evaluated(scene)
    rows = [json.loads(row) for row in evaluation.snapshot(lines, ENDED)]
    truth, said = "rekognition-custom-labels-training-0", EVALUATION

    def boxes(row: Mapping[str, Any], key: str) -> list[tuple[str, float, Box]]:
        names, objects = row[f"{key}-metadata"]["class-map"], row[f"{key}-metadata"]["objects"]
        return [
            (names[str(entry["class_id"])], described["confidence"], Box(*(float(entry[side]) for side in SIDES)))
            for entry, described in zip(row[key]["annotations"], objects, strict=True)
        ]

    images = [(boxes(row, said), [(label, box) for label, _, box in boxes(row, truth)]) for row in rows]
    for result in summary_document(evaluation, CONTEXT)["LabelEvaluationResults"]:
        metrics = result["Metrics"]
        right, positive, true = hits_at(metrics["Threshold"], result["Label"], images)
        assert metrics["F1Score"] == 2 * right / (positive + true)
        assert metrics["Recall"] == right / true


@settings(deadline=None)
@given(scenes)
def test_flags_of_a_snapshot_add_up_to_the_summary(scene: list[Any]) -> None:
    evaluation, lines, _ = evaluated(scene)
    counts = dict.fromkeys(["is-true-positive", "is-false-positive", "is-true-negative"], 0)
    for row in evaluation.snapshot(lines, ENDED):
        for _, names in flags(json.loads(row)):
            for name in counts:
                counts[name] += name in names

    found_at = {label: evaluation.curves[label].scores >= evaluation.thresholds[label] for label in evaluation.labels}
    hits = sum(int((found_at[label] & evaluation.curves[label].hits).sum()) for label in evaluation.labels)
    every = sum(int(found_at[label].sum()) for label in evaluation.labels)
    assert counts == {"is-true-positive": hits, "is-false-positive": every - hits, "is-true-negative": 0}
