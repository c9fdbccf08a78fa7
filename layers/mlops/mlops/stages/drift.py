"""Every hour: do inspected pictures still look like those that trained, and are they answered as before?

The last pictures are looked at every hour, and those of a whole day once it is over: a hundred tell of a sudden change,
a day of a slow one. Needs the imaging layer.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from PIL import Image

from mlops import stack
from mlops.aws import buckets, messages, telemetry
from mlops.dataset.keys import (
    DATASETS_PREFIX,
    dataset_prefix,
    drift_key,
    drift_picture_key,
    is_reviewed,
    path_of,
    run_key,
)
from mlops.events import DriftFound
from mlops.judging import drift
from mlops.judging.appearance import Statistics
from mlops.judging.drift import ANSWERS, LOOKS, WINDOW, Measured, Reference
from mlops.pictures.drawing import as_jpeg, draw, sheet
from mlops.pictures.pixels import open_picture
from mlops.pictures.png import PictureRefused
from mlops.pictures.preparing import prepare
from mlops.records import drifts, inspections, releases, reviews
from mlops.records.drifts import Day, Drift, Drifting, Looks, Window
from mlops.records.images import pictures_of
from mlops.records.inspections import Inspection

# How far back the last pictures are looked for, and how many of them differ most or are the most usual.
_SPANS = (timedelta(hours=1), timedelta(hours=24), timedelta(days=7))
_NAMED = 5
# What of an hour is looked at when a whole day is.
_AN_HOUR = 50
# So many of the pictures that came back last are what is looked at now.
_NEWEST = (25, 50, 100)
# What has drifted is told again after so long.
_AGAIN = timedelta(days=7)
_TILE = 320
_LAST = f"the last {WINDOW}"


def hourly() -> list[str]:
    """Look at every dataset; returns those that drifted.

    What is wrong with one does not hold up the others: raises an ExceptionGroup once all had their turn.
    """
    drifted: list[str] = []
    faults = []
    for dataset in buckets.data_bucket().folders(DATASETS_PREFIX):
        try:
            if look(dataset):
                drifted.append(dataset)
        # What is wrong with one must not hold up the others.
        except Exception as fault:  # raised again below, when every dataset had its turn
            faults.append(fault)
    if faults:
        raise ExceptionGroup("drift", faults)
    return drifted


def look(dataset: str) -> list[str]:
    """Compare the last inspected pictures of a dataset with those that trained; returns the measures that drifted.

    What is new is told by an event, once; the artifact has all measures.
    """
    looks, window = _looks(dataset), recent(dataset)
    state = _with_answers(drifts.find(dataset) or Drift(dataset), window)
    if not window:
        return []
    last = [Drifting(one.rounded(), _LAST) for one in _measured(looks, state, window)]
    day = _of_the_day(dataset, looks, state)
    measures = (*last, *day.measures)
    drifted = list(dict.fromkeys(one.measured.name for one in measures if one.measured.has_drifted))
    if last:
        telemetry.drifted(dataset, {one.measured.name: one.measured.psi for one in last}, len(drifted))
    at = _now().isoformat(timespec="seconds")
    due = {name: when for name, when in state.told.items() if _now() - datetime.fromisoformat(when) < _AGAIN}
    new = [name for name in drifted if name not in due]
    far = sorted(window, key=lambda one: (-drift.distance(looks.looks, one.statistics), one.key))
    farthest = tuple(one.key for one in far[:_NAMED])
    found = replace(
        state,
        dataset=dataset,
        looked_at=at,
        measures=measures,
        farthest=farthest,
        usual=looks.usual,
        window=Window(window[0].inspected_at, window[-1].inspected_at, len(window)),
        day=day,
        told=due,
    )
    if new:
        # Written before the event, which says where to look, and noted as told after it.
        _draw(dataset, farthest, looks.usual)
        drifts.write(found)
        messages.put_event(DriftFound(dataset, tuple(new), at, drift_key(dataset)))
    drifts.write(replace(found, told={name: due.get(name, at) for name in drifted}))
    return drifted


def _measured(looks: Looks, state: Drift, window: Sequence[Inspection]) -> tuple[Measured, ...]:
    return drift.compared({**looks.looks, **state.answers}, _values(window, state.versions), looks.newest)


def _of_the_day(dataset: str, looks: Looks, state: Drift) -> Day:
    """How the pictures of yesterday compare; looked at once, and again when other models are released."""
    name = (_now().date() - timedelta(days=1)).isoformat()
    released = _released(dataset)
    if (state.day.date, state.day.run_ids) == (name, released):
        return state.day
    window = list(of_whole_day(dataset, name))
    measures = tuple(Drifting(one.rounded(), name) for one in _measured(looks, state, window))
    return Day(name, released, len(window), measures)


def of_whole_day(dataset: str, day: str) -> Iterator[Inspection]:
    """Pictures of a day (UTC, YYYY-MM-DD), at most so many of each hour."""
    for hour in range(24):
        began = f"{day}T{hour:02}"
        for one in islice(inspections.of_day(dataset, day, began), _AN_HOUR):
            if one.inspected_at.startswith(began) and not one.refused:
                yield one


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


def _values(window: Sequence[Inspection], versions: Sequence[str]) -> dict[str, list[float | str]]:
    """What is measured of pictures; of their answers only those of these versions."""
    looks = [drift.looks_of(one.statistics) for one in window if one.statistics.is_known]
    values: dict[str, list[float | str]] = {name: [one[name] for one in looks] for name in LOOKS}
    own = [one for one in window if _versions(one) == tuple(versions)]
    verdicts: list[float | str] = [one.verdict for one in own]
    sure: list[float | str] = [_confidence(one) for one in own]
    return {**values, **dict(zip(ANSWERS, (verdicts, sure), strict=True))}


def _versions(inspection: Inspection) -> tuple[str, ...]:
    return tuple(sorted(inspection.version_arns.values()))


def _confidence(inspection: Inspection) -> float:
    return max((found.confidence for found in (*inspection.labels, *inspection.boxes)), default=0.0)


def _with_answers(state: Drift, window: Sequence[Inspection]) -> Drift:
    """How parts are judged differs from how the training set is mixed: the first answers of a version are what its
    later ones are compared with."""
    versions = _versions(window[-1]) if window else ()
    if versions == state.versions and state.answers:
        return state
    values = _values(window, versions)
    # Those of other versions say nothing.
    is_enough = len(values["verdicts"]) >= WINDOW
    answers = {name: Reference.of(values[name]) for name in ANSWERS} if is_enough else {}
    return replace(state, versions=versions, answers=answers)


def _released(dataset: str) -> dict[str, str]:
    return {task: release.run_id for task, release in releases.in_production(dataset).items()}


def _looks(dataset: str) -> Looks:
    """Measured anew when other models are released: what a dataset got since has trained nothing that answers."""
    known, released = drifts.looks_of(dataset), _released(dataset)
    if known is None or known.run_ids != released:
        known = replace(_looks_of(dataset, _trained(released.values())), run_ids=released)
        # Kept, for it takes reading all records of a dataset, and is asked for at every picture and every hour.
        drifts.write_looks(dataset, known)
    return known


def _trained(run_ids: Iterable[str]) -> dict[str, str]:
    """Keys and digests of the pictures that these runs trained on."""
    found: dict[str, str] = {}
    for run_id in run_ids:
        for line in buckets.artifacts_bucket().lines(run_key(run_id, "images.jsonl")):
            row = json.loads(line)
            if row["side"] == "train":
                found[row["key"]] = row.get("digest", "")
    return found


def _looks_of(dataset: str, trained: Mapping[str, str]) -> Looks:
    every: list[tuple[str, Statistics]] = []
    for picture in pictures_of(dataset) if trained else ():
        if picture.statistics.is_known and trained.get(picture.key) == picture.digest:
            every.append((picture.key, picture.statistics))
    references = _references(every)
    usual = sorted(every, key=lambda one: (drift.distance(references, one[1]), one[0]))[:_NAMED]
    came_back = [one for one in every if is_reviewed(one[0])]
    if came_back:
        prefix = dataset_prefix(dataset)
        since = {review.reference: review.inspected_at for review in reviews.of_state(dataset, reviews.CLOSED)}
        came_back.sort(key=lambda one: (since.get(one[0].removeprefix(prefix), ""), one[0]), reverse=True)
    # Answers of before the change are among them: the last few may be the only ones of now.
    newest = tuple(_references(came_back[:count]) for count in _NEWEST if len(came_back) >= count)
    return Looks(looks=references, newest=newest, usual=tuple(key for key, _ in usual))


def _references(pictures: Sequence[tuple[str, Statistics]]) -> dict[str, Reference]:
    measured = [drift.looks_of(statistics) for _, statistics in pictures]
    return {name: Reference.of(one[name] for one in measured) for name in LOOKS} if measured else {}


def _draw(dataset: str, farthest: Sequence[str], usual: Sequence[str]) -> None:
    """One picture for people: above, those that differ most; below, those that they should look like."""
    named = [(key, "inspected") for key in farthest] + [(key, "trained") for key in usual]
    tiles = [tile for key, what in named if (tile := _tile(key, f"{what}: {path_of(key)}"))]
    if tiles:
        buckets.artifacts_bucket().write(drift_picture_key(dataset), as_jpeg(sheet(tiles, _NAMED)))


def _tile(key: str, caption: str) -> Image.Image | None:
    """A picture in small; None where it is gone."""
    data = buckets.data_bucket().find(key)
    try:
        return draw(open_picture(prepare(data).data or data), [], caption, _TILE) if data else None
    except PictureRefused:
        return None


def _now() -> datetime:
    return datetime.fromtimestamp(stack.here().clock.time(), UTC)
