"""The ``logs`` service on the same endpoint: AWS JSON 1.1, where a header names the operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from lamina.errors import NotImplementedException, SerializationException, ServiceError
from lamina.functions import Call
from lamina.http._operations import Handler
from lamina.http._request import Request
from lamina.http._serialising import Response

_PREFIX = "Logs_20140328."
_CONTENT_TYPE = (b"content-type", b"application/x-amz-json-1.1")


class LogsProtocol:
    """Answers the read side of CloudWatch Logs."""

    def __init__(self, operations: Mapping[str, Handler]) -> None:
        self._operations = operations

    async def answer(self, request: Request, call: Call, body: bytes) -> Response:
        """Run the operation that ``X-Amz-Target`` names."""
        name = request.fields.get(b"x-amz-target", b"").decode("latin-1").removeprefix(_PREFIX)
        handler = self._operations.get(name)
        if handler is None:
            raise NotImplementedException(f"The operation {name} of the logs service is not part of Lamina.")
        return response(request, 200, await handler(call, _params(body)))


def _params(body: bytes) -> dict[str, Any]:
    try:
        params = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        params = None
    if not isinstance(params, dict):
        raise SerializationException("The request body is not a JSON object.")
    return params


def error_response(request: Request, error: ServiceError) -> Response:
    """An error in the form of JSON 1.1."""
    status = 500 if error.status >= 500 else 400
    return response(request, status, {"__type": error.code, "message": error.message})


def response(request: Request, status: int, result: Mapping[str, Any]) -> Response:
    """A JSON 1.1 answer."""
    body = orjson.dumps(result)
    headers = [_CONTENT_TYPE, (b"content-length", b"%d" % len(body)), (b"x-amzn-requestid", request.id.encode())]
    return Response(status, headers, body)
