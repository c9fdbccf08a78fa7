"""A stage failed, a model was released, models had to be stopped or were deleted: tell people by e-mail."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.aws.once import once
from mlops.stages import notification

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    once(lambda: notification.notify(event), cause=notification.cause_of(event), context=context)
