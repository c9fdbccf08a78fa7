"""training_input.json was written, or a quota may be free again: train the run's version."""

from functools import partial
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.aws.once import cause_of_object, once
from mlops.dataset.keys import run_of
from mlops.events import PipelineStageRetry
from mlops.stages import training

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    if event["detail-type"] == PipelineStageRetry.detail_type:
        run_id, cause = PipelineStageRetry.of(event["detail"]).run_id, f"retry@{event['id']}"
        work = partial(training.train_again, run_id)
    else:
        run_id, cause = run_of(event["detail"]["object"]["key"]), cause_of_object(event)
        work = partial(training.train, run_id, cause)
    logger.append_keys(run_id=run_id)
    once(work, cause=cause, context=context)
