"""SQS batches of S3 events about uploads: look at each object, record it, ask whether its dataset has settled."""

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.stages import ingest

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    uploads, failures = [], []
    for message in event["Records"]:
        try:
            uploads.append(ingest.record(json.loads(message["body"])))
        except Exception:
            logger.exception("an upload could not be recorded; the queue delivers it again")
            failures.append({"itemIdentifier": message["messageId"]})
    ingest.announce(uploads)
    return {"batchItemFailures": failures}
