"""ground_truth.json was written: check every limit of the service, write the training input."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.aws.once import cause_of_object, once
from mlops.dataset.keys import run_of
from mlops.stages import data_prepare

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    run_id, cause = run_of(event["detail"]["object"]["key"]), cause_of_object(event)
    logger.append_keys(run_id=run_id)
    once(lambda: data_prepare.prepare(run_id, cause), cause=cause, context=context)
