"""One message per watched model version: look, tell what changed, come back later."""

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.stages import model_status

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    for message in event["Records"]:
        model_status.handle(json.loads(message["body"]))
