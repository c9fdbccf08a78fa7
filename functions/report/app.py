"""A run moved on, or a day of inspections is over: write the report."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.events import InspectionDayEnded
from mlops.stages import report

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    if event["detail-type"] == InspectionDayEnded.detail_type:
        ended = InspectionDayEnded.of(event["detail"])
        report.write_day(ended.dataset, ended.day)
        return
    run_id = event["detail"]["run_id"]
    logger.append_keys(run_id=run_id)
    report.write(run_id)
