"""A little S3 that does what no S3 should, one answer after the other."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

CONTENT = bytes(range(256)) * 40
ETAG = '"etag"'


@dataclass(frozen=True)
class Asked:
    """A request as it came: its first line and its fields."""

    line: str
    fields: dict[str, str]


Answer = Callable[[Asked], bytes | None]


class HostileStore:
    """Gives the answers of ``script`` in turn, the last one again and again; an answer of None hangs."""

    def __init__(self, *script: Answer) -> None:
        self._script = list(script)
        self.asked: list[Asked] = []
        self.has_asked = threading.Event()
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()

    def _serve(self) -> None:
        workers = []
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                break
            workers.append(threading.Thread(target=self._answer, args=(connection,), daemon=True))
            workers[-1].start()
        for worker in workers:
            worker.join(5)

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            head = []
            while (line := stream.readline().decode("latin-1").rstrip()) != "":
                head.append(line)
            if not head:
                return
            asked = Asked(
                head[0], {name.lower(): value for name, _, value in (each.partition(": ") for each in head[1:])}
            )
            self.asked.append(asked)
            self.has_asked.set()
            answer = (self._script.pop(0) if len(self._script) > 1 else self._script[0])(asked)
            if answer is None:
                self._closing.wait(30)
            else:
                # A client that has seen enough may have hung up.
                with suppress(OSError):
                    connection.sendall(answer)
                    # Without the end of what is sent here, closing would take back what is on its way.
                    connection.shutdown(socket.SHUT_WR)


def response(status: int, body: bytes, **fields: object) -> bytes:
    """An HTTP response; ``content_length`` and other fields may lie."""
    given = {"content_length": len(body), **fields}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in given.items() if value is not None]
    return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "connection: close", "", ""]).encode() + body


def error(status: int, code: str, message: str) -> Answer:
    """S3's error."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return lambda _: response(status, body, content_type="application/xml")


def whole(content: bytes = CONTENT, **fields: object) -> Answer:
    """All of the object, however little was asked for."""
    return lambda _: response(200, content, **{"etag": ETAG, **fields})


def part(most: int, content: bytes = CONTENT, etag: str = ETAG) -> Answer:
    """At most so many bytes of what was asked for, announced as all of it."""

    def answer(asked: Asked) -> bytes:
        begin = int(asked.fields.get("range", "bytes=0-")[6:-1])
        asked_for = content[begin:]
        place = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        status, fields = (206, {"content_range": place}) if "range" in asked.fields else (200, {})
        return response(status, asked_for[:most], etag=etag, **{**fields, "content_length": len(asked_for)})

    return answer


def nothing(_: Asked) -> bytes:
    """The connection closes without a word."""
    return b""


def silence(_: Asked) -> None:
    """Nothing, and the connection stays."""
