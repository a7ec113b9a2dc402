"""Reading a request's body: bounded before it is buffered, hashed while it arrives."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lamina.errors import RequestEntityTooLargeException, ServiceError, ValidationException

Receive = Callable[[], Awaitable[Any]]


class ClientGone(Exception):
    """The client closed the connection before its request was whole."""


@dataclass(frozen=True, slots=True)
class Body:
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
    return await _read_on(message, receive, limit, too_large)


async def _read_on(message: Any, receive: Receive, limit: int, too_large: Callable[[int], ServiceError]) -> Body:
    data = bytearray()
    digest = hashlib.sha256()
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        if len(data) + len(chunk) > limit:
            raise too_large(len(data) + len(chunk))
        data += chunk
        digest.update(chunk)
        if not message.get("more_body", False):
            return Body(data, digest.hexdigest())
        message = await receive()


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
