"""Delayed messages about datasets: when one has settled, write the ground truth of its runs."""

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.stages import ground_truth

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    for message in event["Records"]:
        ground_truth.settle(json.loads(message["body"]))
