"""What a person decides on: the verdict, the numbers beside their limits and production, pictures, data, lineage."""

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

from mlops import words
from mlops.aws import buckets
from mlops.dataset.keys import run_key
from mlops.judging.evaluation import Evaluation
from mlops.judging.intervals import BETTER, CANNOT_TELL, WORSE, Interval, Paired
from mlops.judging.sureness import Parts
from mlops.judging.tasks import USUAL_IOU, task_of
from mlops.reading.points import Point, points_of
from mlops.records import costs, documents
from mlops.records.costs import Estimate
from mlops.records.documents import EvalMetric, GroundTruth, InferenceTest, TrainingInput
from mlops.records.runs import FAILED, Stage
from mlops.rounding import keeps_to, reaches

# As long as somebody reads a page; whoever has a link may see the picture until then.
_LINK_SECONDS = 900
MOST_SHOWN_RELEASES = 5
# Characters of all pictures in a report: a file that mail and browsers bear, and a quarter of what the function has.
MOST_EMBEDDED = 11_000_000


@dataclass(frozen=True)
class Measure:
    """A number beside its limit, which it must reach (`at least`) or keep to (`at most`); None: not measured.

    `production` is the same number of the version in production, where it is known; `counts` says of how many,
    `interval` where the true number lies.
    """

    name: str
    value: float | None
    bound: str
    limit: float
    production: float | None = None
    counts: str = ""
    interval: Interval | None = None

    @property
    def certainty(self) -> str:
        """Of how many, and where the true number lies; empty when neither is known."""
        lies = f"{words.between(self.interval)}" if self.interval and self.value is not None else ""
        return "; ".join(filter(None, (self.counts, lies)))

    @property
    def is_doubtful(self) -> bool:
        """Whether it keeps to its limit, and the unfavourable end of its interval does not."""
        if self.value is None or not self.interval or not self.is_good:
            return False
        lies, limit = self.interval, self.limit
        return not (reaches(lies.low, limit) if self.bound == "at least" else keeps_to(lies.high, limit))

    @property
    def is_good(self) -> bool:
        """Whether the number keeps to its limit; one that is not known is not good."""
        if self.value is None:
            return True
        return (reaches if self.bound == "at least" else keeps_to)(self.value, self.limit)

    @property
    def texts(self) -> tuple[str, str]:
        """The value and its limit as a person reads them."""
        return words.beside(self.value, self.limit) if self.value is not None else ("-", words.number(self.limit))


@dataclass(frozen=True)
class Picture:
    """A picture, what it shows, and where it is: a link, or the picture itself as a data URI."""

    source: str
    caption: str
    is_wrong: bool = False


@dataclass(frozen=True)
class Sentences:
    """How sure the numbers are, each empty where nothing is known: whole parts, the service's own thresholds, and the
    comparison with production."""

    parts: str = ""
    service: str = ""
    paired: str = ""


@dataclass(frozen=True)
class Confusion:
    """What images are called: `columns` are labels ("" for no answer), a row a true label with how many images, and
    which share of its own, stand in each column."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[int, float]]]]


@dataclass(frozen=True)
class Evidence:
    """What is known of a run up to its test in an environment; what it has not come to is None or empty.

    `mistakes` are the images that were answered wrongly, `warnings` what somebody who decides should know.
    """

    truth: GroundTruth | None
    gate: EvalMetric | None
    test: InferenceTest | None
    warnings: Sequence[str]
    bucket: str
    cost: Estimate
    measures: Sequence[Measure]
    confusion: Confusion | None
    points: Sequence[Point]
    sureness: Sentences
    mistakes: int | None

    def by_name(self) -> dict[str, object]:
        """As templates know it."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def load(run_id: str, environment: str) -> Evidence:
    """What is known of a run up to its test in an environment."""
    prepared = documents.find(TrainingInput, run_id)
    return told_of(
        documents.find(GroundTruth, run_id),
        documents.find(EvalMetric, run_id),
        documents.find_test(run_id, environment),
        prepared.warnings if prepared else (),
        costs.estimate(run_id),
    )


