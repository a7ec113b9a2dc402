"""The Runtime API (2018-06-01): HTTP/1.1 between the server and the runtime inside one sandbox.

One ``RuntimeConnection`` serves one TCP connection. Answers keep the order of the requests. The 202 to a response is
held back while the same write may still bring the ``next`` request, and then leaves together with the next event:
so the runtime is woken once for each warm invocation.

A response that comes as one write together with the very request for ``next`` that this connection began with needs
no parser: that is how our bootstraps write, and it halves what the Runtime API costs.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import httptools
import orjson

from lamina.execution._payloads import MAX_RESPONSE_BYTES
from lamina.execution._rejected import Rejected
from lamina.execution._side_requests import SideRequest
from lamina.execution._streams import StreamedResponse, StreamEvents

_PREFIX = b"/2018-06-01/runtime/"
_INVOCATION = _PREFIX + b"invocation/"
_POST = b"POST " + _INVOCATION
_GET_NEXT = b"GET " + _INVOCATION + b"next HTTP/1.1\r\n"
_ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# The parser itself keeps as much of one header as there comes.
_MAX_HEAD = 1_048_576
_MOST_HEADERS = 64
_MAX_HEADER = 4096
_MODE = b"lambda-runtime-function-response-mode"
_RESTORED = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_REASONS = {400: b"Bad Request", 403: b"Forbidden", 404: b"Not Found", 413: b"Payload Too Large"}


class RuntimeEvents(StreamEvents, Protocol):
    """What an environment does with the requests of its runtime."""

    def on_next(self, connection: RuntimeConnection) -> None:
        """The runtime waits for an invocation on this connection."""

    def on_init_error(self, body: bytes) -> None:
        """The runtime could not initialise. Raises ``Rejected``."""

    def on_side_request(self, request: SideRequest) -> bytes | None:
        """A request of another API; None is an answer that comes later. Raises ``Rejected``."""

    def on_restore_next(self, connection: RuntimeConnection) -> None:
        """The runtime may be frozen now, and waits for its restoring on this connection. Raises ``Rejected``."""

    def on_restore_error(self, body: bytes) -> None:
        """An after-restore hook has failed. Raises ``Rejected``."""

    def on_disconnect(self, connection: RuntimeConnection) -> None:
        """The connection is gone."""


class RuntimeConnection(asyncio.Protocol):
    """One connection from inside a sandbox."""

    __slots__ = (
        "_body",
        "_body_size",
        "_environment",
        "_expected",
        "_headers",
        "_held",
        "_next",
        "_parser",
        "_pending",
        "_streamed",
        "_transport",
        "_url",
        "_waits",
    )

    def __init__(self, environment: RuntimeEvents) -> None:
        self._environment = environment
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._held: list[bytes] = []
        self._waits = False
        self._next = b""
        self._expected = b""
        self._headers: dict[str, str] = {}
        self._url = b""
        self._body: list[bytes] = []
        self._body_size = 0
        self._pending = 0
        self._streamed: StreamedResponse | None = None

    def send_next(self, request_id: str, head: bytes, payload: bytes) -> None:
        """Answer the pending ``next`` with an invocation; ``head`` is the complete header block."""
        self._waits = False
        self._expected = b"%b%b/response HTTP/1.1\r\n" % (_POST, request_id.encode())
        self._held.append(head)
        self._held.append(payload)
        self._flush()

    def send(self, answer: bytes) -> None:
        """Send the whole answer to a request that waited for it."""
        self._held.append(answer)
        self._flush()

    def send_restored(self) -> None:
        """Answer the pending ``restore/next``."""
        self._waits = False
        self._held.append(_RESTORED)
        self._flush()

    def close(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Read nothing for a while: a caller is slow to take what the runtime streams."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        if self._streamed is not None:
            self._streamed.cut()
        self._environment.on_disconnect(self)

    def data_received(self, data: bytes) -> None:
        if self._next and self._expected and data.startswith(self._expected) and self._take_whole(data):
            return
        self._pending += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._hang_up("malformed HTTP request")
            return
        if self._pending > _MAX_HEAD:
            self._hang_up("a header without an end")
            return
        if self._held and not self._waits:
            self._flush()
        if self._waits and not self._next and data.startswith(_GET_NEXT) and data.endswith(b"\r\n\r\n"):
            self._next = data

    def _hang_up(self, why: str) -> None:
        self._refuse(Rejected(400, "InvalidRequest", why))
        self._flush()
        self.close()

    def _take_whole(self, data: bytes) -> bool:
        """Take a response and the request for ``next`` at one stroke; false, and nothing done, for anything else."""
        end = data.find(b"\r\n\r\n", len(self._expected)) + 4
        head = data[len(self._expected) - 2 : end].lower()
        _, found, length = head.partition(b"\r\ncontent-length: ")
        if end < 4 or not found or b"\r\ntransfer-encoding:" in head or b"\r\nexpect:" in head:
            return False
        digits = length[: length.find(b"\r\n")]
        if not digits.isdigit() or data[end + int(digits) :] != self._next or int(digits) > MAX_RESPONSE_BYTES:
            return False
        request_id = self._expected[len(_POST) :].partition(b"/")[0].decode()
        self._expected = b""
        try:
            self._environment.on_response(request_id, data[end : end + int(digits)])
            self._held.append(_ACCEPTED)
        except Rejected as rejected:
            self._refuse(rejected)
        self._waits = True
        self._environment.on_next(self)
        return True

    def on_message_begin(self) -> None:
        """httptools: a request starts."""
        self._expected = b""  # From here on this may be the inside of a body.
        self._url = b""
        self._body = []
        self._body_size = 0

    def on_url(self, url: bytes) -> None:
        """httptools: a piece of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one header."""
        self._pending = 0
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue" and self._transport is not None:
            self._transport.write(_CONTINUE)
        elif self._streamed is not None:
            self._streamed.note(name, value)
        elif not self._url.startswith(_PREFIX) and len(self._headers) < _MOST_HEADERS:
            self._headers[name.decode("latin-1")] = value[:_MAX_HEADER].decode("latin-1")
        elif name == _MODE and value.lower() == b"streaming" and self._url.startswith(_INVOCATION):
            request_id, _, what = self._url[len(_INVOCATION) :].partition(b"/")
            if what == b"response":
                self._streamed = StreamedResponse(self._environment, request_id.decode("latin-1"))

    def on_body(self, body: bytes) -> None:
        """httptools: a piece of the body; what is above the limit is counted and dropped."""
        self._pending = 0
        if self._streamed is not None and self._streamed.feed(body, self):
            return
        self._body_size += len(body)
        if self._body_size <= MAX_RESPONSE_BYTES:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """httptools: the request is whole."""
        self._pending = 0
        try:
            if self._streamed is not None:
                self._complete_stream()
                return
            self._dispatch(self._parser.get_method(), self._url)
        except Rejected as rejected:
            self._refuse(rejected)

    def _complete_stream(self) -> None:
        assert self._streamed is not None
        streamed, self._streamed = self._streamed, None
        streamed.complete(None if self._body_size > MAX_RESPONSE_BYTES else b"".join(self._body), self)
        self._held.append(_ACCEPTED)

    def _dispatch(self, method: bytes, url: bytes) -> None:
        if method == b"GET" and url == b"/2018-06-01/runtime/invocation/next":
            self._waits = True
            self._environment.on_next(self)
        elif method == b"POST" and url.startswith(_INVOCATION):
            request_id, _, what = url[len(_INVOCATION) :].partition(b"/")
            self._answered(request_id.decode("latin-1"), what)
        elif method == b"POST" and url == b"/2018-06-01/runtime/init/error":
            self._held.append(_ACCEPTED)
            self._environment.on_init_error(b"".join(self._body))
        elif method == b"GET" and url == b"/2018-06-01/runtime/restore/next":
            self._environment.on_restore_next(self)
            self._waits = True
        elif method == b"POST" and url == b"/2018-06-01/runtime/restore/error":
            self._environment.on_restore_error(b"".join(self._body))
            self._held.append(_ACCEPTED)
        elif not url.startswith(_PREFIX):
            self._pass_on(method, url)
        else:
            raise Rejected(404, "NotFound", "404 page not found")

    def _pass_on(self, method: bytes, url: bytes) -> None:
        headers, self._headers = self._headers, {}
        path = url.partition(b"?")[0].decode("latin-1")
        request = SideRequest(method.decode("latin-1"), path, headers, b"".join(self._body), self)
        answer = self._environment.on_side_request(request)
        if answer is not None:
            self._held.append(answer)

    def _answered(self, request_id: str, what: bytes) -> None:
        if what == b"response":
            if self._body_size > MAX_RESPONSE_BYTES:
                self._environment.on_response(request_id, None)
                raise Rejected(
                    413,
                    "RequestEntityTooLarge",
                    f"Exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes).",
                )
            self._environment.on_response(request_id, b"".join(self._body))
        elif what == b"error":
            self._environment.on_error(request_id, b"".join(self._body))
        else:
            raise Rejected(404, "NotFound", "404 page not found")
        self._held.append(_ACCEPTED)

    def _refuse(self, rejected: Rejected) -> None:
        body = orjson.dumps({"errorMessage": str(rejected), "errorType": rejected.error_type})
        head = b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._held.append(head % (rejected.status, _REASONS[rejected.status], len(body)) + body)

    def _flush(self) -> None:
        if self._transport is not None and self._held:
            self._transport.write(b"".join(self._held))
        self._held.clear()
