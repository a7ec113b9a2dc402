"""A registry that answers whatever a test says, on loopback."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests._registry import Made

Answer = Callable[[BaseHTTPRequestHandler], None]


class Registry:
    """Serves ``made`` at ``app:v1``; ``answers`` by path come first. ``seen`` has (path, headers) of each request."""

    def __init__(self, made: Made, tls: ssl.SSLContext | None = None) -> None:
        self.made = made
        self.answers: dict[str, Answer] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.ended = threading.Event()
        self.connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.seen.append((self.path, dict(self.headers.items())))
                try:
                    outer.answer(self)
                except OSError:
                    self.close_connection = True  # the client has gone

            def log_message(self, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def finish_request(self, request: Any, client_address: Any) -> None:
                outer.connections += 1
                if tls is None:
                    super().finish_request(request, client_address)
                    return
                with contextlib.suppress(OSError), tls.wrap_socket(request, server_side=True) as secure:
                    super().finish_request(secure, client_address)

        self._server = Server(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def uri(self) -> str:
        return f"{self.host}/app:v1"

    def blob(self, number: int = 0) -> str:
        """The path of a blob: the layers in their order, then the config."""
        return f"/v2/app/blobs/{list(self.made.blobs)[number]}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        special = self.answers.get(path)
        (special or self.answer_normally)(request)

    def answer_normally(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        if path in ("/v2/app/manifests/v1", f"/v2/app/manifests/{self.made.digest}"):
            reply(request, self.made.manifest, **{"Content-Type": self.made.media_type})
        elif path.startswith("/v2/app/blobs/") and path.rpartition("/")[2] in self.made.blobs:
            reply(request, self.made.blobs[path.rpartition("/")[2]])
        else:
            reply(request, b"{}", 404)

    def stop(self) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def reply(request: BaseHTTPRequestHandler, body: bytes = b"", status: int = 200, **headers: Any) -> None:
    """A whole answer."""
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(body)


def times(*answers: Answer) -> Answer:
    """One answer after the other; the last one again and again."""
    left = list(answers)
    return lambda request: (left.pop(0) if len(left) > 1 else left[0])(request)


def fail(status: int, **headers: Any) -> Answer:
    return lambda request: reply(request, b"{}", status, **headers)


def say(body: bytes, **headers: Any) -> Answer:
    return lambda request: reply(request, body, **headers)
