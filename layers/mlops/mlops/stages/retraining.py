"""What people answered becomes data of its dataset, which starts runs as any upload does; and they are asked by mail.

All of it may be called again at any time: a picture is filed under its bytes, its line takes the place of the one
before, and its side is given once.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import IO

from aws_lambda_powertools import Logger

from mlops import stack
from mlops.aws import buckets, messages, telemetry
from mlops.dataset import annotation_manifest, reviewed
from mlops.dataset.annotation_manifest import Line
from mlops.dataset.dataset_json import DatasetSettings, SettingsInvalid, parse_settings
from mlops.dataset.keys import (
    DATASETS_PREFIX,
    KeyRefused,
    annotations_key,
    dataset_prefix,
    is_reviewed,
    parse_upload,
    settings_key,
)
from mlops.dataset.reviewed import Answered, Filed
from mlops.events import DriftFound, Event, RetrainingRequested, ReviewAnswered
from mlops.judging.choosing import WHY
from mlops.reading import mails, production
from mlops.records import activity, results, review_links, reviews
from mlops.records.images import pictures_of
from mlops.records.reviews import ANSWERED, CLOSED, WAITING, Review
from mlops.records.sides import known_sides
from mlops.stages import approval

_PATIENCE = 10
# What of a manifest is read at once, and up to which size it is kept in memory.
_PIECE, _IN_MEMORY = 1 << 20, 1 << 23

logger = Logger(child=True)


@dataclass(frozen=True)
class _Place:
    """What decides about sides: what a dataset says of groups, where its groups stand, which labels were trained on,
    and which of the answered pictures it has already: their references, by digest and by fingerprint."""

    settings: DatasetSettings
    groups: Mapping[str, str] = field(default_factory=dict)
    trained: frozenset[str] = frozenset()
    own: Mapping[str, str] = field(default_factory=dict)


def after_answer(dataset: str) -> bool:
    """File what was answered once there is enough of it; returns whether that was so."""
    enough = stack.here().retrain_after
    # Counted anew at every answer: events come twice and late, and a counter would run away.
    if not enough or sum(1 for _ in reviews.of_state(dataset, ANSWERED)) < enough:
        return False
    file_answers(dataset)
    return True


def handle(event: Event) -> None:
    """What an event asks for: an answer may be the last that was missing; who asks, or drift, waits for no more."""
    match event:
        case ReviewAnswered():
            after_answer(event.dataset)
        case RetrainingRequested():
            _require(event.dataset)
            file_answers(event.dataset)
        case DriftFound():
            if stack.here().retrain_after:
                file_answers(event.dataset)
        case _:
            raise ValueError(f"nothing is filed for {event.detail_type!r}")


def _require(dataset: str) -> None:
    """Raises PermissionError for a dataset that there is not."""
    if next(buckets.data_bucket().list(dataset_prefix(dataset)), None) is None:
        raise PermissionError(f"there is no dataset {dataset}, which an event asks for")


def hourly() -> list[str]:
    """File what no event told of, send the mail of the day where reviews wait, and tell what is true in production.
    Returns what was done, in words.

    What is wrong with one dataset does not hold up the others: raises an ExceptionGroup once all had their turn.
    """
    done: list[str] = []
    faults = []
    for dataset in buckets.data_bucket().folders(DATASETS_PREFIX):
        for work, told in _HOURLY.items():
            try:
                if work(dataset):
                    done.append(f"{told} {dataset}")
            # What is wrong with one must not hold up the others.
            except Exception as fault:  # raised again below, when every dataset had its turn
                faults.append(fault)
    if faults:
        raise ExceptionGroup("reviews", faults)
    return done


def _ask(dataset: str) -> bool:
    """Send the one mail of a day with a link to the reviews that wait."""
    waiting = list(reviews.of_state(dataset, WAITING))
    day = datetime.fromtimestamp(stack.here().clock.time(), UTC).date().isoformat()
    if not waiting or not review_links.claim_mail(dataset, day):
        return False
    token = stack.here().new_token()
    link = review_links.begin(dataset, token, stack.here().approval_days)
    counts = Counter(review.reasons[0] for review in waiting)
    subject, text = mails.reviews_mail(
        dataset,
        waiting=len(waiting),
        reasons=[(WHY[reason], counts[reason]) for reason in WHY if counts[reason]],
        link=f"{stack.here().review_url}?token={token}",
        expires=approval.expiry_text(link.expires_at),
        production=production.of(dataset).lines(),
        retrain_after=stack.here().retrain_after,
    )
    messages.send_mail(subject, text)
    # After it has gone: who dies in between sends it later, and twice rather than never.
    review_links.note_mailed(dataset, day)
    return True


def _measure(dataset: str) -> bool:
    """Tell what is true in production; a rate of which too few pictures tell is not told."""
    rates = production.of(dataset).rates()
    known = {
        name: (share.value, *share.interval)
        for name, share in rates.items()
        if share.value is not None and not share.is_too_few
    }
    telemetry.in_production(dataset, known)
    return bool(known)


_HOURLY: Mapping[Callable[[str], bool], str] = {
    after_answer: "filed the answers about",
    _ask: "asked for reviews of",
    _measure: "told what is true of",
}


def file_answers(dataset: str) -> list[str]:
    """Make data of every answer of a dataset, and ask whether it has settled; returns the references of their lines.

    Raises TimeoutError when the annotation manifest is written by others all the time: the next call goes on.
    """
    answered = [*reviews.of_state(dataset, ANSWERED)]
    for _ in range(_PATIENCE):
        with SpooledTemporaryFile(_IN_MEMORY) as manifest, SpooledTemporaryFile(_IN_MEMORY) as changed:
            # Somebody else may write it at any time: this is written over what was read, or all is read anew.
            etag = buckets.data_bucket().fetch(annotations_key(dataset), manifest)
            filed = Filed.of(_pieces(manifest))
            lines = _lines(dataset, manifest, filed, answered)
            is_changed = filed.differs_from(lines)
            if not is_changed:
                break
            changed.writelines(reviewed.with_lines(_pieces(manifest), lines))
            changed.seek(0)
            if buckets.data_bucket().write_over(annotations_key(dataset), changed, etag):
                break
    else:
        raise TimeoutError(f"{annotations_key(dataset)} is written by others all the time")
    if is_changed or answered:
        # Before the answers are closed: who dies in between does all this again.
        activity.ask_whether_settled(dataset, stack.here().settle_seconds)
    for review in answered:
        reviews.note_filed(review)
    return sorted(reference for reference, line in lines.items() if line is not None)


def _pieces(manifest: IO[bytes]) -> Iterator[bytes]:
    """A file from its beginning, however large."""
    manifest.seek(0)
    return iter(lambda: manifest.read(_PIECE), b"")


def _lines(dataset: str, manifest: IO[bytes], filed: Filed, answered: Sequence[Review]) -> dict[str, str | None]:
    """The lines that a manifest is to have, of which the pictures are in place; None for those that it must not."""
    lines: dict[str, str | None] = {}
    # Whoever uploads a manifest of their own takes out what was filed: it is put back.
    taken_out = [
        review
        for review in reviews.of_state(dataset, CLOSED)
        if review.is_filed and review.answer.is_known and review.reference not in filed.lines
    ]
    if not (answered or taken_out):
        return lines
    place = _place(dataset, manifest, answered)
    pictures = {key for key, _ in buckets.data_bucket().list(f"{dataset_prefix(dataset)}images/reviewed/")}
    # In the order of the answers: which side one gets depends on those that were filed before.
    for review in sorted((*answered, *taken_out), key=lambda review: (review.answered_at, review.digest)):
        entry = _entry(review, filed, place)
        if entry is None:
            continue
        key = f"{dataset_prefix(dataset)}{entry.reference}"
        if not entry.labels:
            lines[entry.reference] = None
        elif entry.same_as or key in pictures or _copy(review, key):
            lines[entry.reference] = reviewed.line_of(entry)
            filed.add(entry)
    return lines


def _entry(review: Review, filed: Filed, place: _Place) -> Answered | None:
    """A review as data, its side settled; None where its part stands on the test side, which stays as it is."""
    if not review.is_filed and review.answer.is_known:
        review = _settled(review, filed, place)
    if not review.is_filed:
        return None
    facts = ("key", "digest", "reviewer", "answered_at", "inspected_at", "verdict")
    provenance = {**{name: getattr(review, name) for name in facts}, "reasons": list(review.reasons)}
    if review.revision > 1:
        provenance["earlier"] = [
            {"reviewer": given.reviewer, "answered_at": given.answered_at, "labels": list(given.answer.labels)}
            for given in reviews.earlier(review)
        ]
    return Answered(
        digest=review.digest,
        extension=review.extension,
        width=review.width,
        height=review.height,
        labels=review.answer.labels,
        boxes=review.answer.boxes,
        is_boxed=review.answer.is_boxed,
        side=review.side,
        group=place.settings.group_of(review.path),
        same_as=review.same_as,
        answered_at=review.answered_at,
        provenance=provenance,
    )


def _settled(review: Review, filed: Filed, place: _Place) -> Review:
    """The review with its side, or with the picture of the dataset that it is.

    A picture that the dataset has is not filed a second time: as data of the train side it would take the other one out
    of the test. Sides of parts and pictures are written once, so that two who file at the same time agree.
    """
    if own := place.own.get(review.digest) or place.own.get(review.fingerprint):
        return reviews.settle(review, "", own)
    side, group = filed.sides.get(review.reference, ""), place.settings.group_of(review.path)
    if not side:
        side = _wanted_side(review, group, filed, place)
        if side == "test":
            logger.warning("left out: its part is in the test", dataset=review.dataset, key=review.key, group=group)
            return review
        side = reviews.settle_group(review.dataset, group, side) if group else side
    if review.fingerprint:
        first = reviews.settle_picture(review.dataset, review.fingerprint, review.reference)
        if first != review.reference:
            return reviews.settle(review, "", first)
    return reviews.settle(review, side)


def _wanted_side(review: Review, group: str, filed: Filed, place: _Place) -> str:
    """Where the other pictures of its part stand, or else where a new picture belongs."""
    if group and (known := filed.groups.get(group) or place.groups.get(group)):
        return known
    enough, labels = stack.here().test_images_per_label, review.answer.labels
    return reviewed.side_of(labels, filed, place.trained, is_random=review.is_random, enough=enough)


def _copy(review: Review, key: str) -> bool:
    """Copy the picture of a review into its dataset; False when it is gone."""
    data = buckets.artifacts_bucket().find(review.picture)
    if data is None:
        logger.warning("left out: its picture is gone", dataset=review.dataset, key=review.picture)
        return False
    buckets.data_bucket().write(key, data)
    return True


def _place(dataset: str, manifest: IO[bytes], answered: Sequence[Review]) -> _Place:
    try:
        settings = parse_settings(buckets.data_bucket().find(settings_key(dataset)))
    except SettingsInvalid:
        settings = DatasetSettings()
    new = [review for review in answered if not review.is_filed and review.answer.is_known]
    if not new:
        return _Place(settings)
    trained: set[str] = set()
    for run_id in {run_id for review in new for run_id in review.run_ids.values()}:
        counts = results.ground_truth(run_id).counts.get("train", {})
        trained |= {label for label, count in counts.items() if count}
    groups = _groups(dataset, settings, manifest) if settings.groups else {}
    return _Place(settings, groups, frozenset(trained), _own(dataset, manifest, new))


def _own(dataset: str, manifest: IO[bytes], new: Sequence[Review]) -> dict[str, str]:
    """Which of these are pictures of the dataset, by digest and by fingerprint: their references."""
    digests, prints = {review.digest for review in new}, {review.fingerprint for review in new} - {""}
    prefix, found, unlabelled = dataset_prefix(dataset), dict[str, str](), set[str]()
    for known in pictures_of(dataset):
        same = {known.digest} & digests | ({known.fingerprint} & prints if prints else set())
        if same and not is_reviewed(known.key):
            found |= dict.fromkeys(same, known.key.removeprefix(prefix))
            if not known.label:
                unlabelled.add(known.key.removeprefix(prefix))
    # What neither a folder nor a line has labelled yet is no data: the answer is what makes it some.
    lines = annotation_manifest.read(_pieces(manifest)) if unlabelled else ()
    unlabelled -= {line.source_ref for line in lines if isinstance(line, Line)}
    return {name: reference for name, reference in found.items() if reference not in unlabelled}


def _groups(dataset: str, settings: DatasetSettings, manifest: IO[bytes]) -> dict[str, str]:
    """On which side the parts of a dataset stand; `test` where any picture of one does."""
    prefix, found = dataset_prefix(dataset), dict[str, str]()
    sides = dict(known_sides(dataset))
    lines = {
        f"{prefix}{line.source_ref}": (line.group, line.side)
        for line in annotation_manifest.read(_pieces(manifest))
        if isinstance(line, Line) and (line.group or line.side)
    }
    for key, _ in buckets.data_bucket().list(prefix):
        group, side = lines.get(key, (None, None))
        group = group or settings.group_of(key.removeprefix(prefix))
        side = sides.get(key) or side or _folder_side(key)
        if group and side and found.get(group) != "test":
            found[group] = side
    return found


def _folder_side(key: str) -> str:
    try:
        return parse_upload(key).side
    except KeyRefused:
        return ""
