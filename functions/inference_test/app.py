"""A version is running: test it on images it has not seen, and stop it."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.aws.once import once
from mlops.events import ModelStatusChange
from mlops.records import leases
from mlops.stages import inference_test

logger = Logger()
# What a function needs for another piece, or for the result.
_LEAST_MILLISECONDS = 400_000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    change = ModelStatusChange.of(event["detail"])
    logger.append_keys(run_id=change.run_id, environment=change.environment)
    lease = leases.of(change.version_arn)
    if lease is None or lease.is_for_inspection:
        logger.info("a late event: nothing is leased, nothing to test", version_arn=change.version_arn)
        inference_test.end_late(change.run_id, change.environment)
        return

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() > _LEAST_MILLISECONDS

    # What goes on with a test names how far it has come.
    cause = f"{change.version_arn}@{change.cause if change.cause.startswith(lease.lease_id) else lease.lease_id}"
    once(lambda: inference_test.test(change.version_arn, has_time), cause=cause, context=context)