def told_of(
    truth: GroundTruth | None,
    gate: EvalMetric | None,
    test: InferenceTest | None,
    warnings: Sequence[str],
    cost: Estimate,
) -> Evidence:
    """Everything that a person is told, from the documents of a run."""
    evaluation = gate.evaluation if gate else None
    return Evidence(
        truth,
        gate,
        test,
        # What a test could not tell comes first.
        [*(test.judged.remarks if test else ()), *warnings],
        buckets.artifacts_bucket().name,
        cost,
        list(measures_of(evaluation, test)),
        confusion_of(truth, test),
        points_of(evaluation, test),
        sureness_of(evaluation, test),
        _mistakes(test) if test else None,
    )


def _mistakes(test: InferenceTest) -> int:
    """Of how many images an answer was wrong. Results of earlier releases hold all answers, some ten thousand."""
    if test.judged.mistakes is not None:
        return test.judged.mistakes
    task = task_of(test.ref.task, test.judged.measured.match_iou or USUAL_IOU)
    return sum(task.read(answer).is_wrong for answer in test.answers)


def measures_of(gate: Evaluation | None, test: InferenceTest | None) -> Iterator[Measure]:
    """Every number that has a limit: how much is found, and how often the model cries wolf."""
    if gate and (at := gate.at_points):
        yield Measure("F1 on the test images", at.means.f1, "at least", gate.thresholds.f1, interval=at.f1_interval)
    elif gate:
        # What an earlier release of this stack has judged.
        least, own = gate.thresholds.f1, gate.recomputed
        yield Measure("F1 of the service on the test images", gate.service.means.f1, "at least", least)
        name = "F1 recomputed from its predictions"
        yield Measure(name, own.means.f1, "at least", least, interval=own.f1_interval)
    if test:
        yield from _measures_of_test(test)


def _measures_of_test(test: InferenceTest) -> Iterator[Measure]:
    judged, numbers, beside = test.judged, test.judged.measured, test.comparison
    limits, lies = judged.thresholds, judged.sureness.intervals
    asked = f"{judged.images} {test.images_from} images"
    production = beside.f1.production if beside.f1 and not beside.note else None
    name = f"F1 of real inference on {asked}"
    yield Measure(name, numbers.means.f1, "at least", limits["f1"], production, interval=lies.get("f1"))
    if "accuracy" in limits:
        least, counts = limits["accuracy"], _right(test) if lies else ""
        lie = lies.get("accuracy")
        yield Measure("Accuracy of real inference", numbers.accuracy, "at least", least, None, counts, lie)
    task = task_of(test.ref.task)
    name, counts = f"{task.alarm} ({numbers.clean_images} images)", task.alarms(numbers) if lies else ""
    most, lie = limits["false_alarm_rate"], lies.get("false_alarm_rate")
    yield Measure(name, numbers.false_alarm_rate, "at most", most, None, counts, lie)


def _right(test: InferenceTest) -> str:
    answered = test.judged.images - len(test.judged.errors)
    return f"{round((test.judged.measured.accuracy or 0) * answered)} of {answered}"


def sureness_of(gate: Evaluation | None, test: InferenceTest | None) -> Sentences:
    """How sure the numbers are."""
    said = [*_on_test_images(gate), *_in_real_inference(test)]
    service = f"By the service's own thresholds: {', '.join(said)}." if said else ""
    if test is None:
        return Sentences(service=service)
    parts, pair = test.judged.sureness.parts, test.comparison.paired
    return Sentences(_parts(parts) if parts else "", service, _paired(pair) if pair else "")


def _on_test_images(gate: Evaluation | None) -> Iterator[str]:
    """What the service's own thresholds give there, counted by the service, and by us where that differs."""
    if gate and gate.at_points:
        f1 = gate.service.means.f1
        yield f"F1 {words.number(f1, gate.at_points.means.f1)} on the test images"
        if not gate.agrees:
            yield f"F1 {words.number(gate.recomputed.means.f1, f1)} there by our count"


def _in_real_inference(test: InferenceTest | None) -> Iterator[str]:
    if test and (service := test.judged.by_service):
        whole = f", {said[0].lower()}{said[1:]}" if (said := service.parts and _parts(service.parts)) else ""
        yield f"F1 {words.number(service.f1, test.judged.measured.means.f1)} of real inference{whole}"


def _parts(parts: Parts) -> str:
    escapes, overkill = (words.of_many(one.count, one.of, one.interval) for one in (parts.escapes, parts.overkill))
    return f"Escapes {escapes}, overkill {overkill}"


