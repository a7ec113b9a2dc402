"""What only Lamina can do: ``POST /_lamina/<operation>``, signed like any other request, JSON in and out."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from lamina.errors import SerializationException, UnknownOperationException
from lamina.functions import Call
from lamina.http._operations import Handler
from lamina.http._request import Request
from lamina.http._rest import Read
from lamina.http._serialising import Response

_PREFIX = b"/_lamina/"
_LIMIT = 70_167_211


class Extensions:
    """Answers the operations that only Lamina has."""

    def __init__(self, operations: Mapping[str, Handler]) -> None:
        self._operations = operations

    @staticmethod
    def is_for(request: Request) -> bool:
        """Whether a request is for one of them."""
        return request.raw_path.startswith(_PREFIX)

    async def answer(self, request: Request, call: Call, read: Read) -> Response:
        """Run the operation that the path names."""
        name = request.raw_path.removeprefix(_PREFIX).decode("latin-1")
        handler = self._operations.get(name) if request.method == "POST" else None
        if handler is None:
            raise UnknownOperationException(f"Lamina has no operation {name}.")
        body = await read(_LIMIT, name)
        try:
            params = orjson.loads(bytes(body.data) or b"{}")
        except orjson.JSONDecodeError:
            params = None
        if not isinstance(params, dict):
            raise SerializationException("The request body is not a JSON object.")
        answer = orjson.dumps(await handler(call, params))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer)),
            (b"x-amzn-requestid", request.id.encode()),
        ]
        return Response(200, headers, answer)
