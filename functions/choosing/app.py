"""A picture was inspected: put it before a person where there is a reason to."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.events import PartInspected
from mlops.stages import choosing

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    inspected = PartInspected.of(event["detail"])
    logger.append_keys(dataset=inspected.dataset, key=inspected.key)
    if review := choosing.choose(inspected):
        logger.info("a person is asked", reasons=review.reasons)
