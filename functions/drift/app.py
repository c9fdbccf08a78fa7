"""Every hour: compare what was inspected with what trained."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.stages import drift

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    if drifted := drift.hourly():
        logger.warning("pictures differ from those that trained", datasets=drifted)