def _paired(pair: Paired) -> str:
    said = {
        CANNOT_TELL: "cannot tell which of the two is better",
        BETTER: "it is better than production",
        WORSE: "it is worse than production",
    }[pair.verdict]
    counts = f"{pair.better} answered better, {pair.worse} worse, {pair.same} alike"
    return f"Part by part, {counts}: {said}"


def confusion_of(truth: GroundTruth | None, test: InferenceTest | None) -> Confusion | None:
    """What images of each label are called; None for a task that has no such thing."""
    counts = test.judged.measured.confusion_matrix if test else None
    if truth is None or counts is None:
        return None
    silent = any("" in row for row in counts.values())
    columns = [*truth.labels, *([""] if silent else [])]
    rows = [(label, _shares([counts.get(label, {}).get(column, 0) for column in columns])) for label in truth.labels]
    return Confusion(columns, rows)


def _shares(counts: Sequence[int]) -> list[tuple[int, float]]:
    total = sum(counts)
    return [(count, count / total if total else 0.0) for count in counts]


def lineage_of(known: Evidence) -> list[tuple[str, str]]:
    """Where a model comes from: (what, which), each of which can be looked up."""
    found = []
    if truth := known.truth:
        found += [("Dataset", f"{truth.images} images, digest {truth.digest}")]
        found += [(f"Manifest, {side}", key) for side, key in sorted(truth.manifests.items())]
    if test := known.test:
        found += [("Version", test.version_arn), ("Tested at", test.tested_at)]
    return found


def links(known: Evidence) -> dict[str, list[Picture]]:
    """The pictures of a run through links that end soon."""
    store = buckets.artifacts_bucket()
    return _by_kind(_drawn(known), lambda drawn: store.link(drawn.key, _LINK_SECONDS))


def embedded(known: Evidence) -> dict[str, list[Picture]]:
    """The pictures of a run themselves, what was wrong first, as many as fit; the others, `left_out`, by their places.

    Nothing is read any more once one did not fit: time and memory have a bound, however many labels there are.
    """
    store, left, sources, drawn = buckets.artifacts_bucket(), MOST_EMBEDDED, dict[_Drawn, str](), _drawn(known)
    for wanted in sorted(drawn, key=_importance):
        source = _kept.pop(wanted, None) or _data_uri(store.read_bytes(wanted.key))
        left -= len(source)
        if left < 0:
            break
        sources[wanted] = source
    _kept.clear()
    _kept.update(sources)
    places = {picture: f"s3://{store.name}/{picture.key}" for picture in drawn if picture not in sources}
    left_out = [_picture(picture, place) for picture, place in places.items()]
    return {**_by_kind(drawn, sources.get), "left_out": left_out}


@dataclass(frozen=True)
class _Drawn:
    """A picture of a run that is there."""

    kind: str
    key: str
    etag: str
    caption: str
    is_wrong: bool = False


# A report is written several times in a row, and most of its pictures are those of the time before.
_kept: dict[_Drawn, str] = {}


def _importance(drawn: _Drawn) -> int:
    if drawn.is_wrong:
        return 0
    return 1 if drawn.kind == "overlays" else 2


def _drawn(known: Evidence) -> list[_Drawn]:
    truth = known.truth or GroundTruth()
    run_id = truth.run_id
    there = dict(buckets.artifacts_bucket().list(run_key(run_id, ""))) if run_id else {}
    shown = known.test.gallery if known.test else ()
    gallery = [_Drawn("gallery", one.key, "", one.caption, one.is_wrong) for one in shown]
    overlays = [_Drawn("overlays", key, "", label) for label, key in truth.overlays.items()]
    return [replace(one, etag=there[one.key]) for one in (*gallery, *overlays) if one.key in there]


def _data_uri(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _picture(drawn: _Drawn, source: str) -> Picture:
    return Picture(source, drawn.caption, drawn.is_wrong)


def _by_kind(drawn: Sequence[_Drawn], source: Callable[[_Drawn], str | None]) -> dict[str, list[Picture]]:
    found: dict[str, list[Picture]] = {"gallery": [], "overlays": []}
    for picture in drawn:
        if place := source(picture):
            found[picture.kind].append(_picture(picture, place))
    return found


def outcome_of(stages: Sequence[Stage]) -> Stage | None:
    """The stage that says how a run stands: one that failed, or else the last; None before the first."""
    failed = [stage for stage in stages if stage.state == FAILED]
    # A later stage may have been begun by a repetition: that one failed is still what a person must know.
    candidates = failed or stages
    return candidates[-1] if candidates else None
