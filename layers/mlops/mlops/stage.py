"""The stages of a run, and the way of its version through the environments."""

from dataclasses import dataclass
from typing import Any

from mlops.codec import object_of

ENVIRONMENTS = ("development", "staging", "production")
# The stages that every run comes to, in their order, and where.
PIPELINE = (
    ("ground_truth", "development"),
    ("data_prepare", "development"),
    ("training", "development"),
    ("eval_metric", "development"),
    ("inference_test", "development"),
    ("approve2staging", "staging"),
    ("inference_test", "staging"),
    ("approve2production", "production"),
    ("inference_test", "production"),
)
# What a run waits for that waits for a person.
DECISION = "a decision: the link is in the e-mail"


def after(environment: str) -> str | None:
    """The environment that a version goes on to; None after the last."""
    following = ENVIRONMENTS[ENVIRONMENTS.index(environment) + 1 :]
    return following[0] if following else None


def before(environment: str) -> str:
    """The environment that a version is copied from."""
    return ENVIRONMENTS[ENVIRONMENTS.index(environment) - 1]


def approval_stage(target: str) -> str:
    """The stage that waits for a person to let a version into an environment."""
    return f"approve2{target}"


@dataclass(frozen=True)
class StageRef:
    """One stage of one run in one environment."""

    run_id: str
    dataset: str
    task: str
    stage: str
    environment: str = "development"

    def at(self, stage: str, environment: str | None = None) -> "StageRef":
        """Another stage of the same run, in the same environment unless another is named."""
        return StageRef(self.run_id, self.dataset, self.task, stage, environment or self.environment)

    def as_detail(self) -> dict[str, Any]:
        """The fields by which events and messages name a stage."""
        return object_of(self)
