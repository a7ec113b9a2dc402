"""A request as the edge sees it: the ASGI scope with its headers looked up once."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[Any]]


class Request:
    """One HTTP request. ``fields`` are its headers by lower-case name; of a repeated one the last."""

    __slots__ = ("_scope", "fields", "headers", "id", "method", "query_string", "raw_path", "receive")

    def __init__(self, scope: Any, receive: Receive) -> None:
        self._scope = scope
        self.receive = receive
        self.id = str(uuid.uuid4())
        self.method: str = scope["method"]
        self.raw_path: bytes = scope["raw_path"]
        self.query_string: bytes = scope["query_string"]
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.fields: dict[bytes, bytes] = dict(self.headers)

    @property
    def base_url(self) -> str:
        """The address at which the client has reached this server."""
        return f"{self._scope['scheme']}://{self.fields.get(b'host', b'').decode('latin-1')}"
