"""DetectCustomLabels about a picture that nobody has labelled: patient with a model that is busy for a moment."""

import random
from collections.abc import Mapping
from itertools import count
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mlops import stack
from mlops.aws import clients
from mlops.models import projects

_THROTTLES = ("ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException")
_PASSING = ("InternalServerError", "ServiceUnavailableException")
_GONE = ("ResourceNotReadyException", "ResourceNotFoundException")
_PATIENCE_SECONDS = 30.0


class NotRunning(Exception):  # noqa: N818  - it may run in a moment: no fault
    """The version does not run, or not any more."""


def ask(version_arn: str, picture: bytes, least: float | None) -> list[Mapping[str, Any]]:
    """The `CustomLabels` of a prepared picture, from the confidence `least` on (0 to 100), or from the service's own.

    Raises NotRunning; ClientError when the service refuses the picture, or is out of order for longer.
    """
    limits = {} if least is None else {"MinConfidence": least}
    client, began = projects.rekognition(version_arn), stack.here().clock.monotonic()
    for attempt in count():
        try:
            answer = client.detect_custom_labels(ProjectVersionArn=version_arn, Image={"Bytes": picture}, **limits)
        except ClientError as error:
            if clients.code_of(error) in _GONE:
                raise NotRunning(version_arn) from error
            if clients.code_of(error) not in (*_THROTTLES, *_PASSING):
                raise
            _pause(attempt, began, error)
        except BotoCoreError as error:
            _pause(attempt, began, error)
        else:
            return list(answer["CustomLabels"])
    raise AssertionError("unreachable: only answers and errors end the loop")


def _pause(attempt: int, began: float, error: Exception) -> None:
    if stack.here().clock.monotonic() - began > _PATIENCE_SECONDS:
        raise error
    stack.here().clock.sleep(min(0.2 * 2**attempt, 5) * random.uniform(0.5, 1))
