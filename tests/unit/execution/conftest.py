"""A sandbox without a kernel: its program is the test."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from typing import Any

import pytest

from lamina.functions import FunctionKey, LiveVersion
from lamina.sandbox import Bind, Exit, Limits


class FakeSandbox:
    """Behaves like a sandbox; the test plays the runtime inside."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.runtime_api = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.output, self.stdout = os.pipe2(os.O_NONBLOCK)
        self.exited: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self.control = b""
        self.frozen = False
        self.binds: tuple[Bind, ...] = ()
        self.beside: Any = None
        self.running = False
        self.kept = False
        self.asked = asyncio.Event()

    async def run(self) -> None:
        self.running = True

    async def connect(self, port: int) -> socket.socket:
        made = socket.socket()
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
        except OSError:
            made.close()
            raise
        return made

    def terminate(self) -> None:
        self.asked.set()

    def send_control(self, message: bytes) -> None:
        self.control = message

    async def specialise(self, binds: tuple[Bind, ...], limits: Limits) -> None:
        self.binds = binds

    def freeze(self) -> None:
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False

    def max_memory_bytes(self) -> int:
        return 30 * 1_048_576

    def kill(self) -> None:
        self.exit(Exit(signal=9))

    def exit(self, exit_: Exit) -> None:
        if not self.exited.done():
            self.exited.set_result(exit_)

    def close(self, *, keep: bool = False) -> None:
        self.kept = keep
        os.close(self.output)
        os.close(self.stdout)
        self.listener.close()


class FakeStream:
    """A log stream that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, timestamp_ms: int, message: str | bytes) -> None:
        self.lines.append(message if isinstance(message, bytes) else message.encode())


def live_version(deployment: str = "d1", timeout: int = 3, version: str = "$LATEST") -> LiveVersion:
    return LiveVersion(
        key=FunctionKey("000000000000", "us-east-1", "fn"),
        version=version,
        deployment=deployment,
        runtime="python3.12",
        handler="app.handler",
        package="00" * 32,
        architecture="x86_64",
        role="arn:aws:iam::000000000000:role/r",
        memory_size=128,
        timeout=timeout,
        ephemeral_storage=512,
        variables={},
        log_group="/aws/lambda/fn",
    )


@pytest.fixture
def stream() -> FakeStream:
    return FakeStream()
