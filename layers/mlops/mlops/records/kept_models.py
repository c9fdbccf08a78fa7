"""Models that stay running: which, and how many may.

In every account one slot for running models stays free for tests, whatever is kept. So a test can always start in the
end, and every test ends: nothing waits for something that waits for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from boto3.dynamodb.conditions import Attr

from mlops import arns, codec, stack
from mlops.records.table import OWN, Item, Place, Table
from mlops.stage import StageRef

# Where it stands, for who reads it with other rows.
PLACE: Place = ("KEPT", "MODELS")


@dataclass(frozen=True)
class Kept:
    """Which version is kept for which dataset, task and environment; the revision tells whether that has changed."""

    models: Mapping[str, str] = field(default_factory=dict)
    revision: int = 0


def keep(ref: StageRef, version_arn: str) -> bool:
    """Keep a version running in place of the one kept for the same dataset, task and environment, if there is room."""
    # One slot of every account stays free for tests.
    room = stack.here().running_models - 1
    # Whoever is overtaken by another write looks again: two that count at once would both take the last place.
    while True:
        found = _read()
        models = {**found.models, slot(ref): version_arn}
        account = arns.account_of(version_arn)
        if sum(arns.account_of(arn) == account for arn in models.values()) > room:
            return False
        if _replace(found, models):
            return True


def drop(ref: StageRef) -> None:
    """Keep nothing running for a dataset, task and environment."""
    while slot(ref) in (found := _read()).models:
        if _replace(found, {name: arn for name, arn in found.models.items() if name != slot(ref)}):
            return


def drop_all() -> None:
    """Keep nothing running."""
    while (found := _read()).models:
        if _replace(found, {}):
            return


def kept(table: Table = OWN) -> set[str]:
    """ARNs of all versions that are to run."""
    return arns_in(table.get(*PLACE))


def arns_in(row: Item | None) -> set[str]:
    """ARNs of all versions that are to run, as the row says; none where there is no row."""
    return set(_kept_in(row).models.values())


def kept_for(environment: str) -> list[tuple[str, str, str]]:
    """(dataset, task, ARN) of what is to run in an environment."""
    named = ((*name.rsplit("#", 2), arn) for name, arn in _read().models.items())
    return [(dataset, task, arn) for dataset, task, place, arn in named if place == environment]


def slot(ref: StageRef) -> str:
    """What a kept model is kept for: one a dataset, task and environment."""
    return f"{ref.dataset}#{ref.task}#{ref.environment}"


def _read() -> Kept:
    return _kept_in(OWN.get(*PLACE))


def _kept_in(row: Item | None) -> Kept:
    return codec.read(Kept, row) if row else Kept()


def _replace(found: Kept, models: Mapping[str, str]) -> bool:
    # The revision tells of any write in between, whichever model it was about.
    unchanged = Attr("revision").eq(found.revision) if found.revision else Attr("pk").not_exists()
    item = {"pk": PLACE[0], "sk": PLACE[1], "models": dict(models), "revision": found.revision + 1}
    return OWN.put(item, unchanged)
