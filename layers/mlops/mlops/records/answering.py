"""Who answers about new pictures of a dataset: what is released in production, and what may be asked."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlops.dataset.dataset_json import TASKS
from mlops.records import kept_models, releases, servings
from mlops.records.releases import Release
from mlops.records.table import OWN
from mlops.stage import ENVIRONMENTS


@dataclass(frozen=True)
class Answering:
    """The releases that are in force in production, by task; the ARNs of all versions that may be asked now, and of how
    many inference units each that was started for the dataset is."""

    released: Mapping[str, Release]
    running: frozenset[str]
    units: int = 1

    @property
    def versions(self) -> dict[str, str]:
        """The ARN of the released version of each task."""
        return {task: release.version_arn for task, release in self.released.items()}

    @property
    def can_answer(self) -> bool:
        """Whether something is released, and all of it may be asked."""
        return bool(self.released) and self.running.issuperset(self.versions.values())


def of(dataset: str) -> Answering:
    """Who answers about a picture that is looked at now.

    Asked before every picture, not once a batch: a version that is released while a batch is judged is asked about the
    next picture, and what was stopped meanwhile is not asked in vain. So it is one call.
    """
    of_tasks = [releases.place_of_current(dataset, task, ENVIRONMENTS[-1]) for task in TASKS]
    *found, kept, serving = OWN.get_all([*of_tasks, kept_models.PLACE, servings.place_of(dataset)])
    released = zip(TASKS, map(releases.read, found), strict=True)
    served = servings.read(serving) or servings.Serving(dataset)
    return Answering(
        {task: release for task, release in released if release},
        frozenset({*served.ready, *kept_models.arns_in(kept)}),
        served.units,
    )
