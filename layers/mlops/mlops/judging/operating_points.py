"""From which confidence an answer of a label counts: chosen by what an escape and an overkill cost.

Confidences and points are the service's, 0 to 100.
"""

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import quantiles, stdev
from typing import Any

from mlops.dataset.boxes import LabeledBox, match
from mlops.dataset.labels import NORMAL, label_of, likeness
from mlops.rounding import reaches

# How far to either side of its point a person is told what would change.
STEP = 10.0
LEAST, MOST = 0.01, 99.99
_PLACES = 2
_MOST_CURVE = 60
_CANDIDATES = 120
# In log-odds: how finely confidences are told apart, and the least that one of them says about its neighbours.
_BIN, _LEAST_WIDTH = 0.1, 0.25
_WIDTH = 0.9
# What leaving the service's own threshold costs, as a share of both costs, for one unit of log-odds and its square:
# it decides where the test says nothing, and soon nothing more where it does.
_LOYALTY = 0.02
# The point of a label of which the service says nothing, as of its snapshot.
UNKNOWN = 50.0


@dataclass(frozen=True)
class Cost:
    """What one escape, a defective part called good, costs beside one overkill, a good part called defective."""

    escape: float
    overkill: float


@dataclass(frozen=True)
class Costs:
    """What mistakes cost, by label where a dataset says so."""

    usual: Cost
    by_label: Mapping[str, Cost] = field(default_factory=dict)

    def of(self, label: str) -> Cost:
        """What it costs to miss a label, and to say it wrongly: who says wrongly that a part is normal, lets it go."""
        cost = self.by_label.get(label, self.usual)
        return Cost(cost.overkill, cost.escape) if label == NORMAL else cost


@dataclass(frozen=True)
class Answered:
    """What was said of one label at any confidence: of which confidence the right answers are, and the wrong ones.

    All rise. `support` counts what is true, answered or not: images, or boxes. `clean` are the boxes that were found
    on images without any true one, which are not among the wrong ones: precision is not of them.
    """

    right: Sequence[float]
    wrong: Sequence[float]
    support: int
    clean: Sequence[float] = ()


@dataclass(frozen=True)
class Counts:
    """What a label finds of `support` from some confidence on, and how often it is wrong."""

    found: int
    false: int
    support: int
    false_on_clean: int = 0

    @property
    def missed(self) -> int:
        return self.support - self.found

    @property
    def precision(self) -> float:
        return self.found / (self.found + self.false) if self.found + self.false else 0.0

    @property
    def recall(self) -> float:
        return self.found / self.support if self.support else 0.0

    @property
    def f1(self) -> float:
        said = self.found + self.false + self.support
        return 2 * self.found / said if said else 0.0

    def as_dict(self) -> dict[str, int]:
        counts = {"found": self.found, "missed": self.missed, "false": self.false}
        return {**counts, "false_on_clean": self.false_on_clean} if self.false_on_clean else counts


def answered_images(images: Iterable[tuple[Iterable[str], Mapping[str, float]]]) -> dict[str, Answered]:
    """From the true labels of every image, and the confidence of every label that was said of it."""
    return _by_label(_told_of_images(images))


def answered_boxes(
    images: Iterable[tuple[Sequence[LabeledBox], Sequence[LabeledBox]]], least_iou: float
) -> dict[str, Answered]:
    """From the true and the found boxes of every image; of boxes, confidences are 0 to 1.

    The surest chooses first (`boxes.match`), so what is right does not depend on where the point is.
    """
    return _by_label(_told_of_boxes(images, least_iou))


# A label, what was said (None: nothing), whether that is right, wrong, or said of something clean.
_Told = tuple[str, float | None, str]
_RIGHT, _WRONG, _CLEAN = "right", "wrong", "clean"


def _told_of_images(images: Iterable[tuple[Iterable[str], Mapping[str, float]]]) -> Iterator[_Told]:
    for truth, said in images:
        true = set(truth)
        yield from ((label, said.get(label), _RIGHT) for label in true)
        yield from ((label, confidence, _WRONG) for label, confidence in said.items() if label not in true)


