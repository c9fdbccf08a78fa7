"""A version is running: test it on images it has not seen, and stop it."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.aws.once import once
from mlops.events import ModelStatusChange
from mlops.records import leases
from mlops.stages import inference_test

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    change = ModelStatusChange.of(event["detail"])
    logger.append_keys(run_id=change.run_id, environment=change.environment)
    lease = leases.of(change.version_arn)
    if lease is None or lease.is_for_inspection:
        logger.info("a late event: nothing is leased, nothing to test", version_arn=change.version_arn)
        inference_test.end_late(change.run_id, change.environment)
        return
    cause = f"{change.version_arn}@{lease.lease_id}"
    once(lambda: inference_test.test(change.version_arn), cause=cause, context=context)
