"""S3 at the one endpoint: requests are checked here and answered by the object store behind it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from copy import copy
from datetime import datetime
from typing import Any, NamedTuple, Self

from lamina.errors import ServiceError
from lamina.http import _s3_chunks, _sigv2
from lamina.http._body import ClientGone
from lamina.http._canonical import UNSIGNED_PAYLOAD
from lamina.http._chunked import SIGNED, UNSIGNED
from lamina.http._request import Request
from lamina.http._s3_changes import Changes
from lamina.http._s3_errors import S3Error, in_words_of_s3, response
from lamina.http._s3_forward import VIA, Framing, forwarded, path_of
from lamina.http._sigv4 import Authentication, Verifier
from lamina.objects import Exchange, NoUpstream, ObjectStore, Upstream, UpstreamDown

_LOG = logging.getLogger(__name__)
_HEX_LENGTH = 64
_NOT_PASSED_ON = frozenset({b"connection", b"date", b"keep-alive", b"server", b"transfer-encoding"})
Send = Callable[[Any], Awaitable[None]]


class _Checked(NamedTuple):
    """A request whose signature is right: the Region it was signed for, and its body as it is to be sent on."""

    region: str | None
    framing: Framing
    body: _s3_chunks.Pieces | None


class S3Gateway:
    """Answers requests for S3 out of ``store.upstream()``.

    A request is checked like any other of Lamina's, with its caller's key, and signed anew with the store's. Bodies
    pass in pieces, both ways. All accounts share one namespace of buckets, as on AWS, but see each other's.
    """

    def __init__(
        self,
        store: ObjectStore,
        verifier: Verifier,
        now: Callable[[], datetime],
    ) -> None:
        """``now`` as ``Verifier`` has it."""
        self._store = store
        self._verifier = verifier
        self._now = now
        self._changes = Changes()

    def behind(self, verifier: Verifier) -> Self:
        """The same gateway for callers whom ``verifier`` checks."""
        other = copy(self)
        other._verifier = verifier  # noqa: SLF001
        return other

    @staticmethod
    def is_for(request: Request) -> bool:
        """Whether a request is for S3: signed for it, or presigned in the way that only S3 has."""
        authorization = request.fields.get(b"authorization")
        if authorization is not None:
            return b"/s3/aws4_request" in authorization
        query = request.query_string
        if b"X-Amz-Credential=" in query:
            return b"%2Fs3%2Faws4_request" in query or b"/s3/aws4_request" in query
        return _sigv2.is_presigned(query)

    async def answer(self, request: Request, send: Send) -> None:
        """Answer one request; errors are sent in S3's form."""
        sender = _Sender(send)
        try:
            await self._answer(request, sender)
            return
        except ClientGone:
            return
        except S3Error as error:
            answer = error
        except ServiceError as error:
            answer = in_words_of_s3(error, presigned=b"authorization" not in request.fields)
        except NoUpstream as error:
            answer = S3Error(501, "NotImplemented", str(error))
        except UpstreamDown as error:
            _LOG.warning("request %s for S3: %s", request.id, error)
            answer = S3Error(503, "ServiceUnavailable", "The object store cannot be reached. Please try again.")
        except Exception:
            _LOG.exception("request %s for S3 failed inside", request.id)
            answer = S3Error(500, "InternalError", "We encountered an internal error. Please try again.")
        if not sender.started:
            status, headers, body = response(answer, path=request.raw_path, request_id=request.id)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    async def _answer(self, request: Request, sender: _Sender) -> None:
        if VIA in request.fields.get(b"via", b""):
            raise S3Error(508, "InvalidRequest", "The endpoint that is set for S3 is this server itself.")
        path = path_of(request)
        checked = self._checked(request, path)
        upstream = await self._store.upstream()
        async with self._changes.turn(request.method, path, request.query_string, upstream.sub_resources):
            await self._pass_on(request, path, checked, upstream, sender)

    async def _pass_on(
        self, request: Request, path: bytes, checked: _Checked, upstream: Upstream, sender: _Sender
    ) -> None:
        target, headers = forwarded(request, path, upstream, checked.region, checked.framing, self._now())
        async with Exchange(upstream.endpoint, request.method, target, headers, checked.body) as exchange:
            passed = [(name, value) for name, value in exchange.headers if name not in _NOT_PASSED_ON]
            await sender.start(exchange.status, passed)
            passing = asyncio.ensure_future(sender.pass_on(exchange))
            gone = asyncio.ensure_future(_gone(request) if exchange.sent else asyncio.Event().wait())
            try:
                # What nobody receives need not be read.
                await asyncio.wait({passing, gone}, return_when=asyncio.FIRST_COMPLETED)
                if passing.done():
                    passing.result()
            finally:
                passing.cancel()
                gone.cancel()
                await asyncio.gather(passing, gone, return_exceptions=True)

    def _checked(self, request: Request, path: bytes) -> _Checked:
        if b"authorization" not in request.fields and _sigv2.is_presigned(request.query_string):
            now = self._now() if self._verifier.checks_signatures else None
            fields = request.fields
            _sigv2.check(request.method, path, request.query_string, fields, find_key=self._verifier.key, now=now)
            return _Checked(None, *_plain(request, UNSIGNED_PAYLOAD))
        authentication = self._verifier.begin(request.method, request.raw_path, request.query_string, request.headers)
        if authentication.payload is None:
            raise S3Error(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
        # The signature is over the declared hash: it holds or not before there is a body.
        self._verifier.check(authentication, authentication.payload.decode("latin-1"))
        return _Checked(authentication.region, *self._body(request, authentication, authentication.payload))

    def _body(
        self, request: Request, authentication: Authentication, payload: bytes
    ) -> tuple[Framing, _s3_chunks.Pieces | None]:
        if payload in {UNSIGNED_PAYLOAD, UNSIGNED}:
            return _plain(request, payload)
        if payload in SIGNED:
            return self._in_signed_chunks(request, authentication, trailers=payload.endswith(b"-TRAILER"))
        if len(payload) != _HEX_LENGTH:
            raise S3Error(
                400, "InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value."
            )
        if not self._verifier.checks_signatures:
            return _plain(request, UNSIGNED_PAYLOAD)
        framing, body = _plain(request, payload)
        return framing, _s3_chunks.hashed(body, payload) if body is not None else None

    def _in_signed_chunks(
        self, request: Request, authentication: Authentication, *, trailers: bool
    ) -> tuple[Framing, _s3_chunks.Pieces]:
        check = self._verifier.checks_signatures
        source = _s3_chunks.pieces(request.receive)
        body = _s3_chunks.unsigned(source, authentication, trailers=trailers, check=check)
        if trailers:
            return Framing(UNSIGNED, has_body=True), body
        return Framing(UNSIGNED_PAYLOAD, _length(request, b"x-amz-decoded-content-length"), True, decoded=True), body


class _Sender:
    """The response to a client, and whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def pass_on(self, exchange: Exchange) -> None:
        async for piece in exchange.pieces():
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})


def _plain(request: Request, payload: bytes) -> tuple[Framing, _s3_chunks.Pieces | None]:
    """A body that is passed on as it is."""
    if b"content-length" in request.fields:
        length = _length(request, b"content-length")
        return Framing(payload, length, has_body=True), _s3_chunks.pieces(request.receive)
    if b"transfer-encoding" in request.fields:
        return Framing(payload, has_body=True), _s3_chunks.pieces(request.receive)
    return Framing(payload), None


def _length(request: Request, name: bytes) -> int:
    value = request.fields.get(name, b"")
    if not value.isdigit():
        raise S3Error(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    return int(value)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