def _told_of_boxes(
    images: Iterable[tuple[Sequence[LabeledBox], Sequence[LabeledBox]]], least_iou: float
) -> Iterator[_Told]:
    for truth, found in images:
        matched = match(truth, found, least_iou)
        answers = {index: found[number].confidence * 100 for number, index in matched.items()}
        yield from ((box.label, answers.get(index), _RIGHT) for index, box in enumerate(truth))
        wrong = (box for number, box in enumerate(found) if number not in matched)
        yield from ((box.label, box.confidence * 100, _WRONG if truth else _CLEAN) for box in wrong)


def _sides() -> dict[str, "array[float]"]:
    return {kind: array("d") for kind in (_RIGHT, _WRONG, _CLEAN)}


def _by_label(told: Iterable[_Told]) -> dict[str, Answered]:
    # Thousands of images times hundreds of labels: as plain numbers they fit into memory.
    known: defaultdict[str, dict[str, array[float]]] = defaultdict(_sides)
    support: Counter[str] = Counter()
    for label, confidence, kind in told:
        support[label] += kind == _RIGHT
        own = known[label]
        if confidence is not None:
            own[kind].append(confidence)
    for own in known.values():
        for kind, confidences in own.items():
            own[kind] = array("d", sorted(confidences))
    return {
        label: Answered(own[_RIGHT], own[_WRONG], support[label], own[_CLEAN]) for label, own in sorted(known.items())
    }


def counts_at(answered: Answered, point: float) -> Counts:
    """What the label finds when its answers count from `point` on."""
    sides = (answered.right, answered.wrong, answered.clean)
    found, false, on_clean = (sum(reaches(said, point) for said in side) for side in sides)
    return Counts(found, false, answered.support, on_clean)


def curve(answered: Answered, most: int = _MOST_CURVE) -> list[tuple[float, float, float]]:
    """(confidence, precision, recall), surest first: wherever another true one is found, and just before.

    Between two such confidences precision only falls. At most about so many, evenly chosen.
    """
    ordered = sorted([(-said, False) for said in answered.wrong] + [(-said, True) for said in answered.right])
    found = false = 0
    points: list[tuple[float, float, float]] = []
    for place, (negative, is_right) in enumerate(ordered):
        found, false = found + is_right, false + (not is_right)
        following = ordered[place + 1] if place + 1 < len(ordered) else None
        if following is None or (following[0] != negative and (is_right or following[1])):
            counts = Counts(found, false, answered.support)
            points.append((-negative, counts.precision, counts.recall))
    if len(points) <= most:
        return points
    return [points[round(place * (len(points) - 1) / (most - 1))] for place in range(most)]


