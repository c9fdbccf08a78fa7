"""Every hour: stop models that nobody may use, look at what no event told of, delete what nobody will release.

At the end of the stack: stop all.
"""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.aws import messages, telemetry
from mlops.models import pruning
from mlops.records import overlooked
from mlops.stages import model_sweeper, stack_deletion

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    if "ResponseURL" in event:
        stack_deletion.answer(event, context)
        return
    if stopped := model_sweeper.sweep():
        logger.warning("stopped models that nobody may use", version_arns=stopped)
    # The mails have a link that ends the subscription for whoever opens it: nobody would hear of it by mail.
    telemetry.subscriptions(messages.subscribers())
    if done := overlooked.sweep():
        logger.warning("looked at what no event told of", done=done)
    if deleted := pruning.prune():
        logger.info("deleted models that were never released", version_arns=deleted)
