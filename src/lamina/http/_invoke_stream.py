"""InvokeWithResponseStream: the function's response while it comes, as an event stream."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from lamina.execution import Address, Invocation, Outcome, ResponseStream
from lamina.functions import Route
from lamina.http import _invoke
from lamina.http._body import Body
from lamina.http._event_stream import CONTENT_TYPE, Event
from lamina.http._invoke import Executor
from lamina.http._parsing import parse
from lamina.http._request import Request
from lamina.http._routing import Match
from lamina.http._serialising import Response
from lamina.http._validation import validate

_CHUNK = Event("PayloadChunk", "application/octet-stream")
_COMPLETE = Event("InvokeComplete", "application/json")

Send = Callable[[Any], Awaitable[None]]


class InvokeStream:
    """Answers the InvokeWithResponseStream operation.

    Each piece is sent before the next is taken, so a slow caller slows the function. When the caller is gone, sending
    is doing nothing, and the function goes on to its end as on AWS. A function that does not stream gives one piece.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def answer(
        self, request: Request, match: Match, account_id: str, region: str, body: Body, send: Send
    ) -> Response | None:
        """Run the function; None when the answer has been sent. What fails before it has begun is raised."""
        params = parse(match.operation, match.path_parameters, request.query_string, request.headers, body.data)
        validate(match.operation, params)
        if "TenantId" in params:
            raise _invoke.no_tenants()
        address = Address(account_id, region, params["FunctionName"], params.get("Qualifier"))
        if params.get("InvocationType") == "DryRun":
            await self._executor.route(address)
            return Response(204, [_invoke.request_id(request)], b"")
        payload = await _invoke.payload_of(self._executor, address, body)
        trace_id = _invoke.new_trace_id(request.fields.get(b"x-amzn-trace-id"))
        client_context = _invoke.decoded_context(request.fields.get(b"x-amz-client-context"))
        stream = ResponseStream()

        def make(route: Route) -> Invocation:
            return Invocation(
                request_id=request.id,
                payload=payload,
                invoked_arn=route.invoked_arn,
                trace_id=trace_id,
                client_context=client_context,
                tail=params.get("LogType") == "Tail",
                stream=stream,
            )

        running = asyncio.ensure_future(self._executor.invoke(address, make))
        running.add_done_callback(lambda _: stream.close())
        try:
            await _relay(request, trace_id, stream, running, send)
        except BaseException:
            running.add_done_callback(_heard)
            raise
        finally:
            stream.drop()
        return None


async def _relay(
    request: Request, trace_id: str, stream: ResponseStream, running: asyncio.Future[Outcome], send: Send
) -> None:
    piece = await stream.read()
    version = stream.executed_version
    if version is None:
        version = (await running).executed_version
    headers = [
        (b"content-type", CONTENT_TYPE),
        _invoke.request_id(request),
        (b"x-amzn-trace-id", trace_id.encode()),
        (b"x-amz-executed-version", version.encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while piece:
        await send({"type": "http.response.body", "body": _CHUNK.frame(piece), "more_body": True})
        piece = await stream.read()
    outcome = await running
    await send({"type": "http.response.body", "body": _end(outcome)})


def _end(outcome: Outcome) -> bytes:
    """What a function has returned at one stroke, if anything, and how it has ended."""
    complete: dict[str, str] = {}
    chunk = b""
    if outcome.function_error is not None:
        complete["ErrorCode"] = _error_type(outcome)
        complete["ErrorDetails"] = outcome.payload.decode(errors="replace")
    elif outcome.payload:
        chunk = _CHUNK.frame(outcome.payload)
    if outcome.log_tail is not None:
        complete["LogResult"] = base64.b64encode(outcome.log_tail).decode()
    return chunk + _COMPLETE.frame(orjson.dumps(complete))


def _error_type(outcome: Outcome) -> str:
    """The type that an error payload names; what names none is as unhandled as all others."""
    try:
        error = orjson.loads(outcome.payload)
    except orjson.JSONDecodeError:
        error = None
    named = error.get("errorType") if isinstance(error, dict) else None
    return named if isinstance(named, str) and named else str(outcome.function_error)


def _heard(running: asyncio.Future[Outcome]) -> None:
    """Nobody waits for how this ends, be it an error."""
    if not running.cancelled():
        running.exception()