def choose(answered: Answered, cost: Cost, service: float) -> float:
    """The point that costs least on pictures like these; `service` is the service's own.

    What so few answers say of the next ones is blurred: every answer stands for those around it (a kernel estimate in
    log-odds, in which confidences are spread evenly). Nothing may be gained by a label that finds nothing: half of the
    true ones that have an answer keep it. A label without anything true in the test keeps the service's point.
    """
    if not answered.right:
        return _within(service)
    right, wrong = _blurred(answered.right), _blurred(answered.wrong)
    own = _odds(service)
    known = [own, *right.places, *wrong.places]
    first, last = min(known) - 1, min(max(known) + 1, _odds(answered.right[len(answered.right) // 2]))
    step: float = max(last - first, 0.0) / (_CANDIDATES - 1)
    candidates = [min(own, last), *(first + place * step for place in range(_CANDIDATES))]
    loyalty = _LOYALTY * (cost.escape + cost.overkill)

    def expected(candidate: float) -> float:
        missed, false = right.below(candidate), len(answered.wrong) - wrong.below(candidate)
        return cost.escape * missed + cost.overkill * false + loyalty * (candidate - own) ** 2

    return _within(100 / (1 + math.exp(-min(candidates, key=expected))))


@dataclass(frozen=True)
class _Blurred:
    """Answers by log-odds, each spread around its place."""

    places: Mapping[float, int]
    width: float

    def below(self, candidate: float) -> float:
        """How many answers a candidate is expected to leave out."""
        scale = self.width * math.sqrt(2)
        return sum(count * (1 + math.erf((candidate - place) / scale)) for place, count in self.places.items()) / 2


def _blurred(confidences: Sequence[float]) -> _Blurred:
    odds = sorted(map(_odds, confidences))
    spread = stdev(odds) if len(odds) > 1 else 0.0
    if len(odds) > 3:
        quarter, _, three_quarters = quantiles(odds, n=4)
        spread = min(spread, (three_quarters - quarter) / 1.34) or spread
    # Silverman's rule.
    width = max(_WIDTH * spread * max(len(odds), 1) ** -0.2, _LEAST_WIDTH)
    return _Blurred(Counter(round(place / _BIN) * _BIN for place in odds), width)


def _odds(confidence: float) -> float:
    share = min(max(confidence, LEAST), MOST) / 100
    return math.log(share / (1 - share))


def _within(point: float) -> float:
    """Rounded down, so that what had the point's confidence still counts."""
    scale = 10.0**_PLACES
    return min(max(math.floor(round(point * scale, 6)) / scale, LEAST), MOST)


def choose_all(
    answered: Mapping[str, Answered], service: Mapping[str, float], costs: Costs, *, shows_clean: bool = True
) -> dict[str, dict[str, Any]]:
    """For every label: its point, the service's own, what it is chosen by, and the counts on the test images.

    Where the test shows nothing clean, no point lies below the service's own: nothing says what would be found on parts
    that have no defect.
    """
    chosen = {}
    for label in sorted({*service, *answered}):
        known, cost, own = answered.get(label, Answered((), (), 0)), costs.of(label), service.get(label, UNKNOWN)
        point = choose(known, cost, own)
        point = point if shows_clean else max(point, _within(own))
        chosen[label] = {
            "min_confidence": point,
            "service": own,
            "miss_costs": cost.escape,
            "false_costs": cost.overkill,
            "test": counts_at(known, point).as_dict(),
            "test_by_service": counts_at(known, own).as_dict(),
        }
    return chosen


def told(answered: Mapping[str, Answered], points: Mapping[str, float], service: Mapping[str, float]) -> dict[str, Any]:
    """By label: the curve, and what is found at the point, one step to either side, and by the service's own."""
    found: dict[str, Any] = {}
    for label, point in sorted(points.items()):
        known = answered.get(label, Answered((), (), 0))
        places = {"at": point, "lower": max(point - STEP, 0.0), "higher": min(point + STEP, 100.0)}
        if label in service:
            places["service"] = service[label]
        found[label] = {
            "point": point,
            "support": known.support,
            **{name: {"from": place, **counts_at(known, place).as_dict()} for name, place in places.items()},
            "curve": [[round(value, 4) for value in values] for values in curve(known)],
        }
    return found


def points_in(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """The operating points of a version by its eval_metric.json, 0 to 100: of one that an earlier release of this stack
    trained, the thresholds that the service assumed; empty when nothing is known."""
    chosen = evaluation.get("operating_points")
    if chosen:
        return {str(label): float(facts["min_confidence"]) for label, facts in sorted(chosen.items())}
    return service_points_in(evaluation)


def service_points_in(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """The thresholds that the service assumed when it evaluated a version, 0 to 100."""
    assumed = (evaluation.get("service") or {}).get("assumed_thresholds") or {}
    return {str(label): round(100 * float(value), 6) for label, value in sorted(assumed.items())}


def published_by(result: Mapping[str, Any]) -> dict[str, float]:
    """The operating points that a version was tested at, by its inference_test.json; empty of an earlier release's."""
    tested = result.get("operating_points") or {}
    return {str(label): float(facts["point"]) for label, facts in sorted(tested.items())}


def counts(confidence: float, label: str, points: Mapping[str, float]) -> bool:
    """Whether an answer reaches the point of its label; without any points, whatever the service answers counts."""
    return not points or reaches(confidence, points.get(label, UNKNOWN))


def costs_of(
    usual: Cost, by_name: Mapping[str, Mapping[str, float]], label_names: Mapping[str, str] | None = None
) -> Costs:
    """Costs from the settings of a dataset; `label_names` has the labels of folders that are called otherwise."""
    names = {likeness(folder): label for folder, label in (label_names or {}).items()}
    return Costs(
        usual,
        {
            names.get(likeness(name), label_of(name)): Cost(
                float(given.get("escape", usual.escape)), float(given.get("overkill", usual.overkill))
            )
            for name, given in by_name.items()
        },
    )
