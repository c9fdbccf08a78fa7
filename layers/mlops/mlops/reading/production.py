"""What is true in production, as the reviews of the last weeks tell."""

from datetime import UTC, datetime, timedelta
from functools import cache

from mlops import stack
from mlops.judging.production import Judged, Production, estimated
from mlops.records import releases, reviews
from mlops.records.table import OWN, Table

# Long enough for some dozens of answers, short enough to be true of now.
DAYS = 30


def of(dataset: str, table: Table = OWN) -> Production:
    """Rates of what is in production now, from the random share that was answered in the last weeks.

    What other versions answered is left out, and so is what nobody can tell.
    """
    moment = datetime.fromtimestamp(stack.here().clock.time(), UTC)
    since = (moment - timedelta(days=DAYS)).isoformat(timespec="milliseconds")
    asked = {task: release.run_id for task, release in releases.in_production(dataset, table).items()}
    # A day is one row, however many of its pictures were answered.
    drawn = cache(lambda day: reviews.drawn(dataset, day, table))
    answered = (
        review
        for state in (reviews.ANSWERED, reviews.CLOSED)
        for review in reviews.of_state(dataset, state, since, table)
    )
    return estimated(
        Judged(review.verdict, review.answer.is_defective)
        for review in answered
        if review.answer.is_known and dict(review.run_ids) == asked and review.digest in drawn(review.day)
    )


def beside(dataset: str) -> list[str]:
    """The same in words, one rate a line, for whoever reads of tests; nothing where nothing is in production."""
    return of(dataset).lines() if releases.in_production(dataset) else []
