"""Services that Lamina does not have: their requests go to another server, if one is set.

A request is checked here like any other, and its body bounded. Then it is passed on as it is, with its Host, its
signature and all: what the other server answers with (the URL of a queue) leads back here, and a server that
checks signatures can. Only temporary keys of this server say nothing to another, so the number of their account takes
the place of the key's name, as servers of this kind read it, and their token stays here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from lamina.errors import ServiceUnavailableException
from lamina.http._body import Body
from lamina.http._request import Request
from lamina.http._sigv4 import Authentication
from lamina.objects import Exchange, UpstreamDown

LIMIT = 64 << 20
"""The most bytes that a request may have."""

_VIA = b"1.1 lamina"
_OF_CONNECTION = frozenset(
    b"connection content-length expect keep-alive proxy-authorization proxy-connection te transfer-encoding "
    b"upgrade".split()
)
_NOT_PASSED_BACK = frozenset({b"connection", b"date", b"keep-alive", b"server", b"transfer-encoding"})
_PIECE = 1 << 18
_LOG = logging.getLogger(__name__)
Send = Callable[[Any], Awaitable[None]]


class Passage:
    """The way to one other server, by its URL."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._path = urlsplit(upstream).path.rstrip("/").encode()

    async def answer(self, request: Request, authentication: Authentication, body: Body, send: Send) -> None:
        """Pass the request on, and the answer back as a stream. Raises ``ServiceUnavailableException``."""
        if _VIA in request.fields.get(b"via", b""):
            raise ServiceUnavailableException("The server that is set as the upstream is this server itself.")
        target = self._path + request.raw_path
        query = _query(request, authentication)
        target += b"?" + query if query else b""
        headers = [*_headers(request, authentication), (b"content-length", b"%d" % len(body.data))]
        started = False
        try:
            pieces = _pieces(body)
            async with Exchange(self._upstream, request.method, target, headers, pieces) as exchange:
                passed = [(name, value) for name, value in exchange.headers if name not in _NOT_PASSED_BACK]
                await send({"type": "http.response.start", "status": exchange.status, "headers": passed})
                started = True
                await _back(request, exchange, send)
        except UpstreamDown as error:
            _LOG.warning("request %s for %s: %s", request.id, authentication.service, error)
            if not started:
                raise ServiceUnavailableException(
                    f"The upstream for the service {authentication.service} cannot be reached."
                ) from None


async def _back(request: Request, exchange: Exchange, send: Send) -> None:
    """Send the body of the answer until it ends or nobody receives it any more."""
    passing, gone = asyncio.ensure_future(_pass(exchange, send)), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({passing, gone}, return_when=asyncio.FIRST_COMPLETED)
        if passing.done():
            passing.result()
    finally:
        passing.cancel()
        gone.cancel()
        await asyncio.gather(passing, gone, return_exceptions=True)


async def _pass(exchange: Exchange, send: Send) -> None:
    async for piece in exchange.pieces():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _pieces(body: Body) -> AsyncIterator[bytes]:
    view = memoryview(body.data)
    for start in range(0, len(view), _PIECE):
        yield bytes(view[start : start + _PIECE])


def _headers(request: Request, authentication: Authentication) -> list[tuple[bytes, bytes]]:
    headers = [each for each in request.headers if each[0] not in _OF_CONNECTION]
    if authentication.session is not None:
        headers = [
            (name, _renamed(value, authentication) if name == b"authorization" else value)
            for name, value in headers
            if name != b"x-amz-security-token"
        ]
    return [*headers, (b"via", _VIA)]


def _query(request: Request, authentication: Authentication) -> bytes:
    if authentication.session is None:
        return request.query_string
    parts = [part for part in request.query_string.split(b"&") if not part.startswith(b"X-Amz-Security-Token=")]
    return b"&".join(
        _renamed(part, authentication) if part.startswith(b"X-Amz-Credential=") else part for part in parts
    )


def _renamed(text: bytes, authentication: Authentication) -> bytes:
    """The keys by the number of their account."""
    return text.replace(authentication.access_key_id.encode(), authentication.account_id.encode(), 1)
