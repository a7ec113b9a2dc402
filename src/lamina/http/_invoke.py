"""Invoke: the one operation that must be quick, so it touches no general machinery while nothing is unusual."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import random
import time
from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import unquote

import orjson

from lamina.errors import InvalidParameterValueException, RequestEntityTooLargeException, ServiceError
from lamina.execution import Address, Invocation, Outcome
from lamina.functions import Route
from lamina.http import _payload_json
from lamina.http._body import Body
from lamina.http._model import Operation
from lamina.http._parsing import parse
from lamina.http._request import Request
from lamina.http._serialising import Response
from lamina.http._validation import validate

PREFIX = b"/2015-03-31/functions/"
SUFFIX = b"/invocations"
SYNC_LIMIT = 6_291_456
EVENT_LIMIT = 1_048_576
_CONTEXT_LIMIT = 3_583
_CHECK_IN_THREAD = 262_144
_REMEMBERED = 65_536
_TENANT = b"x-amz-tenant-id"


class Executor(Protocol):
    """Execution, as far as Invoke needs it."""

    async def route(self, address: Address) -> Route:
        """What serves the address."""

    async def invoke(self, address: Address, make: Callable[[Route], Invocation]) -> Outcome:
        """Run one invocation."""


Enqueue = Callable[[Address, Invocation], Awaitable[None]]


def is_invoke(request: Request) -> bool:
    """Whether this is a request for the Invoke operation."""
    return request.method == "POST" and request.raw_path.startswith(PREFIX) and request.raw_path.endswith(SUFFIX)


def limit(request: Request) -> int:
    """The most bytes that the payload may have."""
    return EVENT_LIMIT if request.fields.get(b"x-amz-invocation-type") == b"Event" else SYNC_LIMIT


def too_large(request: Request) -> Callable[[int], ServiceError]:
    """The answer to a payload above the limit."""
    kind = request.fields.get(b"x-amz-invocation-type", b"RequestResponse").decode("latin-1")

    def error(size: int) -> ServiceError:
        return RequestEntityTooLargeException(
            f"{size} byte payload is too large for the {kind} invocation type (limit {limit(request)} bytes)"
        )

    return error


class Invoke:
    """Answers the Invoke operation.

    What a path, a query and the common headers mean is remembered once they have passed validation.
    """

    def __init__(self, operation: Operation, executor: Executor, enqueue: Enqueue) -> None:
        self._operation = operation
        self._executor = executor
        self._enqueue = enqueue
        self._valid: dict[tuple[bytes, bytes, bytes, bytes], tuple[str, str | None]] = {}

    async def answer(self, request: Request, account_id: str, region: str, body: Body) -> Response:
        """Run the function, queue the event or check only, as the invocation type says."""
        fields = request.fields
        kind = fields.get(b"x-amz-invocation-type", b"RequestResponse")
        log_type = fields.get(b"x-amz-log-type", b"None")
        address = Address(account_id, region, *self._target(request, kind, log_type))
        if kind == b"DryRun":
            await self._executor.route(address)
            return Response(204, [request_id(request)], b"")
        payload = await payload_of(self._executor, address, body)
        trace_id = new_trace_id(fields.get(b"x-amzn-trace-id"))
        client_context = decoded_context(fields.get(b"x-amz-client-context"))

        def make(route: Route) -> Invocation:
            return Invocation(
                request_id=request.id,
                payload=payload,
                invoked_arn=route.invoked_arn,
                trace_id=trace_id,
                client_context=client_context,
                tail=log_type == b"Tail",
            )

        if kind == b"Event":
            await self._enqueue(address, make(await self._executor.route(address)))
            return Response(
                202, [request_id(request), (b"x-amzn-trace-id", trace_id.encode()), (b"content-length", b"0")], b""
            )
        return _response(request, trace_id, await self._executor.invoke(address, make))

    def _target(self, request: Request, kind: bytes, log_type: bytes) -> tuple[str, str | None]:
        key = (request.raw_path, request.query_string, kind, log_type)
        target = self._valid.get(key)
        if target is None:
            target = self._validate(request)
            if len(self._valid) >= _REMEMBERED:
                self._valid.clear()
            self._valid[key] = target
        if _TENANT in request.fields:
            raise no_tenants()
        return target

    def _validate(self, request: Request) -> tuple[str, str | None]:
        name = unquote(request.raw_path[len(PREFIX) : -len(SUFFIX)].decode("latin-1"))
        parameters = {"FunctionName": name}
        params = parse(self._operation, parameters, request.query_string, request.headers, b"")
        validate(self._operation, params)
        return name, params.get("Qualifier")


async def payload_of(executor: Executor, address: Address, body: Body) -> bytes:
    """The payload, which is JSON. Raises ``InvalidRequestContentException``, for a function that is there."""
    data = body.data
    if not data:
        return b"{}"
    try:
        if len(data) > _CHECK_IN_THREAD:
            await asyncio.to_thread(_payload_json.check, data)
        else:
            _payload_json.check(data)
    except ServiceError:
        await executor.route(address)  # that the function is not there comes first
        raise
    return bytes(data)


def no_tenants() -> ServiceError:
    """The answer to a request for a tenant of a function that has none."""
    return InvalidParameterValueException("The invoked function is not enabled with tenant isolation.")


def new_trace_id(given: bytes | None) -> str:
    """The trace header of the caller, or a new one that is not sampled."""
    if given:
        return given.decode("latin-1")
    unique = f"{random.getrandbits(160):040x}"
    return f"Root=1-{int(time.time()):08x}-{unique[:24]};Parent={unique[24:]};Sampled=0"


def decoded_context(header: bytes | None) -> str:
    """The client context as JSON that fits into a header; empty without one."""
    if not header:
        return ""
    try:
        if len(header) > _CONTEXT_LIMIT:
            raise ValueError
        context = base64.b64decode(header, validate=True)
        if not isinstance(orjson.loads(context), dict):
            raise ValueError
    except (binascii.Error, ValueError):
        message = "Client context must be a valid Base64-encoded JSON object."
        raise InvalidParameterValueException(message) from None
    # A header may hold neither line breaks nor anything beyond ASCII.
    return json.dumps(json.loads(context), separators=(",", ":"))


def request_id(request: Request) -> tuple[bytes, bytes]:
    """The header that names the request."""
    return b"x-amzn-requestid", request.id.encode()


def _response(request: Request, trace_id: str, outcome: Outcome) -> Response:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(outcome.payload)),
        request_id(request),
        (b"x-amzn-trace-id", trace_id.encode()),
        (b"x-amz-executed-version", outcome.executed_version.encode()),
    ]
    if outcome.function_error is not None:
        headers.append((b"x-amz-function-error", outcome.function_error.encode()))
    if outcome.log_tail is not None:
        headers.append((b"x-amz-log-result", base64.b64encode(outcome.log_tail)))
    return Response(200, headers, outcome.payload)
