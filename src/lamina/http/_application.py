"""The ASGI application: one endpoint, and the one edge at which errors become responses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from functools import partial
from types import MappingProxyType
from typing import Any, BinaryIO, Self

from lamina.blobs import BlobMissing
from lamina.errors import (
    NotImplementedException,
    ResourceNotFoundException,
    ServiceError,
    ServiceException,
    UnrecognizedClientException,
)
from lamina.functions import Call
from lamina.http import _body, _invoke, _json_protocol, _operations, _passage, _query_protocol
from lamina.http._chunked import decode_chunks
from lamina.http._extensions import Extensions
from lamina.http._guard import Guard
from lamina.http._invoke import Enqueue, Executor, Invoke
from lamina.http._invoke_stream import InvokeStream
from lamina.http._json_protocol import JsonProtocol
from lamina.http._model import ServiceModel
from lamina.http._operations import Handler
from lamina.http._passage import Passage
from lamina.http._protocol import RESPOND
from lamina.http._query_protocol import QueryProtocol
from lamina.http._rate import Rate
from lamina.http._request import Request
from lamina.http._rest import RestProtocol
from lamina.http._routing import Router
from lamina.http._s3 import S3Gateway
from lamina.http._serialising import Response, serialise_error
from lamina.http._sigv4 import Authentication, Verifier

_LOG = logging.getLogger(__name__)
_DOWNLOAD = b"/_lamina/packages/"
_CHUNK = 1_048_576
_NONE: Mapping[str, Mapping[str, Handler]] = MappingProxyType({})
Send = Callable[[Any], Awaitable[None]]


class Application:
    """Lamina over HTTP.

    The service that the signature names decides who answers: ``lambda`` here, ``s3`` by ``s3``, the services of
    ``json``, ``rest`` and ``query`` by their protocols, all others by ``passage``. ``extensions`` are what only Lamina
    has. ``rate`` bounds the calls of the control plane. ``open_package`` gives the bytes of a stored package by its
    name, for the download links of GetFunction; ``download_key_id`` is the key that signs these links, good for nothing
    else.
    """

    def __init__(
        self,
        *,
        model: ServiceModel,
        guard: Guard,
        verifier: Verifier,
        handlers: Mapping[str, Handler],
        executor: Executor,
        enqueue: Enqueue,
        json: Mapping[str, Mapping[str, Handler]],
        rest: Mapping[str, Mapping[str, Handler]],
        query: Mapping[str, Mapping[str, Handler]] = _NONE,
        passage: Passage | None = None,
        extensions: Mapping[str, Handler],
        s3: S3Gateway | None,
        rate: float,
        open_package: Callable[[str], BinaryIO],
        download_key_id: str,
    ) -> None:
        self._model = model
        self._guard = guard
        self._verifier = verifier
        self._handlers = handlers
        self._router = Router(model.operations.values())
        self._invoke = Invoke(model.operations["Invoke"], executor, enqueue)
        self._invoke_stream = InvokeStream(executor)
        self._json = JsonProtocol(json)
        self._rest = RestProtocol(rest)
        self._query = QueryProtocol(query)
        self._passage = passage
        self._extensions = Extensions(extensions)
        self._s3 = s3
        self._rate = Rate(rate)
        self._open_package = open_package
        self._download_key_id = download_key_id

    def behind(self, verifier: Verifier) -> Self:
        """The same application for callers whom ``verifier`` checks."""
        other = copy(self)
        other._verifier = verifier  # noqa: SLF001
        other._s3 = None if self._s3 is None else self._s3.behind(verifier)  # noqa: SLF001
        return other

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        """ASGI: answer one request."""
        assert scope["type"] == "http"
        request = Request(scope, receive)
        try:
            response = await self._answer(request, send)
        except _body.ClientGone:
            return
        except ServiceError as error:
            response = self._error(request, error)
        except Exception:
            _LOG.exception("request %s failed inside", request.id)
            response = self._error(request, ServiceException())
        if response is not None and not _sent(scope, response):
            await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
            await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, request: Request, send: Send) -> Response | None:
        self._guard.check(request.fields)
        invoked = _invoke.is_invoke(request)
        if self._s3 is not None and not invoked and self._s3.is_for(request):
            await self._s3.answer(request, send)
            return None
        authentication = self._verifier.begin(request.method, request.raw_path, request.query_string, request.headers)
        if (authentication.access_key_id == self._download_key_id) != request.raw_path.startswith(_DOWNLOAD):
            raise UnrecognizedClientException("The security token included in the request is invalid.")
        if authentication.access_key_id == self._download_key_id:
            return await self._download(request, authentication, send)
        if authentication.service != self._model.signing_name:
            return await self._other(request, authentication, send)
        if invoked:
            too_large = _invoke.too_large(request)
            body = await _body.read(request.receive, request.fields, _invoke.limit(request), too_large)
            body = self._verified(authentication, body)
            return await self._invoke.answer(request, authentication.account_id, authentication.region, body)
        return await self._control(request, authentication, send)

    async def _control(self, request: Request, authentication: Authentication, send: Send) -> Response | None:
        call = _call(request, authentication)
        if Extensions.is_for(request):
            return await self._extensions.answer(request, call, partial(self._read, request, authentication))
        match = self._router.route(request.method, request.raw_path, request.query_string)
        if match.operation.streams:
            body = await _body.read(request.receive, request.fields, _invoke.SYNC_LIMIT, _invoke.too_large(request))
            body, (account_id, region) = self._verified(authentication, body), (call.account_id, call.region)
            return await self._invoke_stream.answer(request, match, account_id, region, body, send)
        body = await self._read(request, authentication, _operations.limit(match.operation), match.operation.name)
        self._rate.check(call.account_id, call.region)
        return await _operations.answer(self._handlers, match, request, call, body)

    async def _other(self, request: Request, authentication: Authentication, send: Send) -> Response | None:
        service, call = authentication.service, _call(request, authentication)
        if self._json.serves(service):
            body = await self._read(request, authentication, _json_protocol.LIMIT, service)
            return await self._json.answer(service, request, call, bytes(body.data))
        if self._rest.serves(service):
            return await self._rest.answer(service, request, call, partial(self._read, request, authentication))
        if self._query.serves(service):
            body = await self._read(request, authentication, _query_protocol.LIMIT, service)
            return await self._query.answer(service, request, call, bytes(body.data))
        if self._passage is not None:
            body = await self._read(request, authentication, _passage.LIMIT, service)
            await self._passage.answer(request, authentication, body, send)
            return None
        raise NotImplementedException(f"The service {service} is not part of Lamina.")

    async def _read(self, request: Request, authentication: Authentication, limit: int, operation: str) -> _body.Body:
        too_large = _body.request_too_large(operation, limit)
        return self._verified(authentication, await _body.read(request.receive, request.fields, limit, too_large))

    def _verified(self, authentication: Authentication, body: _body.Body) -> _body.Body:
        self._verifier.check(authentication, body.sha256)
        if authentication.is_chunked:
            return _body.Body(self._unchunked(authentication, body), body.sha256)
        return body

    def _unchunked(self, authentication: Authentication, body: _body.Body) -> bytes:
        checks = self._verifier.checks_signatures
        return decode_chunks(authentication, bytes(body.data), check_signatures=checks)

    async def _download(self, request: Request, authentication: Authentication, send: Send) -> Response | None:
        await self._read(request, authentication, 0, "download")
        digest = request.raw_path[len(_DOWNLOAD) :].decode("latin-1")
        try:
            file = await asyncio.to_thread(self._open_package, digest)
        except (BlobMissing, ValueError):
            raise ResourceNotFoundException("The package does not exist any more.") from None
        with file:
            size = file.seek(0, 2)
            file.seek(0)
            headers = [
                (b"content-type", b"application/zip"),
                (b"content-length", b"%d" % size),
                (b"x-amzn-requestid", request.id.encode()),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while chunk := await asyncio.to_thread(file.read, _CHUNK):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        return None

    def _error(self, request: Request, error: ServiceError) -> Response:
        if b"x-amz-target" in request.fields:
            return _json_protocol.error_response(request, error)
        if _query_protocol.is_query(request):
            return _query_protocol.error_response(request, error)
        return serialise_error(self._model, error, request.id)


def _sent(scope: Any, response: Response) -> bool:
    respond = scope.get("extensions", {}).get(RESPOND)
    return respond is not None and respond(response.status, response.headers, response.body)


def _call(request: Request, authentication: Authentication) -> Call:
    session = authentication.session
    return Call(
        account_id=authentication.account_id,
        region=authentication.region,
        request_id=request.id,
        access_key_id=authentication.access_key_id,
        base_url=request.base_url,
        role=session.role if session is not None else "",
        session=session.session if session is not None else "",
    )
