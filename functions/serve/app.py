"""Messages that go round for every dataset whose pictures wait; every few minutes, what was lost, and the clock."""

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.stages import serve

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    if "Records" not in event:
        if lost := serve.tick():
            logger.warning("went on where a message was lost", datasets=lost)
        return
    for message in event["Records"]:
        serve.look(json.loads(message["body"]))
