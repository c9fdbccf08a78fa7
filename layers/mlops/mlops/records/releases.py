"""What is released where: one current version for each dataset, task and environment, and an append-only history."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from boto3.dynamodb.conditions import Attr

from mlops import codec, stack
from mlops.aws import clients
from mlops.codec import SOMETIMES
from mlops.dataset.dataset_json import TASKS
from mlops.dataset.tiles import WHOLE, Tiling
from mlops.records import documents
from mlops.records.table import OWN, Item, Place, Table
from mlops.stage import ENVIRONMENTS, StageRef

# What is in force has a row of its own: one read finds it, and a condition keeps late releases out of it.
_CURRENT, _HISTORY = "CURRENT", "HISTORY#"
# Bytes of the value of a standard parameter, which costs nothing.
_MOST_PARAMETER = 4096


@dataclass(frozen=True)
class Release:
    """A version that became the current one of an environment, by whom and why, after the test of a lease.

    `announced` says that the event about it was put, and the version before it stopped. `min_confidence` are its
    operating points, 0 to 100: from which confidence an answer of a label counts; earlier releases have none.
    `tiles` is how pictures were cut that it learned from and was tested on: so it is asked about new ones.
    """

    run_id: str
    version_arn: str
    released_at: str
    approver: str = ""
    comment: str = ""
    is_rollback: bool = False
    dataset: str = ""
    task: str = ""
    stage: str = ""
    environment: str = ""
    tested_at: str = ""
    lease_id: str = ""
    previous_version_arn: str = ""
    announced: bool = field(default=False, metadata=SOMETIMES)
    min_confidence: Mapping[str, float] = field(default_factory=dict, metadata=SOMETIMES)
    tiles: Tiling = field(default=WHOLE, metadata=SOMETIMES)


@dataclass(frozen=True)
class Published:
    """The value of the SSM parameter of an environment. Of points that are too long for it, `operating_points` names
    the file that has them. `tiles` is the side of the tiles that the version works on, in pixels."""

    version_arn: str
    run_id: str
    released_at: str
    is_running: bool
    min_confidence: Mapping[str, float] | None = field(default=None, metadata=SOMETIMES)
    operating_points: str = field(default="", metadata=SOMETIMES)
    tiles: int = field(default=0, metadata=SOMETIMES)

    def as_json(self) -> str:
        """As consumers read it."""
        return json.dumps(codec.plain(self), sort_keys=True)


def current(dataset: str, task: str, environment: str, table: Table = OWN) -> Release | None:
    """The release that is in force, None before the first one."""
    return read(table.get(*place_of_current(dataset, task, environment)))


def place_of_current(dataset: str, task: str, environment: str) -> Place:
    """Where the release that is in force stands, for who reads it with other rows."""
    return _partition(dataset, task, environment), _CURRENT


def read(row: Item | None) -> Release | None:
    """The release in a row, None where there is no row."""
    return codec.read(Release, row) if row else None


def in_force(dataset: str, environment: str, table: Table = OWN) -> dict[str, Release]:
    """The releases that are in force in an environment, by task."""
    found = ((task, current(dataset, task, environment, table)) for task in TASKS)
    return {task: release for task, release in found if release}


def in_production(dataset: str, table: Table = OWN) -> dict[str, Release]:
    """The releases that answer about new pictures, by task."""
    return in_force(dataset, ENVIRONMENTS[-1], table)


def history(dataset: str, task: str, environment: str = "", table: Table = OWN) -> list[Release]:
    """Every release of a dataset's task in an environment, or in staging and production, newest first."""
    places = [_partition(dataset, task, place) for place in ([environment] if environment else ENVIRONMENTS[1:])]
    found = [codec.read(Release, row) for place in places for row in table.query(place, _HISTORY)]
    return sorted(found, key=lambda release: release.released_at, reverse=True)


def was_released(ref: StageRef) -> Release | None:
    """The last time a run was released in an environment, None when it never was."""
    found = [release for release in history(ref.dataset, ref.task, ref.environment) if release.run_id == ref.run_id]
    return max(found, key=_sk, default=None)


def record(release: Release) -> Release:
    """Write a release into the history, once for each test, and make it current unless a later test has been released.

    Returns it as it stands in the history, with the version that was current before.
    """
    pk = _partition(release.dataset, release.task, release.environment)
    before = current(release.dataset, release.task, release.environment)
    noted = replace(release, previous_version_arn=before.version_arn if before else "")
    # The test is the key: the same one again writes no second entry, and knows what was current the first time.
    if not OWN.put({"pk": pk, "sk": _sk(noted), **codec.item_of(noted)}, Attr("pk").not_exists()):
        noted = read(OWN.get(pk, _sk(noted))) or noted
    # A release that comes late, because its function died, must not take the place of one that was tested after it.
    later = Attr("tested_at").not_exists() | Attr("tested_at").lte(noted.tested_at)
    OWN.put({"pk": pk, "sk": _CURRENT, **codec.item_of(noted)}, later)
    return noted


def note_announced(release: Release) -> None:
    """Remember that everybody knows of a release."""
    pk = _partition(release.dataset, release.task, release.environment)
    OWN.update(pk, _sk(release), {"announced": True})


def parameter(dataset: str, task: str, environment: str) -> str:
    """The name of the SSM parameter that says which version is current."""
    return f"{stack.here().parameter_prefix}/{dataset}/{task}/{environment}"


def publish(release: Release, is_running: bool) -> None:
    """Let consumers read the current version: an SSM parameter that holds JSON, in the environment's own account."""
    points = dict(release.min_confidence) or None
    told = (release.version_arn, release.run_id, release.released_at, is_running)
    value = Published(*told, points, tiles=release.tiles.side)
    if len(value.as_json().encode()) > _MOST_PARAMETER:
        # Of some hundred labels, the points are too long for a parameter: it names the file that has them.
        key = documents.key_of_test(release.run_id, release.environment)
        place = f"s3://{stack.here().artifacts_bucket}/{key}"
        value = replace(value, min_confidence={}, operating_points=place)
    clients.client_in(release.environment, "ssm").put_parameter(
        Name=parameter(release.dataset, release.task, release.environment),
        Description="The current version of a Rekognition Custom Labels model",
        Value=value.as_json(),
        Type="String",
        Overwrite=True,
    )


def _partition(dataset: str, task: str, environment: str) -> str:
    return f"RELEASE#{dataset}#{task}#{environment}"


def _sk(release: Release) -> str:
    return f"{_HISTORY}{release.tested_at}#{release.lease_id}"
