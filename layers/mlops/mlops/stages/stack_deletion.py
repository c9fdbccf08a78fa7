"""The custom resource whose deletion stops every model: CloudFormation would leave them running, and billed.

Source: "Custom resource request objects" of the CloudFormation user guide.
"""

import json
from typing import Protocol
from urllib.request import Request, urlopen

from mlops import stack
from mlops.codec import Json
from mlops.records import servings
from mlops.stages import model_sweeper

_PHYSICAL_ID = "running-models"
# Most models stop at once; the service takes few questions a second.
_FIRST_POLL_SECONDS, _MOST_POLL_SECONDS = 0.5, 8.0
_RESERVE_MILLISECONDS = 30_000


class Context(Protocol):
    """What is needed of a function's context."""

    def get_remaining_time_in_millis(self) -> int: ...


def answer(event: Json, context: Context) -> None:
    """Do what the request asks and tell CloudFormation, which would wait for an hour if it got no answer."""
    try:
        still_running = _stop_until_none_runs(context) if event["RequestType"] == "Delete" else []
        reason = f"still running: {', '.join(still_running)}" if still_running else ""
    except Exception as error:  # the reason is all that a person will see
        reason = f"{type(error).__name__}: {error}"
    _respond(event, reason)


def _stop_until_none_runs(context: Context) -> list[str]:
    """Stop all models, also those that are only starting now; returns what runs when the time is over."""
    pause = _FIRST_POLL_SECONDS
    # First of all: a round that is under way would start what was just stopped.
    servings.close()
    while still_running := model_sweeper.stop_everything():
        if context.get_remaining_time_in_millis() < _RESERVE_MILLISECONDS:
            return still_running
        stack.here().clock.sleep(pause)
        pause = min(2 * pause, _MOST_POLL_SECONDS)
    return []


def _respond(event: Json, reason: str) -> None:
    body = {
        "Status": "FAILED" if reason else "SUCCESS",
        "Reason": reason or "no model runs",
        # Another one would be a replacement to CloudFormation, which then deletes the first.
        "PhysicalResourceId": event.get("PhysicalResourceId", _PHYSICAL_ID),
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    data = json.dumps(body).encode()
    # The link is signed without a type: with one, S3 would refuse the answer.
    request = Request(event["ResponseURL"], data, {"Content-Type": ""}, method="PUT")
    with urlopen(request, timeout=30):
        pass
