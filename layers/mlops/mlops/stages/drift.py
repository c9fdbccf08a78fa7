"""Every hour: do inspected pictures still look like those that trained, and are they answered as before?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from mlops import stack
from mlops.aws import buckets, messages, telemetry
from mlops.dataset.keys import DATASETS_PREFIX, drift_key, looks_key
from mlops.events import DriftFound
from mlops.judging import drift
from mlops.judging.appearance import Statistics
from mlops.judging.drift import ANSWERS, LOOKS, WINDOW, Measured, Reference
from mlops.records import activity, inspections
from mlops.records.images import records_of
from mlops.records.inspections import Inspection

# How far back the last pictures are looked for, and how many of them differ most or are the most usual.
_SPANS = (timedelta(hours=1), timedelta(hours=24), timedelta(days=7))
_NAMED = 5
# What has drifted is told again after so long.
_AGAIN = timedelta(days=7)


@dataclass(frozen=True)
class _State:
    """What is kept of a dataset between two looks: how the versions answered at first, and what was told when."""

    versions: tuple[str, ...] = ()
    answers: Mapping[str, Reference] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: str) -> "_State":
        text = buckets.artifacts_bucket().read_if_exists(drift_key(dataset))
        known = json.loads(text) if text else {}
        answers = {name: Reference.read(one) for name, one in known.get("answers", {}).items()}
        return cls(tuple(known.get("versions", ())), answers, known.get("told", {}))


def hourly() -> list[str]:
    """Look at every dataset; returns those that drifted."""
    return [dataset for dataset in buckets.data_bucket().folders(DATASETS_PREFIX) if look(dataset)]


def look(dataset: str) -> tuple[Measured, ...]:
    """Compare the last inspected pictures of a dataset with those that trained; returns what has drifted.

    What is new is told by an event, once; the artifact has all measures.
    """
    references, usual = _looks(dataset)
    window = recent(dataset)
    state = _with_answers(_State.of(dataset), window)
    measured = drift.compared({**references, **state.answers}, _values(window))
    drifted = tuple(one for one in measured if one.has_drifted)
    if measured:
        telemetry.drifted(dataset, {one.name: one.psi for one in measured}, len(drifted))
    if not window:
        return ()
    at = _now().isoformat(timespec="seconds")
    due = {name: when for name, when in state.told.items() if _now() - datetime.fromisoformat(when) < _AGAIN}
    new = [one.name for one in drifted if one.name not in due]
    told = {one.name: due.get(one.name, at) for one in drifted}
    far = sorted(window, key=lambda one: (-drift.distance(references, one.statistics), one.key))
    document = {
        "dataset": dataset,
        "looked_at": at,
        "measures": [one.as_dict() for one in measured],
        "farthest": [one.key for one in far[:_NAMED]],
        "usual": usual,
        "window": {"first": window[0].inspected_at, "last": window[-1].inspected_at, "pictures": len(window)},
        "versions": list(state.versions),
        "answers": {name: one.as_dict() for name, one in state.answers.items()},
    }
    if new:
        # Written before the event, which says where to look, and noted as told after it.
        buckets.artifacts_bucket().write_json(drift_key(dataset), {**document, "told": due})
        messages.put_event(DriftFound(dataset, tuple(new), at, drift_key(dataset)))
    buckets.artifacts_bucket().write_json(drift_key(dataset), {**document, "told": told})
    return drifted


def recent(dataset: str) -> list[Inspection]:
    """The last inspected pictures of a dataset, oldest first; those that were refused say nothing."""
    found: list[Inspection] = []
    for span in _SPANS:
        since = _now() - span
        days = [(since + timedelta(days=day)).date() for day in range(span.days + 2)]
        found = [
            one
            for day in days
            if day <= _now().date()
            for one in inspections.of_day(dataset, day.isoformat(), since.isoformat(timespec="milliseconds"))
            if not one.refused
        ]
        if len(found) >= WINDOW:
            break
    return found[-WINDOW:]


def _values(window: Sequence[Inspection]) -> dict[str, list[float | str]]:
    looks = [drift.looks_of(one.statistics) for one in window if one.statistics.is_known]
    values: dict[str, list[float | str]] = {name: [one[name] for one in looks] for name in LOOKS}
    verdicts: list[float | str] = [one.verdict for one in window]
    sure: list[float | str] = [_confidence(one) for one in window]
    return {**values, **dict(zip(ANSWERS, (verdicts, sure), strict=True))}


def _confidence(inspection: Inspection) -> float:
    return max((found.confidence for found in (*inspection.labels, *inspection.boxes)), default=0.0)


def _with_answers(state: _State, window: Sequence[Inspection]) -> _State:
    """How parts are judged differs from how the training set is mixed: the first answers of a version are what its
    later ones are compared with."""
    versions = tuple(sorted(window[-1].version_arns.values())) if window else ()
    if versions == state.versions and state.answers:
        return state
    own = [one for one in window if tuple(sorted(one.version_arns.values())) == versions]
    if len(own) < WINDOW:
        # Not enough of them yet; those of other versions say nothing.
        return _State(versions, {}, state.told)
    values = _values(own)
    return _State(versions, {name: Reference.of(values[name]) for name in ANSWERS}, state.told)


def _looks(dataset: str) -> tuple[dict[str, Reference], list[str]]:
    """What the pictures of a dataset look like, and the most usual of them; measured anew when it has settled anew."""
    text = buckets.artifacts_bucket().read_if_exists(looks_key(dataset))
    known = json.loads(text) if text else {}
    settled = activity.of(dataset).settled
    if not known or known["settled"] != settled:
        known = {"settled": settled, **_measured(dataset)}
        buckets.artifacts_bucket().write_json(looks_key(dataset), known)
    return {name: Reference.read(told) for name, told in known["looks"].items()}, list(known["usual"])


def _measured(dataset: str) -> dict[str, Any]:
    columns: dict[str, list[float]] = {name: [] for name in LOOKS}
    keys: list[tuple[str, Statistics]] = []
    rows = [row for row in records_of(dataset) if row["kind"] == "image" and row["state"] == "ACCEPTED"]
    # What has but a few colours may be a mask that a line of the annotation manifest names.
    for row in [row for row in rows if "regions" not in row] or rows:
        if "statistics" in row:
            statistics = Statistics.of(row["statistics"])
            for name, value in drift.looks_of(statistics).items():
                columns[name].append(value)
            keys.append((row["sk"], statistics))
    references = {name: Reference.of(values) for name, values in columns.items() if values}
    usual = sorted(keys, key=lambda one: (drift.distance(references, one[1]), one[0]))[:_NAMED]
    return {"looks": {name: one.as_dict() for name, one in references.items()}, "usual": [key for key, _ in usual]}


def _now() -> datetime:
    return datetime.fromtimestamp(stack.here().clock.time(), UTC)
