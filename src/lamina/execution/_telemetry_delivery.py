"""From events to one subscriber inside the sandbox, in batches."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

from lamina.execution._telemetry_events import Event, event, written
from lamina.execution._telemetry_request import Destination, Subscription

Connect = Callable[[int], Awaitable[socket.socket]]
"""A connection to a port of the sandbox's own."""

_ANSWER_SECONDS = 5.0
_TRIES = 2
# How many batches may wait for a subscriber that is slow, or frozen.
_MOST_BATCHES = 4


class NotDelivered(Exception):
    """The subscriber did not take a batch."""


class Delivery:
    """One subscriber: its buffer, and the task that empties it.

    Nothing is sent while the sandbox is frozen. What there is no more room for, and what the subscriber does not take,
    is dropped, counted, and told with the next batch.
    """

    def __init__(self, subscription: Subscription, connect: Connect) -> None:
        self.subscription = subscription
        self._sender = Sender(subscription.destination, connect)
        self._write = written(subscription.schema)
        self._waiting: list[bytes] = []
        self._size = 0
        self._dropped = [0, 0]
        self._full = asyncio.Event()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._hurries = False
        self._frozen_since = False
        self._task: asyncio.Task[None] | None = None

    def add(self, each: Event) -> None:
        """One more event, if it is wanted."""
        data = self._write(each) if each.stream in self.subscription.types else None
        if data is None:
            return
        wish = self.subscription
        if (
            self._size + len(data) > _MOST_BATCHES * wish.max_bytes
            or len(self._waiting) >= _MOST_BATCHES * wish.max_items
        ):
            self._drop([data])
            return
        self._waiting.append(data)
        self._size += len(data) + 1
        if self._size >= wish.max_bytes or len(self._waiting) >= wish.max_items:
            self._full.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._deliver())

    def freeze(self) -> None:
        """Send nothing until ``thaw``."""
        self._frozen_since = True
        self._thawed.clear()

    def thaw(self) -> None:
        """Go on."""
        self._thawed.set()

    async def flush(self) -> None:
        """Send what there is, without waiting for more from now on."""
        self._hurries = True
        self._full.set()
        if self._task is not None:
            await asyncio.wait((self._task,))

    def close(self) -> None:
        """Send no more."""
        if self._task is not None:
            self._task.cancel()
        self._sender.close()

    async def _deliver(self) -> None:
        while self._waiting:
            if not self._hurries:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._full.wait(), self.subscription.timeout_ms / 1000)
            await self._thawed.wait()
            batch = self._take()
            try:
                await self._send(batch)
            except NotDelivered:
                self._drop(batch)

    def _take(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        if self._dropped[0]:
            record = {"droppedRecords": self._dropped[0], "droppedBytes": self._dropped[1]}
            reason = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."
            told = self._write(event("platform.logsDropped", record | {"reason": reason}))
            self._dropped = [0, 0]
            if told is not None:
                batch.append(told)
        count = 0
        for data in self._waiting:
            if count and (size + len(data) > self.subscription.max_bytes or count >= self.subscription.max_items):
                break
            size += len(data) + 1
            count += 1
        batch += self._waiting[:count]
        del self._waiting[:count]
        self._size -= size
        if self._size < self.subscription.max_bytes and len(self._waiting) < self.subscription.max_items:
            self._full.clear()
        return batch

    async def _send(self, batch: list[bytes]) -> None:
        """Send a batch; one more try when it fails, and none counted during which the sandbox was frozen."""
        tries = 0
        while True:
            await self._thawed.wait()
            self._frozen_since = False
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self._sender.send(batch)
                    return
            except (OSError, TimeoutError, NotDelivered, asyncio.IncompleteReadError, ValueError) as error:
                self._sender.close()
                tries += 0 if self._frozen_since else 1
                if tries >= _TRIES:
                    raise NotDelivered from error

    def _drop(self, batch: list[bytes]) -> None:
        self._dropped[0] += len(batch)
        self._dropped[1] += sum(map(len, batch))


class Sender:
    """Writes batches to a destination: a JSON array for each over HTTP, lines of JSON over one TCP connection."""

    def __init__(self, destination: Destination, connect: Connect) -> None:
        self._destination = destination
        self._connect = connect
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, batch: list[bytes]) -> None:
        """Raises ``OSError`` and ``NotDelivered``."""
        if self._destination.method:
            await self._request(b"[" + b",".join(batch) + b"]")
            return
        if self._writer is None:
            self._writer = (await self._open())[1]
        self._writer.write(b"".join(data + b"\n" for data in batch))
        await self._writer.drain()

    def close(self) -> None:
        """Drop the connection."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    async def _request(self, body: bytes) -> None:
        reader, writer = await self._open()
        to = self._destination
        head = (
            f"{to.method} {to.path} HTTP/1.1\r\nHost: sandbox.localdomain:{to.port}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            writer.write(head.encode("latin-1", "replace") + body)
            status = (await reader.readline()).split(b" ", 2)
            if len(status) < 2 or not status[1].startswith(b"2"):
                raise NotDelivered
        finally:
            writer.transport.abort()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        made = await self._connect(self._destination.port)
        try:
            return await asyncio.open_connection(sock=made)
        except BaseException:
            made.close()
            raise
