"""What waits for the disk: bounded, the oldest is dropped and counted when there is too much."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque

from lamina.observe._stream import LogStream

_OVERHEAD = 200  # bytes that a waiting event takes beside its message


Waiting = tuple[LogStream, int, int, str | bytes]  # stream, timestamp, arrival, message: a plain tuple is quickest


class Pending:
    """A queue of events from any thread to one."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._events: deque[Waiting] = deque()
        self._dropped: Counter[LogStream] = Counter()
        self._bytes = 0
        self._arrival = 0
        self.filled = threading.Event()

    def add(self, stream: LogStream, timestamp_ms: int, message: str | bytes) -> None:
        """Append one event and number it; ``filled`` is set when it is the first."""
        with self._lock:
            now = time.time_ns()
            self._arrival = arrival = now if now > self._arrival else self._arrival + 1
            events = self._events
            if not events:
                self.filled.set()
            events.append((stream, timestamp_ms, arrival, message))
            self._bytes += len(message) + _OVERHEAD
            if self._bytes > self._most_bytes:
                self._drop()

    def take(self) -> tuple[deque[Waiting], Counter[LogStream]]:
        """All events, and how many were dropped from each stream since the last time."""
        with self._lock:
            self.filled.clear()
            taken = self._events, self._dropped
            self._events, self._dropped, self._bytes = deque(), Counter(), 0
            return taken

    def lose(self, stream: LogStream, count: int) -> None:
        """Count events that could not be written."""
        with self._lock:
            self._dropped[stream] += count

    def number(self) -> int:
        """A number in the row of arrivals: nanoseconds since 1970, greater than all before."""
        with self._lock:
            self._arrival = max(time.time_ns(), self._arrival + 1)
            return self._arrival

    def _drop(self) -> None:
        """Make room: a quarter of the space, so that it does not happen for every event."""
        while self._events and self._bytes > self._most_bytes * 3 // 4:
            stream, _, _, message = self._events.popleft()
            self._bytes -= len(message) + _OVERHEAD
            self._dropped[stream] += 1
