"""A run moved on: write its report anew."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.stages import report

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    run_id = event["detail"]["run_id"]
    logger.append_keys(run_id=run_id)
    report.write(run_id)
