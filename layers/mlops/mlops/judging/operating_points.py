"""From which confidence an answer of a label counts: chosen by what an escape and an overkill cost.

Confidences and points are the service's, 0 to 100.
"""

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, quantiles, stdev

from mlops.codec import INLINE, SOMETIMES, called
from mlops.dataset.boxes import LabeledBox, match
from mlops.dataset.labels import NORMAL, label_of, likeness
from mlops.rounding import reaches

# How far to either side of its point a person is told what would change.
STEP = 10.0
# At 0 and 100 log-odds are infinite.
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

    def told(self) -> "Told":
        """As documents have it."""
        return Told(self.found, self.missed, self.false, self.false_on_clean)


@dataclass(frozen=True)
class Told:
    """How many true ones a label finds and misses, and how often it is said wrongly; on clean images apart."""

    found: int
    missed: int
    false: int
    false_on_clean: int = field(default=0, metadata=SOMETIMES)


@dataclass(frozen=True)
class Chosen:
    """The operating point of a label, the service's own, what it was chosen by, and what both give on the test."""

    min_confidence: float
    service: float = UNKNOWN
    miss_costs: float = 1.0
    false_costs: float = 1.0
    test: Told = field(default_factory=lambda: Told(0, 0, 0))
    test_by_service: Told = field(default_factory=lambda: Told(0, 0, 0))


@dataclass(frozen=True)
class From:
    """What a label finds from a confidence on."""

    least: float = field(metadata=called("from"))
    counts: Told = field(metadata=INLINE)


@dataclass(frozen=True)
class Confirmed:
    """What a label finds of `support` at its point, one step to either side, and by the service's own.

    `curve` has (confidence, precision, recall), surest first.
    """

    point: float
    support: int
    at: From
    lower: From
    higher: From
    service: From | None = field(default=None, metadata=SOMETIMES)
    curve: tuple[tuple[float, float, float], ...] = ()


# A label, from which confidence on it was said (None: not at all), and what that is: right, wrong, or said of something
# clean.
Saying = tuple[str, float | None, int]
RIGHT, WRONG, CLEAN = range(3)


def answered_images(images: Iterable[tuple[Iterable[str], Mapping[str, float]]]) -> dict[str, Answered]:
    """From the true labels of every image, and the confidence of every label that was said of it."""
    return answered(told for truth, said in images for told in told_of_image(truth, said))


def answered_boxes(
    images: Iterable[tuple[Sequence[LabeledBox], Sequence[LabeledBox]]], least_iou: float
) -> dict[str, Answered]:
    """From the true and the found boxes of every image; of boxes, confidences are 0 to 1.

    The surest chooses first (`boxes.match`), so what is right does not depend on where the point is.
    """
    told = (one for truth, found in images for one in told_of_boxes(truth, found, least_iou))
    return answered((label, None if said is None else 100 * said, kind) for label, said, kind in told)


def told_of_image(truth: Iterable[str], said: Mapping[str, float]) -> Iterator[Saying]:
    """What was told of an image, from its true labels and the confidence of every label that was said of it."""
    true = set(truth)
    yield from ((label, said.get(label), RIGHT) for label in true)
    yield from ((label, confidence, WRONG) for label, confidence in said.items() if label not in true)


def told_of_boxes(truth: Sequence[LabeledBox], found: Sequence[LabeledBox], least_iou: float) -> Iterator[Saying]:
    """What was told of an image, from its true boxes and those that were found; confidences as these have them."""
    matched = match(truth, found, least_iou)
    answers = {index: found[number].confidence for number, index in matched.items()}
    yield from ((box.label, answers.get(index), RIGHT) for index, box in enumerate(truth))
    wrong = (box for number, box in enumerate(found) if number not in matched)
    yield from ((box.label, box.confidence, WRONG if truth else CLEAN) for box in wrong)


def answered(told: Iterable[Saying]) -> dict[str, Answered]:
    """The same by label; confidences are 0 to 100."""
    # Thousands of images times hundreds of labels: as plain numbers they fit into memory.
    known: defaultdict[str, tuple[array[float], ...]] = defaultdict(lambda: tuple(array("d") for _ in range(3)))
    support: Counter[str] = Counter()
    for label, confidence, kind in told:
        support[label] += kind == RIGHT
        own = known[label]
        if confidence is not None:
            own[kind].append(confidence)
    found = {}
    for label, own in sorted(known.items()):
        right, wrong, clean = (array("d", sorted(confidences)) for confidences in own)
        found[label] = Answered(right, wrong, support[label], clean)
    return found


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
    whole = spread = stdev(odds) if len(odds) > 1 else 0.0
    if len(odds) > 3:
        # The middle half of a normal distribution is 1.34 of its deviations wide; far answers do not move it.
        quarter, _, three_quarters = quantiles(odds, n=4)
        spread = min(spread, (three_quarters - quarter) / 1.34) or spread
    # Silverman's rule.
    width = max(_WIDTH * spread * max(len(odds), 1) ** -0.2, _LEAST_WIDTH)
    # Blurred, all together would reach farther than they do, most where they are fewest: they are drawn together first.
    middle = fmean(odds) if odds else 0.0
    kept = math.sqrt(max(1 - (width / whole) ** 2, 0.0)) if whole else 1.0
    places = (middle + kept * (place - middle) for place in odds)
    return _Blurred(Counter(round(place / _BIN) * _BIN for place in places), width)


def _odds(confidence: float) -> float:
    share = min(max(confidence, LEAST), MOST) / 100
    return math.log(share / (1 - share))


def _within(point: float) -> float:
    """Rounded down, so that what had the point's confidence still counts."""
    # Rounded before it is cut off: 0.29 * 100 is 28.999..., which would lose a step.
    scale = 10.0**_PLACES
    return min(max(math.floor(round(point * scale, 6)) / scale, LEAST), MOST)


def choose_all(
    answered: Mapping[str, Answered], service: Mapping[str, float], costs: Costs, *, shows_clean: bool = True
) -> dict[str, Chosen]:
    """For every label: its point, the service's own, what it is chosen by, and the counts on the test images.

    Where the test shows nothing clean, no point lies below the service's own: nothing says what would be found on parts
    that have no defect.
    """
    chosen = {}
    for label in sorted({*service, *answered}):
        known, cost, own = answered.get(label, Answered((), (), 0)), costs.of(label), service.get(label, UNKNOWN)
        point = choose(known, cost, own)
        # Higher is safe where no clean part was seen, for it finds less on those, too; lower is not.
        point = point if shows_clean else max(point, _within(own))
        found = (counts_at(known, place).told() for place in (point, own))
        chosen[label] = Chosen(point, own, cost.escape, cost.overkill, *found)
    return chosen


def confirmed(
    answered: Mapping[str, Answered], points: Mapping[str, float], service: Mapping[str, float]
) -> dict[str, Confirmed]:
    """By label: the curve, and what is found at the point, one step to either side, and by the service's own."""
    return {
        label: _confirmed(answered.get(label, Answered((), (), 0)), point, service.get(label))
        for label, point in sorted(points.items())
    }


def _confirmed(known: Answered, point: float, service: float | None) -> Confirmed:
    def at(place: float) -> From:
        return From(place, counts_at(known, place).told())

    lower, higher = max(point - STEP, 0.0), min(point + STEP, 100.0)
    shown = tuple((round(one, 4), round(precision, 4), round(recall, 4)) for one, precision, recall in curve(known))
    own = None if service is None else at(service)
    return Confirmed(point, known.support, at(point), at(lower), at(higher), own, shown)


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
