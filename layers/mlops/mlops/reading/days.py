"""What was said of the new pictures of a day, for a report: counts, verdicts by the hour, and pictures to look at."""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlops.aws import buckets
from mlops.dataset.keys import path_of, result_key
from mlops.judging.verdicts import DEFECT, UNSURE, VERDICTS
from mlops.reading.evidence import MOST_EMBEDDED, Picture
from mlops.records.inspections import Inspection

# More pictures of a verdict nobody looks at in a report; the surest are there.
MOST_SHOWN = 40
# So many names are listed of what has no picture in the report.
MOST_NAMED = 50
_SECTIONS = (DEFECT, UNSURE)


@dataclass(frozen=True)
class Hour:
    """How many pictures were judged in an hour of the day (UTC), by verdict, and as a share of the busiest hour."""

    hour: int
    counts: Mapping[str, int]
    share: float

    @property
    def pictures(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Told:
    """What was said of one picture, as far as a report shows it."""

    key: str
    version_id: str
    said: str
    confidence: float


@dataclass(frozen=True)
class Day:
    """All of a day. `defects` are the labels that counted in pictures that were called defective, with how many.

    `to_see` has by verdict, of `defect` and `unsure`, those that a person wants to look at, the surest first.
    """

    counts: Mapping[str, int]
    refused: int
    usd: float
    hours: Sequence[Hour]
    defects: Mapping[str, int]
    to_see: Mapping[str, Sequence[Told]]

    @property
    def pictures(self) -> int:
        return sum(self.counts.values())


def summed_up(inspections: Iterable[Inspection]) -> Day:
    """A day from its inspections, each of which is looked at once and not kept."""
    by_hour: dict[int, Counter[str]] = {}
    counts, defects, refused, usd = Counter[str](), Counter[str](), 0, 0.0
    to_see: dict[str, list[Told]] = {verdict: [] for verdict in _SECTIONS}
    for one in inspections:
        counts[one.verdict] += 1
        by_hour.setdefault(int(one.inspected_at[11:13]), Counter())[one.verdict] += 1
        refused += one.refused
        usd += one.usd
        if one.verdict in to_see:
            to_see[one.verdict].append(_told(one))
        if one.verdict == DEFECT:
            defects.update({found.label for found in (*one.labels, *one.boxes)})
    busiest = max((sum(found.values()) for found in by_hour.values()), default=0)
    hours = [
        Hour(hour, dict(found), sum(found.values()) / busiest if busiest else 0.0)
        for hour, found in ((hour, by_hour.get(hour, Counter())) for hour in _span(by_hour))
    ]
    seen = {verdict: sorted(told, key=lambda one: (-one.confidence, one.key)) for verdict, told in to_see.items()}
    every = {verdict: counts[verdict] for verdict in VERDICTS}
    return Day(every, refused, usd, hours, dict(defects.most_common()), seen)


def _span(hours: Iterable[int]) -> range:
    """From the first to the last hour in which something was judged."""
    known = list(hours)
    return range(min(known), max(known) + 1) if known else range(0)


def _told(one: Inspection) -> Told:
    confidence = max((found.confidence for found in (*one.labels, *one.boxes)), default=0.0)
    return Told(one.key, one.version_id, "; ".join(one.reasons), confidence)


def pictures_of(day: Day) -> dict[str, list[Picture]]:
    """By verdict the first of the pictures to look at themselves, as many as fit, in the order of the day's."""
    store = buckets.artifacts_bucket()
    found: dict[str, list[Picture]] = {}
    for verdict in _SECTIONS:
        # Neither takes the other's place.
        left, found[verdict] = MOST_EMBEDDED // len(_SECTIONS), []
        for told in day.to_see[verdict]:
            key = result_key(told.key, ".jpg")
            # The file of a name shows what came last under it.
            if not told.version_id or not store.order_of(key).endswith(f"#{told.version_id}"):
                continue
            source = f"data:image/jpeg;base64,{base64.b64encode(store.read_bytes(key)).decode()}"
            left -= len(source)
            if left < 0 or len(found[verdict]) == MOST_SHOWN:
                break
            found[verdict].append(Picture(source, f"{_name(told)}: {told.said}", is_wrong=verdict == DEFECT))
    return found


def named(day: Day, shown: Mapping[str, Sequence[Picture]]) -> dict[str, list[str]]:
    """By verdict the first of those that have no picture in the report, by name."""
    captions = {picture.caption for pictures in shown.values() for picture in pictures}
    return {
        verdict: [name for told in every if f"{(name := _name(told))}: {told.said}" not in captions]
        for verdict, every in day.to_see.items()
    }


def _name(told: Told) -> str:
    return path_of(told.key)
