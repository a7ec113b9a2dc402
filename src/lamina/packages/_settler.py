"""Calling for a flush of the disk some time after a change, once for many changes."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Settler:
    """Remembers what has changed since the last flush, and calls ``flush`` in a thread of its own when it is due."""

    def __init__(self, flush: Callable[[], None], seconds: float) -> None:
        self._flush = flush
        self._seconds = seconds
        self._lock = threading.Lock()
        self._changed: set[str] = set()
        self._timer: threading.Timer | None = None

    def add(self, digest: str) -> None:
        """Note a change; the first one starts the clock."""
        with self._lock:
            self._changed.add(digest)
            if self._timer is None:
                self._timer = threading.Timer(self._seconds, self._flush)
                self._timer.daemon = True
                self._timer.start()

    def take(self) -> set[str]:
        """What has changed until now, which the caller flushes; the clock is off again."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            taken, self._changed = self._changed, set()
            return taken

    def has(self, digest: str) -> bool:
        """Whether ``digest`` has changed since the last ``take``."""
        with self._lock:
            return digest in self._changed
