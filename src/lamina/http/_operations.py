"""All operations but Invoke: find the operation, read its members, check them, run it, write its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from lamina.errors import NotImplementedException
from lamina.functions import Call
from lamina.http._body import Body
from lamina.http._model import Operation
from lamina.http._parsing import parse
from lamina.http._request import Request
from lamina.http._routing import Match
from lamina.http._serialising import Response, serialise
from lamina.http._validation import validate

Handler = Callable[[Call, dict[str, Any]], Awaitable[Mapping[str, Any]]]

_PARSE_IN_THREAD = 1_048_576
_CODE_LIMIT = 70_167_211
_CODE_OPERATIONS = frozenset({"CreateFunction", "UpdateFunctionCode", "PublishLayerVersion"})
_LIMIT = 6_291_456


def limit(operation: Operation) -> int:
    """The most bytes that a request of the operation may have (API notes, 17C)."""
    return _CODE_LIMIT if operation.name in _CODE_OPERATIONS else _LIMIT


async def answer(handlers: Mapping[str, Handler], match: Match, request: Request, call: Call, body: Body) -> Response:
    """Run one operation of the service model."""
    operation = match.operation
    handler = handlers.get(operation.name)
    if handler is None:
        raise NotImplementedException(f"The operation {operation.name} is not built yet.")
    if len(body.data) > _PARSE_IN_THREAD:
        params = await asyncio.to_thread(_params, match, request, body)
    else:
        params = _params(match, request, body)
    result = await handler(call, params)
    return serialise(operation, result, request.id)


def _params(match: Match, request: Request, body: Body) -> dict[str, Any]:
    params = parse(match.operation, match.path_parameters, request.query_string, request.headers, body.data)
    validate(match.operation, params)
    return params
