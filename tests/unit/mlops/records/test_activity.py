"""Ten thousand batches ask whether their dataset has settled, and few messages are sent for that; none is lost."""

from collections.abc import Iterator
from typing import Any

import pytest

from mlops.records import activity
from mlops.stages import ground_truth
from tests.unit.mlops.settling import Uploads, bucket_with_events, picture

QUIET = 300


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    with bucket_with_events(monkeypatch) as uploads:
        yield uploads


def delivered(uploads: Uploads, until: float) -> int:
    """Read the messages that have come by then; how many there were."""
    due = getattr(uploads, "due", [])
    due += [(uploads.now + delay, message) for message, delay in uploads.messages]
    uploads.messages.clear()
    uploads.due = [one for one in due if one[0] > until]  # type: ignore[attr-defined]
    for _, message in (one for one in due if one[0] <= until):
        ground_truth.settle(message)
    return len(due) - len(uploads.due)  # type: ignore[attr-defined]


def test_batches_of_one_upload_cost_a_message_every_quiet_period(uploads: Uploads, settled: list[float]) -> None:
    read = 0
    for _ in range(2000):
        uploads.now += 1
        read += delivered(uploads, uploads.now)
        activity.ask_whether_settled("parts", QUIET)
    last = uploads.now
    while not settled:
        uploads.now += 1
        read += delivered(uploads, uploads.now)

    assert read <= 2 * (2000 // QUIET + 2)
    assert settled == [pytest.approx(last + QUIET, abs=1)]


@pytest.fixture
def settled(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When datasets were looked at, instead of looking at them."""
    found: list[float] = []
    monkeypatch.setattr(ground_truth, "entries_of", lambda *_, **__: found.append(uploads.now) or ())
    return found


def test_a_short_wait_asks_although_a_later_message_is_under_way(uploads: Uploads) -> None:
    activity.ask_whether_settled("parts", QUIET)
    activity.ask_whether_settled("parts", 10)
    activity.ask_whether_settled("parts", QUIET)

    assert [delay for _, delay in uploads.messages] == [QUIET, 10]


def test_a_message_that_comes_late_or_twice_asks_again_only_while_nobody_else_will(
    uploads: Uploads, settled: list[float]
) -> None:
    activity.ask_whether_settled("parts", QUIET)
    first: dict[str, Any] = uploads.messages.pop()[0]
    uploads.now += 10
    activity.ask_whether_settled("parts", QUIET)
    uploads.now += QUIET - 10
    ground_truth.settle(first)
    assert [delay for _, delay in uploads.messages] == [10]

    # The same message again, while the one that it has sent is under way.
    ground_truth.settle(first)
    assert len(uploads.messages) == 1
    uploads.now += 10
    ground_truth.settle(uploads.messages.pop()[0])
    assert settled == [uploads.now]
    ground_truth.settle(first)
    assert uploads.messages == []


def test_a_batch_whose_message_could_not_be_sent_is_asked_about_by_its_redelivery(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(activity.messages, "send_message", _refused)
        with pytest.raises(TimeoutError):
            activity.ask_whether_settled("parts", QUIET)
    activity.ask_whether_settled("parts", QUIET)

    assert len(uploads.messages) == 1


def _refused(*_: object) -> None:
    raise TimeoutError


def test_what_one_picture_after_the_other_brings_is_one_run(uploads: Uploads) -> None:
    for number in range(6):
        uploads.put(f"train/cut/{number}.png", picture(number))
        uploads.put(f"train/good/{number}.png", picture(100 + number))
    assert len(uploads.messages) == 1
    uploads.settle()

    assert [run["images"] for run in uploads.runs()] == [12]
