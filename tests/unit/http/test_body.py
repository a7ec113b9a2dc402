"""Bodies: bounded, whole, and hashed as they come."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pytest

from lamina.errors import RequestEntityTooLargeException
from lamina.http import _body

MANY = os.urandom(9_000_000)


def receiver(data: bytes, piece: int) -> Any:
    """An ASGI ``receive`` that gives ``data`` in pieces."""
    pieces = [data[start : start + piece] for start in range(0, len(data), piece)] or [b""]

    async def receive() -> dict[str, Any]:
        body = pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(pieces)}

    return receive


async def read(data: bytes, piece: int, limit: int = 70_000_000, declared: int | None = None) -> _body.Body:
    headers = {} if declared is None else {b"content-length": str(declared).encode()}
    return await _body.read(receiver(data, piece), headers, limit, _body.request_too_large("X", limit))


@pytest.mark.parametrize("size", [0, 1, 65_536, 2_097_152, 9_000_000])
@pytest.mark.parametrize("is_declared", [True, False])
@pytest.mark.parametrize("piece", [65_536, 10_000_000])
async def test_it_is_whole_and_hashed(size: int, is_declared: bool, piece: int) -> None:
    data = MANY[:size]
    body = await read(data, piece, declared=size if is_declared else None)
    assert body.data == data
    assert body.sha256 == hashlib.sha256(data).hexdigest()


async def test_a_declared_length_above_the_limit_is_refused_unread() -> None:
    with pytest.raises(
        RequestEntityTooLargeException, match="Request must be smaller than 10 bytes for the X operation"
    ):
        await read(b"", 1, limit=10, declared=11)


@pytest.mark.parametrize("piece", [4, 100])
async def test_a_body_above_the_limit_is_refused(piece: int) -> None:
    with pytest.raises(RequestEntityTooLargeException):
        await read(b"x" * 11, piece, limit=10)


async def test_a_client_that_goes_away() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(_body.ClientGone):
        await _body.read(receive, {}, 10, _body.request_too_large("X", 10))
