"""Inspections: what was said of every new picture, once, and what the picture looked like.

A picture is its key and its bytes: the same bytes under the same key have one inspection, whatever is delivered how
often. One that was refused gives way to one that was answered.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice

from boto3.dynamodb.conditions import Attr, ConditionBase

from mlops import codec, stack
from mlops.codec import Json
from mlops.dataset.keys import path_of
from mlops.judging.appearance import Statistics
from mlops.judging.verdicts import Found
from mlops.records.table import INDEXED, ORDER, OWN, Item, Table

# So long an inspection is remembered; the result in the bucket stays.
DAYS = 400
_NESTED = ("reasons", "labels", "boxes", "run_ids", "version_arns", "min_confidence", "not_asked", "statistics")
# What the record says of itself, and not of the picture.
_OF_THE_ROW = ("announced", "busy_until")
# So many are read for one, at most, before it is asked for alone.
_MANY = 100


@dataclass(frozen=True)
class Inspection:
    """One new picture and its verdict.

    `key` is the object in the data bucket, `version_id` the version of it that was looked at, `digest` the SHA-256 of
    its bytes; a dash and the version where nobody could read them. `labels` are the classifier's and `boxes`
    the detector's that reach their operating points, confidences 0 to 100, boxes in pixels of the original.
    `run_ids` and `version_arns` say by task who was asked; nobody was where the picture was `refused`: it cannot be
    read, or nothing is released. `inspected_at` is ISO 8601 in UTC. `seconds` is how long it took, `usd` its share of
    what the models cost meanwhile. `looks` is the perceptual hash of the prepared picture. `same_as` is the key of a
    picture of the same bytes that this answer was taken from. `min_confidence` has, by task, the operating points of
    the labels that were said; `not_asked` are the tasks that the stack has and that nothing is released of. `final`
    says that asking again about the same bytes brings the same. `announced` says that results and event are out;
    until then whoever wrote it sees to that, and has ended by `busy_until`, in milliseconds of Unix time.
    """

    dataset: str
    key: str
    digest: str
    verdict: str
    reasons: tuple[str, ...]
    inspected_at: str
    labels: tuple[Found, ...] = ()
    boxes: tuple[Found, ...] = ()
    run_ids: Mapping[str, str] = field(default_factory=dict)
    version_arns: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    usd: float = 0.0
    looks: str = ""
    statistics: Statistics = field(default_factory=Statistics)
    refused: bool = False
    same_as: str = ""
    version_id: str = ""
    min_confidence: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    not_asked: tuple[str, ...] = ()
    final: bool = True
    announced: bool = False
    busy_until: int = 0

    @property
    def is_left(self) -> bool:
        """Whether not everybody was told of it, and nobody sees to that any more."""
        return not self.announced and self.busy_until <= 1000 * stack.here().clock.time()

    @property
    def day(self) -> str:
        """The day in UTC, as YYYY-MM-DD."""
        return self.inspected_at[:10]

    @property
    def path(self) -> str:
        """The name of the picture below `inspect/<dataset>/`."""
        return path_of(self.key)

    def as_document(self) -> Json:
        """What a result file says: everything, boxes as {left, top, width, height}."""
        return {name: told for name, told in codec.object_of(self).items() if name not in _OF_THE_ROW}


def find(dataset: str, key: str, digest: str, table: Table = OWN) -> Inspection | None:
    """The inspection of a picture of these bytes, None when it has none."""
    row = table.get(_pk(dataset, digest), _sk(key))
    return _read(row) if row else None


def of_bytes(dataset: str, key: str, digest: str) -> tuple[Inspection | None, Iterator[Inspection]]:
    """The inspection of a picture of these bytes, as `find` finds it, and those of every picture of the same bytes, by
    key: in one call, unless hundreds are the same."""
    every = map(_read, OWN.query(_pk(dataset, digest)))
    first = list(islice(every, _MANY))
    own = next((one for one in first if one.key == key), None)
    if own is None and len(first) == _MANY:
        own = find(dataset, key, digest)
    return own, chain(first, every)


def record(inspection: Inspection) -> Inspection:
    """Write an inspection once; returns the one that counts: this very one, or the one that was there before. Whoever
    has written it sees to it that everybody is told."""
    key = {"pk": _pk(inspection.dataset, inspection.digest), "sk": _sk(inspection.key)}
    index = {INDEXED: _of_day(inspection.dataset, inspection.day), ORDER: inspection.inspected_at}
    expires = int(datetime.fromisoformat(inspection.inspected_at).timestamp()) + DAYS * 86400
    # One answer to one picture, whoever asks at the same time; a refusal gives way, for it may have been of the moment.
    is_new = Attr("pk").not_exists()
    may_be_written = is_new if inspection.refused else is_new | Attr("refused").eq(True)
    row = {**_row(inspection), "busy_until": inspection.busy_until, "expires_at": expires}
    if OWN.put({**key, **index, **row}, may_be_written):
        return inspection
    return find(inspection.dataset, inspection.key, inspection.digest) or inspection


def take_up(inspection: Inspection, busy_until: int) -> Inspection | None:
    """See to it, until then, that everybody is told of an inspection, once more where they were; None where somebody
    else does since it was read."""
    changes = {"announced": False, "busy_until": busy_until}
    # Of those that find it left, or told and to be told again, one takes it up.
    if OWN.update(_pk(inspection.dataset, inspection.digest), _sk(inspection.key), changes, _unchanged(inspection)):
        return replace(inspection, announced=False, busy_until=busy_until)
    return None


def note_announced(inspection: Inspection) -> None:
    """Remember that everybody knows of an inspection."""
    # Where an answer has taken the place of a refusal meanwhile, nobody knows of that yet.
    OWN.update(
        _pk(inspection.dataset, inspection.digest), _sk(inspection.key), {"announced": True}, _unchanged(inspection)
    )


def _unchanged(inspection: Inspection) -> ConditionBase:
    """That nobody has written or taken up an inspection since it was read."""
    known = Attr("busy_until")
    # Earlier releases of this stack noted none.
    return known.eq(inspection.busy_until) if inspection.busy_until else known.not_exists() | known.eq(0)


def of_day(dataset: str, day: str, since: str = "", table: Table = OWN) -> Iterator[Inspection]:
    """The inspections of a dataset on a day (UTC, YYYY-MM-DD), as far as the index has them yet, oldest first; `since`
    is a time in ISO 8601."""
    return map(_read, table.indexed(_of_day(dataset, day), since))


def _pk(dataset: str, digest: str) -> str:
    return f"INSPECTION#{dataset}#{digest}"


def _sk(key: str) -> str:
    return f"INSPECTION#{key}"


def _of_day(dataset: str, day: str) -> str:
    return f"INSPECTIONS#{dataset}#{day}"


def _row(inspection: Inspection) -> Item:
    """What is nested, and nobody asks the table for, is JSON."""
    told = inspection.as_document()
    nested = json.dumps({name: told[name] for name in _NESTED}, sort_keys=True, ensure_ascii=False)
    plain = {name: value for name, value in codec.item_of(inspection).items() if name in told and name not in _NESTED}
    return {**plain, "told": nested}


def _read(row: Item) -> Inspection:
    return codec.read(Inspection, {**row, **json.loads(row["told"])})
