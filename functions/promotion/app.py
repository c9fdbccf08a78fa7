"""Decisions, finished copies, passed tests and rollbacks: move a version to where it is to be."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops import promotion, serving
from mlops.environments import approval_stage
from mlops.once import once
from mlops.runs import ref_of

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    detail = event["detail"]
    logger.append_keys(run_id=detail["run_id"])
    match event["detail-type"]:
        case "Model Approval Decided":
            once(lambda: promotion.decided(detail), cause=str(detail["approval"]), context=context)
        case "Model Status Change":
            once(lambda: promotion.copied(detail), cause=f"{detail['version_arn']}@copied", context=context)
        case "Pipeline Stage Completed":
            promotion.release(detail)
        case "Pipeline Stage Retry":
            cause = f"retry@{event['id']}"
            once(lambda: retry(detail, cause), cause=cause, context=context)
        case "Model Rollback Requested":
            cause = f"rollback@{event['id']}"
            once(lambda: promotion.roll_back(detail, cause), cause=cause, context=context)


def retry(detail: dict[str, Any], cause: str) -> None:
    ref = ref_of(detail)
    if ref.stage == approval_stage(ref.environment):
        promotion.copy(ref, cause)
    else:
        serving.start(ref, detail["artifact"], is_rollback=bool(detail.get("is_rollback")))
