"""Work that must not run twice at the same time for one cause."""

from collections.abc import Callable
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyValidationError,
)

from mlops import stack
from mlops.aws import clients
from mlops.codec import Json

logger = Logger(child=True)
# Longer than EventBridge keeps trying to deliver.
_EXPIRES = 48 * 3600


@cache
def _store() -> DynamoDBPersistenceLayer:
    # Else it would make a session of its own, which reads all descriptions of services again at every cold start.
    return DynamoDBPersistenceLayer(table_name=stack.here().idempotency_table, boto3_client=clients.client("dynamodb"))


def once(work: Callable[[], None], *, cause: str, context: Any) -> None:
    """Run `work` unless the same cause has been or is being worked off by this function.

    A second delivery that meets a running first one is dropped: if the first fails, it is delivered again itself. Such
    an attempt has the request id of the first. It takes over, however long the first might have run: it is dead.
    """
    config = IdempotencyConfig(
        event_key_jmespath="cause",
        # Lambda tries again under the same request id: so a retry is told from a second delivery.
        payload_validation_jmespath="request",
        expires_after_seconds=_EXPIRES,
        # Else work without a cause would only be warned of, and run unguarded.
        raise_on_no_idempotency_key=True,
    )
    config.register_lambda_context(context)
    delivery = {"cause": cause, "request": str(context.aws_request_id)}

    def run(*, delivery: dict[str, str]) -> str:
        work()
        return delivery["cause"]

    alone = idempotent_function(run, data_keyword_argument="delivery", config=config, persistence_store=_store())
    try:
        try:
            alone(delivery=delivery)
        except IdempotencyAlreadyInProgressError:
            logger.info("an earlier attempt at this delivery has died: this one takes over", cause=cause)
            # The dead one left a note that it is at work, which would hold until its time had run out.
            _store().delete_record(data=delivery, exception=InterruptedError())
            alone(delivery=delivery)
    except IdempotencyValidationError:
        # Also where the other one began when the note of the dead one was gone.
        logger.info("dropped a second delivery: the first has done it, or is still at work", cause=cause)


def cause_of_object(event: Json) -> str:
    """What identifies an S3 event: the object's version, or its sequencer where the bucket gives none."""
    detail = event["detail"]
    written = detail["object"]
    return f"{written['key']}@{written.get('version-id') or written.get('sequencer') or written.get('etag')}"
