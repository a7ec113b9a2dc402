"""Uvicorn's HTTP protocol with two changes, because Invoke must be quick.

The head of a response leaves together with the first of its body: uvicorn writes them one after the other, and uvloop
sends at once, which makes two packets, and a client that is woken twice. And an application that has a whole response
may hand it over at one stroke, as the ASGI extension ``RESPOND``, for a third of what two messages cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

RESPOND = "lamina.respond"
"""In ``scope["extensions"]``: (status, headers, body) to whether it was sent."""

_HEAD = b"HTTP/1.1 "
_WITHOUT_BODY = frozenset({204, 304})
_INTERIM = b"HTTP/1.1 1"


class Protocol(HttpToolsProtocol):
    """What uvicorn makes for each connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put a ``Cork`` between the protocol and its transport."""
        super().connection_made(cast("asyncio.Transport", Cork(cast("asyncio.Transport", transport))))

    def on_headers_complete(self) -> None:
        """Offer ``RESPOND`` for the request."""
        super().on_headers_complete()
        extensions: dict[str, Any] = {RESPOND: partial(respond, self.cycle)}
        self.scope["extensions"] = extensions


def respond(cycle: RequestResponseCycle, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
    """Send a whole response as one write. False, and nothing sent, for what only the ordinary way can do."""
    if not cycle.keep_alive or cycle.disconnected or cycle.response_started or cycle.flow.write_paused:
        return False
    if cycle.scope["method"] == "HEAD":
        return False
    lines = [STATUS_LINE[status]]
    lines += [b"%b: %b\r\n" % header for header in (*cycle.default_headers, *headers)]
    lines.append(b"\r\n")
    head = b"".join(lines)
    # A line break or a NUL in a value would be another header, or none.
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
        return False
    if b"\r\ncontent-length: " not in head and status not in _WITHOUT_BODY:
        return False
    cast("Cork", cycle.transport).write_whole(head + body)
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    cycle.on_response()
    return True


class Cork:
    """A transport that keeps a response's head back for what is written next, at most until the loop's next turn."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held = b""

    def write(self, data: bytes) -> None:
        """Write, or keep the head of a response."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        elif data.startswith(_HEAD) and not data.startswith(_INTERIM):
            self._held = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def write_whole(self, data: bytes) -> None:
        """Write a head with its body."""
        self._flush()
        self._transport.write(data)

    def close(self) -> None:
        """Close the connection when everything is sent."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's."""
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)
