"""A version passed its test: ask a person by e-mail. The page behind the link takes the decision."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.aws.once import once
from mlops.events import PipelineStageCompleted
from mlops.reading.pages import Page
from mlops.stages import approval, approval_page

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Page | None:
    if "requestContext" in event:
        return approval_page.respond(event)
    completed = PipelineStageCompleted.of(event["detail"])
    logger.append_keys(run_id=completed.run_id)
    # The same artifact may be written again by a repeated test: then a new e-mail is due.
    cause = approval.cause_of(completed)
    once(lambda: approval.request(completed), cause=cause, context=context)
    return None
