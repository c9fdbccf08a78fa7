"""Every hour: stop models that nobody may use. When the stack is deleted: stop all of them."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops import stack_resource, sweeping

logger = Logger()
metrics = Metrics(namespace="rekognition-mlops")


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    if "ResponseURL" in event:
        stack_resource.answer(event, context)
        return
    stopped = sweeping.sweep()
    metrics.add_dimension(name="Stack", value=stack_resource.stack_name())
    metrics.add_metric(name="ModelsStopped", unit=MetricUnit.Count, value=len(stopped))
    if stopped:
        logger.warning("stopped models that nobody may use", version_arns=stopped)
