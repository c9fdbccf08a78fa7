"""What people answered becomes data of its dataset, which starts runs as any upload does; and they are asked by mail.

All of it may be called again at any time: a picture is filed under its bytes, its line takes the place of the one
before, and its side is given once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from aws_lambda_powertools import Logger

from mlops import stack
from mlops.aws import buckets, messages
from mlops.dataset import annotation_manifest, reviewed
from mlops.dataset.annotation_manifest import Line
from mlops.dataset.dataset_json import DatasetSettings, SettingsInvalid, parse_settings
from mlops.dataset.keys import (
    DATASETS_PREFIX,
    KeyRefused,
    annotations_key,
    dataset_prefix,
    parse_upload,
    settings_key,
)
from mlops.dataset.reviewed import Answered, Filed
from mlops.events import DriftFound, Event, RetrainingRequested, ReviewAnswered
from mlops.judging.choosing import WHY
from mlops.reading import mails, production
from mlops.records import activity, results, review_links, reviews
from mlops.records.reviews import ANSWERED, CLOSED, WAITING, Review
from mlops.records.sides import known_sides
from mlops.stages import approval

_PATIENCE = 10

logger = Logger(child=True)


def after_answer(dataset: str) -> bool:
    """File what was answered once there is enough of it; returns whether that was so."""
    enough = stack.here().retrain_after
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
    """File what no event told of, and send the mail of the day where reviews wait. Returns what was done, in words."""
    done = []
    for dataset in buckets.data_bucket().folders(DATASETS_PREFIX):
        if after_answer(dataset):
            done.append(f"filed the answers about {dataset}")
        if _ask(dataset):
            done.append(f"asked for reviews of {dataset}")
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
    return True


@dataclass(frozen=True)
class _Place:
    """What decides about sides: what a dataset says of groups, where its groups stand, which labels were trained on."""

    settings: DatasetSettings
    groups: Mapping[str, str]
    trained: frozenset[str]


def file_answers(dataset: str) -> list[str]:
    """Make data of every answer of a dataset, and ask whether it has settled; returns the references of new lines.

    Raises TimeoutError when the annotation manifest is written by others all the time: the next call goes on.
    """
    answered = [*reviews.of_state(dataset, ANSWERED)]
    # Whoever uploads a manifest of their own takes out what was filed: it is put back.
    filed_before = [review for review in reviews.of_state(dataset, CLOSED) if review.side]
    for _ in range(_PATIENCE):
        found = buckets.data_bucket().get(annotations_key(dataset))
        manifest, etag = (found["Body"].read(), str(found["ETag"])) if found else (b"", "")
        lines = _lines(dataset, manifest, answered, filed_before)
        changed = reviewed.with_lines(manifest, lines)
        if changed == manifest or buckets.data_bucket().write_over(annotations_key(dataset), changed, etag):
            break
    else:
        raise TimeoutError(f"{annotations_key(dataset)} is written by others all the time")
    if changed != manifest or answered:
        # Before the answers are closed: who dies in between does all this again.
        activity.ask_whether_settled(dataset, stack.here().settle_seconds)
    for review in answered:
        reviews.note_filed(review)
    return sorted(reference for reference, line in lines.items() if line is not None)


def _lines(
    dataset: str, manifest: bytes, answered: Iterable[Review], filed_before: Iterable[Review]
) -> dict[str, str | None]:
    """The lines that a manifest is to have, of which the pictures are in place; None for those that it must not."""
    lines: dict[str, str | None] = {}
    answered = list(answered)
    known, place = Filed.of(manifest), _place(dataset, manifest, answered)
    pictures = {key for key, _ in buckets.data_bucket().list(f"{dataset_prefix(dataset)}images/reviewed/")}
    for review in sorted((*answered, *filed_before), key=lambda review: (review.answered_at, review.digest)):
        is_new = review.state == ANSWERED
        entry = _entry(review, known, place)
        if entry is None or (not is_new and entry.reference in known.references):
            continue
        if not entry.labels:
            lines[entry.reference] = None
            continue
        key = f"{dataset_prefix(dataset)}{entry.reference}"
        if key not in pictures and not _copy(review, key, entry.extension):
            continue
        lines[entry.reference] = reviewed.line_of(entry)
        known = known.plus(entry)
    return lines


def _entry(review: Review, known: Filed, place: _Place) -> Answered | None:
    """A review as data, its side settled; None where its part stands on the test side, which stays as it is."""
    group = place.settings.group_of(review.path)
    side = review.side
    if not side and review.answer.is_known:
        labels = review.answer.labels
        enough = stack.here().test_images_per_label
        wanted = reviewed.side_of(labels, known, place.trained, is_random=review.is_random, enough=enough)
        wanted = known.groups.get(group) or place.groups.get(group) or wanted if group else wanted
        if wanted == "test":
            logger.warning("left out: its part is in the test", dataset=review.dataset, key=review.key, group=group)
            return None
        side = reviews.settle_side(review, wanted)
    facts = ("key", "digest", "reviewer", "answered_at", "inspected_at", "verdict")
    return Answered(
        digest=review.digest,
        extension=review.picture.rsplit(".", 1)[-1],
        width=review.width,
        height=review.height,
        labels=review.answer.labels,
        boxes=review.answer.boxes,
        is_boxed=review.answer.is_boxed,
        side=side,
        group=group,
        answered_at=review.answered_at,
        provenance={**{name: getattr(review, name) for name in facts}, "reasons": list(review.reasons)},
    )


def _copy(review: Review, key: str, extension: str) -> bool:
    """Copy the picture of a review into its dataset; False when it is gone."""
    data = buckets.artifacts_bucket().find(review.picture)
    if data is None:
        logger.warning("left out: its picture is gone", dataset=review.dataset, key=review.picture)
        return False
    buckets.data_bucket().write(key, data)
    return True


def _place(dataset: str, manifest: bytes, answered: Iterable[Review]) -> _Place:
    try:
        settings = parse_settings(buckets.data_bucket().find(settings_key(dataset)))
    except SettingsInvalid:
        settings = DatasetSettings()
    groups = _groups(dataset, settings, manifest) if settings.groups else {}
    trained: set[str] = set()
    for run_id in {run_id for review in answered for run_id in review.run_ids.values()}:
        counts = results.ground_truth(run_id).get("counts", {}).get("train", {})
        trained |= {label for label, count in counts.items() if count}
    return _Place(settings, groups, frozenset(trained))


def _groups(dataset: str, settings: DatasetSettings, manifest: bytes) -> dict[str, str]:
    """On which side the parts of a dataset stand; `test` where any picture of one does."""
    prefix, found = dataset_prefix(dataset), dict[str, str]()
    sides = dict(known_sides(dataset))
    lines = {
        f"{prefix}{line.source_ref}": line for line in annotation_manifest.read([manifest]) if isinstance(line, Line)
    }
    for key, _ in buckets.data_bucket().list(prefix):
        line = lines.get(key)
        group = (line and line.group) or settings.group_of(key.removeprefix(prefix))
        side = sides.get(key) or (line and line.side) or _folder_side(key)
        if group and side and found.get(group) != "test":
            found[group] = side
    return found


def _folder_side(key: str) -> str:
    try:
        return parse_upload(key).side
    except KeyRefused:
        return ""
