"""SQS batches of S3 events about uploads: look at each object, record it, ask whether its dataset has settled."""

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.stages import ingest

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    messages, uploads, failures = event["Records"], [], []
    recorded = ingest.record_all([json.loads(message["body"]) for message in messages])
    for message, outcome in zip(messages, recorded, strict=True):
        if isinstance(outcome, Exception):
            logger.error("an upload could not be recorded; the queue delivers it again", exc_info=outcome)
            failures.append({"itemIdentifier": message["messageId"]})
        else:
            uploads.append(outcome)
    ingest.announce(uploads)
    return {"batchItemFailures": failures}
