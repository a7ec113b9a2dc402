"""A response on its way from the runtime to the caller, piece by piece (Lambda Developer Guide, "Response streaming").

Between the two stands a ``ResponseStream`` that holds little: when the caller is slow, the runtime's connection is not
read, its socket fills, and the function waits.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Protocol

import orjson

from lamina.execution import _payloads
from lamina.execution._rejected import Rejected

MAX_STREAM_BYTES = 209_715_200
_HELD_BYTES = 262_144
_ERROR_TYPE = b"lambda-runtime-function-error-type"
_ERROR_BODY = b"lambda-runtime-function-error-body"


class Source(Protocol):
    """Where a stream comes from: a connection that can wait."""

    def pause(self) -> None:
        """Read nothing until ``resume``."""

    def resume(self) -> None:
        """Read on."""


class ResponseStream:
    """The pieces that one caller has not taken yet.

    The caller reads, and closes when it wants no more: what comes after that is dropped, and the function does not
    wait for anybody. ``executed_version`` is set as soon as a runtime streams; before that, and for a function that
    answers at one stroke, it is None.
    """

    def __init__(self) -> None:
        self.executed_version: str | None = None
        self._source: Source | None = None
        self._paused = False
        self._pieces: list[bytes] = []
        self._held = 0
        self._closed = False
        self._reader: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """All that has come since the last time, at least one byte; nothing when the stream is closed and empty."""
        if not self._pieces and not self._closed:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        taken = b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        self._let_go_on()
        return taken

    def close(self) -> None:
        """There is no more to come, or nobody who wants it."""
        self._closed = True
        self._let_go_on()
        self._wake()

    def drop(self) -> None:
        """Close, and forget what is held."""
        self._pieces.clear()
        self._held = 0
        self.close()

    def begin(self, executed_version: str, source: Source) -> None:
        """A runtime starts to stream."""
        self.executed_version = executed_version
        self._source = source

    def feed(self, piece: bytes) -> None:
        """One more piece."""
        if self._closed or not piece:
            return
        self._pieces.append(piece)
        self._held += len(piece)
        self._wake()
        if self._held >= _HELD_BYTES and self._source is not None and not self._paused:
            self._paused = True
            self._source.pause()

    def detach(self) -> None:
        """The source has given all it has: it need not wait for the caller any more."""
        self._let_go_on()
        self._source = None

    def _let_go_on(self) -> None:
        if self._paused and self._source is not None:
            self._paused = False
            self._source.resume()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


class StreamEvents(Protocol):
    """What an environment does with a response that is streamed."""

    def on_stream(self, request_id: str, source: Source) -> ResponseStream | None:
        """The response begins; None if its caller wants it whole. Raises ``Rejected``."""

    def on_response(self, request_id: str, body: bytes | None) -> None:
        """The response is whole: what of it was not streamed."""

    def on_error(self, request_id: str, body: bytes, error_type: str | None = None) -> None:
        """The invocation has failed after a part of its response."""

    def on_cut(self, request_id: str) -> None:
        """The connection is gone in the middle of the response."""


class StreamedResponse:
    """One response in the streaming mode while it arrives on a connection.

    ``feed`` and ``note`` take what comes. What must not be is told at the end, as the answer to the whole request.
    """

    __slots__ = ("_begun", "_environment", "_error_body", "_error_type", "_rejected", "_request_id", "_size", "_stream")

    def __init__(self, environment: StreamEvents, request_id: str) -> None:
        self._environment = environment
        self._request_id = request_id
        self._stream: ResponseStream | None = None
        self._begun = False
        self._rejected: Rejected | None = None
        self._size = 0
        self._error_type = ""
        self._error_body = b""

    def note(self, name: bytes, value: bytes) -> None:
        """A header or a trailer, with its name in lower case."""
        if name == _ERROR_TYPE:
            self._error_type = value.decode("latin-1")
        elif name == _ERROR_BODY:
            self._error_body = value

    def feed(self, piece: bytes, source: Source) -> bool:
        """A piece of the body; false if the caller wants the response whole."""
        if not self._begun:
            self._begin(source)
        if self._rejected is not None:
            return True
        if self._stream is None:
            return False
        room = MAX_STREAM_BYTES - self._size
        self._size += len(piece)
        self._stream.feed(piece[:room] if len(piece) > room else piece)
        if len(piece) > room:
            self._end_too_large()
        return True

    def complete(self, body: bytes | None, source: Source) -> None:
        """All has come; ``body`` is what ``feed`` has left to its caller, None if that is too much.

        Raises ``Rejected``.
        """
        if not self._begun:
            self._begin(source)
        if self._rejected is not None:
            raise self._rejected
        self._detach()
        if self._error_type:
            error = _error_of(self._error_type, self._error_body)
            self._environment.on_error(self._request_id, error, self._error_type)
        else:
            self._environment.on_response(self._request_id, body)

    def cut(self) -> None:
        """The connection is gone."""
        self._detach()
        if self._rejected is None:
            self._environment.on_cut(self._request_id)

    def _begin(self, source: Source) -> None:
        self._begun = True
        try:
            self._stream = self._environment.on_stream(self._request_id, source)
        except Rejected as rejected:
            self._rejected = rejected

    def _end_too_large(self) -> None:
        text = f"Exceeded maximum allowed payload size ({MAX_STREAM_BYTES} bytes)."
        self._rejected = Rejected(413, "RequestEntityTooLarge", text)
        self._detach()
        error = _payloads.response_too_large(MAX_STREAM_BYTES)
        self._environment.on_error(self._request_id, error, "Function.ResponseSizeTooLarge")

    def _detach(self) -> None:
        if self._stream is not None:
            self._stream.detach()


def _error_of(error_type: str, body: bytes) -> bytes:
    """The error payload of the trailers: JSON in base64, or for want of that one made of the type."""
    try:
        decoded = base64.b64decode(body, validate=True)
        orjson.loads(decoded)
    except (binascii.Error, ValueError):
        return orjson.dumps({"errorType": error_type, "errorMessage": body.decode("latin-1")})
    return decoded
