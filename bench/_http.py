"""A client that costs next to nothing: requests signed ahead, one socket, no parsing beyond the length."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def signed(address: str, method: str, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a request with a SigV4 signature."""
    return plain(urlsplit(address).netloc, method, path, body, signed_headers(address, method, path, body, headers))


def signed_headers(
    address: str, method: str, path: str, body: bytes, headers: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The headers of a request with a SigV4 signature."""
    request = AWSRequest(
        method, address + path, headers={"Host": urlsplit(address).netloc, **(headers or {})}, data=body
    )
    SigV4Auth(Credentials("test", "test"), "lambda", "us-east-1").add_auth(request)
    return dict(request.headers.items())


def plain(host: str, method: str, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a request as it is."""
    lines = {"Host": host, **(headers or {}), "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


class Connection:
    """One kept-alive connection."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        assert parts.hostname is not None
        assert parts.port is not None
        self._socket = socket.create_connection((parts.hostname, parts.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and read the whole answer: status and body."""
        self._socket.sendall(request)
        data = self._socket.recv(65_536)
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        while len(body) < length:
            body += self._receive()
        return int(head[9:12]), body

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _receive(self) -> bytes:
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionError("the server hung up")
        return data
