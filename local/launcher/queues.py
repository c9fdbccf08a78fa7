"""Queues that wait no longer than asked."""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def install_prompt_queues(changes: Path | None) -> None:
    """A delayed message is taken when its delay is over, not when queues are looked at the next time.

    What functions wait for by looking again and again, a model's status, is known on this machine the moment that it
    changes: `changes` is a pipe on which the Custom Labels service writes the ARN of the model. The delay of a message
    that watches it is over then. So the laptop waits no longer than it must, although functions ask no oftener than on
    AWS.
    """
    from ministack.services import lambda_svc

    promptly = PromptQueues()
    wake, look = lambda_svc._esm_wake, lambda_svc._poll_sqs
    wait = wake.wait

    def wait_until_next(timeout: float) -> bool:
        return bool(wait(min(timeout, promptly.seconds_until_next())))

    def look_promptly() -> bool:
        promptly.end_delays()
        return bool(look())

    wake.wait = wait_until_next
    lambda_svc._poll_sqs = look_promptly
    if changes:
        threading.Thread(target=_follow, args=(changes, promptly, wake), daemon=True).start()


def install_whole_numbers() -> None:
    """How many batches are read at once may be a parameter: that is text, of which CloudFormation makes a number."""
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    create, update = handlers["create"], handlers["update"]
    handlers["create"] = lambda name, props, stack: create(name, _with_numbers(props), stack)
    handlers["update"] = lambda name, old, new, stack: update(name, _with_numbers(old), _with_numbers(new), stack)


def _with_numbers(properties: dict[str, Any]) -> dict[str, Any]:
    scaling = properties.get("ScalingConfig")
    return {**properties, "ScalingConfig": {k: int(v) for k, v in scaling.items()}} if scaling else properties


class PromptQueues:
    """The delayed messages of all queues, and the models that changed while no message watched them."""

    # A change is often known before the message that asks about it is sent.
    REMEMBERED_SECONDS = 5.0

    def __init__(self) -> None:
        self._changed: dict[str, float] = {}

    def note_change(self, version_arn: str) -> None:
        self._changed[version_arn] = time.time()

    def seconds_until_next(self) -> float:
        """How long until the delay of the next message is over."""
        now = time.time()
        return max(0.001, min((message["visible_at"] - now for message in _delayed(now)), default=60.0))

    def end_delays(self) -> None:
        """End the delay of messages that watch a model which has changed: one time for each change."""
        now = time.time()
        for version_arn, at in list(self._changed.items()):
            about_it = [message for message in _delayed(now) if _watches(message["body"], version_arn)]
            for message in about_it:
                message["visible_at"] = now
            if about_it or now - at > self.REMEMBERED_SECONDS:
                del self._changed[version_arn]


def _watches(body: str, version_arn: str) -> bool:
    """Whether a message asks what has become of a model.

    One that asks for a stage again names its model, too, but waits for a slot, say: AWS never hands it out too early,
    and whoever sends such messages relies on that.
    """
    try:
        message = json.loads(body)
    except ValueError:
        return False
    named = {"kind": "watch", "version_arn": version_arn}
    return isinstance(message, dict) and named.items() <= message.items()


def _delayed(now: float) -> Iterator[dict[str, Any]]:
    """The messages that nobody has received yet, because their delay is not over."""
    from ministack.services import sqs

    for queue in list(sqs._queues._data.values()):
        for message in list(queue["messages"]):
            if message["visible_at"] > now and not message["receive_count"]:
                yield message


def _follow(changes: Path, promptly: PromptQueues, wake: threading.Event) -> None:
    # Opened for writing, too, so that it does not end when a writer goes.
    with os.fdopen(os.open(changes, os.O_RDWR)) as lines:
        for line in lines:
            promptly.note_change(line.strip())
            wake.set()
