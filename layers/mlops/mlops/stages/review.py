"""Pictures that models were unsure of, and some that chance chose, are put before people; what they say is kept."""

import json
import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

from mlops import stack, words
from mlops.aws import messages
from mlops.codec import Json
from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.labels import NORMAL, as_written, likeness, means_no_defect
from mlops.dataset.limits import MAX_BOXES, MAX_LABEL_NAME
from mlops.events import ReviewAnswered
from mlops.judging.verdicts import OK
from mlops.records import results, review_links, reviews
from mlops.records.review_links import Link
from mlops.records.reviews import Answer, Review

# How many answers back a person may go.
_TRAIL = 20
BEGIN, SKIP, BACK, CONFIRM, NOTHING, UNKNOWN, NEW, LABEL = (
    *("begin", "skip", "back", "confirm", "normal", "unknown", "new", "label:"),
)


class AnswerRefused(ValueError):  # noqa: N818
    """The form cannot be accepted; the message tells the person why."""


@dataclass(frozen=True)
class Form:
    """What a person sent. `boxes` is what the script drew, as JSON; without, `keep` names found boxes that are right.

    `trail` has the reviews that were answered in this visit, the last one last.
    """

    token: str
    answer: str
    reviewer: str = ""
    session: str = ""
    review: str = ""
    revision: int = 0
    trail: tuple[str, ...] = ()
    new_label: str = ""
    boxes: str = ""
    keep: tuple[int, ...] = ()


@dataclass(frozen=True)
class Turn:
    """What a person is shown next: a review, or none when nothing waits; and what became of what was sent."""

    link: Link
    reviewer: str
    session: str
    trail: tuple[str, ...]
    review: Review | None
    notice: str = ""
    problem: str = ""


def find(token: str) -> Link | None:
    """Where a link leads; None for unknown and for expired ones alike."""
    return review_links.find(token)


def take_turn(form: Form) -> Turn:
    """Keep an answer, and show what comes next.

    Raises LookupError for unknown tokens, AnswerRefused when there is nothing to show yet.
    """
    link = find(form.token)
    if link is None:
        raise LookupError("unknown or expired")
    reviewer = " ".join(form.reviewer.split())
    if not reviewer:
        raise AnswerRefused("Enter your name: it is kept beside your answers.")
    if problem := words.overlong(reviewer, ""):
        raise AnswerRefused(problem)
    turn = Turn(link, reviewer, form.session or stack.here().new_id(), form.trail, None)
    if form.answer == BACK and form.trail:
        return _back(turn)
    seen = reviews.find(link.dataset, form.review) if form.review else None
    if seen is None or form.answer in (BEGIN, BACK):
        return _on(turn)
    if form.answer == SKIP:
        reviews.put_off(seen, turn.session)
        return _on(turn, besides=seen.digest)
    try:
        return _answered(turn, form, seen, answer_of(form, seen))
    except AnswerRefused as refusal:
        return replace(turn, review=seen, problem=str(refusal))


def _back(turn: Turn) -> Turn:
    """What was answered last in this visit, to be mended; not what somebody else answered."""
    *earlier, last = turn.trail
    before = reviews.find(turn.link.dataset, last)
    back = replace(turn, trail=tuple(earlier))
    return replace(back, review=before) if before and before.session == turn.session else _on(back)


def _answered(turn: Turn, form: Form, seen: Review, given: Answer) -> Turn:
    """Keep an answer where it is this visit's to give."""
    kept = f"Kept: {told(given)}."
    if form.revision == seen.revision and reviews.answer(seen, turn.session, given, turn.reviewer):
        # After the answer, which it tells of. One that is lost costs an hour: then all answers are looked at.
        messages.put_event(ReviewAnswered(turn.link.dataset, seen.digest))
        trail = (*(name for name in turn.trail if name != seen.digest), seen.digest)[-_TRAIL:]
        return _on(replace(turn, trail=trail, notice=kept), besides=seen.digest)
    # The same form sent twice, or one that the browser went back to: what was said first is kept.
    is_own = seen.session == turn.session and seen.revision > form.revision
    others = "Somebody else answered that picture, or is about to: your answer was not needed."
    notice = f"Kept: {told(seen.answer)}. The button Back shows it again." if is_own else others
    return _on(replace(turn, notice=notice), besides=seen.digest)


def _on(turn: Turn, besides: str = "") -> Turn:
    return replace(turn, review=_next(turn.link.dataset, turn.session, besides))


def _next(dataset: str, session: str, besides: str = "") -> Review | None:
    """The review that waits longest and that nobody else works on, taken for this visit."""
    waiting = [review for review in reviews.of_state(dataset, reviews.WAITING) if review.is_free(session)]
    # What was put off comes again when nothing else is left.
    for review in sorted(waiting, key=lambda review: review.digest == besides):
        # The index lags behind: what it says waits may have been answered.
        current = reviews.find(dataset, review.digest)
        if current and reviews.take(current, session):
            return current
    return None


def waiting(dataset: str) -> int:
    """How many pictures wait for an answer."""
    return sum(1 for _ in reviews.of_state(dataset, reviews.WAITING))


@dataclass(frozen=True)
class ShownBox:
    """A box on the page: the models' with their `confidence`, or a person's; and whether it counts so far."""

    label: str
    box: Box
    confidence: float | None
    is_kept: bool


