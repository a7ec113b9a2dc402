"""Reading a request's body: bounded before it is buffered, hashed while it arrives."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from lamina.errors import RequestEntityTooLargeException, ServiceError, ValidationException

_HASHED_AT_ONCE = 2_097_152

Receive = Callable[[], Awaitable[Any]]


class ClientGone(Exception):
    """The client closed the connection before its request was whole."""


class Body(NamedTuple):
    """A whole request body and its SHA-256, in hex."""

    data: bytes | bytearray
    sha256: str


async def read(
    receive: Receive, headers: Mapping[bytes, bytes], limit: int, too_large: Callable[[int], ServiceError]
) -> Body:
    """Read the body, at most ``limit`` bytes. ``too_large`` makes the error from the size as far as it is known."""
    declared = _declared_length(headers)
    if declared is not None and declared > limit:
        raise too_large(declared)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        data = message.get("body", b"")
        if len(data) > limit:
            raise too_large(len(data))
        return Body(data, hashlib.sha256(data).hexdigest())
    return await _read_on(message, receive, limit, declared or 0, too_large)


async def _read_on(
    message: Any, receive: Receive, limit: int, expected: int, too_large: Callable[[int], ServiceError]
) -> Body:
    # Room for all of it at once: growing step by step would copy a large body many times.
    data = bytearray(expected)
    size = 0
    digest = _Digest()
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        if size + len(chunk) > limit:
            raise too_large(size + len(chunk))
        if size + len(chunk) > len(data):
            await digest.catch_up(data, size)
        data[size : size + len(chunk)] = chunk
        size += len(chunk)
        if not message.get("more_body", False):
            await digest.catch_up(data, size)
            del data[size:]
            return Body(data, digest.hexdigest())
        if size - digest.hashed >= _HASHED_AT_ONCE:
            await digest.advance(data, size)
        message = await receive()


class _Digest:
    """The SHA-256 of a body that still arrives, computed in another thread, a stretch behind."""

    def __init__(self) -> None:
        self.hashed = 0
        self._sha256 = hashlib.sha256()
        self._pending: asyncio.Future[None] | None = None

    async def advance(self, data: bytearray, size: int) -> None:
        """Begin to hash up to ``size``; ``data`` must not be resized before ``catch_up``."""
        await self._wait()
        view = memoryview(data)[self.hashed : size]
        self._pending = asyncio.get_running_loop().run_in_executor(None, self._update, view)
        self.hashed = size

    async def catch_up(self, data: bytearray, size: int) -> None:
        """Hash all up to ``size``."""
        if size - self.hashed >= _HASHED_AT_ONCE:
            await self.advance(data, size)
        await self._wait()
        with memoryview(data) as view:
            self._sha256.update(view[self.hashed : size])
        self.hashed = size

    def hexdigest(self) -> str:
        """The hash, after ``catch_up``."""
        return self._sha256.hexdigest()

    async def _wait(self) -> None:
        if self._pending is not None:
            await self._pending
            self._pending = None

    def _update(self, view: memoryview) -> None:
        with view:
            self._sha256.update(view)


def _declared_length(headers: Mapping[bytes, bytes]) -> int | None:
    value = headers.get(b"content-length")
    if value is None:
        return None
    try:
        return int(value)
    except ValueError:
        raise ValidationException("Content-Length is not a number.") from None


def request_too_large(operation: str, limit: int) -> Callable[[int], ServiceError]:
    """The recorded answer to a request above an operation's limit."""

    def error(_size: int) -> ServiceError:
        return RequestEntityTooLargeException(
            f"Request must be smaller than {limit} bytes for the {operation} operation"
        )

    return error
