"""An application for connections that somebody else accepts: those from inside sandboxes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from lamina.http._protocol import Protocol

_KEEP_ALIVE_SECONDS = 75


class Door:
    """Makes the protocols that serve ``application``; in all else they are those of the server's own port."""

    def __init__(self, application: Any) -> None:
        self._config = uvicorn.Config(
            application,
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        self._config.load()
        self._state = ServerState()

    def connect(self, on_lost: Callable[[], None]) -> asyncio.Protocol:
        """The protocol for one connection; ``on_lost`` is called when it has ended."""
        return _Inside(self._config, self._state, on_lost)


class _Inside(Protocol):
    def __init__(self, config: uvicorn.Config, state: ServerState, on_lost: Callable[[], None]) -> None:
        super().__init__(config, state, app_state={})
        self._on_lost = on_lost

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell."""
        super().connection_lost(exc)
        self._on_lost()
