"""Reviews: pictures that are put before a person, who works on which, and what was answered, by whom, when.

A picture is its bytes: it is asked about once, whatever it is called. Every write has its condition, so that two people
never answer the same picture twice, and a second delivery changes nothing. What was answered is kept for ever: a side
is given once.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.conditions import Attr

from mlops import codec, stack
from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.keys import path_of, reviewed_reference
from mlops.dataset.labels import NORMAL
from mlops.judging.choosing import RANDOM, Candidate, place_of
from mlops.judging.verdicts import Found
from mlops.records import runs
from mlops.records.table import INDEXED, ORDER, OWN, Item, Table

# `ANSWERED` waits to become data; `CLOSED` has become data, or never does, because nobody can tell.
WAITING, ANSWERED, CLOSED = "WAITING", "ANSWERED", "CLOSED"
# So long nobody else is shown a picture that somebody looks at.
LOCK_SECONDS = 600
# So long a picture waits for an answer.
DAYS = 400
_SK, _EARLIER = "REVIEW", "ANSWER#"
# So often others may change the day before this one gives up, beside once for each of its places.
_PATIENCE = 20


@dataclass(frozen=True)
class Answer:
    """What a person said: the labels of the picture (`normal` alone where it has no defect), and boxes in its pixels.

    Without labels nobody can tell. `is_boxed`: the boxes are all that there are.
    """

    labels: tuple[str, ...] = ()
    boxes: tuple[LabeledBox, ...] = ()
    is_boxed: bool = False

    @property
    def is_known(self) -> bool:
        return bool(self.labels)

    @property
    def is_defective(self) -> bool:
        return any(label != NORMAL for label in self.labels)


@dataclass(frozen=True)
class Given:
    """An answer, by whom and when (ISO 8601, UTC)."""

    answer: Answer
    reviewer: str
    answered_at: str


@dataclass(frozen=True)
class Review:
    """One picture, and what the models said of it: `boxes` are in pixels of `picture`, which is what they were shown.

    `picture` is a key of the artifacts bucket, and `small` one of a copy for a first look, empty where the picture is
    small itself; `key` is the inspected object, `digest` the SHA-256 of its bytes.
    `session` is the reviewer's visit that works on it, or answered it. `side` is where the picture stands once it is
    data, for ever; or else `same_as` is the picture of the dataset that it is. `fingerprint` tells a picture whatever
    file it comes in. `revision` counts answers.
    """

    dataset: str
    digest: str
    key: str
    picture: str
    width: int
    height: int
    reasons: tuple[str, ...]
    verdict: str
    said: tuple[str, ...]
    inspected_at: str
    labels: tuple[Found, ...] = ()
    boxes: tuple[Found, ...] = ()
    run_ids: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    small: str = ""
    state: str = WAITING
    session: str = ""
    locked_until: int = 0
    answer: Answer = field(default_factory=Answer)
    reviewer: str = ""
    answered_at: str = ""
    revision: int = 0
    side: str = ""
    same_as: str = ""

    @property
    def is_filed(self) -> bool:
        """Whether an answer about it has been filed: the next one has to be, too, even if it says nothing."""
        return bool(self.side or self.same_as)

    @property
    def is_random(self) -> bool:
        return RANDOM in self.reasons

    @property
    def day(self) -> str:
        """The day of the inspection in UTC, as YYYY-MM-DD."""
        return self.inspected_at[:10]

    @property
    def extension(self) -> str:
        """That of the picture as it was shown."""
        return self.picture.rsplit(".", 1)[-1]

    @property
    def reference(self) -> str:
        """Where the picture lies once it is data, relative to its dataset."""
        return reviewed_reference(self.digest, self.extension)

    @property
    def path(self) -> str:
        """The name of the picture below `inspect/<dataset>/`."""
        return path_of(self.key)

    def is_free(self, session: str = "") -> bool:
        """Whether nobody else works on it."""
        return self.session in ("", session) or self.locked_until <= stack.here().clock.time()


def has_place(dataset: str, day: str, new: Candidate, most: int) -> bool:
    """Whether there would be one for a picture in its day now: for whoever has to read the picture before `reserve`."""
    return place_of(new, _places(OWN.get(*_day_key(dataset, day)) or {}), most).is_taken


def reserve(dataset: str, day: str, new: Candidate, most: int) -> bool:
    """Give a picture one of the places of its day, where it has a right to one; whoever gives way is withdrawn, unless
    somebody works on it or has answered.

    Raises TimeoutError when others change the day all the time.
    """
    fixed: set[str] = set()
    for _ in range(_PATIENCE + most):
        row = OWN.get(*_day_key(dataset, day)) or {}
        places = _places(row)
        place = place_of(new, places, most, fixed)
        if not place.is_taken:
            return False
        if any(one.name == new.name for one in places):
            return True
        # Withdrawn before its place is given away: somebody may have taken it up in between, and keeps it.
        if place.gives_way and place.gives_way not in fixed and not _withdraw(dataset, place.gives_way):
            fixed.add(place.gives_way)
            continue
        kept = [*(one for one in places if one.name != place.gives_way), new]
        if _write_day(dataset, day, kept, int(row.get("revision", 0))):
            return True
    raise TimeoutError(f"the reviews of {dataset} on {day} change all the time")


def drawn(dataset: str, day: str, table: Table = OWN) -> frozenset[str]:
    """The pictures of a day (UTC, YYYY-MM-DD) that chance drew, by digest: those with the lowest lots, whenever they
    came.

    What was answered before one with a lower lot came is none of them any more.
    """
    return frozenset(one.name for one in _places(table.get(*_day_key(dataset, day)) or {}) if one.is_random)


def _places(row: Item) -> list[Candidate]:
    return [Candidate(rank, name, tuple(reasons)) for rank, name, reasons in json.loads(row.get("places", "[]"))]


def _write_day(dataset: str, day: str, places: list[Candidate], revision: int) -> bool:
    pk, sk = _day_key(dataset, day)
    told = json.dumps([[one.rank, one.name, one.reasons] for one in places])
    expires = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) + DAYS * 86400
    # Of two who give places away at once, the slower one looks again.
    same = Attr("revision").eq(revision) if revision else Attr("pk").not_exists()
    item = {"pk": pk, "sk": sk, "places": told, "revision": revision + 1, "expires_at": expires}
    return OWN.put(item, same)


def _withdraw(dataset: str, digest: str) -> bool:
    """Take a picture back that nobody works on; True also when it is gone already."""
    gone = Attr("pk").not_exists()
    return OWN.delete(_pk(dataset, digest), _SK, gone | (Attr("state").eq(WAITING) & _is_unlocked()))


def begin(review: Review) -> bool:
    """Write a new review; False when there is one of this picture already."""
    expires = int(datetime.fromisoformat(review.inspected_at).timestamp()) + DAYS * 86400
    key = {"pk": _pk(review.dataset, review.digest), "sk": _SK, "expires_at": expires}
    index = {INDEXED: _of_state(review.dataset, WAITING), ORDER: review.inspected_at}
    return OWN.put({**key, **index, **_row(review)}, Attr("pk").not_exists())


def find(dataset: str, digest: str, table: Table = OWN) -> Review | None:
    """The review of a picture, None when there is none."""
    row = table.get(_pk(dataset, digest), _SK)
    return _read(row) if row else None


def of_state(dataset: str, state: str, since: str = "", table: Table = OWN) -> Iterator[Review]:
    """The reviews of a dataset in a state, as far as the index has them yet: those that wait longest, or that were
    answered first; `since` is a time in ISO 8601."""
    found = map(_read, table.indexed(_of_state(dataset, state), since))
    # The index lags behind the table.
    return (review for review in found if review.state == state)


def take(review: Review, session: str) -> bool:
    """Work on a review that waits, for some minutes alone; False when somebody else does, or it was answered."""
    until = int(stack.here().clock.time()) + LOCK_SECONDS
    changes = {"session": session, "locked_until": until}
    return OWN.update(
        _pk(review.dataset, review.digest), _SK, changes, Attr("state").eq(WAITING) & _is_unlocked(session)
    )


def put_off(review: Review, session: str) -> bool:
    """Let a review wait behind all others."""
    # Who reads goes by the index, and the index by this time: now is behind all others.
    changes = {"session": "", "locked_until": 0, ORDER: runs.now()}
    mine = Attr("state").eq(WAITING) & Attr("session").eq(session)
    return OWN.update(_pk(review.dataset, review.digest), _SK, changes, mine)


def answer(review: Review, session: str, given: Answer, reviewer: str) -> bool:
    """Keep an answer: the first, or another one by whoever gave it in the same visit; False when neither is.

    The same answer given again is kept once. An earlier one stays beside it: see `earlier`.
    """
    if review.revision:
        # Its content never changes: whoever dies before the next write has written nothing wrong.
        before = {"reviewer": review.reviewer, "answered_at": review.answered_at, "answer": _told_answer(review.answer)}
        place = {"pk": _pk(review.dataset, review.digest), "sk": f"{_EARLIER}{review.revision:06}"}
        OWN.put({**place, **before}, Attr("pk").not_exists())
    state = ANSWERED if given.is_known or review.is_filed else CLOSED
    changes: Item = {
        "state": state,
        "session": session,
        "locked_until": 0,
        "reviewer": reviewer,
        "answered_at": runs.now(),
        "answer": _told_answer(given),
        "revision": review.revision + 1,
        INDEXED: _of_state(review.dataset, state),
        # Only what nobody answers is forgotten.
        "expires_at": None,
    }
    changes[ORDER] = changes["answered_at"]
    first = Attr("state").eq(WAITING) & _is_unlocked(session)
    again = Attr("state").is_in([ANSWERED, CLOSED]) & Attr("session").eq(session)
    may = Attr("revision").eq(review.revision) & (first | again)
    # Whether it is filed decides whether an answer that says nothing must undo one: it may not be filed in between.
    may &= Attr("side").eq(review.side) & _is_same_as(review.same_as)
    return OWN.update(_pk(review.dataset, review.digest), _SK, changes, may)


def earlier(review: Review, table: Table = OWN) -> list[Given]:
    """What was answered about a picture before what counts now, first things first."""
    rows = table.query(_pk(review.dataset, review.digest), _EARLIER)
    found = [Given(_answer_of(row["answer"]), row["reviewer"], row["answered_at"]) for row in rows]
    # One that was to be written over, and was not, still counts.
    return found[: max(review.revision - 1, 0)]


def settle(review: Review, side: str, same_as: str = "") -> Review:
    """Give a picture that becomes data its side, or say which picture of the dataset it is; what was given stays.

    Returns the review as it stands.
    """
    if review.is_filed:
        return review
    nothing_yet = Attr("side").eq("") & _is_same_as("")
    changes = {"side": side, "same_as": same_as}
    OWN.update(_pk(review.dataset, review.digest), _SK, changes, nothing_yet)
    found = find(review.dataset, review.digest) or review
    # Nothing else of it: the answer that was read is the one that is being filed.
    return replace(review, side=found.side, same_as=found.same_as)


def settle_group(dataset: str, group: str, side: str) -> str:
    """The side of all pictures of a part of which some become data: this one, or the one that was given before."""
    return _first(dataset, f"GROUP#{group}", side)


def settle_picture(dataset: str, fingerprint: str, reference: str) -> str:
    """Under which reference a picture becomes data, whatever files it comes in: this one, or the one before."""
    return _first(dataset, f"PICTURE#{fingerprint}", reference)


def _first(dataset: str, sk: str, value: str) -> str:
    """What a row says that is written once; two that write it at the same time get the same."""
    pk = f"REVIEWED#{dataset}"
    if OWN.put({"pk": pk, "sk": sk, "value": value}, Attr("pk").not_exists()):
        return value
    row = OWN.get(pk, sk)
    return str(row["value"]) if row else value


def note_filed(review: Review) -> bool:
    """Remember that an answer has become data, unless there is another one meanwhile."""
    changes = {"state": CLOSED, INDEXED: _of_state(review.dataset, CLOSED)}
    # Who mended the answer meanwhile has another one to be filed.
    same = Attr("revision").eq(review.revision) & Attr("state").eq(ANSWERED)
    return OWN.update(_pk(review.dataset, review.digest), _SK, changes, same)


def _is_same_as(reference: str) -> Any:
    # Rows of an earlier release say nothing of it.
    is_it = Attr("same_as").eq(reference)
    return is_it if reference else is_it | Attr("same_as").not_exists()


def _is_unlocked(session: str = "") -> Any:
    free = Attr("session").eq("") | Attr("locked_until").lte(int(stack.here().clock.time()))
    return free | Attr("session").eq(session) if session else free


def _pk(dataset: str, digest: str) -> str:
    return f"REVIEW#{dataset}#{digest}"


def _of_state(dataset: str, state: str) -> str:
    return f"REVIEWS#{dataset}#{state}"


def _day_key(dataset: str, day: str) -> tuple[str, str]:
    return f"REVIEWS#{dataset}", f"DAY#{day}"


def _row(review: Review) -> Item:
    """The table knows no floats: what is nested is JSON."""
    told = {
        "reasons": review.reasons,
        "said": review.said,
        "labels": [_told(found) for found in review.labels],
        "boxes": [_told(found) for found in review.boxes],
        "run_ids": dict(review.run_ids),
    }
    plain = {name: getattr(review, name) for name in _PLAIN}
    return {**plain, "told": json.dumps(told, ensure_ascii=False), "answer": _told_answer(review.answer)}


def _read(row: Item) -> Review:
    told = json.loads(row["told"])
    nested = {**told, "labels": (), "boxes": (), "answer": {}}
    return replace(
        codec.read(Review, {**row, **nested}),
        labels=tuple(map(_found, told["labels"])),
        boxes=tuple(map(_found, told["boxes"])),
        answer=_answer_of(row["answer"]),
    )


_PLAIN = tuple(
    name
    for name in Review.__dataclass_fields__
    if name not in ("reasons", "said", "labels", "boxes", "run_ids", "answer")
)


def _told(found: Found) -> list[Any]:
    box = found.box
    return [found.label, found.confidence, [box.left, box.top, box.width, box.height] if box else None]


def _found(told: list[Any]) -> Found:
    label, confidence, box = told
    return Found(label, confidence, Box(*box) if box else None)


def _answer_of(text: str) -> Answer:
    told = json.loads(text)
    boxes = tuple(LabeledBox(label, Box(*box)) for label, *box in told["boxes"])
    return Answer(tuple(told["labels"]), boxes, told["is_boxed"])


def _told_answer(given: Answer) -> str:
    boxes = [[one.label, one.box.left, one.box.top, one.box.width, one.box.height] for one in given.boxes]
    told = {"labels": given.labels, "boxes": boxes, "is_boxed": given.is_boxed}
    return json.dumps(told, ensure_ascii=False)
