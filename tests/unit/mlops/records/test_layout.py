"""Rows are written as they always were: deployed stacks have them, and go back to earlier releases."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mlops.events import PipelineStageRetry
from mlops.records import (
    activity,
    approvals,
    costs,
    decisions,
    kept_models,
    leases,
    releases,
    retries,
    runs,
    waiting_line,
    watches,
)
from mlops.records.leases import Lease
from mlops.records.releases import Release
from mlops.records.watches import Watch
from mlops.stage import StageRef
from tests.unit.mlops.world import World, set_clock

RUN, ARN = "parts-classification-000000000001", "arn:aws:rekognition:eu-west-1:111122223333:project/p/version/v/1"
REF = StageRef(RUN, "parts", "classification", "inference_test", "staging")
DETAIL = {"run_id": RUN, "dataset": "parts", "task": "classification", "stage": "inference_test"}
DETAIL |= {"environment": "staging"}
THEN = "2026-01-01T00:00:00.000+00:00"
NOW = 1_767_225_600
# SHA-256 of "token".
HASH = "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0"


@pytest.fixture(autouse=True)
def _clock(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    set_clock(monkeypatch, time=lambda: float(NOW))
    yield


def rows(world: World) -> list[dict[str, Any]]:
    return [item for _, item in sorted(world.table.snapshot().items())]


def test_a_run_and_its_stages(world: World) -> None:
    runs.create(RUN, "parts", "classification")
    runs.begin(REF, "c")
    runs.wait(REF, "a slot")
    run = {"pk": f"RUN#{RUN}", "sk": "RUN", "run_id": RUN, "dataset": "parts", "task": "classification"}
    run |= {"created_at": THEN, "dataset_key": "DATASET#parts"}
    stage = {"pk": f"RUN#{RUN}", "sk": "STAGE#staging#inference_test", "stage": "inference_test"}
    stage |= {
        "environment": "staging",
        "cause": "c",
        "state": "WAITING",
        "started_at": THEN,
        "reasons": [],
        "worked_off": [],
    }

    assert rows(world) == [run, stage | {"reasons": [], "worked_off": [], "waiting_for": "a slot"}]

    runs.fail(REF, ["no"], "a.json")
    runs.note_version(REF, ARN)
    ended = {"state": "FAILED", "reasons": ["no"], "artifact": "a.json", "finished_at": THEN, "version_arn": ARN}
    assert rows(world) == [run | {"staging_version_arn": ARN}, stage | ended]


def test_a_lease(world: World) -> None:
    leases.take(REF, ARN, is_rollback=True, decision="APPROVAL#1")
    (lease,) = rows(world)

    assert lease == {
        "pk": f"LEASE#{ARN}",
        "sk": "LEASE",
        "lease_id": leases.id_of("APPROVAL#1"),
        "version_arn": ARN,
        "started_at": NOW,
        "expires_at": NOW + 1800,
        "units": 1,
        "is_rollback": True,
        "decision": "APPROVAL#1",
        **DETAIL,
    }
    assert leases.of(ARN) == Lease(lease["lease_id"], ARN, REF, NOW, NOW + 1800, True, "APPROVAL#1")


def test_an_approval_and_what_a_run_has_of_it(world: World) -> None:
    approval = approvals.begin(REF, "a.json", "d", "token")
    approvals.note_sent(approval)
    pending = {"pk": f"APPROVAL#{HASH}", "sk": "APPROVAL", "state": "PENDING", "target": "staging", **DETAIL}
    pending |= {"artifact": "a.json", "artifact_digest": "d", "expires_at": NOW + 7 * 86400}
    pointer = {"pk": f"RUN#{RUN}", "sk": "APPROVAL#staging", "state": "SENT", "artifact_digest": "d"}

    assert rows(world) == [pending, pointer | {"token_hash": f"APPROVAL#{HASH}", "sent_at": THEN}]
    assert approvals.find(approval.name) == approval

    source = {"source_ip": "192.0.2.1", "user_agent": "x"}
    made = approvals.decide(approval, approvals.APPROVED, "Ada", "", source)
    untold = {"pk": "UNTOLD", "sk": f"APPROVAL#{HASH}", "expires_at": NOW + 37 * 86400}
    assert rows(world)[-1] == untold

    approvals.pass_on(made)
    decided = {"state": "APPROVED", "approver": "Ada", "comment": "", "decided_at": THEN, "passed_on": True}
    assert rows(world) == [pending | decided | source, pointer | {"token_hash": approval.name, "sent_at": THEN}]


def test_a_decision(world: World) -> None:
    decisions.note(REF, "ROLLBACK#staging#1", "Ada", "why", is_rollback=True)

    assert rows(world) == [
        {
            "pk": f"RUN#{RUN}",
            "sk": "ROLLBACK#staging#1",
            "approver": "Ada",
            "comment": "why",
            "is_rollback": True,
            "environment": "staging",
        }
    ]


def test_costs(world: World) -> None:
    costs.note_training(REF, 3600)
    costs.note_test(REF, Lease("l", ARN, REF, NOW - 900, NOW))
    key = {"pk": f"RUN#{RUN}", "environment": "staging"}

    assert rows(world) == [
        {**key, "sk": "COST#staging#l", "kind": "running", "seconds": 900, "usd": "1.000000"},
        {**key, "sk": "COST#training", "kind": "training", "seconds": 3600, "usd": "1.000000"},
    ]


def test_a_release(world: World) -> None:
    times = {"tested_at": "2025", "released_at": "2026"}
    signed = {"approver": "Ada", "comment": "", "is_rollback": False}
    release = releases.record(Release(**REF.as_detail(), **times, **signed, version_arn=ARN, lease_id="l"))
    place = {"pk": "RELEASE#parts#classification#staging"}
    facts = {**DETAIL, **times, **signed, "version_arn": ARN, "lease_id": "l", "previous_version_arn": ""}

    assert rows(world) == [{**place, "sk": "CURRENT", **facts}, {**place, "sk": "HISTORY#2025#l", **facts}]

    releases.note_announced(release)
    assert rows(world)[1] == {**place, "sk": "HISTORY#2025#l", **facts, "announced": True}


def test_a_release_with_operating_points_is_read_as_it_was_written(world: World) -> None:
    points = {"cut lead": 31.25, "normal": 60.0}
    release = Release(**REF.as_detail(), version_arn=ARN, released_at="2026", tested_at="2025", min_confidence=points)

    releases.record(release)

    assert releases.current("parts", "classification", "staging") == release
    releases.publish(release, is_running=False)
    published = json.loads(world.parameters["/s/models/parts/classification/staging"])
    assert published["min_confidence"] == points


def test_the_points_of_hundreds_of_labels_are_named_where_they_are(world: World) -> None:
    points = {f"a label with a long name {number:03}": 50.0 for number in range(250)}
    releases.publish(
        Release(RUN, ARN, "2026", dataset="parts", task="classification", environment="staging", min_confidence=points),
        is_running=False,
    )

    text = world.parameters["/s/models/parts/classification/staging"]
    assert len(text) < 4096
    assert json.loads(text)["operating_points"] == f"s3://artifacts/runs/{RUN}/staging/inference_test.json"


def test_the_rest(world: World) -> None:
    watches.take(Watch(ARN, "c", 3))
    waiting_line.line_up(waiting_line.TRAINING, REF)
    kept_models.keep(REF, ARN)
    activity.note_complete("parts", THEN)
    retries.note(PipelineStageRetry(**DETAIL, version_arn=ARN, decision="d"), sent_at=NOW)
    retry = {"pk": f"RETRY#{RUN}", "sk": f"RETRY#staging#inference_test#{ARN}#d", "sent_at": NOW * 1000}
    watch = {"pk": f"WATCH#{ARN}#c", "sk": "WATCH", "hop": 4, "expires_at": NOW + 7 * 86400}
    waiting = {"pk": "WAITING#trainings", "sk": f"{RUN}#staging", "since": NOW * 1000, "seen": NOW * 1000}

    assert rows(world) == [
        {"pk": "DATASET#parts", "sk": "ACTIVITY", "complete_at": THEN},
        {"pk": "KEPT", "sk": "MODELS", "models": {"parts#classification#staging": ARN}, "revision": 1},
        {**retry, "expires_at": NOW + 7 * 86400},
        {**waiting, "expires_at": NOW + 86400, **DETAIL},
        watch,
    ]
