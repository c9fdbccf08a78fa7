"""A version is trained: judge its numbers, and start it when they pass."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.aws.once import once
from mlops.events import KINDS, ModelStatusChange, PipelineStageRetry
from mlops.stages import eval_metric

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    logger.append_keys(run_id=event["detail"]["run_id"])
    match KINDS[event["detail-type"]].of(event["detail"]):
        case PipelineStageRetry() as asked:
            once(lambda: eval_metric.start_again(asked), cause=f"retry@{event['id']}", context=context)
        case ModelStatusChange() as change:
            cause = f"{change.version_arn}@{change.status}"
            once(lambda: eval_metric.evaluate(change, cause), cause=cause, context=context)
