"""Reviews, drift and retraining from the command line."""

import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli import reviews
from cli.stack import CommandRefused, Stack
from mlops.records import review_links, table
from mlops.records import reviews as records
from mlops.records.reviews import Answer
from tests.unit.mlops.memory_table import MemoryTable
from tests.unit.mlops.records.test_reviews import REVIEW
from tests.unit.mlops.world import refused

TOLD = {
    "dataset": "parts <b>",
    "looked_at": "2026-03-02T09:00:00+00:00",
    "measures": [
        {"name": "brightness", "window": "the last 100", "psi": 2.5, "limit": 0.5, "has_drifted": True},
        {"name": "size", "window": "2026-03-01", "psi": 0.0, "limit": 0.2, "has_drifted": False},
    ],
}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryTable:
    """The table of the stack, and of whoever looks at it from inside."""
    found = MemoryTable()
    monkeypatch.setattr(table, "_table", lambda: found)
    return found


@pytest.fixture
def events() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def stack(store: MemoryTable, events: list[dict[str, Any]]) -> Iterator[Stack]:
    """A stack whose table is this one, with one dataset."""
    given = {
        "ApplicationTableName": "t",
        "ArtifactsBucketName": "artifacts",
        "DataBucketName": "data",
        "ReviewUrl": "https://page.example/review",
    }
    outputs = [{"OutputKey": name, "OutputValue": value} for name, value in given.items()]
    described = {"Stacks": [{"StackId": "arn:stack", "Outputs": outputs, "Parameters": []}]}
    page = {"CommonPrefixes": [{"Prefix": "datasets/parts/"}]}

    def put(Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        events.extend(Entries)
        return {"FailedEntryCount": 0}

    def get(Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        if Key != "datasets/parts/drift.json":
            raise refused("NoSuchKey")
        return {"Body": io.BytesIO(json.dumps(TOLD).encode())}

    pages = SimpleNamespace(paginate=lambda **_: [page])
    clients = {
        "cloudformation": SimpleNamespace(describe_stacks=lambda StackName: described),  # noqa: N803
        "events": SimpleNamespace(put_events=put),
        "s3": SimpleNamespace(get_paginator=lambda _: pages, get_object=get),
    }
    database = SimpleNamespace(Table=lambda _: store)
    yield Stack("parts", SimpleNamespace(client=clients.__getitem__, resource=lambda _: database))


def test_what_waits_is_listed(stack: Stack) -> None:
    records.begin(REVIEW)
    records.begin(replace(REVIEW, digest="d2"))
    records.answer(REVIEW, "s", Answer(("bent",)), "Ann")

    assert reviews.listed(stack, ["parts", "others"]) == [
        {"dataset": "parts", "waiting": 1, "since": "2026-03-01 09:15", "answered": 1, "by": "Ann"},
        {"dataset": "others", "waiting": 0, "since": "", "answered": 0, "by": ""},
    ]
    assert all("too few to say" in line for line in reviews.rates(stack, "parts"))


def test_a_link_opens_the_page_of_its_dataset(stack: Stack) -> None:
    token = reviews.link(stack, "parts").partition("?token=")[2]
    found = review_links.find(token)

    assert len(token) >= 43 and found and found.dataset == "parts"
    with pytest.raises(CommandRefused, match="There are: parts"):
        reviews.link(stack, "others")


def test_retraining_is_asked_for_where_there_is_something_to_train_from(
    stack: Stack, events: list[dict[str, Any]]
) -> None:
    with pytest.raises(CommandRefused, match="No answer about parts"):
        reviews.retrain(stack, "parts")
    records.begin(REVIEW)
    records.answer(REVIEW, "s", Answer(("bent",)), "Ann")

    assert reviews.retrain(stack, "parts") == 1
    (entry,) = events
    assert (entry["DetailType"], json.loads(entry["Detail"])) == ("Retraining Requested", {"dataset": "parts"})


def test_drift_is_shown_and_drawn(stack: Stack) -> None:
    drawn = reviews.plot(reviews.drift(stack, "parts"))

    assert ET.fromstring(drawn).tag.endswith("svg")
    assert "parts &lt;b&gt;" in drawn and "2.500 / 0.500" in drawn
    with pytest.raises(CommandRefused, match="was compared yet"):
        reviews.drift(stack, "others")


def test_what_s3_refuses_is_not_taken_for_nothing(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def get(**_: Any) -> None:
        raise refused("AccessDenied")

    assert stack.outputs

    monkeypatch.setattr(stack, "clients", lambda _: SimpleNamespace(get_object=get))
    with pytest.raises(ClientError):
        reviews.drift(stack, "parts")
