"""The operating points of a version as people read them: counts, what a step would change, and a curve to look at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlops import words
from mlops.judging.evaluation import Evaluation
from mlops.judging.operating_points import Chosen, Confirmed, From, Told
from mlops.records.documents import InferenceTest

# As many curves as a person looks at; of further labels the table says the same.
MOST_CURVES = 24
# A picture of so many units, with room for what stands at its axes.
_SIDE, _LEFT, _TOP = 100.0, 14.0, 6.0
_PLACES = 1


@dataclass(frozen=True)
class Mark:
    """A place on a curve."""

    x: float
    y: float


@dataclass(frozen=True)
class Drawn:
    """A precision-recall curve in the units of its picture, with the point and a step to either side."""

    path: str
    at: Mark
    lower: Mark
    higher: Mark
    service: Mark | None


@dataclass(frozen=True)
class Point:
    """The operating point of a label; all in words but the curve."""

    label: str
    least: str
    counts: str
    lower: str
    higher: str
    service: str
    chosen_by: str
    curve: Drawn | None

    @property
    def alt(self) -> str:
        return (
            f"Precision and recall of {self.label}. At {self.least}: {self.counts}. "
            f"A step lower: {self.lower}. A step higher: {self.higher}."
        )


def points_of(gate: Evaluation | None, test: InferenceTest | None) -> list[Point]:
    """Of every label that has one; none of a version that an earlier release tested."""
    told = test.judged.operating_points if test else {}
    chosen = gate.operating_points if gate else {}
    wanted = [label for label, facts in told.items() if facts.curve][:MOST_CURVES]
    return [_point(label, facts, chosen.get(label), draws=label in wanted) for label, facts in told.items()]


def _point(label: str, facts: Confirmed, chosen: Chosen | None, *, draws: bool) -> Point:
    service = facts.service
    return Point(
        label=label,
        least=_confidence(facts.point),
        counts=_counts(facts.at.counts, facts.support),
        lower=_change(facts.at, facts.lower),
        higher=_change(facts.at, facts.higher),
        service=f"{_confidence(service.least)}: {_counts(service.counts, facts.support)}" if service else "-",
        chosen_by=_chosen_by(chosen) if chosen else "-",
        curve=_drawn(facts) if draws else None,
    )


def _confidence(value: float) -> str:
    return words.number(value, places=_PLACES)


def _counts(counts: Told, support: int) -> str:
    clean = f", {counts.false_on_clean} on clean images" if counts.false_on_clean else ""
    return f"{counts.found} of {support} found, {counts.false} wrong{clean}"


def _change(now: From, then: From) -> str:
    changes = list(_changes(now.counts, then.counts))
    return f"from {_confidence(then.least)}: {', '.join(changes) or 'nothing changes'}"


def _changes(now: Told, then: Told) -> Iterator[str]:
    differences = {
        "found": then.found - now.found,
        "wrong": then.false - now.false,
        "on clean images": then.false_on_clean - now.false_on_clean,
    }
    for what, difference in differences.items():
        if difference:
            yield f"{abs(difference)} {'more' if difference > 0 else 'fewer'} {what}"


def _chosen_by(chosen: Chosen) -> str:
    test = chosen.test
    costs = f"a miss costs {chosen.miss_costs:g}, a wrong one {chosen.false_costs:g}"
    return f"{_counts(test, test.found + test.missed)}; {costs}"


def _drawn(facts: Confirmed) -> Drawn:
    places = [_place(precision, recall) for _, precision, recall in facts.curve]
    return Drawn(
        path=_path(places),
        at=_at(facts.at.counts, facts.support),
        lower=_at(facts.lower.counts, facts.support),
        higher=_at(facts.higher.counts, facts.support),
        service=_at(facts.service.counts, facts.support) if facts.service else None,
    )


def _path(places: Sequence[Mark]) -> str:
    return " ".join(f"{'L' if number else 'M'}{place.x:g} {place.y:g}" for number, place in enumerate(places))


def _at(counts: Told, support: int) -> Mark:
    said = counts.found + counts.false
    # Who says nothing is never wrong.
    return _place(counts.found / said if said else 1.0, counts.found / support if support else 0.0)


def _place(precision: float, recall: float) -> Mark:
    return Mark(round(_LEFT + recall * _SIDE, 1), round(_TOP + (1 - precision) * _SIDE, 1))
