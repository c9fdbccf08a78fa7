"""What is deleted to make room in a project, and what never is."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from mlops.aws import messages
from mlops.models import pruning
from mlops.reading import mails
from mlops.records import approvals, kept_models, leases, releases, runs
from mlops.records.approvals import Approval
from mlops.records.leases import Lease
from mlops.records.releases import Release
from mlops.records.table import OWN
from mlops.stage import DECISION, StageRef
from tests.unit.mlops.world import DATASET, PROJECTS, TASK, World, refused

KEEP = 3
OLDEST = "run-0"
DEVELOPMENT = PROJECTS[TASK]["development"]


def arn_of(run_id: str, environment: str = "development", age: int = 0) -> str:
    return f"{PROJECTS[TASK][environment].rsplit('/', 1)[0]}/version/{run_id}/{1000 - age}"


def stage(run_id: str, name: str = "eval_metric", state: str = runs.FAILED, environment: str = "development") -> None:
    place = StageRef(run_id, DATASET, TASK, name, environment)
    runs.begin(place, "c")
    if state == runs.FAILED:
        runs.fail(place, ["none"])
    elif state == runs.WAITING:
        runs.wait(place, "a slot")


@pytest.fixture
def arns(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Five trained versions of runs that failed, oldest first; the newest three stay."""
    monkeypatch.setenv("KEEP_MODELS", str(KEEP))
    found = []
    for number in range(5):
        run_id = f"run-{number}"
        runs.create(run_id, DATASET, TASK)
        stage(run_id)
        found.append(arn_of(run_id, age=500 - number))
    # As the service tells of them: newest first.
    world.models.status |= dict.fromkeys(reversed(found), "TRAINING_COMPLETED")
    return found


def left(world: World) -> list[str]:
    return sorted(arn for arn in world.models.status if arn.startswith(DEVELOPMENT.rsplit("/", 1)[0]))


def test_the_newest_stay_and_people_hear_of_the_others(
    world: World, arns: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(messages, "put_event", lambda event: told.append((event.detail_type, list(event.version_arns))))

    assert pruning.prune() == arns[:2]
    assert left(world) == arns[2:]
    assert told == [("Models Deleted", arns[:2])]


def test_a_second_look_deletes_nothing_more(world: World, arns: list[str]) -> None:
    pruning.prune()

    assert pruning.prune() == []
    assert left(world) == arns[2:]


def release(world: World, arn: str, environment: str) -> None:
    place = StageRef(OLDEST, DATASET, TASK, "release", environment)
    times = {"released_at": "2026", "tested_at": "2026"}
    releases.record(Release(**place.as_detail(), **times, version_arn="elsewhere", lease_id="lease"))


def open_stage(world: World, arn: str, state: str) -> None:
    stage(OLDEST, "inference_test", state)


def ask(world: World, arn: str, expires_in: int = 60, state: str = approvals.PENDING) -> None:
    """Put the oldest before a person, whose link is good for so many seconds."""
    place = StageRef(OLDEST, DATASET, TASK, "approve2staging", "staging")
    runs.begin(place, "c")
    runs.wait(place, DECISION)
    expires_at = int(time.time()) + expires_in
    approval = Approval("APPROVAL#x", OLDEST, target="staging", state=state, expires_at=expires_at)
    approvals.write(approval)
    approvals.note_sent(approval)


def lease(world: World, arn: str) -> None:
    now = int(time.time())
    leases.write(Lease("l", arn, StageRef(OLDEST, DATASET, TASK, "inference_test"), now, now + 60))


def keep(world: World, arn: str) -> None:
    assert kept_models.keep(StageRef(OLDEST, DATASET, TASK, "release"), arn)


def made_by_hand(world: World, arn: str) -> None:
    OWN.delete(f"RUN#{OLDEST}", "RUN")


def status(world: World, arn: str, state: str) -> None:
    world.models.status[arn] = state


@pytest.mark.parametrize(
    "protect",
    [
        lambda world, arn: release(world, arn, "staging"),
        lambda world, arn: release(world, arn, "production"),
        lambda world, arn: open_stage(world, arn, runs.IN_PROGRESS),
        lambda world, arn: open_stage(world, arn, runs.WAITING),
        ask,
        lambda world, arn: ask(world, arn, expires_in=-60, state=approvals.APPROVED),
        lease,
        keep,
        made_by_hand,
        lambda world, arn: status(world, arn, "RUNNING"),
        lambda world, arn: status(world, arn, "COPYING_IN_PROGRESS"),
    ],
)
def test_what_is_released_used_decided_about_or_not_ours_stays(
    world: World, arns: list[str], protect: Callable[[World, str], Any]
) -> None:
    protect(world, arns[0])
    pruning.prune()

    assert arns[0] in left(world)


def test_a_link_that_has_expired_keeps_nothing(world: World, arns: list[str]) -> None:
    ask(world, arns[0], expires_in=-60)

    assert arns[0] in pruning.prune()


@pytest.mark.parametrize("code", ["ResourceInUseException", "ResourceNotFoundException"])
def test_a_version_that_somebody_took_or_deleted_meanwhile_is_passed_over(
    world: World, arns: list[str], monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    real = world.models.delete_project_version

    def taken(ProjectVersionArn: str) -> None:  # noqa: N803
        if ProjectVersionArn == arns[0]:
            raise refused(code)
        real(ProjectVersionArn)

    monkeypatch.setattr(world.models, "delete_project_version", taken)

    assert pruning.prune() == [arns[1]]


@pytest.mark.parametrize(("count", "said"), [(1, "1 model that was never"), (2, "2 models that were never")])
def test_the_mail_names_what_was_deleted_and_how_to_keep_more(count: int, said: str) -> None:
    subject, text = mails.pruning_mail([arn_of(f"run-{number}") for number in range(count)])

    assert said in subject
    assert all(f"  {arn_of(f'run-{number}')}\n" in text for number in range(count))
    assert "KeepModels" in text and "training_input.json" in text
    assert text.startswith("s-classification-development held")
