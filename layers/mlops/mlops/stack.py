"""What a function knows about its stack, all of which the template sets; and its clock and its chance."""

import json
import os
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mlops import codec, hours
from mlops.hours import Hours

SOURCE = "rekognition-mlops"
# 256 bits: nobody guesses a link while it is good.
_TOKEN_BYTES = 32


class Clock(Protocol):
    """What is used of the module `time`, which is one."""

    def time(self) -> float: ...

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


def _new_id() -> str:
    return uuid.uuid4().hex


def new_token() -> str:
    """What a link proves itself with."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


@dataclass(frozen=True)
class Gate:
    """Least macro F1, least F1 of any label, and what the parameter says of single labels."""

    f1: float
    label_f1: float
    labels: str = ""


@dataclass(frozen=True)
class Stack:
    """The variables of a function's environment, each read where it is asked for and spelled here only."""

    variables: Mapping[str, str]
    # Handed in, so that a test lets days pass in no time, and knows which names come.
    clock: Clock = time
    new_id: Callable[[], str] = _new_id
    new_token: Callable[[], str] = new_token

    @classmethod
    def from_env(cls) -> "Stack":
        """The stack by the environment of the function that runs."""
        return cls(os.environ)

    @property
    def arn(self) -> str:
        """The ARN that events of this stack name, for several stacks share the bus."""
        return self.variables["STACK_ID"]

    @property
    def name(self) -> str:
        """The name that somebody gave it."""
        return self.variables["STACK_ID"].split("/")[1]

    @property
    def region(self) -> str:
        """The AWS Region that it is in."""
        return self.variables["STACK_ID"].split(":")[3]

    @property
    def table(self) -> str:
        """The name of the application's table."""
        return self.variables["TABLE"]

    @property
    def idempotency_table(self) -> str:
        """The table of Powertools Idempotency."""
        return self.variables["IDEMPOTENCY_TABLE"]

    @property
    def data_bucket(self) -> str:
        """The name of the bucket for pictures."""
        return self.variables["DATA_BUCKET"]

    @property
    def artifacts_bucket(self) -> str:
        """The name of the bucket for what runs make."""
        return self.variables["ARTIFACTS_BUCKET"]

    def results_bucket(self, environment: str) -> str:
        """Where the results of a copy go: into a bucket of the environment's own account."""
        return str(self._json("BUCKETS").get(environment) or self.variables["ARTIFACTS_BUCKET"])

    @property
    def settle_seconds(self) -> int:
        """A dataset has settled when nothing came for so long."""
        return int(self.variables["SETTLE_SECONDS"])

    @property
    def mask_limits(self) -> tuple[int, int]:
        """Regions of a mask with fewer pixels are specks, and those at most so many pixels apart are one."""
        return int(self.variables["MINIMUM_DEFECT_PIXELS"]), int(self.variables["MERGE_DISTANCE"])

    def trains(self, task: str) -> bool:
        """Whether this stack trains models of a task."""
        return self.variables["TASKS"] in ("both", task)

    @property
    def settle_queue(self) -> str:
        """The URL of the queue of questions whether a dataset has settled."""
        return self.variables["SETTLE_QUEUE_URL"]

    @property
    def status_queue(self) -> str:
        """The URL of the queue of watches and retries."""
        return self.variables["STATUS_QUEUE_URL"]

    @property
    def inspection_queue(self) -> str:
        """The URL of the queue of new pictures."""
        return self.variables["INSPECTION_QUEUE_URL"]

    @property
    def serving_queue(self) -> str:
        """The URL of the queue of rounds, which look after datasets whose new pictures wait."""
        return self.variables["SERVING_QUEUE_URL"]

    @property
    def topic(self) -> str:
        """The ARN of the topic for e-mails."""
        return self.variables["TOPIC_ARN"]

    @property
    def parameter_prefix(self) -> str:
        """Where the SSM parameters of released models begin."""
        return self.variables["PARAMETER_PREFIX"]

    @property
    def projects(self) -> dict[str, dict[str, str]]:
        """ARNs of the stack's own projects by task and environment."""
        return dict(self._json("PROJECTS"))

    @property
    def projects_elsewhere(self) -> dict[str, dict[str, str]]:
        """ARNs of other accounts' projects that take the place of the stack's own, likewise; empty for none."""
        return dict(self._json("PROJECTS_ELSEWHERE"))

    def role_of(self, environment: str) -> str:
        """ARN of the role to take on for what is in an environment; empty when it is in this account."""
        return str(self._json("ROLES").get(environment, ""))

    def is_wanted(self, environment: str) -> bool:
        """Whether the released version of an environment is to stay running."""
        # CloudFormation hands its parameters over as text.
        return bool(self._json("ALWAYS_ON").get(environment) == "true")

    @property
    def poll_seconds(self) -> int:
        """How often what is waited for is looked at."""
        return int(self.variables["POLL_SECONDS"])

    @property
    def deadline_hours(self) -> int:
        """After so long a training, copy or start has failed."""
        return int(self.variables["DEADLINE_HOURS"])

    @property
    def lease_minutes(self) -> int:
        """How long a model may run for one test."""
        return int(self.variables["LEASE_MINUTES"])

    @property
    def approval_days(self) -> int:
        """How long a link can be used."""
        return int(self.variables["APPROVAL_DAYS"])

    @property
    def approval_url(self) -> str:
        """Where links lead, without their token."""
        return self.variables["APPROVAL_URL"]

    @property
    def review_url(self) -> str:
        """Where links to the page of reviews lead, without their token."""
        return self.variables["REVIEW_URL"]

    @property
    def review_share(self) -> float:
        """The share of all inspected pictures that a person is asked about whatever they are, 0 to 1."""
        return float(self.variables["REVIEW_SHARE"]) / 100

    @property
    def reviews_per_day(self) -> int:
        """At most so many pictures of a dataset and a day are put before a person."""
        return int(self.variables["REVIEWS_PER_DAY"])

    @property
    def retrain_after(self) -> int:
        """After so many answers a dataset is trained anew; 0 never."""
        return int(self.variables["RETRAIN_AFTER"])

    @property
    def running_models(self) -> int:
        """How many models an account may run."""
        return int(self.variables["RUNNING_MODELS"])

    @property
    def project_models(self) -> int:
        """How many models a project may hold."""
        return int(self.variables["PROJECT_MODELS"])

    @property
    def keep_models(self) -> int:
        """How many models that were never released stay in a project."""
        return int(self.variables["KEEP_MODELS"])

    @property
    def serves_by_the_clock(self) -> bool:
        """Whether released models run at certain hours."""
        return self.variables["SERVING_MODE"] == "hours"

    @property
    def serving_hours(self) -> Hours:
        """At which. Raises ValueError where a parameter is wrong."""
        return hours.read(self.variables["SERVING_HOURS"], self.variables["SERVING_TIME_ZONE"])

    @property
    def enough_pictures(self) -> int:
        """Models are started when so many new pictures of a dataset wait."""
        return int(self.variables["ENOUGH_PICTURES"])

    @property
    def most_wait_minutes(self) -> float:
        """Models are started when a new picture has waited for so long."""
        return float(self.variables["MOST_WAIT_MINUTES"])

    @property
    def max_inference_units(self) -> int:
        """At most so many inference units judge the new pictures of a dataset."""
        return int(self.variables["MAX_INFERENCE_UNITS"])

    @property
    def monthly_budget(self) -> float:
        """US dollars a month for models that judge new pictures; 0 for no limit."""
        return float(self.variables["MONTHLY_BUDGET"])

    def price_of(self, kind: str) -> float:
        """US dollars for an hour of `training` or of `running`."""
        return float(self._json("PRICES")[kind])

    def gate_of(self, task: str) -> Gate:
        """The thresholds of the gate."""
        return codec.read(Gate, self._json("GATES")[task])

    def inference_limits_of(self, task: str) -> dict[str, float]:
        """What an inference test of a task must reach or keep to, by name."""
        return dict(self._json("INFERENCE_LIMITS")[task])

    @property
    def mistakes_cost(self) -> tuple[float, float]:
        """What an escape and an overkill cost."""
        return float(self.variables["ESCAPE_COST"]), float(self.variables["OVERKILL_COST"])

    @property
    def gates_on_bound(self) -> bool:
        """Whether a number passes only if the unfavourable end of its interval does."""
        return self.variables["GATE_ON"] == "lower bound"

    @property
    def match_iou(self) -> float:
        """From which overlap on a found box is right."""
        return float(self.variables["MATCH_IOU"])

    @property
    def tolerated_loss(self) -> float:
        """How much macro F1 a candidate may lose against production."""
        return float(self.variables["TOLERATED_LOSS"])

    @property
    def test_images_per_label(self) -> int:
        """How many images of a label a test asks about at most."""
        return int(self.variables["TEST_IMAGES_PER_LABEL"])

    def _json(self, name: str) -> Any:
        return json.loads(self.variables[name])


def here() -> Stack:
    """The stack of the function that this is."""
    # Made anew for each question: only so do tests that set a variable meet no stack of before.
    return Stack.from_env()
