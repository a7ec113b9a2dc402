"""A request as the edge sees it: the ASGI scope with its headers looked up once."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[Any]]


class Request:
    """One HTTP request. ``fields`` are its headers by lower-case name; of a repeated one the last."""

    __slots__ = ("_scope", "fields", "headers", "id", "method", "query_string", "raw_path", "receive")

    def __init__(self, scope: Any, receive: Receive) -> None:
        self._scope = scope
        self.receive = receive
        self.id = _uuid()
        self.method: str = scope["method"]
        self.raw_path: bytes = scope["raw_path"]
        self.query_string: bytes = scope["query_string"]
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.fields: dict[bytes, bytes] = dict(self.headers)

    @property
    def base_url(self) -> str:
        """The address at which the client has reached this server."""
        return f"{self._scope['scheme']}://{self.fields.get(b'host', b'').decode('latin-1')}"


def _uuid() -> str:
    """A random UUID, version 4, in a quarter of the time that ``uuid`` takes; it need not be a secret."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
