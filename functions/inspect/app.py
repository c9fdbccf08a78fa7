"""SQS batches of S3 events about new pictures: judge each, or let it wait until a released version runs."""

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops import stack
from mlops.models.asking import NotRunning
from mlops.stages import inspect

logger = Logger()
# What an answered picture still takes: files, event, notes.
RESERVE_SECONDS = 20.0


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    # One for the whole batch: what has no answer by then is delivered again, and nothing that was answered.
    left, clock = context.get_remaining_time_in_millis(), stack.here().clock
    deadline, ends = clock.monotonic() + left / 1000 - RESERVE_SECONDS, int(1000 * clock.time()) + left
    failures: list[dict[str, str]] = []
    for number, message in enumerate(event["Records"]):
        if number and clock.monotonic() > deadline:
            failures.append({"itemIdentifier": message["messageId"]})
            continue
        try:
            _inspect(json.loads(message["body"]), deadline, ends)
        except NotRunning:
            # It is in line; whoever starts the models sends it again.
            continue
        except inspect.BeingTold:
            failures.append({"itemIdentifier": message["messageId"]})
        except Exception:
            logger.exception("a picture could not be inspected; the queue delivers it again")
            failures.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failures}


def _inspect(told: dict[str, Any], deadline: float, ends: int) -> None:
    if arrival := inspect.arrival_of(told):
        inspect.inspect(arrival, deadline, ends, str(told.get("given-up", "")))
