"""Decisions, finished copies, passed tests and rollbacks: move a version to where it is to be."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.aws.once import once
from mlops.events import (
    KINDS,
    ModelApprovalDecided,
    ModelRollbackRequested,
    ModelStatusChange,
    PipelineStageCompleted,
    PipelineStageRetry,
)
from mlops.stages import promotion

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    logger.append_keys(run_id=event["detail"]["run_id"])
    match KINDS[event["detail-type"]].of(event["detail"]):
        case ModelApprovalDecided() as decided:
            once(lambda: promotion.decided(decided), cause=decided.approval, context=context)
        case ModelStatusChange() as change:
            cause = f"{change.version_arn}@{change.cause or 'copied'}"
            once(lambda: promotion.copied(change), cause=cause, context=context)
        case PipelineStageCompleted() as completed:
            promotion.release(completed)
        case PipelineStageRetry() as asked:
            once(lambda: promotion.retry(asked), cause=f"retry@{event['id']}", context=context)
        case ModelRollbackRequested() as requested:
            cause = f"rollback@{event['id']}"
            once(lambda: promotion.roll_back(requested, cause), cause=cause, context=context)
