"""Inspections: what was said of every new picture, once, and what the picture looked like.

A picture is its key and its bytes: the same bytes under the same key have one inspection, whatever is delivered how
often. One that was refused gives way to one that was answered.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from boto3.dynamodb.conditions import Attr

from mlops import codec
from mlops.codec import Json
from mlops.dataset.keys import path_of
from mlops.judging.appearance import Statistics
from mlops.judging.verdicts import Found
from mlops.records.table import INDEXED, ORDER, OWN, Item, Table

# So long an inspection is remembered; the result in the bucket stays.
DAYS = 400
_NESTED = ("reasons", "labels", "boxes", "run_ids", "version_arns", "min_confidence", "not_asked", "statistics")


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
    says that asking again about the same bytes brings the same. `announced` says that results and event are out.
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
        return {name: told for name, told in codec.object_of(self).items() if name != "announced"}


def find(dataset: str, key: str, digest: str, table: Table = OWN) -> Inspection | None:
    """The inspection of a picture of these bytes, None when it has none."""
    row = table.get(_pk(dataset, digest), _sk(key))
    return _read(row) if row else None


def of_bytes(dataset: str, digest: str, table: Table = OWN) -> Iterator[Inspection]:
    """The inspections of every picture of the same bytes, by key."""
    return map(_read, table.query(_pk(dataset, digest)))


def record(inspection: Inspection) -> Inspection:
    """Write an inspection once; returns the one that counts: this one, or the one that was there before."""
    key = {"pk": _pk(inspection.dataset, inspection.digest), "sk": _sk(inspection.key)}
    index = {INDEXED: _of_day(inspection.dataset, inspection.day), ORDER: inspection.inspected_at}
    expires = int(datetime.fromisoformat(inspection.inspected_at).timestamp()) + DAYS * 86400
    # One answer to one picture, whoever asks at the same time; a refusal gives way, for it may have been of the moment.
    is_new = Attr("pk").not_exists()
    may_be_written = is_new if inspection.refused else is_new | Attr("refused").eq(True)
    if OWN.put({**key, **index, **_row(inspection), "expires_at": expires}, may_be_written):
        return inspection
    return find(inspection.dataset, inspection.key, inspection.digest) or inspection


def note_announced(inspection: Inspection, *, announced: bool = True) -> None:
    """Remember that everybody knows of an inspection, or is to be told."""
    OWN.update(_pk(inspection.dataset, inspection.digest), _sk(inspection.key), {"announced": announced})


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
