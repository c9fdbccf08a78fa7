"""A version is trained: judge its numbers, and start it when they pass."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.aws.once import once
from mlops.stages import eval_metric

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    detail = event["detail"]
    logger.append_keys(run_id=detail["run_id"])
    if event["detail-type"] == "Pipeline Stage Retry":
        once(lambda: eval_metric.start_again(detail), cause=f"retry@{event['id']}", context=context)
    else:
        cause = f"{detail['version_arn']}@{detail['status']}"
        once(lambda: eval_metric.evaluate(detail, cause), cause=cause, context=context)
