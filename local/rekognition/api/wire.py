"""AWS JSON 1.1 over HTTP: headers and bodies in, operations called, bodies and errors out."""

import inspect
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from local.rekognition.access.identity import Caller, caller_of_request
from local.rekognition.access.validation import has_operation, parse_request
from local.rekognition.api.status_page import render_status
from local.rekognition.errors import ServiceError, internal_error, invalid_parameter
from local.rekognition.operations import OPERATIONS
from local.rekognition.operations.service import Answer, Service

_CONTENT_TYPE = "application/x-amz-json-1.1"
_TARGET_PREFIX = "RekognitionService."
# The largest blob of the service model in base64, and room for the rest of a request.
_MAX_BODY_BYTES = 8 * 1024 * 1024
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_log = logging.getLogger(__name__)

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def create_app(service: Service) -> Starlette:
    """Return the HTTP application; it resumes the service when it starts and closes it when it stops."""

    async def operation(request: Request) -> Response:
        return await _answer(service, request)

    async def status(_: Request) -> Response:
        return HTMLResponse(render_status(service), headers=_PAGE_HEADERS)

    routes = [
        Route("/", operation, methods=["POST"]),
        Route("/", status, methods=["GET"]),
        Route("/health", _health, methods=["GET"]),
    ]
    return Starlette(routes=routes, lifespan=_lifespan(service))


def _lifespan(service: Service) -> Lifespan:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await service.lifecycle.resume()
        try:
            yield
        finally:
            await service.lifecycle.close()
            service.store.close()

    return lifespan


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _answer(service: Service, request: Request) -> Response:
    try:
        return _response(200, await _perform(service, request))
    except ServiceError as error:
        return _error_response(error)
    except Exception:
        _log.exception("%s failed", request.headers.get("x-amz-target"))
        return _error_response(internal_error())


async def _perform(service: Service, request: Request) -> Answer:
    name = _operation_name(request.headers.get("x-amz-target", ""))
    body = await _body(request)
    caller = _caller(service, request, body)
    service.throttle.check(name, caller.scope)
    service.faults.strike(name)
    parameters = parse_request(name, _json(body))
    answer = OPERATIONS[name](service, caller, parameters)
    return await answer if inspect.isawaitable(answer) else answer


def _caller(service: Service, request: Request, body: bytes) -> Caller:
    keyring = service.settings.keyring
    if keyring is None:
        return caller_of_request(request.headers, service.settings.account)
    key = keyring.verify(request.headers, body)
    caller = caller_of_request(request.headers, key.account or service.settings.account)
    # A front that the key belongs to has said for whom it asks.
    return caller if caller.credentials else replace(caller, credentials=key.credentials)


def _operation_name(target: str) -> str:
    name = target.removeprefix(_TARGET_PREFIX)
    if not target.startswith(_TARGET_PREFIX) or not has_operation(name):
        raise ServiceError(
            "UnknownOperationException", f"X-Amz-Target {target!r} names no Amazon Rekognition operation."
        )
    if name not in OPERATIONS:
        raise invalid_parameter(f"This local service does not perform {name}; it performs {', '.join(OPERATIONS)}.")
    return name


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise ServiceError("RequestEntityTooLargeException", f"The body is over {_MAX_BODY_BYTES} bytes.", 413)
    return bytes(body)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ServiceError("SerializationException", "The body is not a JSON document.") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _response(status: int, document: Answer) -> Response:
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    return Response(json.dumps(document, allow_nan=False), status, headers, media_type=_CONTENT_TYPE)


def _error_response(error: ServiceError) -> Response:
    document = {"__type": error.code, "Code": error.code, "Logref": str(uuid.uuid4()), "Message": error.message}
    return _response(error.status, document)
