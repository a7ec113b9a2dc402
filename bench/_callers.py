"""Callers without a pause, in a process of their own: each answer is a number, and is judged by a ``Board``."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

from bench._board import Board
from bench._http import signed

_SIGNED_SECONDS = 60.0
_TOLD = 10


@dataclass(slots=True)
class Tally:
    """What callers have met: ``stale`` answers were older than the code that had been seen to serve before the call.

    ``failed`` are calls without an answer of the function. ``longest`` is the longest call in seconds.
    """

    calls: int = 0
    failed: int = 0
    stale: int = 0
    longest: float = 0.0
    told: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count what others have met too."""
        self.calls += other.calls
        self.failed += other.failed
        self.stale += other.stale
        self.longest = max(self.longest, other.longest)
        self.told += other.told


class Callers:
    """Processes that call the same targets; ``targets`` has (path, place on the board, number of callers) of each."""

    def __init__(self, address: str, board: Path, targets: Sequence[tuple[str, int, int]], processes: int = 2) -> None:
        """Start them; they call until ``stop``."""
        calls = [(path, place) for path, place, callers in targets for _ in range(callers)]
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "bench._callers", address, str(board), json.dumps(calls[share::processes])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for share in range(processes)
        ]

    def stop(self) -> Tally:
        """End them, each after the answer that it waits for: what all have met together."""
        tally = Tally()
        for process in self._processes:
            tally.add(Tally(**json.loads(process.communicate()[0])))
        return tally


class _Caller(asyncio.Protocol):
    """One connection, which calls one target again and again."""

    def __init__(self, calls: _Calls, path: str, place: int) -> None:
        self._calls = calls
        self._path = path
        self._place = place
        self._data = b""
        self._signed = float("-inf")
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._call()

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return
        self._data = b""
        self._judge(head, body)
        if self._calls.ending:
            self.ended.set_result(None)
            self._transport.close()
        else:
            self._call()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self._fail(f"hung up: {error}")
            self.ended.set_result(None)

    def _call(self) -> None:
        self._began = time.monotonic()
        if self._began - self._signed > _SIGNED_SECONDS:
            self._request = signed(self._calls.address, "POST", self._path, b"null")
            self._signed = self._began
        self._least = self._calls.board.least(self._place)
        self._transport.write(self._request)

    def _judge(self, head: bytes, body: bytes) -> None:
        tally = self._calls.tally
        tally.calls += 1
        tally.longest = max(tally.longest, time.monotonic() - self._began)
        if not head.startswith(b"HTTP/1.1 200") or b"x-amz-function-error" in head.lower() or not body.isdigit():
            self._fail(f"{head[9:12]!r} {body!r}")
        elif int(body) < self._least:
            tally.stale += 1
            self._tell(f"{int(body)} after {self._least}")
        elif int(body) > self._calls.board.most(self._place):
            self._fail(f"{int(body)}, which nobody has deployed")

    def _fail(self, what: str) -> None:
        self._calls.tally.failed += 1
        self._tell(what)

    def _tell(self, what: str) -> None:
        if len(self._calls.tally.told) < _TOLD:
            self._calls.tally.told.append(f"{self._path}: {what}")


class _Calls:
    """What the callers of a process share."""

    def __init__(self, address: str, board: Board) -> None:
        self.address = address
        self.board = board
        self.tally = Tally()
        self.ending = False


async def _run(address: str, board: Path, targets: list[tuple[str, int]]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    calls = _Calls(address, Board.open(board))
    host, _, port = urlsplit(address).netloc.rpartition(":")
    callers = []
    for path, place in targets:
        _, caller = await loop.create_connection(
            lambda path=path, place=place: _Caller(calls, path, place),  # type: ignore[misc]
            host,
            int(port),
        )
        callers.append(caller)
    # Whoever has started this process closes its standard input at the end.
    await asyncio.to_thread(sys.stdin.read)
    calls.ending = True
    await asyncio.gather(*(caller.ended for caller in callers))
    tally = calls.tally
    return {name: getattr(tally, name) for name in Tally.__slots__}


if __name__ == "__main__":
    address_, board_, targets_ = sys.argv[1:]
    print(json.dumps(uvloop.run(_run(address_, Path(board_), json.loads(targets_)))))
