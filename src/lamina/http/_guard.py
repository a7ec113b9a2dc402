"""What keeps web pages out: a page may not call the API, and a name that was rebound to this address may not either."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping

from lamina.errors import ForbiddenException


class Guard:
    """Checks where a request comes from, before anything else is looked at.

    Allowed in ``Host``: an address, ``localhost`` and names under it, this machine's own name, and the name the
    server was told to listen on. Everything else may be a DNS name that an attacker points here.
    """

    def __init__(self, host: str) -> None:
        self._names = frozenset({"localhost", host.lower(), socket.gethostname().lower()})
        self._known: set[bytes] = set()

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise ``ForbiddenException`` for a request that a web page made or that carries a foreign ``Host``."""
        if b"origin" in headers or headers.get(b"sec-fetch-site", b"none") != b"none":
            raise ForbiddenException("Requests from web pages are not accepted.")
        host = headers.get(b"host", b"")
        if host in self._known:
            return
        if not self._allowed(host.decode("latin-1")):
            raise ForbiddenException("The Host header names a server that this is not.")
        if len(self._known) < 64:
            self._known.add(host)

    def _allowed(self, host: str) -> bool:
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        name = name.strip("[]").lower().rstrip(".")
        if name in self._names or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
