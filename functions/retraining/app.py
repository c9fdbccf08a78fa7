"""Answers become data once there are enough, when somebody asks, or when pictures drift; people are asked by mail."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.events import KINDS
from mlops.stages import retraining

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    if "detail-type" not in event:
        if done := retraining.hourly():
            logger.info("asked people and filed what they said", done=done)
        return
    retraining.handle(KINDS[event["detail-type"]].of(event["detail"]))
