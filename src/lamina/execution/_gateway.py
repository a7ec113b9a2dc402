"""The gateway of one environment: connections from inside to the API of the server."""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial

from lamina.execution._surroundings import Connect

_LOG = logging.getLogger(__name__)
_MOST_CONNECTIONS = 64
_PAUSE_SECONDS = 1.0


class Gateway:
    """Accepts at a sandbox's listener, a bounded number at a time: the others wait in the kernel, or are refused.

    Nothing is done before somebody connects. ``close`` it before the listener.
    """

    def __init__(self, listener: socket.socket, connect: Connect) -> None:
        self._listener = listener
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._transports: set[asyncio.Transport] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._open = True
        self._resume()

    def close(self) -> None:
        """Drop all connections and accept no more."""
        self._open = False
        self._pause()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._opening:
            task.cancel()
        for transport in tuple(self._transports):
            transport.abort()

    def _resume(self) -> None:
        self._timer = None
        if self._open and self._count < _MOST_CONNECTIONS:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def _pause(self) -> None:
        self._loop.remove_reader(self._listener.fileno())

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            # The server has no descriptor left: look again when it may have some.
            _LOG.warning("a function's connection waits: %s", error.strerror)
            self._pause()
            self._timer = self._loop.call_later(_PAUSE_SECONDS, self._resume)
            return
        self._count += 1
        if self._count == _MOST_CONNECTIONS:
            self._pause()
        task = self._loop.create_task(self._serve(connection))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _serve(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        ended = asyncio.Event()
        try:
            transport, _ = await self._loop.connect_accepted_socket(partial(self._connect, ended.set), connection)
        except BaseException:
            connection.close()
            self._lost()
            raise
        self._transports.add(transport)
        try:
            await ended.wait()
        finally:
            transport.abort()
            self._transports.discard(transport)
            self._lost()

    def _lost(self) -> None:
        self._count -= 1
        if self._count == _MOST_CONNECTIONS - 1 and self._timer is None:
            self._resume()
