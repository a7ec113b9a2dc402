"""Connections from inside a sandbox: a bounded number, served only as they come, gone with the environment."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from lamina.execution import _gateway
from lamina.execution._gateway import Gateway

MOST = 3


class Echo(asyncio.Protocol):
    """Answers each connection with what it says."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self.on_lost = on_lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[attr-defined]

    def connection_lost(self, exc: Exception | None) -> None:
        self.on_lost()


class Listener(socket.socket):
    """One that fails when it is told to."""

    failures = 0

    def accept(self) -> tuple[socket.socket, object]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


@pytest.fixture
async def listener(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listener]:
    monkeypatch.setattr(_gateway, "_MOST_CONNECTIONS", MOST)
    monkeypatch.setattr(_gateway, "_PAUSE_SECONDS", 0.01)
    with Listener(socket.AF_INET, socket.SOCK_STREAM) as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        made.setblocking(False)
        gateway = Gateway(made, Echo)
        yield made
        gateway.close()


class Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, listener: Listener) -> Caller:
        return cls(*await asyncio.open_connection(*listener.getsockname()))

    async def says(self) -> bytes:
        self.writer.write(b"hello")
        return await asyncio.wait_for(self.reader.readexactly(5), 5)

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def test_who_is_above_the_limit_waits_for_a_place(listener: Listener) -> None:
    callers = [await Caller.connect(listener) for _ in range(MOST + 1)]
    for caller in callers[:MOST]:
        assert await caller.says() == b"hello"
    last = asyncio.create_task(callers[MOST].says())
    done, _ = await asyncio.wait([last], timeout=0.1)
    assert not done
    await callers[0].close()
    assert await last == b"hello"
    for caller in callers[1:]:
        await caller.close()


async def test_places_are_given_again_and_again(listener: Listener) -> None:
    for _ in range(4 * MOST):
        caller = await Caller.connect(listener)
        assert await caller.says() == b"hello"
        await caller.close()


async def test_without_descriptors_it_looks_again_later(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    listener.failures = 2
    caller = await Caller.connect(listener)
    assert await caller.says() == b"hello"
    await caller.close()
    assert "Too many open files" in caplog.text


async def test_its_end_is_that_of_all_connections(listener: Listener) -> None:
    gateway = Gateway(listener, Echo)
    caller = await Caller.connect(listener)
    assert await caller.says() == b"hello"
    gateway.close()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(caller.reader.readexactly(1), 5)
    caller.writer.close()
