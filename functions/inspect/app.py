"""SQS batches of S3 events about new pictures: judge each, or let it wait until a released version runs."""

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.aws.once import once
from mlops.models.asking import NotRunning
from mlops.stages import inspect

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    failures = []
    for message in event["Records"]:
        try:
            _inspect(json.loads(message["body"]), context)
        except NotRunning:
            # It is in line; whoever starts the models sends it again.
            continue
        except Exception:
            logger.exception("a picture could not be inspected; the queue delivers it again")
            failures.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failures}


def _inspect(told: dict[str, Any], context: LambdaContext) -> None:
    if arrival := inspect.arrival_of(told):
        given_up = str(told.get("given-up", ""))
        cause = f"{arrival.place}{given_up and '#given up'}"
        once(lambda: inspect.inspect(arrival, given_up), cause=cause, context=context)
