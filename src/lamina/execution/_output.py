"""What a function prints: read from its pipe, cut into lines, written to the log, kept for LogType=Tail."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

_CHUNK = 65_536
_MAX_LINE = 262_144
_TAIL_BYTES = 4096
# A function that prints without end may take this much of the server's attention in one go; then it waits.
_BURST_BYTES = 1_048_576
_PAUSE_SECONDS = 0.02


class LogStream(Protocol):
    """Where log lines go: a stream of the log store."""

    def write(self, timestamp_ms: int, message: str | bytes) -> None:
        """Add one event."""


class Output:
    """The read end of an environment's output pipe."""

    def __init__(self, fd: int, stream: LogStream) -> None:
        self._fd = fd
        self._stream = stream
        self._partial = b""
        self._tail: deque[bytes] | None = None
        self._tail_size = 0
        self._burst = 0
        self._loop = asyncio.get_running_loop()
        self._paused: asyncio.TimerHandle | None = None
        self._open = True
        self._follower: Callable[[bytes], None] | None = None
        self._loop.add_reader(fd, self._readable)

    def beside(self, fd: int) -> Output:
        """The output of other programs, which goes to the same stream."""
        return Output(fd, self._stream)

    def follow(self, follower: Callable[[bytes], None] | None) -> None:
        """Have each line that is read from now on told to ``follower`` too."""
        self._follower = follower

    def write(self, lines: bytes | None) -> None:
        """Add lines of the service's own, such as START; each ends with a line feed."""
        if lines is None:
            return
        now = int(time.time() * 1000)
        for line in lines.splitlines(keepends=True):
            self._stream.write(now, line)
        if self._tail is not None:
            self._keep(lines)

    def begin_tail(self) -> None:
        """Collect what is written from now on."""
        self._tail = deque()
        self._tail_size = 0

    def take_tail(self) -> bytes | None:
        """The last 4,096 bytes since ``begin_tail``, or None if that was not called."""
        if self._tail is None:
            return None
        tail = b"".join(self._tail)[-_TAIL_BYTES:]
        self._tail = None
        return tail

    def drain(self) -> None:
        """Take all that is in the pipe now; an unfinished line counts as a line."""
        self._burst = 0
        while self._open and self._burst < _BURST_BYTES and self._read():
            pass
        self._burst = 0
        self._end_line()

    def close(self) -> None:
        """Take what is left and stop reading. The descriptor stays open: it belongs to the sandbox."""
        if self._open:
            self.drain()
            self._stop()

    def _stop(self) -> None:
        self._open = False
        if self._paused is not None:
            self._paused.cancel()
            self._paused = None
        self._loop.remove_reader(self._fd)

    def _readable(self) -> None:
        self._read()
        if self._burst >= _BURST_BYTES and self._open:
            self._loop.remove_reader(self._fd)
            self._paused = self._loop.call_later(_PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        self._paused = None
        self._burst = 0
        self._loop.add_reader(self._fd, self._readable)

    def _read(self) -> bool:
        """Read once; true when there may be more."""
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._end_line()
            self._stop()
            return False
        self._burst += len(data)
        self._split(data)
        return True

    def _end_line(self) -> None:
        if self._partial:
            line, self._partial = self._partial, b""
            self._line(int(time.time() * 1000), line)

    def _split(self, data: bytes) -> None:
        now = int(time.time() * 1000)
        lines = (self._partial + data).split(b"\n")
        self._partial = lines.pop()
        for line in lines:
            self._line(now, line)
        if len(self._partial) > _MAX_LINE:
            line, self._partial = self._partial, b""
            self._line(now, line)

    def _line(self, now: int, line: bytes) -> None:
        line += b"\n"
        self._stream.write(now, line)
        if self._follower is not None:
            self._follower(line)
        if self._tail is not None:
            self._keep(line)

    def _keep(self, line: bytes) -> None:
        assert self._tail is not None
        self._tail.append(line)
        self._tail_size += len(line)
        while self._tail_size - len(self._tail[0]) >= _TAIL_BYTES:
            self._tail_size -= len(self._tail.popleft())
