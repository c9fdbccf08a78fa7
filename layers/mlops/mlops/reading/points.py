"""The operating points of a version as people read them: counts, what a step would change, and a curve to look at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops import words

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


def points_of(gate: Mapping[str, Any] | None, test: Mapping[str, Any] | None) -> list[Point]:
    """Of every label that has one; none of a version that an earlier release tested."""
    told = (test or {}).get("operating_points") or {}
    chosen = (gate or {}).get("operating_points") or {}
    wanted = [label for label, facts in told.items() if facts["curve"]][:MOST_CURVES]
    return [_point(label, facts, chosen.get(label), draws=label in wanted) for label, facts in told.items()]


def _point(label: str, facts: Mapping[str, Any], chosen: Mapping[str, Any] | None, *, draws: bool) -> Point:
    service = facts.get("service")
    return Point(
        label=label,
        least=_confidence(facts["point"]),
        counts=_counts(facts["at"], facts["support"]),
        lower=_change(facts["at"], facts["lower"]),
        higher=_change(facts["at"], facts["higher"]),
        service=f"{_confidence(service['from'])}: {_counts(service, facts['support'])}" if service else "-",
        chosen_by=_chosen_by(chosen) if chosen else "-",
        curve=_drawn(facts) if draws else None,
    )


def _confidence(value: float) -> str:
    return words.number(value, places=_PLACES)


def _counts(counts: Mapping[str, int], support: int) -> str:
    on_clean = counts.get("false_on_clean", 0)
    clean = f", {on_clean} on clean images" if on_clean else ""
    return f"{counts['found']} of {support} found, {counts['false']} wrong{clean}"


def _change(now: Mapping[str, Any], then: Mapping[str, Any]) -> str:
    changes = list(_changes(now, then))
    return f"from {_confidence(then['from'])}: {', '.join(changes) or 'nothing changes'}"


def _changes(now: Mapping[str, Any], then: Mapping[str, Any]) -> Iterator[str]:
    for name, what in (("found", "found"), ("false", "wrong"), ("false_on_clean", "on clean images")):
        if difference := then.get(name, 0) - now.get(name, 0):
            yield f"{abs(difference)} {'more' if difference > 0 else 'fewer'} {what}"


def _chosen_by(chosen: Mapping[str, Any]) -> str:
    test = chosen["test"]
    costs = f"a miss costs {chosen['miss_costs']:g}, a wrong one {chosen['false_costs']:g}"
    return f"{_counts(test, test['found'] + test['missed'])}; {costs}"


def _drawn(facts: Mapping[str, Any]) -> Drawn:
    places = [_place(precision, recall) for _, precision, recall in facts["curve"]]
    service = facts.get("service")
    return Drawn(
        path=_path(places),
        at=_at(facts["at"], facts["support"]),
        lower=_at(facts["lower"], facts["support"]),
        higher=_at(facts["higher"], facts["support"]),
        service=_at(service, facts["support"]) if service else None,
    )


def _path(places: Sequence[Mark]) -> str:
    return " ".join(f"{'L' if number else 'M'}{place.x:g} {place.y:g}" for number, place in enumerate(places))


def _at(counts: Mapping[str, int], support: int) -> Mark:
    said = counts["found"] + counts["false"]
    # Who says nothing is never wrong.
    return _place(counts["found"] / said if said else 1.0, counts["found"] / support if support else 0.0)


def _place(precision: float, recall: float) -> Mark:
    return Mark(round(_LEFT + recall * _SIDE, 1), round(_TOP + (1 - precision) * _SIDE, 1))
