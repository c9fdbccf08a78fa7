"""What is true in production, as the reviews of the last weeks tell."""

from datetime import UTC, datetime, timedelta

from mlops import stack
from mlops.judging.production import Judged, Production, estimated
from mlops.records import reviews
from mlops.records.table import OWN, Table

DAYS = 30


def of(dataset: str, table: Table = OWN) -> Production:
    """Rates of a dataset from the random share that was answered in the last weeks, without what nobody can tell."""
    moment = datetime.fromtimestamp(stack.here().clock.time(), UTC)
    since = (moment - timedelta(days=DAYS)).isoformat(timespec="milliseconds")
    answered = (
        review
        for state in (reviews.ANSWERED, reviews.CLOSED)
        for review in reviews.of_state(dataset, state, since, table)
    )
    return estimated(
        Judged(review.verdict, review.answer.is_defective)
        for review in answered
        if review.is_random and review.answer.is_known
    )
