"""What a run costs, from what its training and its tests took."""

import re

import pytest

from mlops.codec import read
from mlops.models.projects import Version
from mlops.reading.evidence import Sentences
from mlops.reading.rendering import render
from mlops.records import costs
from mlops.records.costs import Estimate
from mlops.records.documents import GroundTruth, InferenceTest
from mlops.records.leases import Lease
from mlops.stage import StageRef
from tests.unit.mlops.reading.test_rendering import shared
from tests.unit.mlops.world import World, set_clock

RUN = "parts-classification-000000000001"
REF = StageRef(RUN, "parts", "classification", "inference_test", "staging")


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, time=lambda: 10_000)


def lease(number: int, seconds: int) -> Lease:
    return Lease(f"l{number}", "arn", REF, started_at=10_000 - seconds, expires_at=20_000)


def test_training_and_every_test_are_priced_by_the_hour() -> None:
    costs.note_training(REF, 5400)
    costs.note_test(REF, lease(1, 900))
    costs.note_test(REF, lease(2, 450))

    assert costs.estimate(RUN) == Estimate(3.0, training=5400, running=1350, usd_an_hour=4.0)


def test_a_second_delivery_costs_nothing_more() -> None:
    for _ in range(2):
        costs.note_training(REF, 3600)
        costs.note_test(REF, lease(1, 900))

    assert costs.estimate(RUN).usd == 2.0


def test_a_run_that_has_done_nothing_costs_nothing() -> None:
    assert costs.estimate(RUN).usd == 0


def test_a_version_without_a_time_cost_nothing_to_train() -> None:
    version = Version.of({"ProjectVersionArn": "arn", "Status": "COPYING_COMPLETED"})
    costs.note_training(REF, version.training_seconds)

    assert costs.estimate(RUN).training == 0


@pytest.mark.parametrize("stays", [True, False])
def test_the_mail_says_what_an_hour_costs_only_where_the_model_stays(stays: bool) -> None:
    cost = {"usd": 0.4, "training": 90.0, "running": 0.0, "usd_an_hour": 4.0}
    text = render(
        "approval.txt",
        ref=REF,
        cost=cost,
        stays_running=stays,
        measures=[],
        warnings=[],
        truth=GroundTruth(),
        test=read(InferenceTest, {**REF.as_detail(), "comparison": {"note": "first"}}),
        points=[],
        sureness=Sentences(),
        **dict.fromkeys(("link", "source", "target", "confirmation", "expires", "bucket"), "x"),
    )

    assert "about USD 0.40 so far: 2 min of training, 0 min of running" in text
    assert ("about USD 4.00 an hour" in text) == stays


@pytest.mark.parametrize(("usd_an_hour", "said"), [(4.0, "USD 2920.00"), (0.5, "USD 365.00")])
@pytest.mark.parametrize(("stays", "setting"), [(True, "is true"), (False, "is false")])
def test_who_is_asked_reads_what_both_ways_cost_a_month(
    usd_an_hour: float, said: str, stays: bool, setting: str
) -> None:
    cost = {"usd": 0.4, "training": 90.0, "running": 0.0, "usd_an_hour": usd_an_hour}
    known = shared("dent") | {"cost": cost, "stays_running": stays, "target": "production"}
    form = {"source": "staging", "token": "t", "problem": "", "expires": "x", "confirmation": "1b7d25"}
    page = re.sub("<[^>]+>", "", render("approval.html", **known, **form))
    mail = render("approval.txt", ref=REF, link="x", **known, **form)

    for text in (page, mail):
        assert said in text
        assert "nothing while it is idle" in text.lower()
        assert "aws rekognition start-project-version" in text
        assert f"ProductionAlwaysOn {setting}" in text