def boxes_of(review: Review) -> list[ShownBox]:
    """The boxes as the page numbers them: those of the answer that counts, and those of the models beside it."""
    given = [ShownBox(one.label, one.box, None, is_kept=True) for one in review.answer.boxes]
    found = [
        ShownBox(one.label, one.box, one.confidence, is_kept=not review.answer.is_known)
        for one in review.boxes
        if one.box and one.box not in {known.box for known in given}
    ]
    return given + found


def says(review: Review) -> tuple[str, ...]:
    """The labels that a person confirms: those of the answer that counts, or else of the models, if they said any."""
    if review.answer.is_known:
        return review.answer.labels
    if review.verdict == OK:
        return (NORMAL,)
    found = dict.fromkeys(one.label for one in (*review.labels, *review.boxes))
    defects = tuple(label for label in found if label != NORMAL)
    return defects or tuple(found)


def labels_of(review: Review) -> list[str]:
    """What a person may choose: the labels that the models know, and those that they gave; `normal` has its own."""
    known = {one.label for one in (*review.labels, *review.boxes)}
    for run_id in review.run_ids.values():
        known |= set(results.ground_truth(run_id).labels)
    return sorted(known - {NORMAL}, key=likeness)


def answer_of(form: Form, review: Review) -> Answer:
    """What a form says of a picture. Raises AnswerRefused."""
    if form.answer == UNKNOWN:
        return Answer()
    if form.answer == NOTHING:
        return Answer((NORMAL,), (), is_boxed=True)
    drawn = _drawn(form.boxes, review) if form.boxes else None
    if form.answer == CONFIRM:
        return _confirmed(form, review, drawn)
    if form.answer == NEW:
        label = _label(form.new_label)
    elif form.answer.startswith(LABEL):
        label = _label(form.answer.removeprefix(LABEL))
    else:
        raise AnswerRefused("Choose one of the answers.")
    # Who writes a label as a known one is written, but for capitals and blanks, means it.
    label = next((known for known in labels_of(review) if likeness(known) == likeness(label)), label)
    if label == NORMAL:
        return Answer((NORMAL,), (), is_boxed=True)
    if drawn is None:
        # Boxes that nobody touched have no labels of their own: what is right about them is the place.
        drawn = tuple(LabeledBox(label, one.box) for one in _kept(form, review))
    return _answer((label, *(one.label for one in drawn)), drawn)


def _confirmed(form: Form, review: Review, drawn: tuple[LabeledBox, ...] | None) -> Answer:
    boxes = _kept(form, review) if drawn is None else drawn
    # What the page says beside its boxes is confirmed with them; who has drawn confirms what was drawn.
    boxed = {one.label for one in boxes_of(review) if one.is_kept}
    beside = tuple(label for label in says(review) if label not in boxed) if drawn is None else ()
    labels = (*(one.label for one in boxes), *beside) or says(review)
    if not labels:
        raise AnswerRefused("The models gave it no label: choose one.")
    return Answer((NORMAL,), (), is_boxed=True) if labels == (NORMAL,) else _answer(labels, boxes)


def _answer(labels: Iterable[str], boxes: tuple[LabeledBox, ...]) -> Answer:
    # A defect without a box is somewhere: nobody said that there are no boxes.
    return Answer(tuple(sorted(set(labels) - {NORMAL})), boxes, is_boxed=bool(boxes))


def _kept(form: Form, review: Review) -> tuple[LabeledBox, ...]:
    return tuple(LabeledBox(one.label, one.box) for place, one in enumerate(boxes_of(review)) if place in form.keep)


def _label(text: str) -> str:
    label = as_written(text)
    if not label:
        raise AnswerRefused("Write what the new label is called.")
    if len(label) > MAX_LABEL_NAME:
        raise AnswerRefused(f"A label has at most {MAX_LABEL_NAME} characters; this one has {len(label)}.")
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") for letter in label):
        raise AnswerRefused("The label has characters that cannot be seen: write it anew.")
    return NORMAL if means_no_defect(label) else label


def _drawn(text: str, review: Review) -> tuple[LabeledBox, ...]:
    """The boxes that the script sent, cut off at the edges of the picture."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise AnswerRefused("The boxes could not be read: draw them again.")
    if len(given) > MAX_BOXES:
        raise AnswerRefused(f"There are {len(given)} boxes; a picture may have {MAX_BOXES}.")
    return tuple(_box(one, review) for one in given)


def _box(given: Json, review: Review) -> LabeledBox:
    numbers = [given.get(name) for name in ("left", "top", "width", "height")]
    if any(isinstance(n, bool) or not isinstance(n, int | float) or not math.isfinite(n) for n in numbers):
        raise AnswerRefused("A box has no place: draw it again.")
    left, top, width, height = (float(n) for n in numbers if n is not None)
    right, bottom = min(left + width, review.width), min(top + height, review.height)
    left, top = max(left, 0.0), max(top, 0.0)
    if right - left < 1 or bottom - top < 1:
        raise AnswerRefused("A box is smaller than a pixel: draw it larger, or delete it.")
    label = given.get("label")
    label = _label(label) if isinstance(label, str) else NORMAL
    if label == NORMAL:
        raise AnswerRefused("A box has no label: choose what it shows.")
    return LabeledBox(label, Box(round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2)))


def told(given: Answer) -> str:
    """An answer in a few words."""
    if not given.is_known:
        return "nobody can tell"
    if given.labels == (NORMAL,):
        return "no defect"
    boxes = f", {words.counted(len(given.boxes), 'box', 'boxes')}" if given.boxes else ""
    return f"{words.listed(given.labels, 5)}{boxes}"
