"""Other services on the same endpoint whose protocol is that of Lambda: REST with JSON, by botocore's model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from lamina.errors import ServiceError
from lamina.functions import Call
from lamina.http import _operations
from lamina.http._body import Body
from lamina.http._model import ServiceModel
from lamina.http._operations import Handler
from lamina.http._request import Request
from lamina.http._routing import Router
from lamina.http._serialising import Response, serialise_error

Read = Callable[[int, str], Awaitable[Body]]
"""(most bytes, operation) to the verified body of the request."""

_LIMIT = 70_167_211


class RestProtocol:
    """Answers services by their signing names. A model is loaded for the first request to its service."""

    def __init__(self, services: Mapping[str, Mapping[str, Handler]]) -> None:
        self._services = services
        self._models: dict[str, tuple[ServiceModel, Router]] = {}

    def serves(self, service: str) -> bool:
        """Whether requests that are signed for the service belong here."""
        return service in self._services

    async def answer(self, service: str, request: Request, call: Call, read: Read) -> Response:
        """Run the operation that method and path name; errors are in the words of the service's own model."""
        if service not in self._models:
            model = await asyncio.to_thread(ServiceModel.load, service)
            self._models[service] = (model, Router(model.operations.values()))
        model, router = self._models[service]
        try:
            match = router.route(request.method, request.raw_path, request.query_string)
            body = await read(_LIMIT, match.operation.name)
            return await _operations.answer(self._services[service], match, request, call, body)
        except ServiceError as error:
            return serialise_error(model, error, request.id)
