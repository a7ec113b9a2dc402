"""HTTP connections whose time together is bounded, however slowly the other side drips.

A read timeout bounds one silence only: a server that sends a byte a second keeps a reader for ever, in the headers or
in the handshake too. So a second descriptor of every socket is kept here, and when the time is up they are all shut
down, which ends each read and write on them.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from lamina.images._faults import Bad, Unreachable
from lamina.images._limits import ImageLimits
from lamina.images._registries import Registry

_TRANSPORT = (HTTPError, HTTPException, OSError, ValueError)  # ValueError: a Location or a length that is none


_CONNECTIONS = 4  # to each host, kept for the next request: as many as ask at once


class Connections:
    """The connections of one operation. ``close`` ends them all; after ``seconds`` they end by themselves."""

    def __init__(self, registry: Registry, limits: ImageLimits, seconds: float) -> None:
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timeout = urllib3.Timeout(connect=limits.connect_seconds, read=limits.read_seconds)
        self._pools = urllib3.PoolManager(
            maxsize=_CONNECTIONS, ssl_context=_tls(registry), retries=False, timeout=self._timeout
        )
        self._pools.pool_classes_by_scheme = _watched_pools(self._watch)
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    @contextlib.contextmanager
    def get(self, url: str, headers: Mapping[str, str]) -> Iterator[Response]:
        """A response, redirects included, whose body has not been read. Raises ``Unreachable``."""
        with self.transport(url):
            raw = self._pools.request(
                "GET", url, headers=headers, redirect=False, preload_content=False, decode_content=False
            )
        try:
            yield Response(self, url, raw)
        finally:
            raw.close()  # a body that nobody has read to its end spoils the connection

    def pause(self, seconds: float) -> None:
        """Wait before another attempt. Raises ``Unreachable`` when the time is up."""
        self._over.wait(seconds)
        self._check()

    def close(self) -> None:
        """End every connection, whoever uses it."""
        self._timer.cancel()
        self._end()
        self._pools.clear()

    @contextlib.contextmanager
    def transport(self, url: str) -> Iterator[None]:
        """Raise ``Unreachable`` for whatever goes wrong with ``url`` in the block, and when the time is up."""
        self._check()
        try:
            yield
        except _TRANSPORT as error:
            self._check()
            retry_after = None if _is_certificate(error) else 0.0
            raise Unreachable(f"{_shown(url)}: {error}", retry_after) from error

    def _check(self) -> None:
        if self._over.is_set():
            raise Unreachable("the time for this image is up", None)

    def _watch(self, opened: socket.socket) -> None:
        with self._lock:
            if self._over.is_set():
                opened.shutdown(socket.SHUT_RDWR)
            else:
                self._sockets.append(opened.dup())

    def _end(self) -> None:
        with self._lock:
            self._over.set()
            for each in self._sockets:
                with contextlib.suppress(OSError):  # the other side was faster
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            self._sockets.clear()


class Response:
    """A response whose body is read in pieces."""

    def __init__(self, connections: Connections, url: str, raw: urllib3.BaseHTTPResponse) -> None:
        self.url = url
        self.status = raw.status
        self.headers = raw.headers
        self._connections = connections
        self._raw = raw

    def read(self, most: int) -> bytes:
        """What is there, at least one byte unless the body has ended. Raises ``Unreachable``."""
        with self._connections.transport(self.url):
            return self._raw.read1(most)

    def body(self, most: int) -> bytes:
        """All of it. Raises ``Bad`` above ``most`` bytes, and ``Unreachable``."""
        pieces = bytearray()
        while piece := self.read(most + 1):
            pieces += piece
            if len(pieces) > most:
                raise Bad(f"{_shown(self.url)}: more than {most} bytes")
        length = self.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) != len(pieces):
            raise Unreachable(f"{_shown(self.url)}: {len(pieces)} of {length} bytes")
        return bytes(pieces)


def _watched_pools(watch: Any) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's pools, with connections that show each socket they open before anything is sent on it."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            opened = super()._new_conn()
            watch(opened)
            return opened

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            opened = super()._new_conn()
            watch(opened)
            return opened

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _tls(registry: Registry) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if registry.ca_file is not None:
        try:
            context.load_verify_locations(registry.ca_file)
        except OSError as error:
            raise Unreachable(f"the certificates in {registry.ca_file} cannot be read: {error}", None) from error
    return context


def _is_certificate(error: BaseException | None) -> bool:
    """Whether a certificate was refused: asking again will not make it better."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        reason = error.args[-1] if error.args else None
        error = error.__cause__ or error.__context__ or (reason if isinstance(reason, BaseException) else None)
    return False


def _shown(url: str) -> str:
    """A URL for the log: without its query, which may be a signature."""
    return url.partition("?")[0]
