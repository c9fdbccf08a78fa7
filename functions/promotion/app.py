"""Decisions, finished copies, passed tests and rollbacks: move a version to where it is to be."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.aws.once import once
from mlops.stages import promotion

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    detail = event["detail"]
    logger.append_keys(run_id=detail["run_id"])
    match event["detail-type"]:
        case "Model Approval Decided":
            once(lambda: promotion.decided(detail), cause=str(detail["approval"]), context=context)
        case "Model Status Change":
            cause = f"{detail['version_arn']}@{detail.get('cause', 'copied')}"
            once(lambda: promotion.copied(detail), cause=cause, context=context)
        case "Pipeline Stage Completed":
            promotion.release(detail)
        case "Pipeline Stage Retry":
            once(lambda: promotion.retry(detail), cause=f"retry@{event['id']}", context=context)
        case "Model Rollback Requested":
            cause = f"rollback@{event['id']}"
            once(lambda: promotion.roll_back(detail, cause), cause=cause, context=context)
