"""One HTTP request to a store and its response, both streamed: what is in memory is a few hundred kilobytes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import h11

from lamina.objects._interface import UpstreamDown

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 300.0
_SILENT_SECONDS = 60.0
_READ = 1 << 18
Headers = Iterable[tuple[bytes, bytes]]


class Exchange:
    """An async context manager: inside it ``status`` and ``headers`` are there, and ``pieces`` gives the body.

    ``body`` is sent while the response is awaited, so a store may refuse early. What it raises is raised here; the
    request then breaks off and the store drops it. Raises ``UpstreamDown`` for what the network or the store does.
    """

    def __init__(
        self, endpoint: str, method: str, target: bytes, headers: Headers, body: AsyncIterator[bytes] | None = None
    ) -> None:
        """``headers`` have ``host`` and, if there is a body, ``content-length`` or ``transfer-encoding``."""
        self._endpoint = endpoint
        self._request = h11.Request(method=method.encode(), target=target, headers=list(headers))
        self._body = body
        self._http = h11.Connection(h11.CLIENT)
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._sending: asyncio.Task[None]
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []

    async def __aenter__(self) -> Self:
        """Connect, begin to send, and wait for the head of the response."""
        try:
            await self._connect()
        except (OSError, TimeoutError) as error:
            raise UpstreamDown(f"{self._endpoint} cannot be reached: {error!r}") from None
        self._sending = asyncio.create_task(self._send())
        try:
            response = await self._head()
        except BaseException as error:
            await self._end()
            if isinstance(error, (OSError, TimeoutError, h11.RemoteProtocolError)):
                raise UpstreamDown(f"{self._endpoint} broke off: {error!r}") from None
            raise
        self.status = response.status_code
        self.headers = list(response.headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self._end()

    @property
    def sent(self) -> bool:
        """Whether all of the request has been sent."""
        return self._sending.done()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body of the response, piece by piece."""
        try:
            while True:
                event = await asyncio.wait_for(self._next(), _SILENT_SECONDS)
                if isinstance(event, h11.Data):
                    yield bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    return
        except (OSError, TimeoutError, h11.RemoteProtocolError) as error:
            raise UpstreamDown(f"{self._endpoint} broke off in the middle: {error!r}") from None

    async def _connect(self) -> None:
        parts = urlsplit(self._endpoint)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        context = await asyncio.to_thread(ssl.create_default_context) if secure else None
        opening = asyncio.open_connection(parts.hostname, port, ssl=context)
        self._reader, self._writer = await asyncio.wait_for(opening, _CONNECT_SECONDS)

    async def _send(self) -> None:
        await self._write(self._http.send(self._request))
        if self._body is not None:
            async for piece in self._body:
                await self._write(self._http.send(h11.Data(data=piece)))
        await self._write(self._http.send(h11.EndOfMessage()))

    async def _write(self, data: bytes | None) -> None:
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def _head(self) -> h11.Response:
        head = asyncio.create_task(self._read_head())
        try:
            await asyncio.wait({head, self._sending}, return_when=asyncio.FIRST_COMPLETED)
            if not head.done():
                # A store that closes while it is sent to may have said before why.
                failed = self._sending.exception()
                if failed is not None and not isinstance(failed, OSError):
                    raise failed
            return await asyncio.wait_for(head, _ANSWER_SECONDS)
        finally:
            head.cancel()

    async def _read_head(self) -> h11.Response:
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return event

    async def _next(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_READ))
        return event

    async def _end(self) -> None:
        self._sending.cancel()
        await asyncio.gather(self._sending, return_exceptions=True)
        self._writer.transport.abort()
