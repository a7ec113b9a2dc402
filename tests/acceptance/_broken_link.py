"""A way to a server that can be cut, or stall."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Link:
    """Passes connections on to ``address``. After ``cut`` all that are open end, and new ones end at once."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        assert parts.hostname
        assert parts.port
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.address = f"http://{self.host}"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._whole = True
        self._left: int | None = None
        self._flows = threading.Event()
        self._flows.set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self) -> None:
        """Hang up, and whenever somebody calls."""
        with self._lock:
            self._whole = False
            self._flows.set()
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def cut_after(self, size: int) -> None:
        """Cut when ``size`` more bytes have come back from the server."""
        self._left = size

    def stall(self) -> None:
        """Hold everything that comes from the server from now on."""
        self._flows.clear()

    def mend(self) -> None:
        """Pass connections on again."""
        with self._lock:
            self._whole, self._left = True, None
        self._flows.set()

    def close(self) -> None:
        """End it."""
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for each in self._threads[1:]:
            each.join()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(caller,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, socket.create_connection(self._target) as server:
            with self._lock:
                if not self._whole:
                    return
                self._open |= {caller, server}
            back = threading.Thread(target=self._pass, args=(server, caller, True))
            back.start()
            self._pass(caller, server, False)
            back.join()
            with self._lock:
                self._open -= {caller, server}

    def _pass(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        try:
            while data := source.recv(65_536):
                if back:
                    self._flows.wait()
                if back and self._left is not None:
                    self._left -= len(data)
                    if self._left < 0:
                        target.sendall(data[: self._left])
                        self.cut()
                        return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return
