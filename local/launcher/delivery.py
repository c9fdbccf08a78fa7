"""Events reach functions as on AWS: asynchronously, with dead letters, and not all at once."""

import contextlib
import contextvars
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

Handler = Callable[..., Any]

# The id of all attempts at an event, empty for calls whose caller waits.
_request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
_in_background: contextvars.ContextVar[bool] = contextvars.ContextVar("in_background", default=False)


def install_asynchronous_delivery() -> None:
    """EventBridge and Scheduler invoke functions asynchronously: retries, then the OnFailure destination.

    An event whose target is gone ends in the dead-letter queue of the rule's target.
    """
    from ministack.services import eventbridge

    invoke_target = eventbridge._invoke_target

    def invoke_or_dead_letter(target: dict[str, Any], event: dict[str, Any], rule: Any, view: Any = None) -> None:
        dead_letter_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
        if dead_letter_arn and not _target_exists(target["Arn"]):
            body = eventbridge._pattern_event_view(event).event_with_detail()
            eventbridge._dispatch_to_sqs(eventbridge.parse_arn(dead_letter_arn), json.dumps(body))
        else:
            invoke_target(target, event, rule, view)

    eventbridge._invoke_target = invoke_or_dead_letter
    eventbridge._dispatch_to_lambda = _invoke_asynchronously
    _keep_request_ids()


def _keep_request_ids() -> None:
    """All attempts at an event have one request id, as is assumed of Lambda (docs/aws-assumptions.md, 52).

    ministack gives each a new one.
    """
    from ministack.services import lambda_svc

    begin, attempt = lambda_svc.invoke_async_with_retry, lambda_svc._execute_function_dispatch

    def begin_with_id(function: dict[str, Any], event: Any) -> None:
        token = _request_id.set(str(uuid.uuid4()))
        try:
            begin(function, event)  # the attempts are made in a copy of this context
        finally:
            _request_id.reset(token)

    def attempt_with_id(function: Any, config: Any, event: Any, request_id: str, started: float) -> Any:
        return attempt(function, config, event, _request_id.get() or request_id, started)

    lambda_svc.invoke_async_with_retry = begin_with_id
    lambda_svc._execute_function_dispatch = attempt_with_id


def _target_exists(arn: str) -> bool:
    from ministack.services import lambda_svc, sqs

    service = arn.split(":")[2]
    if service == "lambda":
        return bool(lambda_svc._get_func_record_for_ref(arn)[0])
    return service != "sqs" or bool(sqs._queue_by_arn(arn))


def _invoke_asynchronously(arn: str, payload: str) -> None:
    from ministack.services import lambda_svc

    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if not function or not config:
        return
    _, qualifier = lambda_svc._resolve_name_and_qualifier(arn)
    record = lambda_svc._execution_record_for_config(function, config)
    invoke_config = lambda_svc._event_invoke_config(function, qualifier or "$LATEST")
    lambda_svc.invoke_async_with_retry(
        record | ({"event_invoke_config": invoke_config} if invoke_config else {}), json.loads(payload)
    )


def install_background_limit(limit: int) -> None:
    """At most `limit` functions run at once for events and queues; the rest wait.

    A burst of uploads would otherwise start one process for each event. Callers who wait for an answer (HTTP, Invoke)
    never queue: a function that waits for another one must not wait for its own slot.
    """
    from ministack.services import lambda_svc

    slots, execute = threading.BoundedSemaphore(limit), lambda_svc._execute_function

    def execute_in_turn(function: dict[str, Any], event: Any) -> Any:
        if not _in_background.get():
            return execute(function, event)
        with slots, _background(False):  # execute() calls itself once more, in the account of the function
            return execute(function, event)

    lambda_svc._execute_function = execute_in_turn
    lambda_svc.invoke_async_with_retry = _as_background(lambda_svc.invoke_async_with_retry)
    lambda_svc._run_sqs_batch = _as_background(lambda_svc._run_sqs_batch)


@contextlib.contextmanager
def _background(state: bool) -> Iterator[None]:
    token = _in_background.set(state)
    try:
        yield
    finally:
        _in_background.reset(token)


def _as_background(call: Handler) -> Handler:
    def run(*args: Any) -> Any:
        with _background(True):
            return call(*args)

    return run
