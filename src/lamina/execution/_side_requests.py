"""Requests from inside a sandbox that are not the Runtime API's: for the Extensions, Telemetry and Logs APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import orjson

OK = b'{"status":"OK"}\n'
_REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 403: "Forbidden", 500: "Internal Server Error"}
_IDENTIFIER = "lambda-extension-identifier"


class Answerable(Protocol):
    """A connection that gets its answer later."""

    def send(self, answer: bytes) -> None:
        """Send a whole answer."""


class SideRequest(NamedTuple):
    """One request; the names of ``headers`` are in lower case, ``path`` is without a query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: Answerable

    @property
    def identifier(self) -> str | None:
        """What the sender was called when it registered."""
        return self.headers.get(_IDENTIFIER)


def answer(status: int, body: bytes | Mapping[str, Any], headers: Mapping[str, str] | None = None) -> bytes:
    """An answer as bytes of HTTP; a mapping becomes JSON."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode("latin-1") + data
