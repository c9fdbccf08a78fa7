"""A version is running: test it on images it has not seen, and stop it."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.aws.once import once
from mlops.records import leases
from mlops.stages import inference_test

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    detail = event["detail"]
    logger.append_keys(run_id=detail["run_id"], environment=detail["environment"])
    lease = leases.of(detail["version_arn"])
    if lease is None:
        logger.info("a late event: nothing is leased, nothing to test", version_arn=detail["version_arn"])
        return
    once(lambda: inference_test.test(detail), cause=f"{detail['version_arn']}@{lease.lease_id}", context=context)
