"""Other services on the same endpoint: AWS JSON 1.1, where a header names the operation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson

from lamina.errors import NotImplementedException, SerializationException, ServiceError
from lamina.functions import Call
from lamina.http._model import ServiceModel
from lamina.http._operations import Handler
from lamina.http._parsing import parse
from lamina.http._request import Request
from lamina.http._serialising import Response, serialise
from lamina.http._validation import validate

LIMIT = 1_048_576
"""The most bytes that a request may have."""

_CONTENT_TYPE = (b"content-type", b"application/x-amz-json-1.1")
_TARGETS = MappingProxyType({"logs": "Logs_20140328", "kms": "TrentService"})
_BY_MODEL = frozenset({"kms"})


class JsonProtocol:
    """Answers the services of JSON 1.1: by signing name, the handlers of each by operation.

    Requests to KMS are read, checked and answered by botocore's model of it, which is loaded for the first of them; the
    handlers of ``logs`` read and check the plain JSON themselves.
    """

    def __init__(self, services: Mapping[str, Mapping[str, Handler]]) -> None:
        self._services = services
        self._models: dict[str, ServiceModel] = {}

    def serves(self, service: str) -> bool:
        """Whether requests that are signed for the service belong here."""
        return service in self._services

    async def answer(self, service: str, request: Request, call: Call, body: bytes) -> Response:
        """Run the operation that ``X-Amz-Target`` names."""
        target, _, name = request.fields.get(b"x-amz-target", b"").decode("latin-1").rpartition(".")
        handler = self._services[service].get(name) if target == _TARGETS[service] else None
        if handler is None:
            raise NotImplementedException(f"The operation {name} of the {service} service is not part of Lamina.")
        if service not in _BY_MODEL:
            return _response(request, 200, await handler(call, _document(body)))
        operation = (await self._model(service)).operations[name]
        params = parse(operation, {}, b"", (), body)
        validate(operation, params)
        result = await handler(call, params)
        status, headers, content = serialise(operation, result, request.id)
        return Response(status, [_CONTENT_TYPE, *(each for each in headers if each[0] != b"content-type")], content)

    async def _model(self, service: str) -> ServiceModel:
        if service not in self._models:
            self._models[service] = await asyncio.to_thread(ServiceModel.load, service)
        return self._models[service]


def _document(body: bytes) -> dict[str, Any]:
    try:
        params = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        params = None
    if not isinstance(params, dict):
        raise SerializationException("The request body is not a JSON object.")
    return params


def error_response(request: Request, error: ServiceError) -> Response:
    """An error in the form of JSON 1.1: 400 for whatever the caller can do something about."""
    document = {"__type": error.code, "message": error.message}
    status = error.status if error.status in (500, 501, 503) else 400
    return _response(request, status, {name: text for name, text in document.items() if text is not None})


def _response(request: Request, status: int, result: Mapping[str, Any]) -> Response:
    body = orjson.dumps(result)
    headers = [_CONTENT_TYPE, (b"content-length", b"%d" % len(body)), (b"x-amzn-requestid", request.id.encode())]
    return Response(status, headers, body)
