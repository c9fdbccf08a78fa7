"""DetectCustomLabels about one picture: patient with a model that is busy for a moment, up to a deadline.

Tests and inspections ask by this one function, so what passes by itself is written once.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mlops import stack
from mlops.aws import clients
from mlops.codec import Json

# So long whoever asks a model that was just started, and has no deadline of its own, is patient.
PATIENCE_SECONDS = 60.0
_THROTTLES = ("ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException")
_PASSING = (*_THROTTLES, "InternalServerError", "ServiceUnavailableException")
_NOT_READY, _UNKNOWN = "ResourceNotReadyException", "ResourceNotFoundException"
_MOST_PAUSE_SECONDS = 5.0


class NotRunning(Exception):  # noqa: N818  - it may run in a moment: no fault
    """The version does not run, or not any more."""


@dataclass(frozen=True)
class Reply:
    """The `CustomLabels` of an answer, and how long the call took that was answered, without waits before it."""

    labels: tuple[Json, ...]
    milliseconds: float


def ask(
    client: Any,
    version_arn: str,
    shown: Json,
    least: Mapping[str, float],
    deadline: float,
    *,
    just_started: bool = False,
) -> Reply:
    """What a version says of a picture.

    `client` is the one of the version's account, `shown` the parameter `Image`: `{"Bytes": ...}` or
    `{"S3Object": ...}`; `least` are the parameters that say what is asked for: `MinConfidence` (0 to 100),
    `MaxResults`, or nothing for the service's own thresholds. Throttling, faults inside of the service and of the
    network are tried again until `deadline`, a time of the stack's monotonic clock; then the last of them is raised, a
    ClientError or a BotoCoreError. There is always one try. A version that was `just_started` may not be ready for a
    moment, which passes, too.

    Raises NotRunning (its cause is the ClientError) when the version does not run; ClientError when the service refuses
    the picture.
    """
    clock = stack.here().clock
    for attempt in count():
        began = clock.monotonic()
        try:
            answer = client.detect_custom_labels(ProjectVersionArn=version_arn, Image=dict(shown), **least)
        except ClientError as error:
            code = clients.code_of(error)
            is_passing = code in _PASSING or (just_started and code == _NOT_READY)
            if not is_passing and code in (_NOT_READY, _UNKNOWN):
                raise NotRunning(version_arn) from error
            if not is_passing:
                raise
            _pause(attempt, deadline, error)
        except BotoCoreError as error:
            _pause(attempt, deadline, error)
        else:
            return Reply(tuple(answer["CustomLabels"]), round((clock.monotonic() - began) * 1000, 1))
    raise AssertionError("unreachable: only answers and errors end the loop")


def _pause(attempt: int, deadline: float, error: Exception) -> None:
    """Wait before the next try, longer every time; no try begins behind the deadline."""
    seconds = min(0.2 * 2**attempt, _MOST_PAUSE_SECONDS) * random.uniform(0.5, 1)
    if stack.here().clock.monotonic() + seconds > deadline:
        raise error
    stack.here().clock.sleep(seconds)
